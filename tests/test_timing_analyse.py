"""Verdicts, rows and comparisons from invented recordings; each verdict from a recording made to earn it."""

import random
from dataclasses import asdict, replace
from itertools import combinations
from math import exp

import numpy as np
import pytest

from benchmark.results import columns, read, write
from benchmark.timing import analyse
from benchmark.timing.analyse import VERDICTS, Timing
from benchmark.timing.record import Burst, Recording, Samples, State
from benchmark.timing.rules import RULES, THROTTLES, Rules
from benchmark.timing.stats import half_width

HARDWARE, THERMAL, POWER_CAP, IDLE = 0x08, 0x20, 0x04, 0x01


def times(ms=10.0, count=100, noise=0.002, seed=0):
    """Synchronised times around a median."""
    draw = random.Random(seed)
    return [ms * exp(draw.gauss(0, noise)) for _ in range(count)]


def looks(wall, mhz=1980.0, reasons=0, slow=(), slow_mhz=None, slow_reasons=0):
    """A look at the device after each sample; the samples in `slow` have a clock and reasons of their own."""
    states, end = [], 0.0
    for number, ms in enumerate(wall):
        end += ms / 1000
        clock = slow_mhz if number in slow and slow_mhz else mhz
        states.append(State(end, clock, 2619.0, 60.0, 600.0, slow_reasons if number in slow else reasons))
    return tuple(states)


def made(wall=None, turn=1, mode="strict", run="small", states=None, **more):
    """A recording of a graphics processor with these synchronised times (ms) and nothing wrong with it."""
    wall = times(seed=turn) if wall is None else list(wall)
    at = [sum(wall[:number]) / 1000 for number in range(len(wall))]
    samples = Samples(
        warm=(12.0, *wall[:9]),
        settled=more.pop("settled", True),
        at=tuple(at),
        wall=tuple(wall),
        asynchronous=tuple(more.pop("asynchronous", [0.1 * ms for ms in wall])),
        events=tuple(more.pop("events", [0.99 * ms for ms in wall])),
        graph=tuple(more.pop("graph", [0.8 * ms for ms in wall])),
        states=looks(wall) if states is None else states,
        stopped=more.pop("stopped", "narrow"),
    )
    values = {"kind": "forward", "height": 720, "width": 1280, "batch": 1, "device": "Card"} | more
    values = {
        "kind_of_device": "cuda",
        "fingerprint": "f",
        "began": "2026-01-01T00:00:00",
        "order": 0,
    } | values
    return Recording(run=run, mode=mode, round=turn, samples=samples, **values)


def slowed(count, dropped, reasons=THERMAL, mhz=1980.0, ms=None):
    """A recording whose first samples were taken while the device slowed itself down."""
    wall = times(count=count)
    wall[:dropped] = [ms or wall[0]] * dropped
    return made(wall, states=looks(wall, slow=range(dropped), slow_mhz=mhz, slow_reasons=reasons))


def rising(ms=10.0, by=0.05, count=90):
    """Times that grow by a share from the first to the last."""
    return [value * (1 + by * i / (count - 1)) for i, value in enumerate(times(ms, count))]


def wide(seed=0):
    """Forty times of which the median is known to no percent."""
    return times(count=40, noise=0.2, seed=seed)


def ceiling(ms, macs, name="matmul_float32", mode="strict", **more):
    """Both rounds of a device's best matrix product."""
    return [
        made(times(ms, seed=turn), turn, mode, name, kind="ceiling", height=0, width=0, macs=macs, **more)
        for turn in (1, 2)
    ]


def row(*recordings):
    """The only row of these."""
    (found,) = analyse.timings(recordings)
    return found


def both(ms, mode="strict", noise=0.002, apart=0.0, mhz=1980.0, **more):
    """Two rounds of a mode."""
    rounds = []
    for turn, level in ((1, ms), (2, ms * (1 + apart))):
        wall = times(level, noise=noise, seed=turn)
        rounds.append(made(wall, turn, mode, states=looks(wall, mhz), **more))
    return rounds


def test_still_times_of_a_steady_device_are_sound():
    """A hundred samples within 0.2 %: nothing to say."""
    assert analyse.judge(made()) == ("sound", [])


