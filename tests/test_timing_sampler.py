"""The sampling loop on devices whose physics is specified."""

import gc
import math
from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise
from statistics import median

import pytest

from benchmark.timing import sampler, stats
from benchmark.timing.rejection import reject_reasons
from benchmark.timing.rules import RULES
from tests.fake_device import FakeCpu, FakeGpu, during, ramp

CUDA = RULES["cuda"]
QUICK = replace(CUDA, warm_seconds=0.0, warm_calls=3, warm_slope=math.inf)  # warm after three calls
THERMAL = 0x40  # hardware thermal slowdown


@pytest.fixture(autouse=True)
def collections(monkeypatch):
    """Log garbage collections in place of doing them; a real one takes 50 ms beside torch."""
    log = []
    monkeypatch.setattr(gc, "collect", lambda: log.append("collect"))
    return log


def sample(device, rules=QUICK, **options):
    """Sample a device's own call."""
    return sampler.sample(device, device.call, rules, **options)


def duration(samples):
    """Return the s from the first sample's begin to the last one's end."""
    return samples.at[-1] + samples.wall[-1] / 1000


def accepted_times(samples, rules=QUICK):
    """Return the wall times of the samples that are not rejected."""
    reasons = reject_reasons(samples.at, samples.wall, samples.states, rules)
    return [ms for ms, reason in zip(samples.wall, reasons, strict=True) if not reason]


# Clocks


@pytest.mark.parametrize(
    ("costs", "asynchronous", "events", "wall", "graph"),
    [
        ({"launch_ms": 0.1, "busy_ms": 10, "replay_ms": 0.01}, 0.1, 10.0, 10.0, 10.01),
        ({"launch_ms": 10, "busy_ms": 2}, 10.0, 10.0, 10.0, 2.01),  # as slow as its host; the graph is not
        ({"launch_ms": 2, "busy_ms": 10, "honest": False}, 2.0, 10.0, 2.0, None),  # synchronise does not wait
    ],
    ids=["busy device", "launch-bound", "never synchronised"],
)
def test_four_clocks_follow_from_the_costs(costs, asynchronous, events, wall, graph):
    """Until the call returns, between events, synchronised wall, and a replayed graph."""
    gpu = FakeGpu(**costs)
    samples = sample(gpu, replay=gpu.replay)

    assert median(samples.asynchronous) == pytest.approx(asynchronous)
    assert median(samples.wall) == pytest.approx(wall)
    assert median(samples.events) == pytest.approx(events)  # shows what a dishonest wall clock misses
    if graph:
        assert samples.graph == pytest.approx([graph] * 30)


def test_a_device_without_events_has_one_clock():
    """A processor's call is done when it returns: no other clock, no states, and no graph to replay."""
    cpu = FakeCpu(busy_ms=7)
    samples = sample(cpu, replay=cpu.call)

    assert samples.wall == pytest.approx([7.0] * 30)
    assert (samples.asynchronous, samples.events, samples.graph, samples.states) == ((), (), (), ())
    assert len(cpu.times("call")) == len(samples.warm) + 30


@pytest.mark.parametrize("cold", [True, False])
def test_a_cold_cache_is_emptied_before_each_call_and_each_replay(cold):
    """One flush for each, outside the clocks; the call's 3 ms from an empty cache are inside."""
    gpu = FakeGpu(busy_ms=10, cold_ms=3, flush_ms=50)
    samples = sample(gpu, replay=gpu.replay, cold=cold)

    assert len(gpu.times("flush")) == (60 if cold else 0)
    assert samples.warm == pytest.approx([10.0] * 3)
    assert samples.wall == pytest.approx([13.0 if cold else 10.0] * 30)
    assert samples.graph[1:] == pytest.approx([13.0 if cold else 10.01] * 29)


def test_nothing_else_happens_around_a_timed_call():
    """Around every call: synchronise, clock, event, call, event, clock, synchronise, clock."""
    core = ["synchronise", "now", "mark", "call", "mark", "now", "synchronise", "now"]
    gpu = FakeGpu()
    sample(gpu, replay=gpu.replay, cold=True)
    names = [name for name, _ in gpu.log]
    calls = [i for i, name in enumerate(names) if name == "call"]

    assert len(calls) == 33
    assert all(names[i - 3 : i + 5] == core for i in calls)


