"""Whether one measurement is faster than another, from the rounds of both."""

from collections.abc import Sequence

from benchmark.timing.judge import counted, usual
from benchmark.timing.record import Recording
from benchmark.timing.rules import Rules
from benchmark.timing.stats import median, middle


def differ(a: Sequence[Recording], b: Sequence[Recording], rules: Rules | None = None) -> str:
    """Whether one measurement is faster than another, round by round.

    Every round of `a` must be apart from every round of `b`, by more than `rules.same` and by more than
    `rules.noise` times what rounds of either differ among themselves. On one device whose clock is known,
    cycles (time x SM clock) must be apart as well: else it was the clock. They are the same if all rounds
    of both are within `rules.same`.

    Args:
        a: one recording for each round.
        b: the same of another mode or network.
        rules: thresholds; those of a's kind of device by default.

    Returns:
        "faster", "slower" or "same", of `a` beside `b`; "ambiguous" if rounds do not agree, or there are not
        two of each.
    """
    a, b = ([one for one in side if counted(one, one.samples.wall, rules)] for side in (a, b))
    if min(len(a), len(b)) < 2:
        return "ambiguous"
    rules = rules or usual(a[0])
    found = apart(medians(a, rules), medians(b, rules), rules)
    clocked = len({one.device for one in (*a, *b)}) == 1 and all(map(mhz, (*a, *b)))
    if found == "same" or not clocked:
        return found
    return found if apart(cycles(a, rules), cycles(b, rules), rules) == found else "ambiguous"


def apart(a: Sequence[float], b: Sequence[float], rules: Rules) -> str:
    """As `differ`, of numbers that are less for what is faster."""
    limit = max(rules.same, rules.noise * spread(a), rules.noise * spread(b))
    if max(a) * (1 + limit) < min(b):
        return "faster"
    if max(b) * (1 + limit) < min(a):
        return "slower"
    return "same" if spread([*a, *b]) <= rules.same else "ambiguous"


def cycles(made: Sequence[Recording], rules: Rules) -> list[float]:
    """Thousands of SM cycles of each round's median."""
    return [ms * mhz(one) for ms, one in zip(medians(made, rules), made, strict=True)]


def mhz(recording: Recording) -> float:
    """Its median SM clock; 0 where the device does not tell."""
    return middle([state.sm_mhz for state in recording.samples.states]) or 0.0


def medians(made: Sequence[Recording], rules: Rules | None = None) -> list[float]:
    """Of the wall clock, for each round in which a sample counts."""
    levels = (counted(one, one.samples.wall, rules) for one in made)
    return [median(wall) for wall in levels if wall]


def spread(levels: Sequence[float]) -> float:
    """How much the largest is above the smallest, relative to it."""
    return max(levels) / min(levels) - 1
