"""Rows of timings.csv from recordings: medians with their intervals, and verdicts over all rounds."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmark.results.schema import Timing, TimingVerdict, Versus
from benchmark.results.tables import finite, significant
from benchmark.timing.comparison import compare, round_medians, spread
from benchmark.timing.recording import MODES, Recording, timing_key
from benchmark.timing.rejection import accepted
from benchmark.timing.rules import RULES
from benchmark.timing.stats import median, median_interval
from benchmark.timing.verdicts import VERDICTS, judge, percent

WINOGRAD = 4.0  # times fewer multiplications: F(4x4, 3x3) of Lavin and Gray, CVPR 2016, Sec. 4
TAIL_SAMPLES = 300  # from which on the 99th percentile is not just the slowest three


def timings(recordings: Iterable[Recording]) -> list[Timing]:
    """Summarise all rounds of each timing in one row; pairs are left out, which `ratios` summarises.

    Ceilings are rows too; a network faster than its device's measured maximum is unsynchronised. Of a
    repeated round the last recording counts. Rows come by device, kind, run, size and batch, modes in the
    order of MODES.
    """
    tries = defaultdict(list)
    for each in (each for each in recordings if each.kind != "pair"):
        size = (each.height, each.width, each.batch)
        tries[each.device, each.kind, each.run, size, list(MODES).index(each.mode)].append(each)
    groups = [tries[key] for key in sorted(tries)]
    rows = [summarise(group) for group in groups]
    ceilings = best_ceilings(rows)
    rows = [check_ceiling(row, ceilings) for row in rows]
    strict = {
        mode_group(row): (row, group) for row, group in zip(rows, groups, strict=True) if row.mode == "strict"
    }
    return [
        replace(row, versus_strict=versus_strict(row, group, *strict[mode_group(row)]))
        if mode_group(row) in strict
        else row
        for row, group in zip(rows, groups, strict=True)
    ]


def mode_group(row: Timing) -> tuple[str, str, str, int, int, int]:
    """Return the key under which rows that differ only in mode are grouped."""
    return row.device, row.kind, row.run, row.height, row.width, row.batch


def versus_strict(
    row: Timing, tries: Sequence[Recording], strict: Timing, strict_tries: Sequence[Recording]
) -> Versus:
    """Compare a row with that of mode strict; a row that is not sound proves no difference."""
    if row.mode == strict.mode:
        return ""
    sound = row.verdict == strict.verdict == "sound"
    return compare(last_tries(tries), last_tries(strict_tries)) if sound else "ambiguous"


def last_tries(tries: Sequence[Recording]) -> list[Recording]:
    """Return the last try of each round, in the order of rounds, of the last fingerprint alone."""
    last = {each.round: each for each in tries if each.fingerprint == tries[-1].fingerprint}
    return [last[number] for number in sorted(last)]


def summarise(tries: Sequence[Recording]) -> Timing:
    """Make the row of all tries of one timing, before it is compared with other rows.

    Numbers are rounded to the six digits that timings.csv holds: what is derived from a row is the same
    before and after it was written.
    """
    rounds = last_tries(tries)
    last, levels = rounds[-1], round_medians(rounds)
    verdict, reasons = judge_rounds(tries, levels)
    cells: dict[str, Any] = {
        "rounds": len(rounds),
        "aa_spread": spread(levels) if len(levels) > 1 else None,
        "first_call_ms": median([each.first_call_ms for each in rounds if each.first_call_ms is not None]),
        "end_to_end_ms": median([ms for each in rounds for ms in each.end_to_end]),
        "relative_error": last.accuracy.get("error"),
        "psnr_change_db": last.accuracy.get("psnr_change"),
        "torch": last.machine.get("torch", ""),
        "fingerprint": last.fingerprint,
    }
    cells |= clock_cells(rounds) | rate_cells(rounds) | burst_cells(rounds) | state_cells(rounds)
    for name in ("allocated", "reserved", "device"):
        peaks = [each.memory[name] for each in rounds if name in each.memory]
        cells[f"{name}_mib"] = max(peaks, default=None)
    cells = {name: six_digits(cell) if isinstance(cell, float) else cell for name, cell in cells.items()}
    return Timing(last.device, *timing_key(last)[:-1], verdict, "; ".join(reasons), **cells)


def six_digits(value: float) -> float | None:
    """Round to six significant digits; None for what is not finite."""
    return None if finite(value) is None else float(significant(value))


def judge_rounds(
    tries: Sequence[Recording], medians: Sequence[float] = ()
) -> tuple[TimingVerdict, list[str]]:
    """Judge all rounds of one timing; each reason names the rounds that it holds for.

    Args:
        tries: of one timing.
        medians: of each round in which a sample counts; they must agree.
    """
    rounds = last_tries(tries)
    judged = {each.round: judge(each) for each in rounds}
    verdict = max((verdict for verdict, _ in judged.values()), key=VERDICTS.index)
    rounds_by_reason = defaultdict(list)
    for number, (_, reasons) in judged.items():
        for reason in reasons:
            rounds_by_reason[reason].append(number)
    reasons_with_rounds = []
    limit = RULES[rounds[-1].kind_of_device].same_within
    if len(medians) > 1 and spread(medians) > limit:
        verdict = max(verdict, "inconclusive", key=VERDICTS.index)
        reasons_with_rounds.append(
            f"medians of rounds differ by {percent(spread(medians))}, more than {percent(limit)}"
        )
    for reason, numbers in rounds_by_reason.items():
        where = "" if len(numbers) == len(rounds) else f"round {', '.join(map(str, numbers))}: "
        reasons_with_rounds.append(where + reason)
    if len(rounds) == 1:
        reasons_with_rounds.append("one round: repeatability is not known")
    repeats = Counter(each.round for each in tries if each.fingerprint == tries[-1].fingerprint)
    for number, count in sorted(repeats.items()):
        if count > 1:
            reasons_with_rounds.append(
                f"round {number} was measured {'twice' if count == 2 else f'{count} times'}"
            )
    return verdict, reasons_with_rounds


def clock_cells(rounds: Sequence[Recording]) -> dict[str, Any]:
    """Fill the columns of the clocks, from the samples of all rounds that count."""
    total = sum(len(each.samples.wall) for each in rounds)
    wall, asynchronous, events, graph = (
        [ms for each in rounds for ms in accepted(each, getattr(each.samples, name))]
        for name in ("wall", "asynchronous", "events", "graph")
    )
    counts = {"samples": len(wall), "dropped": total - len(wall)}
    if not wall:
        return counts
    low, high = median_interval(wall)
    p5, p25, p75, p95, p99 = np.percentile(wall, (5, 25, 75, 95, 99)).tolist()
    return counts | {
        "median_ms": median(wall),
        "ci_low_ms": low,
        "ci_high_ms": high,
        "iqr_ms": p75 - p25,
        "p5_ms": p5,
        "p95_ms": p95,
        "p99_ms": p99 if len(wall) >= TAIL_SAMPLES else None,
        "async_ms": median(asynchronous),
        "events_ms": median(events),
        "graph_ms": median(graph),
        "wall_over_async": ratio(median(wall), median(asynchronous)),
        "wall_over_graph": ratio(median(wall), median(graph)),
    }


def rate_cells(rounds: Sequence[Recording]) -> dict[str, float | None]:
    """Fill the columns of arithmetic and traffic: of one call, and per second."""
    last = rounds[-1]
    ms = median([ms for each in rounds for ms in accepted(each, each.samples.wall)])
    return {
        "gmac": last.macs / 1e9 or None,
        "tflops": ratio(2 * last.macs / 1e9 or None, ms),
        "gb_per_s": ratio(last.traffic / 1e6 or None, ms),
    }


def burst_cells(rounds: Sequence[Recording]) -> dict[str, float | None]:
    """Fill images per second and energy per image, back to back. Ceilings have no images."""
    bursts = [each.burst for each in rounds if each.burst and each.kind != "ceiling"]
    metered = [(burst.joules, burst.calls) for burst in bursts if burst.joules is not None]
    batch = rounds[-1].batch
    images, seconds = batch * sum(b.calls for b in bursts), sum(b.seconds for b in bursts)
    joules, metered_images = sum(j for j, _ in metered), batch * sum(calls for _, calls in metered)
    return {
        "images_per_second": ratio(images, seconds),
        "joules_per_image": ratio(joules, metered_images),
    }


def state_cells(rounds: Sequence[Recording]) -> dict[str, Any]:
    """Fill the columns of the device's states in all rounds; 0 is what the device cannot read."""
    states = [state for each in rounds for state in each.samples.states]
    mhz, celsius, watts = (
        [value for state in states if (value := getattr(state, name))]
        for name in ("sm_mhz", "celsius", "watts")
    )
    return {
        "sm_mhz": f"{median(mhz):.0f} ({min(mhz):.0f} to {max(mhz):.0f})" if mhz else "",
        "max_celsius": max(celsius, default=None),
        "watts": median(watts),
    }


