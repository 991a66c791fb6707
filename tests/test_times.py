"""Printed times: verdicts with their arithmetic, ratios and likely clocks."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmark import claims
from benchmark.claims import Claim, Paper, Table
from benchmark.compare import times
from benchmark.results import COMPLEXITY, read_rows, write
from benchmark.results.schema import PHYSICS_VERDICTS, Complexity, Timing

ROOT = Path(__file__).parents[1]
GTX, H100 = "NVIDIA GeForce GTX 1080 Ti", "NVIDIA H100 80GB HBM3"
COUNTS = [
    Complexity("old", 10**6, 0, 10**12, "", 0, 0, 0),
    Complexity("new", 10**6, 0, 1_500_000_000_000, "", 0, 500_000_000_000, 0),
    Complexity("identity", 0, 0, 0, "", 0, 0, 0),
]
OLD = Claim("p", "Table 1", "Old", "Time", "old", "gopro", "seconds", "0.40", card="gtx_1080_ti")
NEW = replace(OLD, row="New", run="new", printed="0.10")
MISSING = Path("no such file")  # in place of the committed results/runtime/timings.csv
SOURCES = times.sources(COUNTS, MISSING)


def paper(*printed, anchor="Old"):
    """Make a paper with one table of these claims."""
    cells = {(i, 0): claim for i, claim in enumerate(printed)}
    table = Table("p", "Table 1", "", ["Time"], [], anchor=anchor, claims=cells)
    return Paper("p", "", "", None, [table], [])


def judge(*printed, sources=SOURCES, **changes):
    """Judge the last of these printed times."""
    return [timed for _, timed in times.times([paper(*printed, **changes)], sources)][-1]


def timing(run, median, asynchronous=None, device=H100, mode="strict", size=(720, 1280)):
    """Make a sound forward time, from s."""
    early = None if asynchronous is None else 1e3 * asynchronous
    cells = {"median_ms": 1e3 * median, "async_ms": early}
    return Timing(device, "forward", run, mode, *size, 1, "sound", "", **cells)


def committed():
    """Judge every printed time of the four papers, with the committed counts; by paper and row."""
    rows = times.times(claims.read(), times.sources(read_rows(ROOT / COMPLEXITY, Complexity), MISSING))
    return {(t.paper, t.row): t for _, t in rows}


@pytest.mark.parametrize(
    ("place", "lower_bound", "share_of_peak", "verdict"),
    [
        (("cdgnet", "Ours"), 9.7e-3, 7.9, "impossible"),  # 292.57 GMAC by its own table
        (("cdgnet", "DMPHN 2019 [15]"), 22.9e-3, 16.2, "impossible"),  # 689.20 GMAC
        (("sgenet", "SGENet"), 66.7e-3, 18.9, "impossible"),  # 5,877.86 GMAC
        (("sgenet", "MIMO-UNet [4]"), 24.0e-3, 6.4, "impossible"),  # 2,119.30 GMAC: MIMO-UNet+
        (("sgenet", "DMPHN [28]"), 31.2e-3, 5.8, "impossible"),  # 2,748.34 GMAC: Stack(4)
        (("sgenet", "MPRNet [27]"), 121e-3, 2.9, "not credible"),  # 10,679.2 GMAC
        (("sgenet", "DBGAN [30]"), 121e-3, 2.7, "not credible"),  # 10,671.0 GMAC
        (("sgenet", "MT-RNN [19]"), 23.1e-3, 2.3, "not credible"),  # 2,035.93 GMAC
        (("saphnet", "Ours"), 62.6e-3, 0.96, "possible"),  # 2,020.41 GMAC
        (("bag", "Our method"), 27.9e-3, 0.13, "possible"),  # 842.50 GMAC
        (("sgenet", "SRN [23]"), None, None, "untested"),
        (("saphnet", "Xu et al. [2013]"), None, None, "untested"),
    ],
)
def test_the_papers_times(place, lower_bound, share_of_peak, verdict):
    """The verdicts of the headline, by hand: 2 operations a MAC over 4 x peak x highest over boost clock."""
    timed = committed()[place]

    assert timed.verdict == verdict
    assert timed.reason
    if lower_bound:
        assert timed.lower_bound_s == pytest.approx(lower_bound, rel=0.01)
        assert timed.share_of_peak == pytest.approx(share_of_peak, rel=0.02)


def test_cdgnets_time_is_impossible_by_its_own_operations():
    """2 x 292.57 GFLOP in at most 6.5 ms are 90 TFLOP/s; the whole arithmetic is in the reason."""
    timed = committed()["cdgnet", "Ours"]

    assert timed.macs_printed == 292.57e9
    assert timed.at_peak_s == pytest.approx(2 * 292.57e9 / 11.34e12)
    assert timed.lower_bound_s == pytest.approx(2 * 292.57e9 / (4 * 2 * 3584 * 2.1e9), rel=1e-3)
    assert f"292.57 GMAC printed need 90 TFLOP/s, 7.9 times the peak of {GTX}" in timed.reason
    assert "929.14 GMAC counted need 286 TFLOP/s" in timed.reason
    assert timed.reason.endswith("as the paper names no size: possible at most for 66 % of its pixels")


def test_every_printed_time_has_a_card_and_one_row():
    """41 in tables and sentences, blank ones too; 15 lack a network or a number, and one is quoted."""
    rows = list(times.times(claims.read(), times.sources(read_rows(ROOT / COMPLEXITY, Complexity), MISSING)))
    printed = [claim for paper in claims.read() for claim in paper.claims() if claim.quantity == "seconds"]

    assert [claim for claim, _ in rows] == printed
    assert len(set(printed)) == len(printed) == 41
    assert all(timed.card for _, timed in rows)
    assert {timed.verdict for _, timed in rows} == set(PHYSICS_VERDICTS)
    assert sum(timed.verdict == "untested" for _, timed in rows) == 16


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        (replace(NEW, printed="-"), "the paper prints nothing here"),
        (replace(NEW, printed="fast"), "printed in words, not as a number"),
        (replace(NEW, card=""), "the paper names no card"),
        (replace(NEW, quoted="by others"), "quoted, by others: not measured on the table's card"),
        (replace(NEW, run=None), "no network to count"),
        (replace(NEW, run="lost"), "lost is not in results/complexity.csv"),
    ],
)
def test_what_physics_cannot_judge_has_a_reason(claim, reason):
    """A reason each, and no numbers."""
    timed = judge(claim)

    assert (timed.verdict, timed.reason, timed.lower_bound_s) == ("untested", reason, None)


def test_rounding_is_in_the_prints_favour():
    """2 x 2 TMAC at 11.34 TFLOP/s take 0.353 s: 0.3 s may be 0.350, which is too short, 0.35 may be 0.355."""
    assert judge(replace(NEW, printed="0.3")).verdict == "not credible"
    assert judge(replace(NEW, printed="0.4")).verdict == "possible"
    assert judge(replace(NEW, printed="0.35")).verdict == "possible"
    assert judge(replace(NEW, printed="0.350")).verdict == "not credible"


def test_deformable_convolutions_are_work():
    """They are counted beside the others, and both are in the sum."""
    assert judge(NEW).macs_counted == 2e12


def test_the_milder_of_two_counts_is_the_verdict():
    """Printed operations that are fewer excuse a time; printed ones that are more do not condemn it."""
    operations = replace(NEW, column="FLOPs", quantity="macs_720p")
    fewer, more = (
        replace(operations, printed="100", scale=1e9),
        replace(operations, printed="9000", scale=1e9),
    )

    assert judge(NEW).verdict == "not credible"
    assert judge(fewer, NEW).verdict == "possible"
    assert judge(more, NEW).verdict == "not credible"
    assert "100.00 GMAC printed" in judge(fewer, NEW).reason
    assert "2,000.00 GMAC counted" in judge(fewer, NEW).reason


def test_eager_traffic_is_shown_and_decides_nothing():
    """210 GB at 484 GB/s are longer than 0.41 s, in this implementation."""
    heavy = [replace(row, traffic_720p=210 * 10**9) for row in COUNTS]
    slow = replace(NEW, printed="0.41")
    timed = judge(slow, sources=times.sources(heavy, MISSING))

    assert (judge(slow).verdict, judge(slow).eager_memory_s) == ("possible", None)
    assert timed.verdict == "possible"
    assert timed.eager_memory_s == pytest.approx(210 / 484, abs=1e-6)
    assert "its operators, run one by one, move data for 434 ms" in timed.reason


def test_an_unknown_card_names_the_place():
    """A card that cards.yaml does not have is a mistake of the claims file."""
    with pytest.raises(
        ValueError, match=r"^benchmark/claims/p.yaml, Table 1, 'New': card 'gtx'; allowed: a100"
    ):
        judge(replace(NEW, card="gtx"))


def test_ratios_are_to_the_anchors_time():
    """Printed 0.10 over 0.40, counted 2 over 1; a sentence has no anchor."""
    timed = judge(OLD, NEW)

    assert (timed.anchor, timed.claimed_ratio, timed.macs_ratio) == ("Old", 0.25, 2.0)
    assert judge(OLD, NEW, anchor="").claimed_ratio is None
    assert judge(OLD, replace(NEW, table="Sec. 4")).anchor == ""
    assert judge(replace(OLD, run="identity"), NEW).macs_ratio is None


@pytest.mark.parametrize(
    ("new", "verdict"),
    [
        ((0.080, 0.0050), "asynchronous"),  # 2.0 times by the true clock, 0.25 by the other
        ((0.010, 0.0400), "true"),
        ((0.400, 0.1000), "neither"),
        ((0.040, 0.0200), ""),  # both clocks say the same ratio
        ((0.040, None), ""),  # a CPU has one clock
    ],
)
def test_a_ratio_shows_the_likely_clock(new, verdict):
    """Printed 0.25, beside ratios to the anchor's 0.04 s and 0.02 s; the evidence is in the reason."""
    sources = replace(SOURCES, measured=[timing("old", 0.040, 0.020), timing("new", *new)])
    timed = judge(OLD, NEW, sources=sources)

    assert timed.likely_clock == verdict
    assert timed.measured_on == f"{H100} (strict, 720x1280)"
    assert (timed.measured_s, timed.own_card) == (new[0], "")
    assert timed.measured_ratio == pytest.approx(new[0] / 0.040)
    if verdict:
        assert timed.async_ratio == pytest.approx(new[1] / 0.020)
        assert "printed 0.25 times the time of Old" in timed.likely_clock_reason
    assert judge(NEW, OLD, sources=sources).likely_clock == ""  # the anchor's ratio to itself


