"""Which samples count: those during which the device did not slow itself down."""

from bisect import bisect_left
from collections.abc import Sequence

from benchmark.timing.record import State
from benchmark.timing.rules import THROTTLES, Rules
from benchmark.timing.stats import median

ROUNDING = 2e-4  # s; recordings keep moments to 0.1 ms, and a sample's end and its state must still meet


def why_not(at: Sequence[float], wall: Sequence[float], states: Sequence[State], rules: Rules) -> list[str]:
    """For each sample why it does not count, in words, or nothing if it does.

    A sample belongs to the first state that was taken after its end, else to the last one: the state between
    two looks is not known, and a device that was slow is still slow some milliseconds later.

    Args:
        at: s, of each sample's begin.
        wall: ms, as many as moments.
        states: in the order they were taken, by the same clock; none where the device has none.
        rules: `slow_clock` is the share of the states' median SM clock below which a sample does not count.

    Returns:
        As many texts as samples.
    """
    if not states:
        return [""] * len(at)
    usual = median([state.sm_mhz for state in states if state.sm_mhz] or [0.0])
    reasons = [slowed(state, usual, rules) for state in states]
    moments = [state.at + ROUNDING for state in states]
    ends = (begin + ms / 1000 for begin, ms in zip(at, wall, strict=True))
    return [reasons[min(bisect_left(moments, end), len(states) - 1)] for end in ends]


def slowed(state: State, usual: float, rules: Rules) -> str:
    """How the device slowed itself down: its own reasons, else a clock (MHz) far below the usual one."""
    named = [name for bit, name in THROTTLES.items() if state.reasons & bit]
    if not named and 0 < state.sm_mhz < rules.slow_clock * usual:  # 0 was not told
        named = ["slow clock"]
    return ", ".join(named)
