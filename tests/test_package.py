"""The package as it is installed."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.project import checkout

LOADS = """
import benchmark, pipelines
from benchmark import claims, spec
from benchmark.compare import physics
from benchmark.report import page
from benchmark.weights import published
from pathlib import Path
folder = Path(benchmark.__file__).parent
assert folder.parent == Path(pipelines.__file__).parents[1], folder
assert claims.read() and physics.read() and published.load() and spec.load_runs(folder / "runs")
assert (folder / "profiles" / "embedded.yaml").exists() and list(folder.rglob("*.css"))
print(folder)
"""


def test_the_wheel_has_all_that_it_needs(tmp_path):
    """A wheel, built without the network and unpacked elsewhere, can be imported and reads its own files."""
    source, site, wheels = (tmp_path / name for name in ("source", "site", "wheels"))
    checkout(source)
    build = ["uv", "build", "--wheel", "--no-build-isolation", "--offline", "-q", "-o", wheels, source]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(build, check=True, env={**os.environ, "PATH": path, "VIRTUAL_ENV": sys.prefix})
    (wheel,) = wheels.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(site)
    command = [sys.executable, "-c", LOADS]
    loaded = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(site)}, capture_output=True, text=True
    )

    assert loaded.stdout.strip() == str(site / "benchmark"), loaded.stderr
