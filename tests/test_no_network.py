"""Importing this project talks to nobody."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
CODE = """
import importlib, pathlib, socket, sys, warnings

class Denied(Exception):
    pass

def deny(*words, **more):
    raise Denied(f"a socket is used: {words}")

socket.socket.connect = socket.socket.connect_ex = socket.socket.sendto = socket.socket.bind = deny
socket.create_connection = socket.getaddrinfo = socket.gethostbyname = deny
try:
    socket.socket().connect(("127.0.0.1", 9))
except Denied:
    print("denied")
warnings.simplefilter("ignore")
files = [*pathlib.Path("benchmark").rglob("*.py"), *pathlib.Path("pipelines").rglob("*.py")]
for path in files:
    if path.name != "__main__.py":
        importlib.import_module(".".join(path.with_suffix("").parts).removesuffix(".__init__"))
print(len(files))
"""


def test_no_module_uses_a_socket_at_import():
    """Every module of the project is imported in a process where sockets raise."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    denied, count = done.stdout.split() if done.returncode == 0 else ("", "0")

    assert done.returncode == 0, done.stderr[-2000:]
    assert denied == "denied"
    assert int(count) > 200
