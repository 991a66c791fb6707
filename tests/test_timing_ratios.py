"""Rows of ratios.csv: intervals over rounds, and what makes a ratio inconclusive."""

import re
from dataclasses import replace

import pytest

from benchmark.results import read_rows, write
from benchmark.results.ratios import PairedRatio
from benchmark.timing import storage
from benchmark.timing.pairing import ratios_of
from benchmark.timing.ratios import enough, ratios
from benchmark.timing.stats import ratio_interval
from benchmark.timing.timings import timings
from tests.recordings import pair, recording


def rounds(ratio=0.5, apart=0.0, **more):
    """Make both rounds of a pair, whose ratios differ by the share `apart`."""
    return [pair(ratio, 1, **more), pair(ratio * (1 + apart), 2, **more)]


ITSELF = rounds(1.0, run="large")


def row(*recordings, itself=ITSELF):
    """Return the row of the network."""
    return next(row for row in ratios([*itself, *recordings]) if row.run == "small")


def test_a_row_has_the_ratio_of_all_pairs_with_an_interval_around_all_rounds():
    """That of all pairs, wide enough for the ratio of each round."""
    both = rounds(0.5, apart=0.015)
    found, by_round = row(*both), [ratios_of(each) for each in both]
    center, low, high = ratio_interval([*by_round[0], *by_round[1]])
    levels = [ratio_interval(each).center for each in by_round]

    assert (found.verdict, found.rounds, found.pairs, found.dropped) == ("sound", 2, 120, 0)
    assert found.ratio == pytest.approx(center, rel=1e-5)
    assert found.ci_low == pytest.approx(min(low, *levels), rel=1e-5)
    assert found.ci_high == pytest.approx(max(high, *levels), rel=1e-5)
    assert max(levels) > high
    assert found.rounds_apart == pytest.approx(max(levels) / min(levels) - 1, rel=1e-4)
    assert (found.run_ms, found.anchor_ms) == (pytest.approx(5, rel=0.01), 10)
    assert found.itself == pytest.approx(1, rel=0.01)


@pytest.mark.parametrize(
    ("recordings", "reason"),
    [
        (rounds(apart=0.05), "ratios of rounds differ by 5"),
        (rounds()[:1], "one round"),
        (rounds(noise=0.2), "the ratio is known to"),
        (rounds(count=4), "8 pairs count; 10 are needed"),
    ],
    ids=["rounds apart", "one round", "noise", "few pairs"],
)
def test_what_is_not_certain_is_inconclusive(recordings, reason):
    """With the reason."""
    found = row(*recordings)

    assert found.verdict == "inconclusive"
    assert reason in found.reason


@pytest.mark.parametrize(
    ("itself", "reason"),
    [
        (rounds(1.02, run="large"), r"takes 1\.0\d+ \(1\.01\d+ to 1\.02\d+\) times as long as itself"),
        ([], "not held against itself"),
    ],
)
def test_no_ratio_is_sounder_than_that_of_the_anchor_to_itself(itself, reason):
    """An anchor that is not as fast as itself, or was not held against itself, decides nothing."""
    found = row(*rounds(), itself=itself)

    assert found.verdict == "inconclusive"
    assert re.search(reason, found.reason)


def test_an_anchor_in_another_setting_says_nothing():
    """Its ratio to itself holds for its own device, mode and size."""
    assert row(*(replace(each, height=64) for each in rounds())).verdict == "inconclusive"


def test_ratios_and_timings_take_their_own_recordings():
    """Pairs are in no timing, and others in no ratio."""
    pairs, others = rounds(), [recording(number=1), recording(number=2)]

    assert [(row.run, row.anchor) for row in ratios([*pairs, *others])] == [("small", "large")]
    assert timings([*pairs, *others]) == timings(others)


def test_recordings_and_rows_are_read_as_they_were_written(tmp_path):
    """With turns and anchor; other kinds have none on disk."""
    measured = replace(pair(), calls=(1, 1))
    assert storage.load(storage.dump(measured), "here").turns == measured.turns
    assert storage.dump(storage.load(storage.dump(measured), "here")) == storage.dump(measured)
    assert "anchor" not in storage.dump(recording())

    rows = ratios([*ITSELF, *rounds()])
    write(tmp_path / "ratios.csv", PairedRatio, rows)
    assert read_rows(tmp_path / "ratios.csv", PairedRatio) == rows


def test_a_process_whose_ratio_drifted_is_left_out_where_two_others_did_not():
    """It is named; with one other it counts, and the row is drifting."""
    drifting = pair(number=3, ratios=[0.5 + 0.002 * i for i in range(60)])
    with_two, with_one = row(*rounds(), drifting), row(rounds()[0], drifting)

    assert (with_two.verdict, with_two.rounds) == ("sound", 2)
    assert "round 3 left out: drifting" in with_two.reason
    assert with_one.rounds == 2
    assert with_one.verdict in ("drifting", "inconclusive")
    assert enough(rounds())
    assert not enough([rounds()[0], drifting])
