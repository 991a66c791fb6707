"""Stage runtime: time what has no recording yet on this device, within a budget -> recordings, two tables.

Each timing is a process of its own; rounds are interleaved in a random order, so that a drift of the machine
affects every network. Recordings are written after every process, and are not made again. Recordings of
devices that this machine does not have are judged again, like all others.

    python -m pipelines.runtime [RUN ...] [--budget SECONDS] [--modes A,B] [--size HxW] [--batches 1,2] ...

needs no DVC, fvcore or pyiqa.
"""

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock, Timeout

from benchmark import spec
from benchmark.measure.session import Session, read_unmeasured
from benchmark.results import PRICES, TIMINGS, write
from benchmark.results.schema import Price, Timing
from benchmark.timing import storage
from benchmark.timing.prices import prices, read_rates
from benchmark.timing.recording import timing_key
from benchmark.timing.schedule import parse
from benchmark.timing.timings import timings
from benchmark.timing.verdicts import VERDICTS
from pipelines import run_stage

LOCK = Path(tempfile.gettempdir()) / f"deblur-bench-runtime-{os.getuid()}.lock"


def write_tables(runs: Mapping[str, spec.Run], rates: Mapping[str, float]) -> list[Timing]:
    """Judge every recording of any device, and write both tables."""
    rows = timings(storage.read())
    measured = {(row.device, timing_key(row)) for row in rows}
    rows += [
        Timing(row.device, *timing_key(row), "unmeasured", row.reason)
        for row in read_unmeasured()
        if (row.device, timing_key(row)) not in measured
    ]
    write(TIMINGS, Timing, rows)
    write(PRICES, Price, prices(rows, runs, rates))
    return rows


def main(*words: str) -> int:
    """Measure within the budget, then judge everything."""
    profile, runs = spec.load()
    options = parse(words, profile, runs)
    interrupted = False
    if options.budget > 0:
        try:
            with FileLock(LOCK, timeout=0):
                Session(options, runs).measure()
        except Timeout:
            raise ValueError(
                "something is being timed on this machine already; two would disturb each other"
            ) from None
        except KeyboardInterrupt:
            interrupted = True
    rows = write_tables(runs, read_rates())
    counts = {verdict: sum(row.verdict == verdict for row in rows) for verdict in VERDICTS}
    print("runtime: " + ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count))
    if interrupted:
        print("runtime: interrupted; what is finished is kept, start again to go on", file=sys.stderr)
    return 130 if interrupted else 0


if __name__ == "__main__":
    run_stage("runtime", main, *sys.argv[1:])
