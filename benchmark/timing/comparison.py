"""Whether one timing is faster than another, from the rounds of both."""

from collections.abc import Sequence

import numpy as np

from benchmark.results.schema import Versus
from benchmark.timing.recording import Recording
from benchmark.timing.rejection import accepted
from benchmark.timing.rules import RULES, Rules
from benchmark.timing.stats import median


def compare(a: Sequence[Recording], b: Sequence[Recording], rules: Rules | None = None) -> Versus:
    """Compare the rounds of a timing with those of another mode or network.

    Every round of `a` must differ from every round of `b` by more than `rules.same_within` and by more than
    `rules.aa_multiple` times the A/A spread of either. On one device whose clock is readable, cycles (time x
    SM clock) must differ as well: otherwise only the clock speed may differ. They are the same if all rounds
    of both are within `rules.same_within`, and ambiguous if rounds disagree or either has fewer than two.
    """
    a, b = ([recording for recording in side if round_medians([recording], rules)] for side in (a, b))
    if min(len(a), len(b)) < 2:
        return "ambiguous"
    rules = rules or RULES[a[0].kind_of_device]
    by_time = compare_levels(round_medians(a, rules), round_medians(b, rules), rules)
    clocked = len({recording.device for recording in (*a, *b)}) == 1 and all(map(sm_mhz, (*a, *b)))
    if by_time == "same" or not clocked:
        return by_time
    by_cycles = compare_levels(cycles(a, rules), cycles(b, rules), rules)
    return by_time if by_cycles == by_time else "ambiguous"


def compare_levels(a: Sequence[float], b: Sequence[float], rules: Rules) -> Versus:
    """Compare the levels of rounds, where less is faster."""
    limit = max(rules.same_within, rules.aa_multiple * spread(a), rules.aa_multiple * spread(b))
    if max(a) * (1 + limit) < min(b):
        return "faster"
    if max(b) * (1 + limit) < min(a):
        return "slower"
    return "same" if spread([*a, *b]) <= rules.same_within else "ambiguous"


def cycles(rounds: Sequence[Recording], rules: Rules) -> list[float]:
    """Return each round's median in thousands of SM cycles."""
    return [ms * sm_mhz(each) for ms, each in zip(round_medians(rounds, rules), rounds, strict=True)]


def sm_mhz(recording: Recording) -> float:
    """Return the median SM clock; 0 where it is not readable."""
    return median([state.sm_mhz for state in recording.samples.states]) or 0.0


def round_medians(rounds: Sequence[Recording], rules: Rules | None = None) -> list[float]:
    """Return the median of the wall clock of each round in which a sample counts."""
    levels = (accepted(recording, recording.samples.wall, rules) for recording in rounds)
    return [float(np.median(wall)) for wall in levels if wall]


def spread(levels: Sequence[float]) -> float:
    """Return (max - min) / min of the levels; for the rounds of one timing this is the A/A spread."""
    return max(levels) / min(levels) - 1