def test_published_pairs_come_first():
    """SGENet's times beside those of MIMO-UNet's README and Stripformer's authors, on the same card."""
    rows = {row: timed for (paper, row), timed in committed().items() if paper == "sgenet"}
    clocks = {row: timed.likely_clock for row, timed in rows.items() if timed.likely_clock}

    early = dict.fromkeys(("MIMO-UNet [4]", "MT-RNN [19]", "MPRNet [27]"), "asynchronous")
    assert clocks == early | {"DMPHN [28]": "neither"}
    evidence = "25 ms asynchronous and 282 ms synchronised; printed 18 ms"
    assert evidence in rows["MIMO-UNet [4]"].likely_clock_reason
    assert "Stripformer" in rows["MPRNet [27]"].likely_clock_reason


def test_timings_are_read_where_they_count(tmp_path):
    """Sound forward times of single images in the papers' modes; none without the file."""
    path = tmp_path / "timings.csv"
    row = timing("new", 0.080, 0.005)
    others = [
        {"kind": "step"}, {"batch": 4}, {"mode": "fast"}, {"verdict": "drifting"},
        {"verdict": "unmeasured", "median_ms": None}, {"kind": "ceiling", "height": 0},
    ]  # fmt: skip
    write(path, Timing, [row, *(replace(row, run=f"other {i}", **other) for i, other in enumerate(others))])

    assert times.sources(COUNTS, path).measured == [row]
    assert SOURCES.measured == []


