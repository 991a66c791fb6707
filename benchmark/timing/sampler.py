"""The sampling loop: warm up until times are steady, sample until their median is certain or time is up.

The protocol is nvbench's (stop on the noise, reject samples of slow clocks) with Triton's clocks (events on
the device, an emptied cache, a replayed graph); docs/runtime.md argues for every rule.
"""

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from statistics import median
from typing import Any

from benchmark.timing import stats
from benchmark.timing.recording import Burst, Samples, State
from benchmark.timing.rejection import reject_reasons
from benchmark.timing.rules import Rules

MAX_WARM_KEPT = 1000  # times of warm-up calls
FEWEST = 3  # samples, or calls before a burst, however slow they are
CLOCK_SECONDS = 1.0  # over which the SM clock has to be steady
GROWTH = 1.05  # of the number of calls between two checks, whose cost grows with it

Call = Callable[[], Any]  # sends work to the device and does not wait for it


class Device:
    """Interface to a device. The defaults describe a processor, where a call is complete when it returns.

    `benchmark/measure/devices.py` has real devices.
    """

    kind = "cpu"  # or "cuda"
    name: str

    def now(self) -> float:
        """Read the host's clock in s, which never goes back."""
        return time.perf_counter()

    def synchronise(self) -> None:
        """Wait until all work that was sent to the device is done."""

    def mark(self) -> Any:
        """Record an event behind all work sent so far; None where there are no events."""
        return None

    def between(self, first: Any, last: Any) -> float:
        """Return the ms between two events that have passed."""
        raise NotImplementedError

    def state(self, at: float) -> State | None:
        """Read the device's state, for the moment `at` (s); None where it is not readable."""
        return None

    def joules(self) -> float | None:
        """Read the energy counter, J; None where it is not readable."""
        return None

    def flush(self) -> None:
        """Send work that empties the L2 cache."""

    def machine(self) -> dict[str, str]:
        """Describe versions, driver and limits."""
        return {}

    def reset_peaks(self) -> None:
        """Forget the peaks of memory so far."""

    def memory(self) -> dict[str, float]:
        """Return the peaks since then, in MiB."""
        return {}

    def other_processes(self) -> int:
        """Count the other processes on the device now; those of a processor mean nothing and are 0."""
        return 0


@dataclass(frozen=True)
class TimedCall:
    """One call by every clock; None where there is no such clock."""

    begin: float  # s, host clock
    wall: float  # ms, as all that follow
    asynchronous: float
    events: float | None
    graph: float | None


class Monitor:
    """Reads the device's state now and then, and keeps the time since the loop began.

    It reads between two calls, in the thread that makes them: a thread of its own would take the
    interpreter's lock from the very launches that are timed.
    """

    def __init__(self, device: Device, every: float) -> None:
        self.device = device
        self.every = every  # s
        self.begin = device.now()
        self.last = -inf
        self.states: list[State] = []

    def elapsed(self) -> float:
        """Return the seconds since the loop began; read a state if the last one is old enough."""
        at = self.device.now() - self.begin
        if at - self.last >= self.every:
            self.last = at
            if state := self.device.state(at):
                self.states.append(state)
        return at


def sample(
    device: Device, call: Call, rules: Rules, replay: Call | None = None, cold: bool = False
) -> Samples:
    """Warm up, then sample until enough samples count and their median is certain, or time is up.

    Args:
        device: has the clocks.
        call: what is timed.
        rules: when to stop.
        replay: the same work as one replayed graph, timed once beside each call.
        cold: whether the L2 cache is emptied before each call and each replay. The warm-up stays warm.

    Returns:
        All samples, rejected ones too. A device without events has the synchronised clock only: there a call
        is done when it returns. At most 1,000 calls of the warm-up are kept, evenly thinned.
    """
    with paused_garbage_collection():
        warm, settled = warm_up(device, call, rules)
        calls: list[TimedCall] = []
        monitor = Monitor(device, rules.state_seconds)
        stopped, check = "", rules.min_samples
        while not stopped:
            calls.append(time_call(device, call, replay, cold))
            elapsed = monitor.elapsed()
            # Another sample is begun only if it is likely to end in time.
            late = len(calls) >= FEWEST and elapsed * (len(calls) + 1) / len(calls) > rules.max_seconds
            over = late or len(calls) >= rules.max_samples
            if over or len(calls) >= check:
                check = next_check(len(calls))
                stopped = "narrow" if certain(calls, monitor, rules) else "time" if over else ""
    return all_samples(warm, settled, calls, monitor, stopped)


