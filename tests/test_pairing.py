"""A network and its anchor in turn, on devices whose true ratio, drift, noise and load are planted."""

import gc
import random
from dataclasses import replace

import pytest

from benchmark.timing import pairing
from benchmark.timing.pairing import carry_over, sample_pair
from benchmark.timing.rules import PAIR_RULES
from benchmark.timing.stats import ratio_interval
from benchmark.timing.verdicts import judge
from tests.fake_device import FakeCore, FakeCpu, FakeGpu, during, ramp
from tests.recordings import pair, recording

CPU = replace(
    PAIR_RULES["cpu"],
    warm_seconds=0.0,
    min_samples=20,
    target_half_width=0.005,
    max_half_width=0.01,
    drift=0.01,
    max_seconds=90.0,
)
CUDA = replace(PAIR_RULES["cuda"], warm_seconds=0.0, warm_calls=3)
THERMAL = 0x40


@pytest.fixture(autouse=True)
def _no_collections(monkeypatch):
    """Leave out garbage collections; a real one takes 50 ms beside torch."""
    monkeypatch.setattr(gc, "collect", lambda: 0)


def verdict(measured):
    """Judge a recording by the rules that it was sampled by."""
    return judge(measured, CPU if measured.kind_of_device == "cpu" else CUDA)[0]


def known(measured):
    """Return the half-width of the ratio's interval."""
    return ratio_interval(pairing.ratios_of(measured)).half_width


def call(device, ms, after=None):
    """Return a call that takes so long; `after` is told the call and may change its time."""

    def called():
        device.busy_ms = ms if after is None else after(called, ms)
        device.call()

    return called


def measure(device, network=6.2, anchor=10.0, rules=CPU, seed="a", after=None):
    """Sample a pair and return its recording."""
    calls = call(device, network, after), call(device, anchor, after)
    samples, turns, counts = sample_pair(device, *calls, rules, seed)
    cells = {
        "kind": "pair",
        "anchor": "large",
        "turns": turns,
        "calls": counts,
        "kind_of_device": device.kind,
    }
    return replace(recording([1.0]), samples=samples, **cells)


def center(measured, clock=None):
    """Return the ratio."""
    return ratio_interval(pairing.ratios_of(measured, clock)).center


def interval(measured):
    """Return the interval of the ratio."""
    return ratio_interval(pairing.ratios_of(measured))[1:]


def bursts(seed, seconds=0.3, share=0.3, times=2.0):
    """Make everything slower during random bursts, which take a share of the time."""
    draw, edges, now = random.Random(seed), [], 0.0
    while now < 300:
        quiet, busy = draw.expovariate(share / seconds / (1 - share)), draw.expovariate(1 / seconds)
        edges.append((now + quiet, now + quiet + busy))
        now += quiet + busy

    def slow(now):
        while edges and now >= edges[0][1]:
            edges.pop(0)
        return times if edges and now >= edges[0][0] else 1.0

    return slow


def test_the_interval_has_the_true_ratio_in_about_95_of_100():
    """Of 40 simulations with noise and bursts of load; two that miss are expected, seven are one in 300."""
    missed = 0
    for seed in range(40):
        device = FakeCpu(noise=0.01, seed=seed, slow=bursts(seed))
        low, high = interval(measure(device, seed=str(seed)))
        missed += not low <= 0.62 <= high

    assert missed <= 6


@pytest.mark.parametrize(
    "slow",
    [ramp(20.0, 1.0, 2.0), ramp(20.0, 3.0, 1.0), lambda now: 1 + 0.5 * (int(now) % 2), bursts(1)],
    ids=["ever slower", "ever faster", "every other second", "bursts"],
)
def test_what_slows_both_down_changes_no_ratio(slow):
    """Neither by a drift of both, nor by load; each network's own times drift by far more than 1 %."""
    measured = measure(FakeCpu(noise=0.02, slow=slow))

    assert center(measured) == pytest.approx(0.62, rel=0.0075)
    assert verdict(measured) == "sound"


def test_a_ratio_that_drifts_is_found():
    """The network alone takes 10 % longer in the end."""
    device = FakeCpu(noise=0.02)
    slower = ramp(2.0, 1.0, 1.1)
    after = lambda called, ms: ms * slower(device.host) if ms < 10 else ms  # noqa: E731

    assert verdict(measure(device, after=after)) == "drifting"


@pytest.mark.parametrize("kind", [FakeCpu, FakeCore, FakeGpu])
def test_the_anchor_takes_as_long_as_itself(kind):
    """Within the interval of nearly every one of twelve simulations, and never far from it."""
    missed = 0
    for seed in range(12):
        device = kind(noise=0.01, seed=seed, slow=bursts(seed))
        low, high = interval(measure(device, 10.0, 10.0, CUDA if device.kind == "cuda" else CPU, str(seed)))
        missed += not low <= 1 <= high

        assert 0.98 < low < high < 1.02

    assert missed <= 3


