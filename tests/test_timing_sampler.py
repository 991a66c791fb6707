"""The sampling loop on devices whose physics is known, and which samples count."""

import gc
import math
from dataclasses import replace
from itertools import pairwise
from statistics import median

import pytest

from benchmark.timing import sampler, stats
from benchmark.timing.recording import State
from benchmark.timing.rules import RULES
from benchmark.timing.rejection import reject_reasons
from tests.fake_device import FakeCpu, FakeGpu, during, ramp

CUDA = RULES["cuda"]
QUICK = replace(CUDA, warm_seconds=0.0, warm_calls=3, warm_slope=math.inf)  # warm after three calls
THERMAL = 0x40  # hardware thermal slowdown


@pytest.fixture(autouse=True)
def collections(monkeypatch):
    """One entry for each garbage collection that was asked for; a real one takes 50 ms beside torch."""
    asked = []
    monkeypatch.setattr(gc, "collect", lambda: asked.append("collect"))
    return asked


def sample(device, rules=QUICK, **asked):
    """Samples of a device's own call."""
    return sampler.sample(device, device.call, rules, **asked)


def spent(samples):
    """The s from the first sample's begin to the last one's end."""
    return samples.at[-1] + samples.wall[-1] / 1000


def counting(samples, rules=QUICK):
    """The wall times of the samples that count."""
    reasons = reject_reasons(samples.at, samples.wall, samples.states, rules)
    return [ms for ms, reason in zip(samples.wall, reasons, strict=True) if not reason]


def look(at, mhz=1980.0, reasons=0):
    """A state of which only this matters."""
    return State(at, mhz, 2619.0, 50.0, 600.0, reasons)


# Clocks


def test_four_clocks_are_what_the_physics_says():
    """A call that is sent in 0.1 ms and takes the device 10 ms; its graph is sent in 0.01 ms."""
    gpu = FakeGpu(launch_ms=0.1, busy_ms=10, replay_ms=0.01)
    samples = sample(gpu, replay=gpu.replay)

    assert samples.asynchronous == pytest.approx([0.1] * 30)
    assert samples.events == pytest.approx([10.0] * 30)
    assert samples.wall == pytest.approx([10.0] * 30)
    assert samples.graph == pytest.approx([10.01] * 30)


def test_a_launch_bound_call_is_as_slow_as_its_host():
    """10 ms to send, 2 ms to do: every clock says 10, the replayed graph says 2."""
    gpu = FakeGpu(launch_ms=10, busy_ms=2)
    samples = sample(gpu, replay=gpu.replay)

    assert samples.asynchronous == pytest.approx([10.0] * 30)
    assert samples.events == pytest.approx([10.0] * 30)
    assert samples.wall == pytest.approx([10.0] * 30)
    assert samples.graph == pytest.approx([2.01] * 30)


def test_a_clock_without_synchronising_is_below_the_events():
    """A synchronise that waits for nothing leaves the host's share in the wall clock; events give it away."""
    gpu = FakeGpu(launch_ms=2, busy_ms=10, honest=False)
    samples = sample(gpu)

    assert samples.wall == pytest.approx(samples.asynchronous)
    assert median(samples.wall) == pytest.approx(2.0)
    assert median(samples.events) == pytest.approx(10.0)


def test_a_device_without_events_has_one_clock():
    """A processor's call is done when it returns: no other clock, no states, and no graph to replay."""
    cpu = FakeCpu(busy_ms=7)
    samples = sample(cpu, replay=cpu.call)

    assert samples.wall == pytest.approx([7.0] * 30)
    assert (samples.asynchronous, samples.events, samples.graph, samples.states) == ((), (), (), ())
    assert len(cpu.times("call")) == len(samples.warm) + 30


def test_a_cold_cache_is_emptied_before_each_call_and_each_replay():
    """One flush for each, outside the clocks; the call's 3 ms from an empty cache are inside."""
    gpu = FakeGpu(busy_ms=10, cold_ms=3, flush_ms=50)
    samples = sample(gpu, replay=gpu.replay, cold=True)

    assert len(gpu.times("flush")) == 60
    assert samples.warm == pytest.approx([10.0] * 3)
    assert samples.wall == pytest.approx([13.0] * 30)
    assert samples.graph == pytest.approx([13.0] * 30)


