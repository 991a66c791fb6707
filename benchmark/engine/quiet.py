"""Keep timings alone on a machine: work holds a place beside other work, a timing holds the whole machine.

Each holder locks a file of its own, which says what it does; the lock ends with its process, however that
ends. So it holds between all processes of one user on one machine, whatever started them.
"""

import fcntl
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 2.0  # s that a timing gives processes which are just ending
POLL = 0.2  # s between two looks


def folder() -> Path:
    """Return the folder of the locks: of this machine and user."""
    place = Path(os.environ.get("TMPDIR") or tempfile.gettempdir()) / f"deblur-bench-{os.getuid()}"
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    return place


def holders(kinds: str = "*") -> list[str]:
    """List what uses this machine, as "train bag (process 12)": work, timings, or both."""
    found = []
    for path in sorted(folder().glob(f"{kinds}-*.user")):
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                path.unlink()  # its process has ended
            except BlockingIOError:
                found.append(f"{file.read()} (process {path.stem.split('-')[1]})")
    return found


def hold(kind: str, what: str, unless: str) -> tuple[list[str], int]:
    """Become a holder unless there is one of another kind; return those, or none and the open lock."""
    with (folder() / "gate").open("w") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        if others := holders(unless):
            return others, -1
        lock = os.open(folder() / f"{kind}-{os.getpid()}.user", os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.write(lock, what.encode())
    return [], lock


@contextmanager
def working(what: str) -> Iterator[None]:
    """Use this machine beside other work; wait, with a line that says so, while something is timed on it."""
    others, lock = hold("work", what, unless="timing")
    if others:
        print(
            f"{what}: waits for the end of {', '.join(others)}, which needs the machine alone",
            file=sys.stderr,
        )
    while others:
        time.sleep(POLL)
        others, lock = hold("work", what, unless="timing")
    try:
        yield
    finally:
        os.close(lock)


@contextmanager
def timing(what: str) -> Iterator[None]:
    """Use this machine alone.

    Raises:
        ValueError: other work or another timing uses it; the message names what.
    """
    end = time.monotonic() + PATIENCE
    others, lock = hold("timing", what, unless="*")
    while others and time.monotonic() < end:
        time.sleep(POLL)
        others, lock = hold("timing", what, unless="*")
    if others:
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        raise ValueError(
            f"{', '.join(others[:3])}{more}: at work on this machine, and a timing needs it alone; "
            "wait, or end it"
        )
    try:
        yield
    finally:
        os.close(lock)