@pytest.mark.parametrize(("busy", "apart"), [(1.0, 0.05), (20.0, 0.0600), (200.0, 0.2)])
def test_states_are_read_at_most_every_50_ms(busy, apart):
    """Fast calls share a state; a slow call has its own, read when it has ended."""
    samples = sample(FakeGpu(launch_ms=0.1, busy_ms=busy, read_ms=0), replace(QUICK, min_samples=200))
    moments = [state.at for state in samples.states]
    ends = [at + ms / 1000 for at, ms in zip(samples.at, samples.wall, strict=True)]

    assert min(b - a for a, b in pairwise(moments)) == pytest.approx(apart)
    assert samples.at[:2] == pytest.approx((0, busy / 1000))  # from the first sample's begin
    assert all(min(abs(end - moment) for end in ends) < 1e-9 for moment in moments)


# Warm-up


@pytest.mark.parametrize(
    ("physics", "settled", "shortest", "longest"),
    [
        ({"busy_ms": 10}, True, 2.98, 3.02),  # three seconds
        ({"busy_ms": 1000}, True, 9.98, 10.02),  # and ten calls
        # A clock that the host hides from every timer is within 2 % at 5.76 s, and steady a second later.
        ({"launch_ms": 10, "busy_ms": 1, "mhz": ramp(6.0, 990.0, 1980.0)}, True, 6.76, 7.2),
        # Calls of 2 s see it rise by 2.5 % or more each time; a second never has two readings.
        ({"launch_ms": 2000, "busy_ms": 1, "mhz": ramp(40.0, 990.0, 1980.0)}, False, 30, 32),
        # First calls take twice as long; after 3 s 5 % of that excess remains.
        ({"slow": lambda now: 1 + math.exp(-now)}, True, 6, 14),
        # One percent slower every second, where 0.1 % is allowed.
        ({"busy_ms": 50, "slow": lambda now: 1 + 0.01 * now}, False, 29.9, 30.1),
    ],
    ids=["fast calls", "slow calls", "a rising clock", "a clock read rarely", "slow first calls", "endless"],
)
def test_a_warm_up_lasts_until_times_and_clock_are_steady(physics, settled, shortest, longest):
    """At least three seconds and ten calls, at most 30 s; sampled all the same when it never settles."""
    samples = sample(FakeGpu(read_ms=0, **physics), CUDA)

    assert samples.settled == settled
    assert shortest <= sum(samples.warm) / 1000 <= longest
    assert samples.wall
    if settled and "slow" in physics:
        assert median(samples.wall) == pytest.approx(10.0, rel=1e-3)


def test_hiccups_do_not_prolong_a_warm_up():
    """Every tenth call takes five times as long; medians do not change."""
    gpu = FakeGpu(read_ms=0)
    numbers = iter(range(10**6))

    def call():
        slow = 5.0 if next(numbers) % 10 == 9 else 1.0
        gpu.slow = lambda now: slow
        gpu.call()

    samples = sampler.sample(gpu, call, CUDA)

    assert samples.settled
    assert sum(samples.warm) / 1000 == pytest.approx(3.0, abs=0.1)


def test_fast_calls_are_checked_now_and_then(monkeypatch):
    """40,000 calls that never settle: few slopes, which together use each call some ten times."""
    sizes = []
    slope = stats.relative_slope
    monkeypatch.setattr(stats, "relative_slope", lambda at, ms: sizes.append(len(ms)) or slope(at, ms))
    rules = replace(CUDA, warm_seconds=0.2, warm_max_seconds=2.0)
    samples = sample(FakeCpu(busy_ms=0.05, slow=lambda now: 1 + 0.01 * now), rules)

    assert not samples.settled
    assert 10 < len(sizes) < 60
    assert sum(sizes) < 12 * 40_000
    assert 500 <= len(samples.warm) <= 1000


# When to stop


def test_a_quiet_device_needs_the_minimum_of_samples():
    """Its interval is narrow from the sixth sample on, and yet 30 are taken; without states all count."""
    for gpu in (FakeGpu(), FakeGpu(readable=False)):
        samples = sample(gpu)

        assert (len(samples.wall), samples.stopped, bool(samples.states)) == (30, "narrow", gpu.readable)


def test_a_noisy_device_needs_as_many_samples_as_its_noise_requires():
    """The median of n normal samples has a standard error of 1.2533 sigma / sqrt(n); 2 % need 97 of them.

    That is the typical number: by chance an interval may be narrow earlier. Its median is always within 1 %,
    which is four standard errors.
    """
    needed = (1.96 * math.sqrt(math.pi / 2) * 0.02 / 0.005) ** 2
    tries = [sample(FakeGpu(noise=0.02, seed=seed)) for seed in range(9)]

    assert {samples.stopped for samples in tries} == {"narrow"}
    assert max(stats.relative_half_width(samples.wall) for samples in tries) <= 0.005
    assert needed / 2 < median(len(samples.wall) for samples in tries) < needed * 2
    assert [median(samples.wall) for samples in tries] == pytest.approx([10.0] * 9, rel=0.01)