def test_a_warm_cache_is_left_alone():
    """Nobody flushes where nobody asked."""
    gpu = FakeGpu()
    sample(gpu, replay=gpu.replay)

    assert gpu.times("flush") == []


def test_nothing_happens_inside_the_timed_core():
    """Around every call: synchronise, clock, event, call, event, clock, synchronise, clock."""
    core = ["synchronise", "now", "mark", "call", "mark", "now", "synchronise", "now"]
    gpu = FakeGpu()
    sample(gpu, replay=gpu.replay, cold=True)
    names = [name for name, _ in gpu.log]
    calls = [i for i, name in enumerate(names) if name == "call"]

    assert len(calls) == 33
    assert all(names[i - 3 : i + 5] == core for i in calls)


@pytest.mark.parametrize(("busy", "apart"), [(1.0, 0.05), (20.0, 0.0600), (200.0, 0.2)])
def test_states_are_asked_for_no_more_often_than_every_50_ms(busy, apart):
    """Fast calls share a state; a slow call has one of its own, taken when it has ended."""
    samples = sample(FakeGpu(launch_ms=0.1, busy_ms=busy, read_ms=0), replace(QUICK, min_samples=200))
    moments = [state.at for state in samples.states]
    ends = [at + ms / 1000 for at, ms in zip(samples.at, samples.wall, strict=True)]

    assert min(b - a for a, b in pairwise(moments)) == pytest.approx(apart)
    assert all(min(abs(end - moment) for end in ends) < 1e-9 for moment in moments)


def test_moments_are_those_of_the_samples():
    """The first begins at 0, and 10 ms of call and 0.5 ms of looking lie between two begins."""
    samples = sample(FakeGpu(busy_ms=60, read_ms=0.5))

    assert samples.at == pytest.approx([0.0605 * i for i in range(30)])


# Warm-up


def test_a_steady_device_is_warm_after_three_seconds():
    """Nothing moves: the least time decides."""
    samples = sample(FakeGpu(read_ms=0), CUDA)

    assert samples.settled
    assert sum(samples.warm) == pytest.approx(3000, abs=20)


def test_slow_calls_are_warm_after_ten():
    """Nothing moves, but ten calls of a second are more than three seconds."""
    samples = sample(FakeGpu(busy_ms=1000), CUDA)

    assert samples.settled
    assert samples.warm == pytest.approx([1000.0] * 10)


def test_a_warm_up_waits_for_the_clock():
    """The host hides the device's clock from every timer; its ramp of 6 s ends within 2 % at 5.76 s.

    From there a second of steady clocks has to go by.
    """
    top = 1980.0
    gpu = FakeGpu(launch_ms=10, busy_ms=1, read_ms=0, mhz=ramp(6.0, top / 2, top))
    samples = sample(gpu, CUDA)
    within = 6.0 * (1 - 0.02 / 0.5)

    assert samples.settled
    assert sum(samples.warm) / 1000 == pytest.approx(within + 1.0, abs=0.4)
    assert sum(samples.warm) / 1000 >= within + 1.0


def test_a_clock_that_is_seen_every_two_seconds_has_to_be_steady_too():
    """Calls of 2 s see it rise by 2.5 % or more each time; there is never more than one in a second."""
    samples = sample(FakeGpu(launch_ms=2000, busy_ms=1, mhz=ramp(40.0, 990.0, 1980.0)), CUDA)

    assert not samples.settled


def test_a_warm_up_waits_for_slow_first_calls():
    """First calls take twice as long, and 1/e of that excess is left every second: 5 % of it after 3 s."""
    gpu = FakeGpu(slow=lambda now: 1 + math.exp(-now))
    samples = sample(gpu, CUDA)

    assert samples.settled
    assert 6 < sum(samples.warm) / 1000 < 14
    assert median(samples.wall) == pytest.approx(10.0, rel=1e-3)


def test_a_device_that_never_rests_is_unsettled():
    """One percent slower every second, against an allowed 0.1 %: given up after 30 s, and sampled anyway."""
    samples = sample(FakeGpu(busy_ms=50, slow=lambda now: 1 + 0.01 * now, read_ms=0), CUDA)

    assert not samples.settled
    assert sum(samples.warm) / 1000 == pytest.approx(30, abs=0.1)
    assert len(samples.wall) >= 30


