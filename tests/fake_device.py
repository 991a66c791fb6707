"""A simulated graphics processor and a simulated processor: their times follow from a few costs.

The host and the device have a clock each. A call costs the host `launch_ms` to send and the device `busy_ms`
to do; the device begins when the first of it arrives and cannot end before the last of it has. Synchronising
moves the host's clock to the end of the device's queue. No test waits for any of this.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from math import exp

from benchmark.timing.recording import State
from benchmark.timing.sampler import Device

OverTime = Callable[[float], float]  # a value over the host's time in seconds
FULL_MHZ = 1980.0  # the clock at which a call takes `busy_ms`


def during(begin: float, end: float, inside: float, outside: float) -> OverTime:
    """Return a value from `begin` to `end` (s), another before and after."""
    return lambda now: inside if begin <= now < end else outside


def ramp(end: float, first: float, last: float) -> OverTime:
    """Go from `first` to `last` in a straight line, and stay after `end` seconds."""
    return lambda now: first + (last - first) * min(now / end, 1.0)


@dataclass
class FakeCpu(Device):
    """A device that is the host, with noise, a log and one clock: a call returns when it is done."""

    name = "Fake CPU"
    noise: float = 0.0  # standard deviation of the logarithm of every duration
    seed: int = 0
    host: float = 0.0  # s
    log: list[tuple[str, float]] = field(default_factory=list)  # the method that was called, and when (s)
    busy_ms: float = 10.0
    slow: OverTime = lambda now: 1.0  # factor of a call's time: first calls, heat

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def noisy_seconds(self, ms: float) -> float:
        """Return these milliseconds in seconds, a little longer or shorter."""
        return ms / 1000 * exp(self.random.gauss(0, self.noise))

    def note(self, method: str) -> None:
        """Log a call."""
        self.log.append((method, self.host))

    def times(self, method: str) -> list[float]:
        """Return when a method was called (s), each time."""
        return [at for name, at in self.log if name == method]

    def now(self) -> float:
        """Read the host's clock (s)."""
        self.note("now")
        return self.host

    def call(self) -> None:
        """Do one call."""
        self.note("call")
        self.host += self.noisy_seconds(self.busy_ms) * self.slow(self.host)

    def machine(self) -> dict[str, str]:
        """Describe the machine."""
        return {"driver": "imaginary"}

    def reset_peaks(self) -> None:
        """Log the call."""
        self.note("reset_peaks")


@dataclass
class FakeCore(FakeCpu):
    """A processor that others use too; its own clock leaves out what the scheduler gave to them."""

    share: OverTime = lambda now: 1.0  # of the processor, that this process gets
    own: float = 0.0  # s

    def call(self) -> None:
        """Do one call; the host's clock goes on while others work."""
        self.note("call")
        seconds = self.noisy_seconds(self.busy_ms) * self.slow(self.host)
        self.own += seconds
        self.host += seconds / self.share(self.host)

    def mark(self) -> float:
        """Return the own clock (s)."""
        return self.own

    def between(self, first: float, last: float) -> float:
        """Return the milliseconds between two readings."""
        return (last - first) * 1000


@dataclass
class FakeGpu(FakeCpu):
    """A device with a queue, events, a clock that can be slow, and a counter of energy."""

    kind = "cuda"
    name = "Fake GPU"
    launch_ms: float = 0.1  # the host's share of a call
    replay_ms: float = 0.01  # the host's share of a replayed graph
    flush_ms: float = 0.1  # the device's share of emptying the cache
    cold_ms: float = 0.0  # how much longer a call takes after that
    read_ms: float = 0.5  # the host's share of reading the state
    mhz: OverTime = lambda now: FULL_MHZ  # the SM clock; the device's share grows as it falls
    celsius: OverTime = lambda now: 50.0
    watts: OverTime = lambda now: 600.0  # while busy; 0 when idle
    clock_events: Callable[[float], int] = lambda now: 0  # bits of rules.THROTTLES
    readable: bool = True  # whether there are states and an energy counter
    honest: bool = True  # whether synchronise waits: the literature's clocks did not
    free: float = 0.0  # s: when the device's queue is empty
    energy: float = 0.0  # J
    cold: bool = False  # whether the cache is empty

    def call(self) -> None:
        """Send one call's work, operator by operator."""
        self.note("call")
        begin = max(self.host, self.free)
        self.host += self.noisy_seconds(self.launch_ms)
        self.work(begin)

    def replay(self) -> None:
        """Send the same work at once."""
        self.note("replay")
        self.host += self.noisy_seconds(self.replay_ms)
        self.work(max(self.host, self.free))

    def work(self, begin: float) -> None:
        """Work from `begin` (s) on, and not end before all of the work was sent."""
        ms = self.busy_ms + (self.cold_ms if self.cold else 0.0)
        seconds = self.noisy_seconds(ms) * self.slow(begin) * FULL_MHZ / self.mhz(begin)
        self.free = max(begin + seconds, self.host)
        self.energy += seconds * self.watts(begin)
        self.cold = False

    def synchronise(self) -> None:
        """Wait for the end of the queue, if honest."""
        self.note("synchronise")
        if self.honest:
            self.host = max(self.host, self.free)

    def mark(self) -> float:
        """Return the moment of the event (s)."""
        self.note("mark")
        return max(self.host, self.free)

    def between(self, first: float, last: float) -> float:
        """Return the milliseconds between two events; an error before both have passed, as in CUDA."""
        assert last <= self.host or not self.honest, "the event has not passed"
        return (last - first) * 1000

    def state(self, at: float) -> State | None:
        """Read clocks, temperature, power and clock events."""
        self.note("state")
        now = self.host
        self.host += self.read_ms / 1000
        if not self.readable:
            return None
        return State(at, self.mhz(now), 2619.0, self.celsius(now), self.watts(now), self.clock_events(now))

    def joules(self) -> float | None:
        """Read the energy counter."""
        return self.energy if self.readable else None

    def flush(self) -> None:
        """Empty the cache: work in the queue, like a call."""
        self.note("flush")
        self.free = max(self.host, self.free) + self.flush_ms / 1000
        self.cold = True

    def memory(self) -> dict[str, float]:
        """Return peaks in MiB."""
        return {"allocated": 100.0, "reserved": 128.0, "device": 600.0}