EARNED = {
    "unsettled": made(settled=False),
    "drifting": made(rising()),
    "inconclusive": made(wide()),
    "throttled": slowed(100, 11),
    "unsynchronised": made(times(5.0), events=times(10.0)),
}


@pytest.mark.parametrize("verdict", EARNED)
def test_each_verdict_is_earned(verdict):
    """By a recording with that flaw alone, and the words say it with numbers."""
    found, words = analyse.judge(EARNED[verdict])

    assert found == verdict
    assert any(char.isdigit() for char in words[0])


# Ways to add a flaw to a recording of 120 samples that may have others, and how the words for it begin.
FLAWS = {
    "unsettled": (lambda one: with_samples(one, settled=False), "times had not settled"),
    "drifting": (lambda one: slower(one, rising(1.0, count=120)), "the last third's median"),
    "inconclusive": (lambda one: slower(one, [0.95, 1.05] * 60), "the median is known to"),
    "throttled": (
        lambda one: with_samples(one, states=looks(one.samples.wall, slow=range(20), slow_reasons=HARDWARE)),
        "more than 10 % of the samples",
    ),
    "unsynchronised": (lambda one: with_samples(one, events=[30.0] * 120), "the wall clock says"),
}


def with_samples(recording, **changes):
    """The recording with other samples."""
    return replace(recording, samples=replace(recording.samples, **changes))


def slower(recording, by):
    """The recording with each synchronised time multiplied."""
    return with_samples(recording, wall=tuple(a * b for a, b in zip(recording.samples.wall, by, strict=True)))


@pytest.mark.parametrize(("milder", "graver"), list(combinations(VERDICTS[1:-1], 2)))
def test_the_graver_verdict_comes_first(milder, graver):
    """Of two flaws the graver one is the verdict; the words name both, it first."""
    add_milder, milder_says = FLAWS[milder]
    add_graver, graver_says = FLAWS[graver]
    one = add_graver(add_milder(made(times(count=120), events=())))
    found, words = analyse.judge(one)

    assert found == graver
    assert words[0].startswith(graver_says)
    assert words[1].startswith(milder_says)


def test_a_clock_that_nobody_synchronised_is_caught_by_the_device():
    """Half of what the events say; 1 % less may be rounding, 3 % less is not."""
    _, words = analyse.judge(made([5.0] * 40, events=[10.0] * 40))
    assert words[0] == "the wall clock says 5 ms, but the device took 10 ms"

    assert analyse.judge(made([9.9] * 40, events=[10.0] * 40))[0] == "sound"
    assert analyse.judge(made([9.7] * 40, events=[10.0] * 40))[0] == "unsynchronised"


def test_a_clock_that_is_faster_than_the_call_is_caught_without_events():
    """Nothing can be done before the call that asks for it has returned."""
    found, words = analyse.judge(made([1.0] * 40, events=(), graph=(), asynchronous=[2.0] * 40))

    assert found == "unsynchronised"
    assert words[0] == "the wall clock says 1 ms, but the call returned after 2 ms"


def test_a_rate_that_the_device_cannot_have_is_caught_by_its_ceiling():
    """100 GMAC in 10 ms are 20 TFLOP/s: beyond four times a ceiling of 4, within four times one of 6."""
    network = both(10.0, macs=100 * 10**9)
    for ceiling_macs, verdict in ((20 * 10**9, "unsynchronised"), (30 * 10**9, "sound")):
        found = analyse.timings([*ceiling(10.0, ceiling_macs), *network])
        ceilings, networks = found

        assert (ceilings.kind, ceilings.verdict) == ("ceiling", "sound")
        assert networks.verdict == verdict
        assert float(networks.tflops) == pytest.approx(20, rel=1e-3)
    low = analyse.timings([*ceiling(10.0, 20 * 10**9), *network])[1]
    assert low.reason.startswith("2 x 100 GMAC in ")
    assert "matmul_float32; Winograd's convolutions could do 4 times" in low.reason


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        ("strict", "matmul_float32"),
        ("channels_last", "matmul_float32"),
        ("tf32", "matmul_tf32"),
        ("fast", "matmul_float16"),
        ("fast_bf16", "matmul_bfloat16"),
    ],
)
def test_the_ceiling_is_that_of_the_modes_precision(mode, name):
    """A network five times faster than its own ceiling is caught, whatever the others allow."""
    network = both(10.0, mode, macs=5 * 10**9)
    low = ceiling(10.0, 10**9, name)
    others = {f"matmul_{kind}" for kind in ("float32", "tf32", "float16", "bfloat16")} - {name}
    high = [one for other in sorted(others) for one in ceiling(10.0, 10**12, other)]

    assert analyse.timings([*low, *high, *network])[-1].verdict == "unsynchronised"
    assert analyse.timings([*high, *network])[-1].verdict == "sound"