def test_hiccups_do_not_prolong_a_warm_up():
    """Every tenth call takes five times as long; medians do not see it."""
    gpu = FakeGpu(read_ms=0)
    numbers = iter(range(10**6))

    def call():
        slow = 5.0 if next(numbers) % 10 == 9 else 1.0
        gpu.slow = lambda now: slow
        gpu.call()

    samples = sampler.sample(gpu, call, CUDA)

    assert samples.settled
    assert sum(samples.warm) / 1000 == pytest.approx(3.0, abs=0.1)


def test_fast_calls_are_looked_at_now_and_then(monkeypatch):
    """40,000 calls that never rest: few slopes, and all of them together see each call some ten times."""
    sizes = []
    slope = stats.slope
    monkeypatch.setattr(stats, "slope", lambda at, values: sizes.append(len(values)) or slope(at, values))
    rules = replace(CUDA, warm_seconds=0.2, warm_max_seconds=2.0)
    samples = sample(FakeCpu(busy_ms=0.05, slow=lambda now: 1 + 0.01 * now), rules)

    assert not samples.settled
    assert 10 < len(sizes) < 60
    assert sum(sizes) < 12 * 40_000
    assert 500 <= len(samples.warm) <= 1000


# When to stop


def test_a_still_device_needs_the_least_samples():
    """Its interval is narrow from the sixth sample on, and yet 30 are taken."""
    samples = sample(FakeGpu())

    assert (len(samples.wall), samples.stopped) == (30, "narrow")


def test_a_noisy_device_needs_as_many_as_its_noise_asks_for():
    """The median of n normal samples has a standard error of 1.2533 sigma / sqrt(n); 2 % need 97 of them.

    That is in the middle: by chance an interval may be narrow earlier. Its median is within 1 % always, which
    is four standard errors.
    """
    needed = (1.96 * math.sqrt(math.pi / 2) * 0.02 / 0.005) ** 2
    samples = [sample(FakeGpu(noise=0.02, seed=seed)) for seed in range(9)]

    assert {samples.stopped for samples in samples} == {"narrow"}
    assert max(stats.relative_half_width(samples.wall) for samples in samples) <= 0.005
    assert needed / 2 < median(len(samples.wall) for samples in samples) < needed * 2
    assert [median(samples.wall) for samples in samples] == pytest.approx([10.0] * 9, rel=0.01)


def test_a_device_that_is_too_noisy_is_sampled_until_time_is_up():
    """Noise of 100 % needs 240,000 samples; in a minute there are a few thousand."""
    samples = sample(FakeGpu(noise=1.0))

    assert samples.stopped == "time"
    assert stats.relative_half_width(samples.wall) > 0.005
    assert spent(samples) == pytest.approx(60, abs=0.5)


@pytest.mark.parametrize(("seconds", "samples"), [(25, 3), (16, 3), (7, 8), (1.99, 30), (2.01, 29)])
def test_slow_calls_end_in_time(seconds, samples):
    """As many as fit into 60 s, but three at least."""
    samples = sample(FakeGpu(busy_ms=1000 * seconds, read_ms=0))

    assert len(samples.wall) == samples
    assert samples.stopped == ("narrow" if samples == 30 else "time")
    assert spent(samples) <= 60 or samples == 3


def test_very_fast_calls_end_at_a_number_of_samples():
    """Noise that 60 s would not average out fills no file: 400 samples are enough when the rules say so."""
    samples = sample(FakeGpu(launch_ms=0.01, busy_ms=0.05, noise=0.5), replace(QUICK, max_samples=400))

    assert len(samples.wall) == 400
    assert samples.stopped == "time"


def test_samples_of_a_throttled_device_do_not_end_the_sampling():
    """Slowed down for 2 s, though its times do not show it: 30 samples are taken after that."""
    gpu = FakeGpu(reasons=during(0.0, 2.0, THERMAL, 0), read_ms=0)
    samples = sample(gpu)

    assert samples.stopped == "narrow"
    assert 30 <= len(counting(samples)) <= 45
    assert spent(samples) == pytest.approx(2.35, abs=0.15)