@pytest.mark.parametrize(
    ("settings", "chosen", "own"),
    [
        ([("cpu", "strict", 720, None), (H100, "strict", 256, 1.0)], f"{H100} (strict, 256x1280)", ""),
        ([(H100, "strict", 720, 1.0), (GTX, "strict", 720, 1.0)], f"{GTX} (strict, 720x1280)", "yes"),
        ([(GTX, "strict", 256, 1.0)], f"{GTX} (strict, 256x1280)", ""),
        ([(H100, "tf32", 720, 1.0), (H100, "strict", 720, 1.0)], f"{H100} (strict, 720x1280)", ""),
        ([(H100, "strict", 256, 1.0), (H100, "strict", 720, 1.0)], f"{H100} (strict, 720x1280)", ""),
        ([("cpu", "strict", 256, None)], "cpu (strict, 256x1280)", ""),
        ([], "", ""),
    ],
)
def test_the_best_measurement_is_the_papers_own_card(settings, chosen, own):
    """Then any GPU, then a CPU; of a card without TensorFloat-32 the strict mode; of sizes the largest."""
    rows = [timing("new", 1.0, early, device, mode, (h, 1280)) for device, mode, h, early in settings]
    timed = judge(OLD, NEW, sources=replace(SOURCES, measured=rows))

    assert (timed.measured_on, timed.own_card) == (chosen, own)


def test_a_card_with_tensorfloat_convolves_in_it_by_default():
    """So its printed times are held against that mode; a setting that has the anchor too comes before all."""
    both = [timing("new", 1.0, 0.5, mode=mode) for mode in ("strict", "tf32")]
    slow = {"device": "cpu", "size": (256, 256)}
    with_anchor = [timing("new", 2.0, **slow), timing("old", 1.0, **slow)]
    ampere = replace(NEW, card="rtx_3090")

    assert "tf32" in judge(OLD, ampere, sources=replace(SOURCES, measured=both)).measured_on
    assert judge(OLD, ampere, sources=replace(SOURCES, measured=both + with_anchor)).measured_ratio == 2
