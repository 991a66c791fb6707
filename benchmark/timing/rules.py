"""Thresholds of the timing protocol for each kind of device."""

from dataclasses import dataclass, replace
from math import inf


@dataclass(frozen=True)
class Rules:
    """Hold the thresholds of the protocol (docs/runtime.md argues for each)."""

    # The warm-up ends when all four hold, or at its time limit: then the recording is "unsettled".
    warm_seconds: float = 3.0
    warm_calls: int = 10
    warm_slope: float = 0.001  # of the median per second, relative: Theil-Sen over the last half of the calls
    warm_clock: float = 0.02  # spread of the SM clock over the last second, relative
    warm_max_seconds: float = 30.0

    # Sampling ends when there are enough samples and the median's 95 % interval is narrow, or at a limit.
    min_samples: int = 30
    max_samples: int = 5000  # bounds the size of the files
    target_half_width: float = 0.005  # of the interval, over the median
    max_half_width: float = 0.01  # beyond it the recording is "inconclusive"
    max_seconds: float = 60.0

    # Samples are rejected while the device slows itself down.
    slow_clock: float = 0.75  # of the recording's median SM clock
    max_rejected: float = 0.10  # share of the samples; beyond it the recording is "throttled"

    # Between the first and the last third of the samples.
    drift: float = 0.01  # relative change of the median, with
    drift_p: float = 0.01  # the p value of Kendall's trend test

    state_seconds: float = 0.05  # between two readings of the device's state
    burst_seconds: float = 2.0  # calls back to back, for throughput and energy

    # Two modes or devices differ when the medians of their rounds differ by more than both.
    same_within: float = 0.02
    aa_multiple: float = 3.0  # times the A/A spread


RULES = {
    "cuda": Rules(),
    # No readable clocks, other processes beside it, and calls of up to a second.
    "cpu": Rules(
        warm_seconds=1.0,
        warm_calls=3,
        warm_slope=0.01,
        warm_max_seconds=6.0,
        min_samples=10,
        max_seconds=15.0,
        burst_seconds=1.0,
    ),
}
# Of a pair: `samples` are pairs of turns, half-widths and drift are those of the ratio, and `max_half_width`
# is for all rounds together, each round's own ratio included. Times need not be steady for a ratio to be, so
# the warm-up has no slope to wait for; before it each network has been called once. On a processor a ratio
# may be off by 2 %, as that of two times may be that are known to 1 % each.
PAIR_RULES = {
    "cuda": replace(RULES["cuda"], warm_slope=inf, max_samples=1000),
    "cpu": replace(
        RULES["cpu"],
        warm_slope=inf,
        warm_calls=1,
        warm_max_seconds=30.0,
        max_samples=400,
        target_half_width=0.02,
        max_half_width=0.02,
        drift=0.02,
        max_seconds=90.0,
    ),
}
# Bits of nvmlClocksEventReasons (NVML API reference, "Clocks Event Reasons") during which samples are
# rejected. The software power cap (0x4) is not among them: a card at its power limit is the card as sold,
# and `slow_clock` rejects samples of its slow clocks.
THROTTLES = {
    0x08: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "hardware power brake",
}
POWER_CAP = 0x04