def test_a_device_that_is_always_throttled_has_no_sample_that_counts():
    """It is sampled until time is up."""
    samples = sample(FakeGpu(reasons=lambda now: THERMAL), replace(QUICK, max_seconds=2.0))

    assert samples.stopped == "time"
    assert counting(samples) == []


def test_a_device_that_says_nothing_is_believed():
    """No states: all samples count."""
    samples = sample(FakeGpu(readable=False))

    assert (samples.states, len(samples.wall)) == ((), 30)


# Back to back


def test_a_burst_has_throughput_and_energy():
    """Two seconds of calls of 10 ms at 600 W are 200 calls and 6 J each."""
    gpu = FakeGpu(launch_ms=0.1, busy_ms=10, watts=lambda now: 600.0)
    samples = sampler.burst(gpu, gpu.call, CUDA)

    assert samples.calls == 200
    assert samples.seconds == pytest.approx(2.0)
    assert samples.joules == pytest.approx(200 * 6.0)
    assert [name for name, _ in gpu.log[-203:]] == ["now", *["call"] * 200, "synchronise", "now"]


def test_a_burst_of_a_launch_bound_call_is_as_fast_as_its_host():
    """10 ms to send and 2 ms to do: 100 calls a second, and the energy of 2 ms each."""
    gpu = FakeGpu(launch_ms=10, busy_ms=2, watts=lambda now: 500.0)
    samples = sampler.burst(gpu, gpu.call, CUDA)

    assert samples.calls / samples.seconds == pytest.approx(100.0)
    assert samples.joules / samples.calls == pytest.approx(1.0)


def test_a_burst_is_as_long_as_it_should_be_after_a_hiccup():
    """The first call takes ten times as long; the burst has 200 calls nevertheless."""
    gpu = FakeGpu(busy_ms=10, slow=during(0.0, 0.05, 10.0, 1.0))

    assert sampler.burst(gpu, gpu.call, CUDA).calls == 200


def test_a_burst_is_one_call_at_least():
    """A call of five seconds, in a burst of two."""
    gpu = FakeGpu(busy_ms=5000)

    assert sampler.burst(gpu, gpu.call, CUDA).calls == 1


@pytest.mark.parametrize("device", [FakeCpu(), FakeGpu(readable=False)], ids=lambda device: device.name)
def test_a_burst_without_a_counter_has_no_energy(device):
    """None, not nought."""
    samples = sampler.burst(device, device.call, CUDA)

    assert samples.calls == 200
    assert samples.joules is None


# The garbage collector


@pytest.fixture(params=[True, False], ids=["on", "off"])
def collector(request):
    """Whether garbage collection was on before; it is afterwards as it was before this test."""
    was = gc.isenabled()
    (gc.enable if request.param else gc.disable)()
    yield request.param
    (gc.enable if was else gc.disable)()


@pytest.mark.parametrize("loop", [sampler.sample, sampler.burst])
def test_garbage_is_collected_before_and_not_inside(loop, collector, collections):
    """Collected once; then off in every call, and what there is is frozen; afterwards as before."""
    gpu, inside, frozen = FakeGpu(busy_ms=500), [], []

    def call():
        inside.append((gc.isenabled(), *collections))
        if not frozen:  # counting is slow
            frozen.append(gc.get_freeze_count())
        gpu.call()

    loop(gpu, call, QUICK)

    assert len(inside) >= 5
    assert set(inside) == {(False, "collect")}
    assert frozen[0] > 0
    assert (gc.isenabled(), gc.get_freeze_count()) == (collector, 0)


@pytest.mark.parametrize("loop", [sampler.sample, sampler.burst])
def test_a_call_that_fails_leaves_the_collector_as_it_was(loop, collector):
    """The error is the caller's business, the collector is ours."""
    gpu, numbers = FakeGpu(), iter(range(5))

    def call():
        if next(numbers) == 4:
            raise MemoryError("no more of it")
        gpu.call()

    with pytest.raises(MemoryError, match="no more of it"):
        loop(gpu, call, QUICK)

    assert (gc.isenabled(), gc.get_freeze_count()) == (collector, 0)
