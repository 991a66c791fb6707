"""Which samples are rejected: those during which the device slowed itself down."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import compress

import numpy as np

from benchmark.timing.recording import Recording, State
from benchmark.timing.rules import RULES, THROTTLES, Rules

ROUNDING = 2e-4  # s; recordings keep moments to 0.1 ms, and a sample's end and its state must still match


def reject_reasons(
    at: Sequence[float], wall: Sequence[float], states: Sequence[State], rules: Rules
) -> list[str]:
    """Return for each sample why it is rejected, or an empty text if it counts.

    A sample belongs to the first state that was read after its end, else to the last one: the state between
    two readings is unknown, and a device that was slow is still slow some milliseconds later.

    Args:
        at: s, the begin of each sample; states are on the same time axis, in the order they were read.
        wall: ms, the duration of each sample.
        states: none where the device has none.
        rules: `slow_clock` is used.
    """
    if not states:
        return [""] * len(at)
    typical_mhz = float(np.median([state.sm_mhz for state in states if state.sm_mhz] or [0.0]))
    reasons = [slowdown(state, typical_mhz, rules) for state in states]
    read_at = [state.at + ROUNDING for state in states]
    ends = (begin + ms / 1000 for begin, ms in zip(at, wall, strict=True))
    return [reasons[min(bisect_left(read_at, end), len(states) - 1)] for end in ends]


def slowdown(state: State, typical_mhz: float, rules: Rules) -> str:
    """Name the device's own reasons for a slow clock, else a clock far below the typical one."""
    reasons = [name for bit, name in THROTTLES.items() if state.clock_events & bit]
    if not reasons and 0 < state.sm_mhz < rules.slow_clock * typical_mhz:  # 0: not readable
        reasons = ["slow clock"]
    return ", ".join(reasons)


def recording_reasons(recording: Recording, rules: Rules | None = None) -> list[str]:
    """Apply `reject_reasons` to a recording, by default with the rules of its kind of device."""
    samples = recording.samples
    rules = rules or RULES[recording.kind_of_device]
    return reject_reasons(samples.at, samples.wall, samples.states, rules)


def accepted(recording: Recording, clock: Sequence[float], rules: Rules | None = None) -> list[float]:
    """Keep the times of one of the recording's clocks whose samples are not rejected."""
    return list(compress(clock, (not reason for reason in recording_reasons(recording, rules))))