def test_only_a_sound_ceiling_of_the_same_device_rules_anything_out():
    """A throttled one is too low; another card's is another's; none at all is none."""
    network = both(10.0, macs=5 * 10**9)
    other = ceiling(10.0, 10**9, device="Another card")
    unsettled = ceiling(10.0, 10**9, settled=False)

    for ceilings in ([], other, unsettled):
        found = [one for one in analyse.timings([*ceilings, *network]) if one.kind == "forward"]
        assert [one.verdict for one in found] == ["sound"]
    higher = [*ceiling(10.0, 10**9), *ceiling(10.0, 2 * 10**9, batch=2)]
    assert analyse.timings([*higher, *network])[-1].verdict == "sound"


@pytest.mark.parametrize("bit", THROTTLES)
def test_a_sample_during_throttling_does_not_count(bit):
    """Whatever else the device says of itself; its times are in no column."""
    one = slowed(100, 5, reasons=bit | IDLE, ms=30.0)
    verdict, words = analyse.judge(one)
    found = row(one)

    assert [bool(why) for why in analyse.counting(one)] == [True] * 5 + [False] * 95
    assert verdict == "sound"
    assert words == [f"dropped 5 of 100 samples: 5 {THROTTLES[bit]}"]
    assert (found.n, found.dropped) == ("95", "5")
    assert float(found.ms) == pytest.approx(np.median(one.samples.wall[5:]), rel=1e-5)


def test_a_slow_clock_alone_is_enough():
    """Below 75 % of the median clock; at 76 % it counts."""
    assert row(slowed(100, 3, 0, mhz=0.74 * 1980)).dropped == "3"
    assert row(slowed(100, 3, 0, mhz=0.76 * 1980)).dropped == "0"
    assert "dropped 3 of 100 samples: 3 slow clock" in row(slowed(100, 3, 0, mhz=1000.0)).reason


def test_more_than_a_tenth_dropped_is_throttled():
    """10 of 100 are a tenth, 11 are more; all of them leave no number."""
    assert analyse.judge(slowed(100, 10))[0] == "sound"
    assert analyse.judge(slowed(100, 11))[0] == "throttled"

    found = row(slowed(100, 100, HARDWARE))
    assert (found.verdict, found.n, found.dropped) == ("throttled", "0", "100")
    assert not any((found.ms, found.low, found.high, found.events_ms, found.lie, found.tflops, found.same))


def test_the_power_limit_is_said_and_drops_nothing():
    """A card at its limit is the card as it is sold."""
    wall = times(count=80)
    one = made(wall, states=looks(wall, slow=range(20), slow_reasons=POWER_CAP))

    assert analyse.judge(one) == ("sound", ["at its power limit in 25 % of 80 looks"])
    assert row(one).dropped == "0"


def test_other_processes_and_notes_are_said():
    """They are no flaw, but a reader should know."""
    _, words = analyse.judge(made(others=2, answer={"finite": False}, notes=("no graph: refused",)))

    assert words == [
        "other processes on the device: 2",
        "its answer or strict's is not finite",
        "no graph: refused",
    ]
    assert analyse.judge(made(answer={"finite": True, "error": 1e-4})) == ("sound", [])


def test_times_that_change_are_drifting():
    """By 5 % from first to last, in either direction; by 0.5 % they are still."""
    found, words = analyse.judge(made(rising(by=0.05)))
    assert found == "drifting"
    assert words[0].startswith("the last third's median is +3.")

    assert analyse.judge(made(rising()[::-1]))[0] == "drifting"
    assert analyse.judge(made(rising(by=0.005)))[0] == "sound"