@pytest.mark.parametrize(
    ("physics", "rules", "count", "seconds"),
    [
        ({"noise": 1.0}, {}, (3000, 5000), 60),  # needs 240,000 samples
        ({"launch_ms": 0.01, "busy_ms": 0.05, "noise": 0.5}, {"max_samples": 400}, (400, 400), 0.1),
        ({"clock_events": lambda now: THERMAL}, {"max_seconds": 2.0}, (100, 200), 2.0),
    ],
    ids=["too noisy", "too many", "always throttled"],
)
def test_an_uncertain_median_ends_at_a_limit(physics, rules, count, seconds):
    """Of time, or of samples, so that no file is too large; rejected samples make no median certain."""
    rules = replace(QUICK, **rules)
    samples = sample(FakeGpu(**physics), rules)
    accepted = accepted_times(samples)

    assert samples.stopped == "time"
    assert count[0] <= len(samples.wall) <= count[1]
    assert duration(samples) == pytest.approx(seconds, abs=0.5)
    assert stats.relative_half_width(accepted) > 0.005
    assert bool(accepted) != ("clock_events" in physics)


@pytest.mark.parametrize(("seconds", "count"), [(25, 3), (16, 3), (7, 8), (1.99, 30), (2.01, 29)])
def test_slow_calls_end_in_time(seconds, count):
    """As many as fit into 60 s, but at least three."""
    samples = sample(FakeGpu(busy_ms=1000 * seconds, read_ms=0))

    assert len(samples.wall) == count
    assert samples.stopped == ("narrow" if count == 30 else "time")
    assert duration(samples) <= 60 or count == 3


def test_rejected_samples_do_not_end_the_sampling():
    """Slowed down for 2 s, though its times do not show it: 30 samples are taken after that."""
    samples = sample(FakeGpu(clock_events=during(0.0, 2.0, THERMAL, 0), read_ms=0))

    assert samples.stopped == "narrow"
    assert 30 <= len(accepted_times(samples)) <= 45
    assert duration(samples) == pytest.approx(2.35, abs=0.15)


# Back to back


@pytest.mark.parametrize(
    ("costs", "calls", "joules"),
    [
        ({"launch_ms": 0.1, "busy_ms": 10}, 200, 6.0),  # 600 W
        ({"launch_ms": 10, "busy_ms": 2}, 200, 1.2),  # 100 calls a second, as fast as its host
        ({"busy_ms": 10, "slow": during(0.0, 0.05, 10.0, 1.0)}, 200, 6.0),  # a hiccup before it
        ({"busy_ms": 5000}, 1, 3000.0),  # one call takes longer than a burst
    ],
    ids=["busy device", "launch-bound", "after a hiccup", "slow call"],
)
def test_a_burst_has_throughput_and_energy(costs, calls, joules):
    """Two seconds of calls, without reading a clock in between."""
    gpu = FakeGpu(**costs)
    burst = sampler.burst(gpu, gpu.call, CUDA)

    assert burst.calls == calls
    assert burst.seconds == pytest.approx(max(2.0, gpu.busy_ms / 1000))
    assert burst.joules == pytest.approx(calls * joules)
    assert [name for name, _ in gpu.log[-calls - 3 :]] == ["now", *["call"] * calls, "synchronise", "now"]


@pytest.mark.parametrize("device", [FakeCpu(), FakeGpu(readable=False)], ids=lambda device: device.name)
def test_a_burst_without_a_counter_has_no_energy(device):
    """None, not 0."""
    burst = sampler.burst(device, device.call, CUDA)

    assert (burst.calls, burst.joules) == (200, None)


# The garbage collector


@pytest.mark.parametrize("enabled", [True, False], ids=["on", "off"])
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("loop", [sampler.sample, sampler.burst])
def test_garbage_is_collected_before_and_not_inside(loop, fails, enabled, collections):
    """Collected once; then off in every call, with all objects frozen; afterwards as before, even failed."""
    gpu, inside, frozen, before = FakeGpu(busy_ms=500), [], [], gc.isenabled()

    def call():
        inside.append((gc.isenabled(), *collections))
        if not frozen:  # counting is slow
            frozen.append(gc.get_freeze_count())
        if fails and len(inside) == 5:
            raise MemoryError("out of memory")
        gpu.call()

    (gc.enable if enabled else gc.disable)()
    try:
        with pytest.raises(MemoryError, match="out of memory") if fails else nullcontext():
            loop(gpu, call, QUICK)
        after = gc.isenabled(), gc.get_freeze_count()
    finally:
        (gc.enable if before else gc.disable)()

    assert len(inside) >= 5
    assert set(inside) == {(False, "collect")}
    assert frozen[0] > 0
    assert after == (enabled, 0)
