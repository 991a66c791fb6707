"""The verdict on one recording, with its reasons in words."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import get_args

import numpy as np

from benchmark.results.schema import TimingVerdict
from benchmark.results.tables import significant
from benchmark.timing.pairing import ratios_of
from benchmark.timing.recording import Recording, Samples
from benchmark.timing.rejection import accepted, recording_reasons
from benchmark.timing.rules import PAIR_RULES, POWER_CAP, RULES, Rules
from benchmark.timing.stats import relative_half_width, trend

VERDICTS: tuple[TimingVerdict, ...] = get_args(TimingVerdict)  # from mild to grave
READ_EARLY = 0.98  # a wall clock below this share of a time that it spans was read too early


def judge(recording: Recording, rules: Rules | None = None) -> tuple[TimingVerdict, list[str]]:
    """Judge one process, by default with the rules of its kind of device.

    Returns:
        The gravest of VERDICTS that applies; and in words every flaw, the gravest first, then remarks.
    """
    pair = recording.kind == "pair"
    rules = rules or (PAIR_RULES if pair else RULES)[recording.kind_of_device]
    found = pair_flaws(recording, rules) if pair else flaws(recording, rules)
    ordered = sorted(found, key=lambda flaw: VERDICTS.index(flaw[0]), reverse=True)
    verdict = ordered[0][0] if ordered else "sound"
    return verdict, [words for _, words in ordered] + list(remarks(recording, rules))


def flaws(recording: Recording, rules: Rules) -> Iterator[tuple[TimingVerdict, str]]:
    """Yield what is wrong with a recording: a verdict and its reason, each.

    Everything is derived again from the samples; why the sampling loop stopped is ignored.
    """
    samples = recording.samples
    wall = accepted(recording, samples.wall, rules)
    yield from read_early(samples)
    yield from rejected(len(wall), len(samples.wall), rules, "samples")
    yield from too_uncertain(len(wall), relative_half_width(wall), rules, "samples", "the median")
    yield from drift(wall, rules)
    if not samples.settled:
        yield "unsettled", f"times had not settled after {rules.warm_max_seconds:g} s of warm-up"


def pair_flaws(recording: Recording, rules: Rules) -> Iterator[tuple[TimingVerdict, str]]:
    """Yield what is wrong with a recording of a pair, whose samples are the ratios of its pairs of turns.

    How well the ratio is known is judged over all rounds (`ratios`).
    """
    ratios, samples = ratios_of(recording, rules=rules), recording.samples
    yield from read_early(samples)
    yield from rejected(len(ratios), len(recording.turns) // 2, rules, "pairs")
    yield from drift(ratios, rules)
    if not samples.settled:
        yield "unsettled", f"the device had not settled after {rules.warm_max_seconds:g} s of warm-up"


def read_early(samples: Samples) -> Iterator[tuple[TimingVerdict, str]]:
    """Yield each clock that says that the wall clock was read before the device had finished."""
    for clock, what in (
        (samples.events, "the device took"),
        (samples.asynchronous, "the call returned after"),
    ):
        if clock and (by_wall := np.median(samples.wall)) < READ_EARLY * (by_clock := np.median(clock)):
            times = significant(by_wall), significant(by_clock)
            yield "unsynchronised", f"the wall clock says {times[0]} ms, but {what} {times[1]} ms"


def rejected(count: int, taken: int, rules: Rules, name: str) -> Iterator[tuple[TimingVerdict, str]]:
    """Yield that too few of what was taken counts."""
    if taken - count > rules.max_rejected * taken:
        yield "throttled", f"more than {percent(rules.max_rejected)} of the {name} are rejected"


def too_uncertain(
    count: int, half_width: float, rules: Rules, name: str, center: str
) -> Iterator[tuple[TimingVerdict, str]]:
    """Yield why an estimate from so many values, with an interval so wide, is not known well enough."""
    if count < rules.min_samples:
        yield "inconclusive", f"{count} {name} count; {rules.min_samples} are needed"
    elif half_width > rules.max_half_width:
        yield (
            "inconclusive",
            f"{center} is known to {percent(half_width)} instead of {percent(rules.max_half_width)}",
        )


def drift(values: Sequence[float], rules: Rules) -> Iterator[tuple[TimingVerdict, str]]:
    """Yield that values change in the order they came."""
    change, p = trend(values)
    if abs(change) > rules.drift and p < rules.drift_p:
        yield "drifting", f"the last third's median is {change:+.1%} off the first third's (p {p:.1g})"


def remarks(recording: Recording, rules: Rules) -> Iterator[str]:
    """Yield what a reader should know of a recording though it is no flaw."""
    states = recording.samples.states
    rejected = Counter(filter(None, recording_reasons(recording, rules)))
    if rejected:
        kinds = ", ".join(f"{count} {reason}" for reason, count in rejected.most_common())
        yield f"rejected {rejected.total()} of {len(recording.samples.wall)} samples: {kinds}"
    capped = sum(bool(state.clock_events & POWER_CAP) for state in states)
    if capped:
        yield f"at its power limit in {percent(capped / len(states))} of {len(states)} readings"
    if recording.other_processes:
        yield f"other processes on the device: {recording.other_processes}"
    if recording.accuracy.get("finite") is False:
        yield "the restored image, or that of mode strict, is not finite"
    yield from recording.notes


def percent(share: float) -> str:
    """Write a share with three digits and the sign.

    >>> percent(0.0123456), percent(0.5)
    ('1.23 %', '50 %')
    """
    return f"{100 * share:.3g} %"
