"""Whether one recording can be believed: which of its samples count, and the verdict with its words."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import compress
from math import isfinite

import numpy as np

from benchmark.timing.record import Recording
from benchmark.timing.rules import POWER_CAP, RULES, Rules
from benchmark.timing.stats import half_width, median, trend
from benchmark.timing.valid import why_not

VERDICTS = (
    "sound",  # narrow, still, enough
    "unsettled",  # the warm-up never came to rest
    "drifting",  # times went on changing while they were sampled
    "inconclusive",  # too wide an interval when the time was up, or rounds that contradict each other
    "throttled",  # too many samples while the device slowed itself down
    "unsynchronised",  # the wall clock is faster than the device's own: the clock was read too early
    "unmeasured",  # a row with a reason
)
READING = 0.98  # a wall clock that says less than this share of what it spans was read too early


def usual(recording: Recording) -> Rules:
    """The rules of the kind of device that made a recording.

    Raises:
        ValueError: there are none; the message names the recording and the kinds that have rules.
    """
    if recording.kind_of_device not in RULES:
        place = f"{recording.kind} {recording.run}, round {recording.round}"
        raise ValueError(f"{place}: no rules for {recording.kind_of_device!r}; known: {', '.join(RULES)}")
    return RULES[recording.kind_of_device]


def counting(recording: Recording, rules: Rules | None = None) -> list[str]:
    """Why each sample does not count, by `valid.why_not`; empty text for one that does."""
    samples = recording.samples
    return why_not(samples.at, samples.wall, samples.states, rules or usual(recording))


def counted(recording: Recording, clock: Sequence[float], rules: Rules | None = None) -> list[float]:
    """What a clock says of the samples that count; nothing for a clock that the device lacks."""
    return list(compress(clock, (not why for why in counting(recording, rules))))


def judge(recording: Recording, rules: Rules | None = None) -> tuple[str, list[str]]:
    """Whether one process can be believed.

    Args:
        recording: what it left.
        rules: thresholds; those of its kind of device by default.

    Returns:
        The gravest of VERDICTS that holds; and in words every flaw, the gravest first, then what else there
        is to know.

    Raises:
        ValueError: its kind of device has no rules.
    """
    rules = rules or usual(recording)
    found = sorted(flaws(recording, rules), key=lambda flaw: VERDICTS.index(flaw[0]), reverse=True)
    verdict = found[0][0] if found else "sound"
    return verdict, [words for _, words in found] + list(remarks(recording, rules))


def flaws(recording: Recording, rules: Rules) -> Iterator[tuple[str, str]]:
    """What is wrong with a recording: a verdict and the words for it, each.

    What the sampling loop thought when it stopped is not asked: all is found again from the samples.
    """
    samples = recording.samples
    wall = counted(recording, samples.wall, rules)
    for clock, says in (
        (samples.events, "the device took"),
        (samples.asynchronous, "the call returned after"),
    ):
        if clock and median(samples.wall) < READING * median(clock):
            times = number(median(samples.wall)), number(median(clock))
            yield "unsynchronised", f"the wall clock says {times[0]} ms, but {says} {times[1]} ms"
    if len(samples.wall) - len(wall) > rules.dropped * len(samples.wall):
        yield "throttled", f"more than {percent(rules.dropped)} of the samples do not count"
    if len(wall) < rules.least:
        yield "inconclusive", f"{len(wall)} samples count; {rules.least} are needed"
    elif (width := half_width(wall)) > rules.wide:
        yield "inconclusive", f"the median is known to {percent(width)} instead of {percent(rules.wide)}"
    change, p = trend(wall)
    if abs(change) > rules.drift and p < rules.drift_p:
        yield "drifting", f"the last third's median is {change:+.1%} off the first third's (p {p:.1g})"
    if not samples.settled:
        yield "unsettled", f"times had not settled after {rules.warm_cap:g} s of warm-up"


def remarks(recording: Recording, rules: Rules) -> Iterator[str]:
    """What there is to know of a recording though it is no flaw."""
    states, why = recording.samples.states, Counter(filter(None, counting(recording, rules)))
    if why:
        kinds = ", ".join(f"{count} {word}" for word, count in why.most_common())
        yield f"dropped {why.total()} of {len(recording.samples.wall)} samples: {kinds}"
    capped = sum(bool(state.reasons & POWER_CAP) for state in states)
    if capped:
        yield f"at its power limit in {percent(capped / len(states))} of {len(states)} looks"
    if recording.others:
        yield f"other processes on the device: {recording.others}"
    if recording.answer.get("finite") is False:
        yield "its answer or strict's is not finite"
    yield from recording.notes


def number(value: float | None) -> str:
    """Six significant digits, never with an exponent; empty for what is not known or not finite.

    >>> number(1415.23456), number(0.00083676512), number(30.0), number(None)
    ('1415.23', '0.000836765', '30', '')
    """
    if value is None or not isfinite(value):
        return ""
    return np.format_float_positional(value, precision=6, fractional=False, trim="-")


def percent(share: float) -> str:
    """Three digits and the sign.

    >>> percent(0.0123456), percent(0.5)
    ('1.23 %', '50 %')
    """
    return f"{100 * share:.3g} %"