def best_ceilings(rows: Iterable[Timing]) -> dict[tuple[str, str], float]:
    """Return the most TFLOP/s of the sound rows of each device and ceiling."""
    best: dict[tuple[str, str], float] = {}
    for row in rows:
        if row.kind == "ceiling" and row.verdict == "sound" and row.tflops:
            best[row.device, row.run] = max(row.tflops, best.get((row.device, row.run), 0.0))
    return best


def check_ceiling(row: Timing, ceilings: Mapping[tuple[str, str], float]) -> Timing:
    """Call a row unsynchronised if it calculates faster than its device can.

    The ceiling is the device's best matrix product in the mode's precision, measured by this project;
    convolutions may need fewer multiplications than are counted, by Winograd's algorithm, within WINOGRAD.
    """
    mode = MODES[row.mode]
    name = f"matmul_{'tf32' if mode.tf32 and mode.dtype == 'float32' else mode.dtype}"
    ceiling = ceilings.get((row.device, name))
    if row.kind == "ceiling" or not ceiling or not row.tflops or row.tflops <= WINOGRAD * ceiling:
        return row
    assert row.gmac is not None
    assert row.median_ms is not None
    gmac, ms, tflops, limit = map(significant, (row.gmac, row.median_ms, row.tflops, ceiling))
    reason = (
        f"2 x {gmac} GMAC in {ms} ms are {tflops} TFLOP/s, {significant(row.tflops / ceiling)} times the "
        f"{limit} of {name}; Winograd's convolutions could do {WINOGRAD:g} times"
    )
    return replace(row, verdict="unsynchronised", reason="; ".join(filter(None, (reason, row.reason))))


def ratio(value: float | None, divisor: float | None) -> float | None:
    """Divide, if both numbers exist and the divisor is not 0."""
    return value / divisor if value is not None and divisor else None
