"""Rows of ratios.csv from recordings of pairs: ratios with their intervals, and verdicts over all rounds."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import inf
from statistics import geometric_mean
from typing import Any

from benchmark.results.ratios import PairedRatio
from benchmark.results.schema import TimingVerdict
from benchmark.timing.comparison import spread
from benchmark.timing.pairing import carry_over, own_clock, parts, ratios_of
from benchmark.timing.recording import MODES, Recording
from benchmark.timing.rules import PAIR_RULES, RULES
from benchmark.timing.stats import Interval, median, ratio_interval
from benchmark.timing.timings import judge_rounds, last_tries, six_digits
from benchmark.timing.verdicts import VERDICTS, judge, percent, too_uncertain

MINIMUM_ROUNDS = 2  # processes that must agree


def ratios(recordings: Iterable[Recording]) -> list[PairedRatio]:
    """Summarise all rounds of each pair in one row, by device, anchor, run, size and mode.

    An anchor that is not as fast as itself makes every ratio to it inconclusive, on that device and in that
    setting.
    """
    tries = defaultdict(list)
    for each in recordings:
        if each.kind == "pair":
            size = (each.height, each.width, each.batch, list(MODES).index(each.mode))
            tries[each.device, each.anchor, each.run, size].append(each)
    rows = [summarise(tries[key]) for key in sorted(tries)]
    against_itself = {setting(row): row for row in rows if row.run == row.anchor}
    return [check_anchor(row, against_itself) for row in rows]


def setting(row: PairedRatio) -> tuple[str, str, str, int, int, int]:
    """Return what the ratios to one anchor share with that of the anchor to itself."""
    return row.device, row.anchor, row.mode, row.height, row.width, row.batch


def summarise(tries: Sequence[Recording]) -> PairedRatio:
    """Make the row of all tries of one pair, before it is held against the anchor's own."""
    rounds, left_out = counting_rounds(tries)
    last = rounds[-1]
    levels = [ratio_interval(values).center for each in rounds if (values := ratios_of(each))]
    verdict, reasons = judge_rounds(rounds)
    count, ratio, vague = sum(len(ratios_of(each)) for each in rounds), all_rounds(rounds), unsure(rounds)
    if vague and len(levels) > 1:
        vague.append(f"ratios of rounds differ by {percent(spread(levels))}")
    if vague or len(rounds) < MINIMUM_ROUNDS:
        verdict, reasons = max(verdict, "inconclusive", key=VERDICTS.index), [*vague, *reasons]
    total = sum(len(each.turns) // 2 for each in rounds)
    own = all(own_clock(each.samples, each.kind_of_device) is not each.samples.wall for each in rounds)
    cells: dict[str, Any] = {"clock": "processor time" if own else "wall", "rounds": len(rounds)}
    cells |= {"pairs": count, "dropped": total - count}
    if ratio:
        cells |= {"ratio": ratio.center}
        if ratio.high < inf:
            cells |= {"ci_low": ratio.low, "ci_high": ratio.high}
        cells |= {"rounds_apart": spread(levels) if len(levels) > 1 else None}
        cells |= {"wall_ratio": by_clock(rounds, "wall"), "async_ratio": by_clock(rounds, "asynchronous")}
        cells |= {"carry_over": median([each for each in map(carry_over, rounds) if each is not None])}
        cells |= dict(zip(("run_ms", "anchor_ms"), map(median, call_times(rounds)), strict=True))
    cells = {name: six_digits(cell) if isinstance(cell, float) else cell for name, cell in cells.items()}
    return PairedRatio(
        last.device,
        last.kind_of_device,  # type: ignore[arg-type]  # of RULES
        last.run,
        last.anchor,
        last.mode,
        last.height,
        last.width,
        last.batch,
        verdict,
        "; ".join([*reasons, *left_out]),
        torch=last.machine.get("torch", ""),
        fingerprint=last.fingerprint,
        **cells,
    )


def counting_rounds(tries: Sequence[Recording]) -> tuple[list[Recording], list[str]]:
    """Return the rounds that count, and in words those that are left out.

    Where two processes have no flaw of their own, such as a ratio that drifted, others are left out; and
    where two of these know the ratio well enough, those that do not.
    """
    counting, left_out = last_tries(tries), []
    verdicts = {each.round: judge(each)[0] for each in counting}
    vague = {each.round: unsure([each]) for each in counting}
    for flaw in (
        {r: v for r, v in verdicts.items() if v != "sound"},
        {r: w[0] for r, w in vague.items() if w},
    ):
        better = [each for each in counting if each.round not in flaw]
        if len(better) >= MINIMUM_ROUNDS:
            worse = [each.round for each in counting if each.round in flaw]
            left_out += [f"round {number} left out: {flaw[number]}" for number in worse]
            counting = better
    return counting, left_out


def all_rounds(rounds: Sequence[Recording]) -> Interval | None:
    """Return the ratio of all pairs with an interval wide enough for that of each round; None without one."""
    by_round = [values for each in rounds if (values := ratios_of(each))]
    if not by_round:
        return None
    center, low, high = ratio_interval([ratio for values in by_round for ratio in values])
    levels = [ratio_interval(values).center for values in by_round]
    return Interval(center, min(low, *levels), max(high, *levels))


def unsure(rounds: Sequence[Recording]) -> list[str]:
    """Return why these rounds do not know the ratio well enough; empty where they do."""
    count, ratio = sum(len(ratios_of(each)) for each in rounds), all_rounds(rounds)
    rules = PAIR_RULES[rounds[-1].kind_of_device]
    found = too_uncertain(count, ratio.half_width if ratio else inf, rules, "pairs", "the ratio")
    return [words for _, words in found]


def enough(tries: Sequence[Recording]) -> bool:
    """Decide whether the rounds of a pair need no further one, the anchor's ratio to itself aside."""
    return bool(tries) and summarise(tries).verdict == "sound"


def by_clock(rounds: Sequence[Recording], clock: str) -> float | None:
    """Return the geometric mean of the rounds' ratios by a clock; None where there is none."""
    clocks = [(each, getattr(each.samples, clock)) for each in rounds]
    ratios = [ratios_of(each, times) for each, times in clocks if times]
    levels = [ratio_interval(values).center for values in ratios if values]
    return geometric_mean(levels) if levels else None


def call_times(rounds: Sequence[Recording]) -> tuple[list[float], list[float]]:
    """Return the times of all calls of the network, and of the anchor, by the clock of the ratio."""
    times: dict[str, list[float]] = {"A": [], "B": []}
    for each in rounds:
        clock = own_clock(each.samples, each.kind_of_device)
        for side, part in parts(each.turns, each.calls):
            times[side] += clock[part]
    return times["A"], times["B"]


def not_itself(row: PairedRatio) -> str:
    """Say why an anchor is not as fast as itself: 1 is outside of the interval, widened by 0.5 %."""
    if row.ratio is None or row.ci_low is None or row.ci_high is None:
        return ""
    tolerance = RULES[row.kind_of_device].target_half_width
    if row.ci_low - tolerance <= 1 <= row.ci_high + tolerance:
        return ""
    interval = f"{row.ratio:.4f} ({row.ci_low:.4f} to {row.ci_high:.4f})"
    return f"the anchor takes {interval} times as long as itself"


def check_anchor(row: PairedRatio, against_itself: Mapping[tuple[Any, ...], PairedRatio]) -> PairedRatio:
    """Add the ratio of the anchor to itself; where that is not 1, no ratio to it is sound."""
    own = against_itself.get(setting(row))
    flaw = "the anchor is not held against itself"
    if own:
        vague = own.verdict != "sound" and row.run != row.anchor
        flaw = not_itself(own) or (f"the anchor against itself is {own.verdict}" if vague else "")
    verdict: TimingVerdict = max(row.verdict, "inconclusive", key=VERDICTS.index) if flaw else row.verdict
    reason = "; ".join(filter(None, (flaw, row.reason)))
    return replace(row, verdict=verdict, reason=reason, itself=own.ratio if own else None)
