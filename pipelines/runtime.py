"""Stage runtime: time what has no recording yet on this device, within a budget -> recordings, three tables.

Each timing is a process of its own; rounds are interleaved in a random order, so that a drift of the machine
affects every network. Recordings are written after every process, and are not made again. Recordings of
devices that this machine does not have are judged again, like all others.

    python -m pipelines.runtime [RUN ...] [--paired] [--budget SECONDS] [--modes A,B] [--size HxW] ...

needs no DVC, fvcore or pyiqa.
"""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence

from benchmark import engine, spec
from benchmark.engine import quiet
from benchmark.measure.session import Session, read_unmeasured
from benchmark.results import PRICES, RATIOS, TIMINGS, write
from benchmark.results.ratios import PairedRatio
from benchmark.results.schema import Price, Timing, Unmeasured
from benchmark.timing import storage
from benchmark.timing.prices import prices, read_rates
from benchmark.timing.ratios import ratios
from benchmark.timing.recording import timing_key
from benchmark.timing.schedule import parse
from benchmark.timing.timings import timings
from benchmark.timing.verdicts import VERDICTS
from pipelines import run_stage


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


def main(*words: str) -> int:
    """Measure within the budget, then judge everything; on a Ray cluster, on a node that does only this.

    Raises:
        ValueError: something else uses this machine.
    """
    profile, runs = spec.load()
    options = parse(words, profile, runs)
    interrupted = False
    if options.budget > 0 and engine.on_cluster():
        return engine.on_whole_node("runtime", "pipelines.runtime", words)
    if options.budget > 0:
        try:
            with quiet.timing("runtime"):
                Session(options, runs).measure()
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
