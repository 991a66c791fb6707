"""The verdict on one recording, with its reasons in words."""

from collections import Counter
from collections.abc import Iterator
from typing import get_args

import numpy as np

from benchmark.results.schema import TimingVerdict
from benchmark.results.tables import significant
from benchmark.timing.recording import Recording
from benchmark.timing.rejection import accepted, recording_reasons
from benchmark.timing.rules import POWER_CAP, RULES, Rules
from benchmark.timing.stats import relative_half_width, trend

VERDICTS: tuple[TimingVerdict, ...] = get_args(TimingVerdict)  # from mild to grave
READ_EARLY = 0.98  # a wall clock below this share of a time that it spans was read too early


def judge(recording: Recording, rules: Rules | None = None) -> tuple[TimingVerdict, list[str]]:
    """Judge one process, by default with the rules of its kind of device.

    Returns:
        The gravest of VERDICTS that applies; and in words every flaw, the gravest first, then remarks.
    """
    rules = rules or RULES[recording.kind_of_device]
    ordered = sorted(flaws(recording, rules), key=lambda flaw: VERDICTS.index(flaw[0]), reverse=True)
    verdict = ordered[0][0] if ordered else "sound"
    return verdict, [words for _, words in ordered] + list(remarks(recording, rules))


def flaws(recording: Recording, rules: Rules) -> Iterator[tuple[TimingVerdict, str]]:
    """Yield what is wrong with a recording: a verdict and its reason, each.

    Everything is derived again from the samples; why the sampling loop stopped is ignored.
    """
    samples = recording.samples
    wall = accepted(recording, samples.wall, rules)
    for clock, what in (
        (samples.events, "the device took"),
        (samples.asynchronous, "the call returned after"),
    ):
        if clock and (by_wall := np.median(samples.wall)) < READ_EARLY * (by_clock := np.median(clock)):
            times = significant(by_wall), significant(by_clock)
            yield "unsynchronised", f"the wall clock says {times[0]} ms, but {what} {times[1]} ms"
    if len(samples.wall) - len(wall) > rules.max_rejected * len(samples.wall):
        yield "throttled", f"more than {percent(rules.max_rejected)} of the samples are rejected"
    if len(wall) < rules.min_samples:
        yield "inconclusive", f"{len(wall)} samples count; {rules.min_samples} are needed"
    elif (width := relative_half_width(wall)) > rules.max_half_width:
        yield (
            "inconclusive",
            f"the median is known to {percent(width)} instead of {percent(rules.max_half_width)}",
        )
    change, p = trend(wall)
    if abs(change) > rules.drift and p < rules.drift_p:
        yield "drifting", f"the last third's median is {change:+.1%} off the first third's (p {p:.1g})"
    if not samples.settled:
        yield "unsettled", f"times had not settled after {rules.warm_max_seconds:g} s of warm-up"


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