def test_short_disturbances_hit_turns_of_equal_length_alike():
    """6 ms in every 60: a call of 200 ms always has them, the median of one of 20 ms never."""
    disturbed = lambda now: 1 + 2.0 * (now % 0.06 < 0.006)  # noqa: E731

    def ratio(most):
        device = FakeCpu(noise=0.01, slow=lambda now: 1.0)
        calls = [0.0]

        def sliced(called, ms):  # a millisecond at a time
            calls[0] = sum(disturbed(device.host + i / 1000) for i in range(round(ms)))
            return calls[0]

        pairing.MOST_CALLS, before = most, pairing.MOST_CALLS
        try:
            return center(measure(device, 160.0, 20.0, after=sliced))
        finally:
            pairing.MOST_CALLS = before

    assert ratio(8) == pytest.approx(8, rel=0.02)
    assert ratio(1) > 8 * 1.1


def test_a_core_has_a_clock_that_leaves_out_others():
    """The scheduler gives this process a third of the processor now and then."""
    draw = random.Random(0)
    measured = measure(FakeCore(noise=0.002, share=lambda now: draw.choice((1.0, 0.6, 0.3))))
    by_wall = pairing.ratios_of(measured, measured.samples.wall)

    assert interval(measured)[0] <= 0.62 <= interval(measured)[1]
    assert len(pairing.ratios_of(measured)) == CPU.min_samples
    assert max(by_wall) > 2 * min(by_wall)


def test_a_graphics_processor_is_timed_synchronised():
    """By the wall clock, launches included; the time until a call returns has a ratio of its own."""
    measured = measure(FakeGpu(launch_ms=0.5, noise=0.002), 6.2, 10.0, CUDA)

    assert center(measured) == pytest.approx(0.62, rel=0.003)
    assert center(measured, measured.samples.asynchronous) == pytest.approx(1, rel=0.01)
    assert verdict(measured) == "sound"


def test_a_clock_that_is_read_too_early_is_found():
    """Synchronise does not wait; the device's own events do."""
    assert verdict(measure(FakeGpu(honest=False, launch_ms=0.5), rules=CUDA)) == "unsynchronised"


def test_turns_of_a_device_that_slows_itself_down_are_rejected():
    """A pair counts only if no sample of either turn is; when too many are not, it is throttled."""
    some = measure(FakeGpu(noise=0.001, clock_events=during(0.1, 0.3, THERMAL, 0)), rules=CUDA)
    all_of_them = measure(FakeGpu(clock_events=lambda now: THERMAL), rules=replace(CUDA, max_seconds=2.0))

    assert 30 <= len(pairing.ratios_of(some)) < len(some.turns) / 2
    assert pairing.ratios_of(all_of_them) == []
    assert verdict(all_of_them) == "throttled"


def test_turns_come_in_blocks_that_a_seed_draws():
    """ABBA or BAAB; the same for the same seed, another order for another."""
    first, again, other = (measure(FakeCpu(noise=0.05), seed=seed).turns for seed in "aab")
    blocks = [first[i : i + 4] for i in range(0, len(first), 4)]

    assert set(blocks) == {"ABBA", "BAAB"}
    assert first == again != other
    assert max(len(run) for run in first.replace("AB", "A B").replace("BA", "B A").split()) <= 4


def test_it_stops_when_the_ratio_is_certain_or_time_is_up():
    """The fewest pairs without noise; the time or the number of pairs that is allowed with much."""
    quiet, noisy = measure(FakeCpu(noise=0.001)), measure(FakeCpu(noise=0.5))
    slow = measure(FakeCpu(noise=0.5), 2000.0, 2000.0)

    assert (len(quiet.turns), quiet.samples.stopped) == (2 * CPU.min_samples, "narrow")
    assert (len(noisy.turns), noisy.samples.stopped) == (2 * CPU.max_samples, "time")
    assert slow.samples.at[-1] + slow.samples.wall[-1] / 1000 < CPU.max_seconds + 10
    assert known(quiet) <= CPU.target_half_width < min(known(noisy), known(slow))


def test_what_it_costs_to_follow_the_other_network_is_measured():
    """The network takes 6 % longer after the anchor than after itself, the anchor takes as long."""
    last = []

    def after(called, ms):
        cost = 1.06 if ms < 10 and last[-1:] != [ms] else 1.0
        last.append(ms)
        return ms * cost

    assert carry_over(measure(FakeCpu(noise=0.005), 8.0, 10.0, after=after)) == pytest.approx(0.06, abs=0.01)
    assert carry_over(measure(FakeCpu(noise=0.005), 8.0, 10.0)) == pytest.approx(0, abs=0.01)


def test_a_ratio_is_the_inverse_of_its_inverse():
    """Exchanging both sides exchanges the ratio."""
    swap = str.maketrans("AB", "BA")
    measured = pair(0.7)
    there = pairing.ratios_of(measured)
    back = pairing.ratios_of(replace(measured, turns=measured.turns.translate(swap)))

    assert [1 / ratio for ratio in there] == pytest.approx(back)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"turns": "AABB" * 15}, "turns 'AABB"),
        ({"turns": "ABBA"}, "wall: 120 numbers for 4 samples"),
        ({"calls": (0, 1)}, "calls 0"),
    ],
)
def test_a_recording_has_all_samples_of_its_turns(changes, message):
    """Others are refused."""
    with pytest.raises(ValueError, match=message):
        replace(pair(), **changes)