def test_a_wide_interval_is_inconclusive_whatever_the_loop_thought():
    """Verdicts come from the samples, not from the word of what took them."""
    wall = wide()
    assert half_width(wall) > RULES["cuda"].wide
    for stopped in ("narrow", "time"):
        found, words = analyse.judge(made(wall, stopped=stopped))

        assert found == "inconclusive"
        assert words == [f"the median is known to {100 * half_width(wall):.3g} % instead of 1 %"]


def test_few_samples_are_inconclusive():
    """As many as the rules of that kind of device ask for must count."""
    cpu = {"kind_of_device": "cpu", "states": (), "events": (), "graph": (), "asynchronous": ()}

    assert analyse.judge(made(times(count=29))) == ("inconclusive", ["29 samples count; 30 are needed"])
    assert analyse.judge(made(times(count=30)))[0] == "sound"
    assert analyse.judge(made(times(count=10), **cpu))[0] == "sound"
    assert analyse.judge(made([], **cpu)) == ("inconclusive", ["0 samples count; 10 are needed"])
    assert analyse.judge(made(times(count=29)), Rules(least=10))[0] == "sound"


def test_a_device_without_rules_is_refused():
    """The message names the recording and what is known."""
    with pytest.raises(ValueError, match="forward small, round 1: no rules for 'tpu'; known: cuda, cpu"):
        analyse.timings([made(kind_of_device="tpu")])


def test_columns_are_those_of_all_samples_that_count():
    """Medians, percentiles and their ratios by numpy; 150 samples in each of two rounds."""
    one, two = (made(times(count=150, noise=0.01, seed=turn), turn) for turn in (1, 2))
    wall = [*one.samples.wall, *two.samples.wall]
    found = row(one, two)

    assert (found.verdict, found.rounds, found.n, found.dropped) == ("sound", "2", "300", "0")
    p5, p25, p50, p75, p95, p99 = np.percentile(wall, (5, 25, 50, 75, 95, 99))
    apart = np.median(one.samples.wall) / np.median(two.samples.wall)
    expected = {
        "ms": p50,
        "low": sorted(wall)[133 - 1],
        "high": sorted(wall)[168 - 1],
        "iqr": p75 - p25,
        "p5": p5,
        "p95": p95,
        "p99": p99,
        "asynchronous_ms": 0.1 * p50,
        "events_ms": 0.99 * p50,
        "graph_ms": 0.8 * p50,
        "lie": 10,
        "launch_bound": 1.25,
        "same": max(apart, 1 / apart) - 1,
    }
    assert {name: float(getattr(found, name)) for name in expected} == pytest.approx(expected, rel=1e-5)
    assert row(one).p99 == ""


def test_rates_energy_and_peaks_are_worked_out():
    """30 GMAC and 6 GB in 10 ms; 100 and 300 calls of a batch of 4 in 4 s, with 1,600 J."""
    more = {"macs": 30 * 10**9, "traffic": 6 * 10**9, "batch": 4, "machine": {"torch": "2.15.0"}}
    more |= {"answer": {"error": 0.001, "psnr_change": -0.02}}
    one = made([10.0] * 40, 1, burst=Burst(100, 1.0, 400.0), first_ms=900.0, moved=(12.0, 14.0), **more)
    two = made([10.0] * 40, 2, burst=Burst(300, 3.0, 1200.0), first_ms=1100.0, moved=(13.0,), **more)
    one = replace(one, memory={"allocated": 100.0, "reserved": 128.0})
    two = replace(two, memory={"allocated": 101.5, "reserved": 128.0, "device": 600.0})
    found = row(one, two)

    assert (found.gmac, found.tflops, found.gbs) == ("30", "6", "600")
    assert (found.images_per_second, found.joules) == ("400", "1")
    assert (found.first_ms, found.moved_ms) == ("1000", "13")
    assert (found.allocated_mib, found.reserved_mib, found.device_mib) == ("101.5", "128", "600")
    assert (found.sm_mhz, found.celsius, found.watts) == ("1980 (1980 to 1980)", "60", "600")
    assert (found.error, found.psnr_change, found.torch) == ("0.001", "-0.02", "2.15.0")
    assert (found.ms, found.same, found.batch, found.fingerprint) == ("10", "0", 4, "f")


