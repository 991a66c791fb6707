"""From recordings to rows: medians with their intervals, and verdicts over all rounds of a measurement."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmark.results.legacy import columns
from benchmark.timing.differ import differ, medians, spread
from benchmark.timing.judge import VERDICTS, counted, judge, number, percent, usual
from benchmark.timing.record import MODES, Recording
from benchmark.timing.stats import interval, median, middle


@dataclass(frozen=True)
class Timing:
    """One row of results/runtime/timings.csv: all rounds of one measurement. Empty text: no such clock."""

    device: str
    kind: str  # forward, step, ceiling
    run: str
    mode: str
    height: int
    width: int
    batch: int
    verdict: str  # one of VERDICTS
    reason: str  # in words; what was dropped, why it is not sound, what could not be had
    rounds: str
    n: str  # samples that count, of all rounds
    dropped: str
    ms: str  # median of the synchronised wall clock over all rounds' samples that count
    low: str  # its 95 % interval
    high: str
    iqr: str
    p5: str
    p95: str
    p99: str  # from 300 samples
    same: str  # A/A: largest difference between two rounds' medians over the smaller one
    asynchronous_ms: str
    events_ms: str
    graph_ms: str
    lie: str  # wall / asynchronous
    launch_bound: str  # wall / graph
    first_ms: str
    moved_ms: str  # from host to host
    images_per_second: str  # back to back
    joules: str  # per image
    allocated_mib: str
    reserved_mib: str
    device_mib: str
    gmac: str  # of one call
    tflops: str  # 2 x MACs / median
    gbs: str  # traffic / median, 10^9 bytes per second
    sm_mhz: str  # median, with its range: "1980 (1965 to 1980)"
    celsius: str  # the highest
    watts: str  # median
    against: str  # "faster", "slower", "same" or "ambiguous" beside the strict mode; empty for strict itself
    error: str  # relative L2 distance of the answer to strict's
    psnr_change: str  # dB on real images with the authors' weights; empty without them
    torch: str
    fingerprint: str


WINOGRAD = 4.0  # times fewer multiplications: F(4x4, 3x3) of Lavin and Gray, CVPR 2016, Sec. 4
TAIL = 300  # samples from which on the 99th percentile is not just the slowest three


def timings(recordings: Iterable[Recording]) -> list[Timing]:
    """One row for each measurement on each device, from all rounds that there are of it.

    Ceilings are rows too, and what a device's sound ceilings rule out is not believed of its other rows.

    Args:
        recordings: in the order they were made; a round that was made again counts as it was made last.

    Returns:
        Rows by device, kind, run, size and batch, modes in the order of MODES.

    Raises:
        ValueError: a kind of device has no rules.
    """
    tries = defaultdict(list)
    for one in recordings:
        size = (one.height, one.width, one.batch)
        tries[one.device, one.kind, one.run, size, list(MODES).index(one.mode)].append(one)
    groups = [tries[key] for key in sorted(tries)]
    rows = [summary(group) for group in groups]
    best = ceilings(rows)
    rows = [believed(row, best) for row in rows]
    strict = {
        beside(row): (row, group) for row, group in zip(rows, groups, strict=True) if row.mode == "strict"
    }
    return [
        replace(row, against=against(row, group, *strict[beside(row)])) if beside(row) in strict else row
        for row, group in zip(rows, groups, strict=True)
    ]


def beside(row: Timing) -> tuple[str, str, str, int, int, int]:
    """What rows have in common that differ in their mode."""
    return row.device, row.kind, row.run, row.height, row.width, row.batch


def against(row: Timing, tries: Sequence[Recording], strict: Timing, others: Sequence[Recording]) -> str:
    """A row beside that of mode strict, from all tries of both; what is not sound proves no difference."""
    if row.mode == strict.mode:
        return ""
    sound = row.verdict == strict.verdict == "sound"
    return differ(rounds(tries), rounds(others)) if sound else "ambiguous"


def rounds(tries: Sequence[Recording]) -> list[Recording]:
    """The last try of each round, in the order of rounds; of several fingerprints, only the last one's."""
    last = {one.round: one for one in tries if one.fingerprint == tries[-1].fingerprint}
    return [last[turn] for turn in sorted(last)]


def summary(tries: Sequence[Recording]) -> Timing:
    """The row of all tries of one measurement, before it is held against other rows."""
    made = rounds(tries)
    verdict, reasons = together(tries)
    one, levels = made[-1], medians(made)
    cells: dict[str, Any] = {
        "verdict": verdict,
        "rounds": str(len(made)),
        "same": number(spread(levels)) if len(levels) > 1 else "",
        "first_ms": number(middle([each.first_ms for each in made if each.first_ms is not None])),
        "moved_ms": number(middle([ms for each in made for ms in each.moved])),
        "error": number(one.answer.get("error")),
        "psnr_change": number(one.answer.get("psnr_change")),
        "torch": one.machine.get("torch", ""),
        "fingerprint": one.fingerprint,
    }
    cells |= clocks(made) | rates(made) | bursts(made) | states(made)
    for name in ("allocated", "reserved", "device"):
        cells[f"{name}_mib"] = number(
            max((each.memory[name] for each in made if name in each.memory), default=None)
        )
    return replace(unmeasured(one.device, *one.key, "; ".join(reasons)), **cells)


