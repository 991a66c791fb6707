"""Rows from invented recordings."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from benchmark.timing.analyse import Timing
from benchmark.timing.judge import counting, judge
from benchmark.timing.record import Burst

from benchmark.results.legacy import columns, read, write
from benchmark.timing import analyse
from benchmark.timing.rules import THROTTLES
from tests.recordings import (
    HARDWARE,
    IDLE,
    POWER_CAP,
    both,
    ceiling,
    looks,
    made,
    row,
    slowed,
    times,
    wide,
    with_samples,
)


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
    verdict, words = judge(one)
    found = row(one)

    assert [bool(why) for why in counting(one)] == [True] * 5 + [False] * 95
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
    assert judge(slowed(100, 10))[0] == "sound"
    assert judge(slowed(100, 11))[0] == "throttled"

    found = row(slowed(100, 100, HARDWARE))
    assert (found.verdict, found.n, found.dropped) == ("throttled", "0", "100")
    assert not any((found.ms, found.low, found.high, found.events_ms, found.lie, found.tflops, found.same))


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