def all_samples(
    warm: Sequence[float], settled: bool, calls: Sequence[TimedCall], monitor: Monitor, stopped: str
) -> Samples:
    """Return the samples of these calls by every clock, and their warm-up, thinned."""
    return Samples(
        warm=tuple(warm[:: max(1, -(-len(warm) // MAX_WARM_KEPT))]),
        settled=settled,
        at=tuple(timed.begin - monitor.begin for timed in calls),
        wall=tuple(timed.wall for timed in calls),
        asynchronous=tuple(timed.asynchronous for timed in calls if timed.events is not None),
        events=tuple(timed.events for timed in calls if timed.events is not None),
        graph=tuple(timed.graph for timed in calls if timed.graph is not None),
        states=tuple(monitor.states),
        stopped=stopped,
    )


def burst(device: Device, call: Call, rules: Rules) -> Burst:
    """Call back to back for about `rules.burst_seconds`, and synchronise once at the end.

    Three calls before it decide how many, so that no clock is read in between. Nothing bounds the device's
    queue: when it is full the driver lets a launch wait, and memory is reused in its order.
    """
    with paused_garbage_collection():
        typical_ms = median(time_call(device, call).wall for _ in range(FEWEST))
        calls = max(1, round(rules.burst_seconds / (typical_ms / 1000)))
        before, begin = device.joules(), device.now()
        for _ in range(calls):
            call()
        device.synchronise()
        seconds, after = device.now() - begin, device.joules()
    return Burst(calls, seconds, None if before is None or after is None else after - before)


@contextmanager
def paused_garbage_collection() -> Iterator[None]:
    """Collect garbage before the block and not inside: a pause would be taken for the device's."""
    enabled = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if enabled:
            gc.enable()


def warm_up(device: Device, call: Call, rules: Rules) -> tuple[list[float], bool]:
    """Call until times and the SM clock are steady, or for `rules.warm_max_seconds`.

    Returns:
        The wall ms of each call, and whether all became steady.
    """
    monitor = Monitor(device, rules.state_seconds)
    at: list[float] = []
    wall: list[float] = []
    check = rules.warm_calls
    while (elapsed := monitor.elapsed()) < rules.warm_max_seconds:
        if elapsed >= rules.warm_seconds and len(wall) >= check:
            check = next_check(len(wall))
            if steady_times(at, wall, rules) and steady_clock(monitor.states, rules):
                return wall, True
        timed = time_call(device, call)
        at.append(timed.begin - monitor.begin)
        wall.append(timed.wall)
    return wall, False


def time_call(device: Device, call: Call, replay: Call | None = None, cold: bool = False) -> TimedCall:
    """Time one call between two synchronisations, and its replay."""
    if cold:
        device.flush()
    device.synchronise()
    begin = device.now()
    first = device.mark()
    call()
    last = device.mark()
    returned = device.now()
    device.synchronise()
    end = device.now()
    events = None if first is None else device.between(first, last)
    graph = None if replay is None or events is None else time_replay(device, replay, cold)
    return TimedCall(begin, (end - begin) * 1000, (returned - begin) * 1000, events, graph)


def time_replay(device: Device, replay: Call, cold: bool) -> float:
    """Return the ms of one replay by the device's own clock."""
    if cold:
        device.flush()
    first = device.mark()
    replay()
    last = device.mark()
    device.synchronise()
    return device.between(first, last)


def next_check(count: int) -> int:
    """Return the number of calls after which to check all of them again."""
    return max(count + 1, round(GROWTH * count))


def steady_times(at: Sequence[float], wall: Sequence[float], rules: Rules) -> bool:
    """Decide whether the last half of the calls has no slope (`stats.relative_slope`)."""
    half = len(wall) // 2
    return abs(stats.relative_slope(at[half:], wall[half:])) < rules.warm_slope


def steady_clock(states: Sequence[State], rules: Rules) -> bool:
    """Decide whether the SM clock was steady over the last second, and between the last two states."""
    states = [state for state in states if state.sm_mhz]  # 0: not readable
    if not states:
        return True
    recent = [state for state in states if state.at > states[-1].at - CLOCK_SECONDS]
    clocks = [state.sm_mhz for state in (*states[-2:], *recent)]
    return max(clocks) - min(clocks) <= rules.warm_clock * max(clocks)


def certain(calls: Sequence[TimedCall], monitor: Monitor, rules: Rules) -> bool:
    """Decide whether enough samples count, and their median has a narrow interval."""
    at, wall = [timed.begin - monitor.begin for timed in calls], [timed.wall for timed in calls]
    reasons = reject_reasons(at, wall, monitor.states, rules)
    counting = [ms for ms, reason in zip(wall, reasons, strict=True) if not reason]
    enough = len(counting) >= rules.min_samples
    return enough and stats.relative_half_width(counting) <= rules.target_half_width
