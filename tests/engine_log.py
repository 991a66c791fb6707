"""A log that processes append to, of what begins and ends where; as a command, a timing of a second.

A line has four words: a run or "timing"; "begin", "end" or "overlap"; the process; its machine, which is the
name of its TMPDIR, as pretended machines have one each.
"""

import os
import sys
import time
from pathlib import Path

LOG = Path("log")


def log(what, happens):
    """Append a line, whole."""
    with LOG.open("ab", buffering=0) as file:
        file.write(f"{what} {happens} {os.getpid()} {machine()}\n".encode())


def machine():
    """Return the name of the machine that this process is on."""
    return Path(os.environ["TMPDIR"]).name


def lines(folder=Path()):
    """Read the lines as tuples."""
    path = folder / LOG
    return [tuple(line.split()) for line in path.read_text().splitlines()] if path.exists() else []


def at_work(folder=Path()):
    """Return what has begun, has not ended, and whose process still runs: (process, machine) by name."""
    found = {}
    for what, happens, process, where in lines(folder):
        if happens == "begin":
            found[what] = int(process), where
        elif happens == "end":
            found.pop(what, None)
    return {what: place for what, place in found.items() if runs_on(place[0])}


def runs_on(process):
    """Decide whether a process runs; one that was killed and not yet waited for does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def begin(what):
    """Log a beginning, and an overlap: the same run elsewhere, or a timing beside anything on its machine."""
    others = {name: where for name, (process, where) in at_work().items() if process != os.getpid()}
    beside = [name for name, where in others.items() if where == machine()]
    if what in others or "timing" in beside or (what == "timing" and beside):
        log(what, "overlap")
    log(what, "begin")


def time_something():
    """Be alone on this machine for a second."""
    from benchmark.engine import quiet

    with quiet.timing("runtime"):
        begin("timing")
        time.sleep(1)
        log("timing", "end")
    print("timed")


if __name__ == "__main__":
    from benchmark.trouble import told

    sys.exit(told("runtime", time_something))
