"""A graphics processor and a processor that exist on paper: their times follow from a few stated costs.

The host and the device have a clock each. A call costs the host `launch_ms` to send and the device `busy_ms`
to do; the device begins when the first of it arrives and cannot end before the last of it has. Synchronising
moves the host's clock to the end of the device's queue. No test waits for any of this.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from math import exp

from benchmark.timing.record import State

Over = Callable[[float], float]  # a value over the host's time in seconds
FULL_MHZ = 1980.0  # the clock at which a call takes `busy_ms`


def during(begin: float, end: float, inside: float, outside: float) -> Over:
    """One value from `begin` to `end` (s), another before and after."""
    return lambda now: inside if begin <= now < end else outside


def ramp(end: float, first: float, last: float) -> Over:
    """From `first` to `last` in a straight line, there after `end` seconds."""
    return lambda now: first + (last - first) * min(now / end, 1.0)


@dataclass
class Fake:
    """What both kinds have: a host's clock, noise, a log, and the facts that a recording wants."""

    kind = "cpu"
    name = "Fake"
    noise: float = 0.0  # standard deviation of the logarithm of every duration
    seed: int = 0
    host: float = 0.0  # s
    log: list[tuple[str, float]] = field(default_factory=list)  # what was asked for, and when (s)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def noisy(self, ms: float) -> float:
        """These milliseconds in seconds, a little longer or shorter."""
        return ms / 1000 * exp(self.random.gauss(0, self.noise))

    def note(self, what: str) -> None:
        """Write down what was asked for."""
        self.log.append((what, self.host))

    def times(self, what: str) -> list[float]:
        """When something was asked for (s), each time."""
        return [at for name, at in self.log if name == what]

    def now(self) -> float:
        """The host's clock (s)."""
        self.note("now")
        return self.host

    def machine(self) -> dict[str, str]:
        """What it runs with."""
        return {"driver": "imaginary"}

    def reset(self) -> None:
        """Forget peaks of memory; there are none."""
        self.note("reset")

    def memory(self) -> dict[str, float]:
        """Peaks in MiB."""
        return {}

    def others(self) -> int:
        """Nobody else is here."""
        return 0


@dataclass
class FakeCpu(Fake):
    """A device that is the host: a call returns when it is done; no events, no states, no energy counter."""

    name = "Fake CPU"
    busy_ms: float = 10.0
    slow: Over = lambda now: 1.0  # what a call's time is multiplied by

    def call(self) -> None:
        """One call, done when it returns."""
        self.note("call")
        self.host += self.noisy(self.busy_ms) * self.slow(self.host)

    def synchronise(self) -> None:
        """There is nothing to wait for."""
        self.note("synchronise")

    def mark(self) -> None:
        """No events."""

    def between(self, first: None, last: None) -> float:
        """Nobody may ask."""
        raise AssertionError("a device without events was asked for the time between two")

    def state(self, at: float) -> None:
        """No states."""

    def joules(self) -> None:
        """No counter."""

    def flush(self) -> None:
        """No cache of its own."""
        self.note("flush")


@dataclass
class FakeGpu(Fake):
    """A device with a queue, events, a clock that can be slow, and a counter of energy."""

    kind = "cuda"
    name = "Fake GPU"
    launch_ms: float = 0.1  # the host's share of a call
    busy_ms: float = 10.0  # the device's share, at full clock, with a warm cache
    replay_ms: float = 0.01  # the host's share of a replayed graph
    flush_ms: float = 0.1  # the device's share of emptying the cache
    cold_ms: float = 0.0  # how much longer a call takes after that
    look_ms: float = 0.5  # the host's share of asking for the state
    slow: Over = lambda now: 1.0  # what the device's share is multiplied by: first calls, heat
    mhz: Over = lambda now: FULL_MHZ  # the SM clock; the device's share grows as it falls
    celsius: Over = lambda now: 50.0
    watts: Over = lambda now: 600.0  # while busy; idle it takes none
    reasons: Callable[[float], int] = lambda now: 0  # bits of rules.THROTTLES
    watched: bool = True  # whether there are states and an energy counter
    honest: bool = True  # whether synchronise waits: the literature's clocks did not
    free: float = 0.0  # s: when the device's queue is empty
    energy: float = 0.0  # J
    cold: bool = False  # whether the cache is empty

    def call(self) -> None:
        """One call's work, sent operator by operator."""
        self.note("call")
        begin = max(self.host, self.free)
        self.host += self.noisy(self.launch_ms)
        self.work(begin)

    def replay(self) -> None:
        """The same work, sent at once."""
        self.note("replay")
        self.host += self.noisy(self.replay_ms)
        self.work(max(self.host, self.free))

    def work(self, begin: float) -> None:
        """The device works from `begin` (s) on; it is not done before all of the work was sent."""
        ms = self.busy_ms + (self.cold_ms if self.cold else 0.0)
        took = self.noisy(ms) * self.slow(begin) * FULL_MHZ / self.mhz(begin)
        self.free = max(begin + took, self.host)
        self.energy += took * self.watts(begin)
        self.cold = False

    def synchronise(self) -> None:
        """Wait for the end of the queue, if honest."""
        self.note("synchronise")
        if self.honest:
            self.host = max(self.host, self.free)

    def mark(self) -> float:
        """The moment when the device gets here (s)."""
        self.note("mark")
        return max(self.host, self.free)

    def between(self, first: float, last: float) -> float:
        """Milliseconds; to ask before both have passed is an error, as in CUDA."""
        assert last <= self.host or not self.honest, "asked for an event that has not passed"
        return (last - first) * 1000

    def state(self, at: float) -> State | None:
        """Its clocks, temperature, power and reasons to be slow, now."""
        self.note("state")
        now = self.host
        self.host += self.look_ms / 1000
        if not self.watched:
            return None
        return State(at, self.mhz(now), 2619.0, self.celsius(now), self.watts(now), self.reasons(now))

    def joules(self) -> float | None:
        """The counter of energy."""
        return self.energy if self.watched else None

    def flush(self) -> None:
        """Empty the cache: work in the queue, like a call."""
        self.note("flush")
        self.free = max(self.host, self.free) + self.flush_ms / 1000
        self.cold = True

    def memory(self) -> dict[str, float]:
        """Peaks in MiB."""
        return {"allocated": 100.0, "reserved": 128.0, "device": 600.0}