def test_what_a_device_does_not_have_is_empty():
    """A processor: no events, states, graphs, energy or peaks; nothing is made up."""
    cpu = {"kind_of_device": "cpu", "states": (), "events": (), "graph": (), "asynchronous": ()}
    found = row(made(burst=Burst(10, 2.0), **cpu), made(turn=2, **cpu))

    assert (found.verdict, found.images_per_second) == ("sound", "5")
    for name in ("asynchronous_ms", "events_ms", "graph_ms", "lie", "launch_bound", "first_ms", "moved_ms"):
        assert getattr(found, name) == ""
    for name in (
        "joules",
        "allocated_mib",
        "device_mib",
        "gmac",
        "tflops",
        "gbs",
        "sm_mhz",
        "celsius",
        "watts",
    ):
        assert getattr(found, name) == ""


def test_the_clock_comes_with_its_range():
    """Median, lowest and highest of all looks in all rounds."""
    found = row(*both(10.0, mhz=1900.0), made(turn=3))

    assert found.sm_mhz == "1900 (1900 to 1980)"


def test_rounds_that_contradict_each_other_are_inconclusive():
    """3 % between two sound rounds; 1 % is within what two processes may differ."""
    found = row(*both(10.0, apart=0.03))
    assert found.verdict == "inconclusive"
    assert found.reason == f"medians of rounds differ by {100 * float(found.same):.3g} %, more than 2 %"
    assert float(found.same) == pytest.approx(0.03, abs=0.001)

    assert row(*both(10.0, apart=0.01)).verdict == "sound"


def test_the_worst_round_decides():
    """With the round that it holds for; what all rounds say is said once."""
    wall = times(count=80, seed=2)
    limited = [made(wall, turn, states=looks(wall, reasons=POWER_CAP)) for turn in (1, 2, 3)]
    limited[1] = with_samples(limited[1], settled=False)
    found = row(*limited)

    assert found.verdict == "unsettled"
    assert found.reason.split("; ") == [
        "at its power limit in 100 % of 80 looks",
        "round 2: times had not settled after 30 s of warm-up",
    ]
    assert row(*both(10.0), made(times(5.0), 3, events=times(10.0))).verdict == "unsynchronised"


def test_the_last_try_of_a_round_counts():
    """An inconclusive first try is forgotten but for its mention, in whatever order rounds were made."""
    first, again, other = made(wide()), made(), made(turn=2)
    found = row(first, other, again)

    assert (found.verdict, found.rounds, found.n) == ("sound", "2", "200")
    assert found.reason == "round 1 was measured twice"
    assert row(again, other, first).verdict == "inconclusive"
    assert row(again, again, again, other).reason == "round 1 was measured 3 times"


def test_one_round_says_so():
    """Repeatability is not known, and not made up."""
    found = row(made())

    assert (found.verdict, found.rounds, found.same) == ("sound", "1", "")
    assert found.reason == "one round: repeatability is not known"


def test_rounds_of_older_code_are_not_pooled():
    """Only the fingerprint that was timed last counts."""
    found = row(made(times(20.0), fingerprint="old"), made(turn=2), made(turn=1))

    assert (found.verdict, found.rounds, found.fingerprint) == ("sound", "2", "f")
    assert float(found.p95) < 11


def test_each_measurement_has_a_row_in_a_fixed_order():
    """By device, kind, run, size, batch; modes as MODES has them."""
    recordings = [
        made(device=device, mode=mode, kind=kind, batch=batch)
        for device in ("Card", "Another")
        for kind in ("step", "forward")
        for batch in (2, 1)
        for mode in ("fast", "strict", "cold")
    ]
    found = analyse.timings(recordings)

    expected = [
        (device, kind, batch, mode)
        for device in ("Another", "Card")
        for kind in ("forward", "step")
        for batch in (1, 2)
        for mode in ("strict", "cold", "fast")
    ]
    assert [(one.device, one.kind, one.batch, one.mode) for one in found] == expected
    assert found == analyse.timings(reversed(recordings))
    assert analyse.timings([]) == []


def test_modes_are_compared_with_strict():
    """Of the same device, kind, run, size and batch; strict beside itself is nothing."""
    strict, fast, cold = both(10.0), both(5.0, "fast"), both(10.05, "cold")
    slow = both(12.0, "channels_last")
    found = {one.mode: one.against for one in analyse.timings([*strict, *fast, *cold, *slow])}

    assert found == {"strict": "", "fast": "faster", "cold": "same", "channels_last": "slower"}
    assert [one.against for one in analyse.timings([*fast, *both(10.0, batch=2)])] == ["", ""]


