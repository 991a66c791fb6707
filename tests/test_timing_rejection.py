"""Which samples are rejected, and why."""

import pytest

from benchmark.timing.recording import State
from benchmark.timing.rejection import reject_reasons
from benchmark.timing.rules import RULES
from benchmark.timing.sampler import steady_clock

CUDA = RULES["cuda"]
THERMAL = 0x40
THROTTLED = "hardware thermal slowdown"


def state(at, mhz=1980.0, events=0):
    """Make a state of which only this matters."""
    return State(at, mhz, 2619.0, 50.0, 600.0, events)


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        (0x00, ""),
        (0x01, ""),  # idle
        (0x04, ""),  # the power cap: the card as it is sold
        (0x08, "hardware slowdown"),
        (0x20, "software thermal slowdown"),
        (0x40, "hardware thermal slowdown"),
        (0x80, "hardware power brake"),
        (0x48, "hardware slowdown, hardware thermal slowdown"),
    ],
)
def test_bits_that_throttle_are_named(events, reason):
    """NVML's bits, but not those that every card shows at its limit."""
    assert reject_reasons([0.0], [10.0], [state(0.01, events=events)], CUDA) == [reason]


@pytest.mark.parametrize(
    ("at", "wall", "states", "reasons"),
    [
        # Samples end at 10, 30 and 50 ms; states are read at 10, 30 and 45 ms: the last one has two samples.
        (
            [0.0, 0.011, 0.04],
            [10.0, 19.0, 10.0],
            [state(0.010), state(0.030, events=THERMAL), state(0.045)],
            ["", THROTTLED, ""],
        ),
        ([0.05, 9.0], [10.0, 10.0], [state(0.0, events=THERMAL)], [THROTTLED] * 2),
        # A sample ends and its state is read at 10.05 ms; the recording has 0.0 + 10.05 ms and 0.01 s.
        ([0.0, 0.02], [10.05, 10.0], [state(0.01, events=THERMAL), state(0.06)], [THROTTLED, ""]),
        # The driver's reason comes before the slow clock.
        ([0.02], [10.0], [state(0.01), state(0.02), state(0.03, 900.0, THERMAL)], [THROTTLED]),
        ([0.0, 1.0], [10.0, 10.0], [], ["", ""]),  # a processor has no states
    ],
    ids=["the next state", "the last state", "rounded moments", "throttled and slow", "no states"],
)
def test_a_sample_belongs_to_the_next_state(at, wall, states, reasons):
    """That is the first one read after its end, or the last one."""
    assert reject_reasons(at, wall, states, CUDA) == reasons


def test_a_slow_clock_is_rejected():
    """Below 75 % of the median of 2,000 MHz, which a few slow readings do not move."""
    states = [state(0.1 * i, mhz) for i, mhz in enumerate((2000.0, 1501.0, 1499.0, 2000.0, 2000.0))]
    reasons = reject_reasons([each.at for each in states], [0.0] * 5, states, CUDA)

    assert reasons == ["", "", "slow clock", "", ""]


def test_an_unreadable_clock_is_not_a_slow_clock():
    """0 MHz is not below the median clock (1,700), nor part of it, nor a change of it."""
    states = [state(0.01, 2000.0), state(0.11, 0.0), state(0.21, 1400.0)]

    assert reject_reasons([0.0, 0.1, 0.2], [10.0] * 3, states, CUDA) == ["", "", ""]
    assert steady_clock([state(1.0), state(1.1, 0.0), state(1.2)], CUDA)
