"""The sampling loop: warm up until times stand still, sample until their median is certain or time is up.

The protocol is nvbench's (stop on the noise, drop samples of slow clocks) with Triton's clocks (events on the
device, an emptied cache, a replayed graph); docs/runtime.md argues for every rule.
"""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from typing import Any, Protocol

from benchmark.timing import stats
from benchmark.timing.record import Burst, Samples, State
from benchmark.timing.rules import Rules
from benchmark.timing.valid import why_not

WARM_KEPT = 1000  # calls of a warm-up whose times are kept
FEWEST = 3  # samples, or calls before a burst, however long each of them takes
CLOCK_SECONDS = 1.0  # over which the SM clock has to be steady
GROWTH = 1.05  # of the number of calls between two looks at all of them, whose cost grows with it

Call = Callable[[], Any]  # sends work to the device and does not wait for it


class Device(Protocol):
    """What the loop asks of a device; `benchmark/measure/clocks.py` has real ones."""

    kind: str  # "cuda" or "cpu"

    def now(self) -> float:
        """The host's clock, in s."""

    def synchronise(self) -> None:
        """Wait until all work that was sent to the device is done."""

    def mark(self) -> Any:
        """An event behind all work sent so far; None where there are none."""

    def between(self, first: Any, last: Any) -> float:
        """The ms between two events that have passed."""

    def state(self, at: float) -> State | None:
        """What the device says of itself now, at the moment `at` (s); None where it says nothing."""

    def joules(self) -> float | None:
        """A counter of energy; None where there is none."""

    def flush(self) -> None:
        """Send work that empties the L2 cache."""


@dataclass(frozen=True)
class One:
    """One call and its clocks; None where there is no such clock."""

    begin: float  # s, host clock
    wall: float  # ms, as all that follow
    asynchronous: float
    events: float | None
    graph: float | None


class Watch:
    """Looks at the device's state now and then, and knows how much time went by.

    It is asked between two calls, in the thread that makes them: a thread of its own would take the
    interpreter's lock from the very launches that are timed.
    """

    def __init__(self, device: Device, every: float) -> None:
        self.device = device
        self.every = every  # s
        self.begin = device.now()
        self.last = -inf
        self.states: list[State] = []

    def look(self) -> float:
        """The seconds since it began; takes a state if the last one is old enough."""
        at = self.device.now() - self.begin
        if at - self.last >= self.every:
            self.last = at
            if state := self.device.state(at):
                self.states.append(state)
        return at


def sample(
    device: Device, call: Call, rules: Rules, replay: Call | None = None, cold: bool = False
) -> Samples:
    """Warm up, then take samples until enough of them count and their median is certain, or time is up.

    Args:
        device: has the clocks.
        call: what is timed.
        rules: when to stop.
        replay: the same work as one replayed graph, timed once beside each call.
        cold: whether the L2 cache is emptied before each call and each replay. The warm-up stays warm.

    Returns:
        All samples, those that will not count too. A device without events has the synchronised clock only:
        there a call is done when it returns. At most 1,000 calls of the warm-up are kept, evenly thinned.
    """
    with uncollected():
        warm, settled = warm_up(device, call, rules)
        ones: list[One] = []
        watch = Watch(device, rules.state_every)
        stopped, check = "", rules.least
        while not stopped:
            ones.append(once(device, call, replay, cold))
            spent = watch.look()
            # Another sample is begun only if it is likely to end in time.
            late = len(ones) >= FEWEST and spent * (len(ones) + 1) / len(ones) > rules.cap
            over = late or len(ones) >= rules.most
            if over or len(ones) >= check:
                check = later(len(ones))
                stopped = "narrow" if certain(ones, watch, rules) else "time" if over else ""
    return Samples(
        warm=tuple(warm[:: -(-len(warm) // WARM_KEPT)]),
        settled=settled,
        at=tuple(one.begin - watch.begin for one in ones),
        wall=tuple(one.wall for one in ones),
        asynchronous=tuple(one.asynchronous for one in ones if one.events is not None),
        events=tuple(one.events for one in ones if one.events is not None),
        graph=tuple(one.graph for one in ones if one.graph is not None),
        states=tuple(watch.states),
        stopped=stopped,
    )


def burst(device: Device, call: Call, rules: Rules) -> Burst:
    """Calls back to back for about `rules.burst` seconds, synchronised once at the end.

    How many is known from three calls before it, so that no clock is read between them. Nothing bounds the
    device's queue: when it is full the driver lets a launch wait, and memory is used again in its order.
    """
    with uncollected():
        alone = stats.median([once(device, call).wall for _ in range(FEWEST)])
        calls = max(1, round(rules.burst / (alone / 1000)))
        before, begin = device.joules(), device.now()
        for _ in range(calls):
            call()
        device.synchronise()
        seconds, after = device.now() - begin, device.joules()
    return Burst(calls, seconds, None if before is None or after is None else after - before)


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage collection inside: a pause of the interpreter would be taken for one of the device."""
    was = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if was:
            gc.enable()


def warm_up(device: Device, call: Call, rules: Rules) -> tuple[list[float], bool]:
    """Call until times and the SM clock stand still, or until `rules.warm_cap` seconds are over.

    Returns:
        The wall ms of each call, and whether all came to rest.
    """
    watch = Watch(device, rules.state_every)
    at: list[float] = []
    wall: list[float] = []
    check = rules.warm_least
    while (spent := watch.look()) < rules.warm_cap:
        if spent >= rules.warm_seconds and len(wall) >= check:
            check = later(len(wall))
            if still(at, wall, rules) and steady(watch.states, rules):
                return wall, True
        one = once(device, call)
        at.append(one.begin - watch.begin)
        wall.append(one.wall)
    return wall, False


def once(device: Device, call: Call, replay: Call | None = None, cold: bool = False) -> One:
    """One call between two synchronisations, and its replay."""
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
    graph = None if replay is None or events is None else replayed(device, replay, cold)
    return One(begin, (end - begin) * 1000, (returned - begin) * 1000, events, graph)


def replayed(device: Device, replay: Call, cold: bool) -> float:
    """The ms of one replay by the device's own clock."""
    if cold:
        device.flush()
    first = device.mark()
    replay()
    last = device.mark()
    device.synchronise()
    return device.between(first, last)


def later(count: int) -> int:
    """At how many calls to look at all of them again."""
    return max(count + 1, round(GROWTH * count))


def still(at: Sequence[float], wall: Sequence[float], rules: Rules) -> bool:
    """Whether the last half of the calls has no slope (`stats.slope`: of medians of neighbours)."""
    half = len(wall) // 2
    return abs(stats.slope(at[half:], wall[half:])) < rules.warm_slope


def steady(states: Sequence[State], rules: Rules) -> bool:
    """Whether the SM clock stayed the same over the last second, and from one state to the next."""
    states = [state for state in states if state.sm_mhz]  # 0 was not told
    if not states:
        return True
    recent = [state for state in states if state.at > states[-1].at - CLOCK_SECONDS]
    clocks = [state.sm_mhz for state in (*states[-2:], *recent)]
    return max(clocks) - min(clocks) <= rules.warm_clock * max(clocks)


def certain(ones: Sequence[One], watch: Watch, rules: Rules) -> bool:
    """Whether enough samples count, and the median of those that do has a narrow interval."""
    at, wall = [one.begin - watch.begin for one in ones], [one.wall for one in ones]
    reasons = why_not(at, wall, watch.states, rules)
    counting = [ms for ms, reason in zip(wall, reasons, strict=True) if not reason]
    return len(counting) >= rules.least and stats.half_width(counting) <= rules.narrow