def test_what_is_not_sound_proves_no_difference():
    """A mode twice as fast with an unsettled round, or beside an unsettled strict, or with one round."""
    strict, fast = both(10.0), both(5.0, "fast")
    for recordings in (
        [*strict, fast[0], with_samples(fast[1], settled=False)],
        [with_samples(strict[0], settled=False), strict[1], *fast],
        [*strict, fast[0]],
    ):
        assert [one.against for one in analyse.timings(recordings)] == ["", "ambiguous"]


@pytest.mark.parametrize(
    ("ms", "found"), [(5.0, "faster"), (9.7, "faster"), (10.1, "same"), (10.4, "slower"), (20.0, "slower")]
)
def test_differences_beyond_two_percent_are_real(ms, found):
    """With quiet rounds the practical threshold decides; from the other side the answer is turned round."""
    turned = {"faster": "slower", "slower": "faster", "same": "same"}[found]

    assert analyse.differ(both(ms), both(10.0)) == found
    assert analyse.differ(both(10.0), both(ms)) == turned


def test_noise_between_rounds_widens_the_threshold():
    """Rounds that differ by 1.5 % make 4 % ambiguous; 8 % are beyond three times that."""
    assert analyse.differ(both(9.6, apart=0.015), both(10.0)) == "ambiguous"
    assert analyse.differ(both(9.1, apart=0.015), both(10.0)) == "faster"
    assert analyse.differ(both(10.0), both(9.6, apart=0.015)) == "ambiguous"


def test_rounds_must_agree_and_there_must_be_two():
    """One faster and one slower round; one round alone; a round of which no sample counts; none."""
    mixed = [both(9.0)[0], both(11.0)[1]]
    lost = [both(5.0)[0], slowed(100, 100)]

    assert analyse.differ(mixed, both(10.0)) == "ambiguous"
    assert analyse.differ(both(5.0)[:1], both(10.0)) == "ambiguous"
    assert analyse.differ(both(10.0), both(5.0)[:1]) == "ambiguous"
    assert analyse.differ(lost, both(10.0)) == "ambiguous"
    assert analyse.differ([], both(10.0)) == "ambiguous"


def test_a_difference_must_be_there_in_cycles_too():
    """10 % less time at a higher clock proves nothing, where the clock is known and the device the same."""
    quick, plain = both(9.0, mhz=1980.0), both(10.0, mhz=1782.0)
    unknown = [with_samples(one, states=()) for one in quick]
    elsewhere = [replace(one, device="Another card") for one in quick]

    assert analyse.differ(quick, plain) == "ambiguous"
    assert analyse.differ(plain, quick) == "ambiguous"
    assert analyse.differ(both(9.0), both(10.0)) == "faster"
    assert analyse.differ(both(9.0, mhz=1782.0), both(10.0, mhz=1980.0)) == "faster"
    assert analyse.differ(unknown, plain) == "faster"
    assert analyse.differ(elsewhere, plain) == "faster"


def test_what_was_not_measured_is_a_row_with_a_reason():
    """All other columns are empty, and it stands in the same table."""
    found = analyse.unmeasured("Card", "forward", "small", "fast", 720, 1280, 4, "out of memory")

    assert (found.verdict, found.reason) == ("unmeasured", "out of memory")
    filled = {name for name, cell in asdict(found).items() if cell != ""}
    assert filled == {*columns(Timing)[:9]}


def test_rows_survive_the_table(tmp_path):
    """Written as CSV and read back, every cell is the same text; no number has an exponent."""
    more = {"macs": 7, "traffic": 3 * 10**15, "burst": Burst(10**9, 0.5, 0.001)}
    found = analyse.timings([*both(10.0, **more), *both(0.0004, "fast", **more)])
    write(tmp_path / "timings.csv", columns(Timing), map(asdict, found))

    cells = read(tmp_path / "timings.csv")
    assert cells == [{name: str(cell) for name, cell in asdict(one).items()} for one in found]
    for one in found:
        assert not any("e" in cell for cell in (one.gbs, one.tflops, one.joules, one.images_per_second))
