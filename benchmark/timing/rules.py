"""When a warm-up has ended, when enough was sampled, which samples do not count: by kind of device."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rules:
    """Thresholds of the protocol (docs/runtime.md argues for each)."""

    # Warm-up ends when all four hold, or when its time is up: then the recording is "unsettled".
    warm_seconds: float = 3.0
    warm_least: int = 10  # calls
    warm_slope: float = 0.001  # of the running median, per second: Theil-Sen over the last half of the calls
    warm_clock: float = 0.02  # spread of the SM clock over the last second, relative
    warm_cap: float = 30.0  # s

    # Sampling ends when the 95 % interval of the median is narrow and there are enough samples, or in time.
    least: int = 30  # samples
    most: int = 5000  # samples, after which the time counts as up: no file of raw samples grows without end
    narrow: float = 0.005  # half the interval's width over the median
    wide: float = 0.01  # what still counts when the time is up; beyond it: "inconclusive"
    cap: float = 60.0  # s

    # A sample does not count while the device slows itself down.
    slow_clock: float = 0.75  # of the recording's median SM clock
    dropped: float = 0.10  # more samples than this share dropped: "throttled"

    # Between the first and the last third of the samples.
    drift: float = 0.01  # relative change of the median, with
    drift_p: float = 0.01  # Kendall's trend test

    state_every: float = 0.05  # s between looks at the device's state
    burst: float = 2.0  # s of calls back to back, for throughput and energy

    # Between two modes or devices: rounds differ for real when their medians differ by more than either.
    same: float = 0.02
    noise: float = 3.0  # times the A/A difference


RULES = {
    "cuda": Rules(),
    # No clocks of its own to watch, other processes beside it, and calls of up to a second.
    "cpu": Rules(
        warm_seconds=1.0, warm_least=3, warm_slope=0.01, warm_cap=6.0, least=10, cap=15.0, burst=1.0
    ),
}
# Bits of nvmlClocksEventReasons (NVML API reference, "Clocks Event Reasons") during which a sample does not
# count. The software power cap (0x4) is not among them: a card at its power limit is the card as it is sold,
# and its slow clocks are dropped by `slow_clock`.
THROTTLES = {
    0x08: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "hardware power brake",
}
POWER_CAP = 0x04