def together(tries: Sequence[Recording]) -> tuple[str, list[str]]:
    """The verdict over all rounds of one measurement, and its reasons with the rounds they hold for."""
    made = rounds(tries)
    judged = {one.round: judge(one) for one in made}
    verdict = max((verdict for verdict, _ in judged.values()), key=VERDICTS.index)
    said = defaultdict(list)
    for turn, (_, words) in judged.items():
        for word in words:
            said[word].append(turn)
    reasons = []
    levels, rules = medians(made), usual(made[-1])
    if len(levels) > 1 and spread(levels) > rules.same:
        verdict = max(verdict, "inconclusive", key=VERDICTS.index)
        reasons.append(
            f"medians of rounds differ by {percent(spread(levels))}, more than {percent(rules.same)}"
        )
    for word, turns in said.items():
        where = "" if len(turns) == len(made) else f"round {', '.join(map(str, turns))}: "
        reasons.append(where + word)
    if len(made) == 1:
        reasons.append("one round: repeatability is not known")
    again = Counter(one.round for one in tries if one.fingerprint == tries[-1].fingerprint)
    for turn, count in sorted(again.items()):
        if count > 1:
            reasons.append(f"round {turn} was measured {'twice' if count == 2 else f'{count} times'}")
    return verdict, reasons


def clocks(made: Sequence[Recording]) -> dict[str, str]:
    """The columns that the clocks fill, from the samples of all rounds that count."""
    taken = sum(len(one.samples.wall) for one in made)
    wall, asynchronous, events, graph = (
        [ms for one in made for ms in counted(one, getattr(one.samples, name))]
        for name in ("wall", "asynchronous", "events", "graph")
    )
    counts = {"n": str(len(wall)), "dropped": str(taken - len(wall))}
    if not wall:
        return counts
    low, high = interval(wall)
    p5, p25, p75, p95, p99 = np.percentile(wall, (5, 25, 75, 95, 99)).tolist()
    return counts | {
        "ms": number(middle(wall)),
        "low": number(low),
        "high": number(high),
        "iqr": number(p75 - p25),
        "p5": number(p5),
        "p95": number(p95),
        "p99": number(p99) if len(wall) >= TAIL else "",
        "asynchronous_ms": number(middle(asynchronous)),
        "events_ms": number(middle(events)),
        "graph_ms": number(middle(graph)),
        "lie": number(over(middle(wall), middle(asynchronous))),
        "launch_bound": number(over(middle(wall), middle(graph))),
    }


def rates(made: Sequence[Recording]) -> dict[str, str]:
    """Arithmetic and traffic of one call, and how many of both go on in a second."""
    ms, one = middle([ms for each in made for ms in counted(each, each.samples.wall)]), made[-1]
    return {
        "gmac": number(one.macs / 1e9 or None),
        "tflops": number(over(2 * one.macs / 1e9 or None, ms)),
        "gbs": number(over(one.traffic / 1e6 or None, ms)),
    }


def bursts(made: Sequence[Recording]) -> dict[str, str]:
    """Images a second and energy an image, back to back. Ceilings have no images."""
    sent = [one.burst for one in made if one.burst and one.kind != "ceiling"]
    metered = [burst for burst in sent if burst.joules is not None]
    batch = made[-1].batch
    return {
        "images_per_second": number(over(batch * sum(b.calls for b in sent), sum(b.seconds for b in sent))),
        "joules": number(over(sum(b.joules or 0 for b in metered), batch * sum(b.calls for b in metered))),
    }


def states(made: Sequence[Recording]) -> dict[str, str]:
    """What the device said of itself in all rounds; 0 is what it did not tell."""
    seen = [state for one in made for state in one.samples.states]
    mhz, celsius, watts = (
        list(filter(None, (getattr(state, name) for state in seen)))
        for name in ("sm_mhz", "celsius", "watts")
    )
    return {
        "sm_mhz": f"{median(mhz):.0f} ({min(mhz):.0f} to {max(mhz):.0f})" if mhz else "",
        "celsius": number(max(celsius, default=None)),
        "watts": number(middle(watts)),
    }


def ceilings(rows: Iterable[Timing]) -> dict[tuple[str, str], float]:
    """Device and ceiling -> the most TFLOP/s that a sound row of it has."""
    best: dict[tuple[str, str], float] = {}
    for row in rows:
        if row.kind == "ceiling" and row.verdict == "sound" and row.tflops:
            best[row.device, row.run] = max(float(row.tflops), best.get((row.device, row.run), 0.0))
    return best


def believed(row: Timing, best: Mapping[tuple[str, str], float]) -> Timing:
    """A row, or the same unsynchronised if it calculates faster than its device can.

    The ceiling is the device's best matrix product in the mode's precision, measured here; convolutions may
    do with fewer multiplications than are counted, by Winograd's algorithm, but not with any number.
    """
    mode = MODES[row.mode]
    name = f"matmul_{'tf32' if mode.tf32 and mode.dtype == 'float32' else mode.dtype}"
    most = best.get((row.device, name))
    if row.kind == "ceiling" or not row.tflops or not most or float(row.tflops) <= WINOGRAD * most:
        return row
    times = number(float(row.tflops) / most)
    why = (
        f"2 x {row.gmac} GMAC in {row.ms} ms are {row.tflops} TFLOP/s, {times} times the {number(most)} of "
        f"{name}; Winograd's convolutions could do {WINOGRAD:g} times"
    )
    return replace(row, verdict="unsynchronised", reason="; ".join(filter(None, (why, row.reason))))


def over(value: float | None, by: float | None) -> float | None:
    """A quotient, if both are there."""
    return value / by if value is not None and by else None


def unmeasured(
    device: str, kind: str, run: str, mode: str, height: int, width: int, batch: int, reason: str
) -> Timing:
    """The row of what was wanted and could not be measured."""
    cells: dict[str, Any] = dict.fromkeys(columns(Timing), "")
    cells |= {"device": device, "kind": kind, "run": run, "mode": mode, "verdict": "unmeasured"}
    cells |= {"height": height, "width": width, "batch": batch, "reason": reason}
    return Timing(**cells)
