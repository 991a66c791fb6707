"""Stage runtime: time what has no recording yet on this device, within a budget -> recordings, three tables.

Each timing is a process of its own; rounds are interleaved in a random order, so that a drift of the machine
affects every network. Recordings are written after every process, and are not made again. Recordings of
devices that this machine does not have are judged again, like all others.

    python -m pipelines.runtime [RUN ...] [--paired] [--budget SECONDS] [--modes A,B] [--size HxW] ...

needs no DVC, fvcore or pyiqa.
"""

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from benchmark import spec
from benchmark.measure.session import Session, read_unmeasured
from benchmark.results import PRICES, RATIOS, TIMINGS, write
from benchmark.results.ratios import PairedRatio
from benchmark.results.schema import Price, Timing, Unmeasured
from benchmark.timing import storage
from benchmark.timing.prices import prices
from benchmark.timing.ratios import ratios
from benchmark.timing.recording import timing_key
from benchmark.timing.schedule import parse
from benchmark.timing.timings import timings
from benchmark.timing.verdicts import VERDICTS
from pipelines import run_stage

LOCK = Path(tempfile.gettempdir()) / f"deblur-bench-runtime-{os.getuid()}.lock"


def write_tables(runs: Mapping[str, spec.Run], rates: Mapping[str, float]) -> list[Timing]:
    """Judge every recording of a network, a step or a ceiling on any device, and write both tables."""
    rows = timings(storage.read())
    measured = {(row.device, timing_key(row)) for row in rows}
    rows += [
        Timing(row.device, *timing_key(row)[:-1], "unmeasured", row.reason)
        for row in read_unmeasured()
        if row.kind != "pair" and (row.device, timing_key(row)) not in measured
    ]
    write(TIMINGS, Timing, rows)
    write(PRICES, Price, prices(rows, runs, rates))
    return rows


def write_ratios() -> list[PairedRatio]:
    """Judge every recording of a pair on any device, and write their table."""
    rows = ratios(storage.read())
    measured = {pair(row) for row in rows}
    rows += [
        PairedRatio(row.device, "", *pair(row)[1:], "unmeasured", row.reason)
        for row in read_unmeasured()
        if row.kind == "pair" and pair(row) not in measured
    ]
    write(RATIOS, PairedRatio, rows)
    return rows


def pair(row: PairedRatio | Unmeasured) -> tuple[str, str, str, str, int, int, int]:
    """Return what the rounds of one pair share."""
    return row.device, row.run, row.anchor, row.mode, row.height, row.width, row.batch


def read_rates(path: Path = Path("params.yaml")) -> dict[str, float]:
    """Read what an hour on a device costs, by its name.

    Raises:
        ValueError: a rate is not a price.
    """
    params = spec.read_yaml(path)
    rates = (params.get("rates") if isinstance(params, dict) else None) or {}
    if not isinstance(rates, dict):
        raise ValueError(f"{path}: rates: {rates!r}; allowed: a mapping of devices to prices")
    for device, rate in rates.items():
        if isinstance(rate, bool) or not isinstance(rate, int | float) or rate <= 0:
            raise ValueError(f"{path}: rates.{device}: {rate!r} is no price of an hour; allowed: above 0")
    return dict(rates)


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
    judged: dict[str, Sequence[Timing | PairedRatio]]
    judged = {"": write_tables(runs, read_rates()), " of pairs": write_ratios()}
    for what, rows in judged.items():
        counts = Counter(row.verdict for row in rows)
        parts = (f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])
        if rows or not what:
            print(f"runtime{what}: {', '.join(parts)}")
    if interrupted:
        print("runtime: interrupted; what is finished is kept, start again to go on", file=sys.stderr)
    return 130 if interrupted else 0


if __name__ == "__main__":
    run_stage("runtime", main, *sys.argv[1:])
