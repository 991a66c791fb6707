"""Rows of timings.csv from invented recordings."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from benchmark.results import read_rows, write
from benchmark.results.schema import Timing
from benchmark.timing.recording import Burst
from benchmark.timing.rejection import recording_reasons
from benchmark.timing.rules import THROTTLES
from benchmark.timing.timings import timings
from benchmark.timing.verdicts import judge
from tests.recordings import (
    CPU,
    HARDWARE,
    IDLE,
    POWER_CAP,
    ceiling,
    noisy,
    recording,
    row,
    slowed,
    states_after,
    times,
    two_rounds,
    with_samples,
)

GIGA = 10**9


@pytest.mark.parametrize(("ceiling_macs", "verdict"), [(20 * GIGA, "unsynchronised"), (30 * GIGA, "sound")])
def test_a_rate_above_four_ceilings_is_not_credible(ceiling_macs, verdict):
    """100 GMAC in 10 ms are 20 TFLOP/s: beyond four times a ceiling of 4, within four times 6."""
    best, network = timings([*ceiling(10.0, ceiling_macs), *two_rounds(10.0, macs=100 * GIGA)])

    assert (best.kind, best.verdict, network.verdict) == ("ceiling", "sound", verdict)
    assert network.tflops == pytest.approx(20, rel=1e-3)
    if verdict == "unsynchronised":
        assert network.reason.startswith("2 x 100 GMAC in ")
        assert "matmul_float32; Winograd's convolutions could do 4 times" in network.reason


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
    """A network five times faster than its own ceiling is caught, whatever the other ceilings allow."""
    network = two_rounds(10.0, mode, macs=5 * GIGA)
    low = ceiling(10.0, GIGA, name)
    others = {f"matmul_{kind}" for kind in ("float32", "tf32", "float16", "bfloat16")} - {name}
    high = [each for other in sorted(others) for each in ceiling(10.0, 10**12, other)]

    assert timings([*low, *high, *network])[-1].verdict == "unsynchronised"
    assert timings([*high, *network])[-1].verdict == "sound"


@pytest.mark.parametrize(
    "ceilings",
    [
        [],
        ceiling(10.0, GIGA, device="Another card"),
        ceiling(10.0, GIGA, settled=False),
        [*ceiling(10.0, GIGA), *ceiling(10.0, 2 * GIGA, batch=2)],
    ],
    ids=["none", "of another device", "not sound", "a higher one"],
)
def test_only_the_best_sound_ceiling_of_the_same_device_counts(ceilings):
    """A network of 1 TFLOP/s is not above any of these."""
    rows = timings([*ceilings, *two_rounds(10.0, macs=5 * GIGA)])

    assert [each.verdict for each in rows if each.kind == "forward"] == ["sound"]


@pytest.mark.parametrize("bit", THROTTLES)
def test_a_sample_during_throttling_is_rejected(bit):
    """Its times are in no column, whatever other events the device reports."""
    slow = slowed(100, 5, events=bit | IDLE, ms=30.0)
    timing = row(slow)

    assert [bool(reason) for reason in recording_reasons(slow)] == [True] * 5 + [False] * 95
    assert judge(slow) == ("sound", [f"rejected 5 of 100 samples: 5 {THROTTLES[bit]}"])
    assert (timing.samples, timing.dropped) == (95, 5)
    assert timing.median_ms == pytest.approx(np.median(slow.samples.wall[5:]), rel=1e-5)


def test_a_slow_clock_alone_rejects_a_sample():
    """Below 75 % of the median clock; at 76 % it counts."""
    assert row(slowed(100, 3, 0, mhz=0.74 * 1980)).dropped == 3
    assert row(slowed(100, 3, 0, mhz=0.76 * 1980)).dropped == 0
    assert "rejected 3 of 100 samples: 3 slow clock" in row(slowed(100, 3, 0, mhz=1000.0)).reason


def test_without_an_accepted_sample_there_is_no_number():
    """All samples rejected: counts and a verdict, and no times."""
    timing = row(slowed(100, 100, HARDWARE))

    assert (timing.verdict, timing.samples, timing.dropped) == ("throttled", 0, 100)
    names = ("median_ms", "ci_low_ms", "ci_high_ms", "events_ms", "wall_over_async", "tflops", "aa_spread")
    assert {getattr(timing, name) for name in names} == {None}


def test_columns_are_those_of_all_accepted_samples():
    """Medians, percentiles and their ratios by NumPy; 150 samples in each of two rounds."""
    one, two = (recording(times(count=150, noise=0.01, seed=number), number) for number in (1, 2))
    wall = [*one.samples.wall, *two.samples.wall]
    timing = row(one, two)

    assert (timing.verdict, timing.rounds, timing.samples, timing.dropped) == ("sound", 2, 300, 0)
    p5, p25, p50, p75, p95, p99 = np.percentile(wall, (5, 25, 50, 75, 95, 99))
    ratio = np.median(one.samples.wall) / np.median(two.samples.wall)
    expected = {
        "median_ms": p50,
        "ci_low_ms": sorted(wall)[133 - 1],
        "ci_high_ms": sorted(wall)[168 - 1],
        "iqr_ms": p75 - p25,
        "p5_ms": p5,
        "p95_ms": p95,
        "p99_ms": p99,
        "async_ms": 0.1 * p50,
        "events_ms": 0.99 * p50,
        "graph_ms": 0.8 * p50,
        "wall_over_async": 10,
        "wall_over_graph": 1.25,
        "aa_spread": max(ratio, 1 / ratio) - 1,
    }
    assert {name: getattr(timing, name) for name in expected} == pytest.approx(expected, rel=1e-5)
    assert row(one).p99_ms is None
    assert row(*two_rounds(10.0, mhz=1900.0), recording(number=3)).sm_mhz == "1900 (1900 to 1980)"


def test_rates_energy_and_peaks_are_calculated():
    """30 GMAC and 6 GB in 10 ms; 100 and 300 calls of a batch of 4 in 4 s, with 1,600 J."""
    more = {"macs": 30 * GIGA, "traffic": 6 * GIGA, "batch": 4, "machine": {"torch": "2.15.0"}}
    more |= {"accuracy": {"error": 0.001, "psnr_change": -0.02}}
    one = recording(
        [10.0] * 40, 1, burst=Burst(100, 1.0, 400.0), first_call_ms=900.0, end_to_end=(12.0, 14.0), **more
    )
    two = recording(
        [10.0] * 40, 2, burst=Burst(300, 3.0, 1200.0), first_call_ms=1100.0, end_to_end=(13.0,), **more
    )
    one = replace(one, memory={"allocated": 100.0, "reserved": 128.0})
    two = replace(two, memory={"allocated": 101.5, "reserved": 128.0, "device": 600.0})
    timing = row(one, two)

    assert (timing.gmac, timing.tflops, timing.gb_per_s) == (30, 6, 600)
    assert (timing.images_per_second, timing.joules_per_image) == (400, 1)
    assert (timing.first_call_ms, timing.end_to_end_ms) == (1000, 13)
    assert (timing.allocated_mib, timing.reserved_mib, timing.device_mib) == (101.5, 128, 600)
    assert (timing.sm_mhz, timing.max_celsius, timing.watts) == ("1980 (1980 to 1980)", 60, 600)
    assert (timing.relative_error, timing.psnr_change_db, timing.torch) == (0.001, -0.02, "2.15.0")
    assert (timing.median_ms, timing.aa_spread, timing.batch, timing.fingerprint) == (10, 0, 4, "f")


def test_columns_of_what_a_device_lacks_are_empty():
    """A processor has no events, states, graphs, energy or peaks."""
    timing = row(recording(burst=Burst(10, 2.0), **CPU), recording(number=2, **CPU))
    filled = {name for name, cell in asdict(timing).items() if cell not in (None, "")}

    assert (timing.verdict, timing.images_per_second, timing.sm_mhz) == ("sound", 5, "")
    identity = {"device", "kind", "run", "mode", "height", "width", "batch", "verdict", "fingerprint"}
    counts = {"rounds", "samples", "dropped", "aa_spread", "images_per_second"}
    wall = {"median_ms", "ci_low_ms", "ci_high_ms", "iqr_ms", "p5_ms", "p95_ms"}
    assert filled == identity | counts | wall


def test_rounds_that_contradict_each_other_are_inconclusive():
    """3 % between two sound rounds; 1 % is within what two processes may differ."""
    timing = row(*two_rounds(10.0, apart=0.03))

    assert timing.verdict == "inconclusive"
    assert timing.reason == f"medians of rounds differ by {100 * timing.aa_spread:.3g} %, more than 2 %"
    assert timing.aa_spread == pytest.approx(0.03, abs=0.001)
    assert row(*two_rounds(10.0, apart=0.01)).verdict == "sound"


def test_the_worst_round_decides():
    """Its reason names the round; a reason of all rounds is stated once."""
    wall = times(count=80, seed=2)
    limited = [recording(wall, number, states=states_after(wall, events=POWER_CAP)) for number in (1, 2, 3)]
    limited[1] = with_samples(limited[1], settled=False)
    timing = row(*limited)

    assert timing.verdict == "unsettled"
    assert timing.reason.split("; ") == [
        "at its power limit in 100 % of 80 readings",
        "round 2: times had not settled after 30 s of warm-up",
    ]
    early = recording(times(5.0), 3, events=times(10.0))
    assert row(*two_rounds(10.0), early).verdict == "unsynchronised"


def test_the_last_try_of_a_round_counts():
    """An inconclusive first try is only mentioned, in whatever order rounds were recorded."""
    first, again, other = recording(noisy()), recording(), recording(number=2)
    timing = row(first, other, again)

    assert (timing.verdict, timing.rounds, timing.samples) == ("sound", 2, 200)
    assert timing.reason == "round 1 was measured twice"
    assert row(again, other, first).verdict == "inconclusive"
    assert row(again, again, again, other).reason == "round 1 was measured 3 times"


def test_rounds_of_older_code_are_not_pooled():
    """Only the fingerprint that was timed last counts; a single round has no spread."""
    single = row(recording(times(20.0), fingerprint="old"), recording())
    assert (single.verdict, single.rounds, single.aa_spread) == ("sound", 1, None)
    assert single.reason == "one round: repeatability is not known"

    timing = row(recording(times(20.0), fingerprint="old"), recording(number=2), recording(number=1))

    assert (timing.verdict, timing.rounds, timing.fingerprint) == ("sound", 2, "f")
    assert timing.p95_ms < 11


def test_each_timing_has_a_row_in_a_fixed_order():
    """By device, kind, run, size, batch; modes as MODES has them."""
    recordings = [
        recording(device=device, mode=mode, kind=kind, batch=batch)
        for device in ("Card", "Another")
        for kind in ("step", "forward")
        for batch in (2, 1)
        for mode in ("fast", "strict", "cold")
    ]
    rows = timings(recordings)

    assert [(each.device, each.kind, each.batch, each.mode) for each in rows] == [
        (device, kind, batch, mode)
        for device in ("Another", "Card")
        for kind in ("forward", "step")
        for batch in (1, 2)
        for mode in ("strict", "cold", "fast")
    ]
    assert rows == timings(reversed(recordings))
    assert timings([]) == []


def test_modes_are_compared_with_strict():
    """Of the same device, kind, run, size and batch; strict itself is not compared."""
    strict, fast, cold = two_rounds(10.0), two_rounds(5.0, "fast"), two_rounds(10.05, "cold")
    slow = two_rounds(12.0, "channels_last")
    versus = {each.mode: each.versus_strict for each in timings([*strict, *fast, *cold, *slow])}

    assert versus == {"strict": "", "fast": "faster", "cold": "same", "channels_last": "slower"}
    assert [each.versus_strict for each in timings([*fast, *two_rounds(10.0, batch=2)])] == ["", ""]


STRICT, FAST = two_rounds(10.0), two_rounds(5.0, "fast")


@pytest.mark.parametrize(
    "recordings",
    [
        [*STRICT, FAST[0], with_samples(FAST[1], settled=False)],
        [with_samples(STRICT[0], settled=False), STRICT[1], *FAST],
        [*STRICT, FAST[0]],
    ],
    ids=["an unsettled round", "an unsettled strict", "one round"],
)
def test_a_row_that_is_not_sound_proves_no_difference(recordings):
    """Although the mode is twice as fast."""
    assert [each.versus_strict for each in timings(recordings)] == ["", "ambiguous"]


def test_rows_survive_the_table(tmp_path):
    """A row has the six digits of the table, so what is read equals what was written."""
    more = {"macs": 7, "traffic": 3 * 10**15, "burst": Burst(10**9, 0.5, 0.001)}
    rows = timings([*two_rounds(10.0, **more), *two_rounds(0.0004, "fast", **more)])
    write(tmp_path / "timings.csv", Timing, rows)

    assert read_rows(tmp_path / "timings.csv", Timing) == rows
