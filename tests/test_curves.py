"""Collapse and forecast of curves, on power laws whose shapes and ends are known."""

import numpy as np
import pytest

from benchmark.compare import curves
from benchmark.results.finished import Finished
from benchmark.results.schema import TrainingStep
from benchmark.spec import Run

STEPS = np.linspace(0, 1, 41)


def record(run, values, seed=0, rung=""):
    """A finished training whose training and validation gains are given, at 41 points."""
    curve = [TrainingStep(round(1000 * s), 1e-3, 0.1, v, v, v) for s, v in zip(STEPS, values, strict=True)]
    return Finished(f"{run}@{seed}-{rung}", run, seed, 1000, rung, "", "", 0.1, {}, [], "", curve, {})


def rising(power, gain=1.0, start=-0.2):
    """A gain that rises as a power of the steps."""
    return start + gain * STEPS**power


@pytest.mark.parametrize("factor", [0.01, 0.1])
def test_a_power_law_is_found_in_its_first_part(factor):
    """The first 40 % of a + b (1 - 1/s) give its last value."""
    begun = curves.begin(record("a", [-1, *(0.8 + factor * (1 - 1 / STEPS[1:]))]), "a")

    assert begun.points == 16
    assert begun.guesses[2] == pytest.approx(0.8, abs=1e-9)


def test_ends_on_a_line_are_predicted_exactly():
    """Ends that are 0.1 dB plus half the level seen are predicted, though one curve is none of these."""
    records, runs = [], {}
    for number, level in enumerate([-0.4, -0.2, -0.1, 0.0, 0.1, 0.15, 0.2, 0.3, 0.5, 0.6, 0.7]):
        values = np.full(len(STEPS), level)
        values[-1] = 9.0 if number == 4 else 0.1 + level / 2
        records.append(record(f"r{number}", values))
        runs[f"r{number}"] = Run(f"r{number}", f"r{number}", "")
    rows = list(curves.forecasts(records, runs))

    expected = [0.1 + r.curve[0].validation / 2 for r in records]
    assert [row.forecast for row in rows] == pytest.approx(expected, abs=1e-6)


def test_too_few_points_give_no_forecast():
    """Five points in all, as in profile embedded, leave two, to which a line always fits."""
    short = record("a", rising(0.5))
    short = Finished(**{**vars(short), "curve": short.curve[::8]})
    (row,) = curves.forecasts([short], {"a": Run("a", "a", "")})

    assert (row.forecast, row.inside) == (None, "")
    assert row.final == pytest.approx(0.8)
    assert "points" in row.reason


def test_intervals_cover_nine_of_ten():
    """200 noisy power laws of 10 systems with an end that no power law predicts: 85 to 95 % are inside."""
    rng, records, runs = np.random.default_rng(1), [], {}
    for number in range(200):
        runs[f"r{number}"] = Run(f"r{number}", f"system{number % 10}", "")
        annealed = 0.2 * np.maximum(0, STEPS - 0.7)  # as where the learning rate falls
        values = rising(rng.uniform(0.2, 0.8), rng.uniform(0.2, 1.5)) + annealed
        records.append(record(f"r{number}", values + rng.normal(0, 0.01, len(STEPS))))
    rows = list(curves.forecasts(records, runs))

    assert 0.85 <= np.mean([row.inside == "yes" for row in rows]) <= 0.95
    assert abs(np.median([row.error for row in rows])) < 0.02


def test_an_interval_is_of_other_systems_alone():
    """With eight curves of others there is none, with nine there is; its own system's do not count."""
    own = [record("own", rising(0.5), seed) for seed in range(20)]
    others = [record(f"r{n}", rising(0.5, 1 + n / 10)) for n in range(9)]
    runs = {name: Run(name, name, "") for name in ("own", *(f"r{n}" for n in range(9)))}
    few, enough = (next(iter(curves.forecasts([*own, *others[:n]], runs))) for n in (8, 9))

    assert (few.low, few.reason) == (
        None,
        "no interval: 8 curves of 8 other systems; needed: 9 of two or more",
    )
    assert enough.low is not None
    assert few.error_of_last == pytest.approx(own[0].curve[16].validation - own[0].curve[-1].validation)
    rises = [r.curve[-1].validation - r.curve[16].validation for r in others]
    assert enough.error_of_last == pytest.approx(few.error_of_last + np.median(rises))


def test_curves_of_one_shape_collapse():
    """Scaled and shifted power laws with one exponent coincide; another exponent does not."""
    records = [record("a", rising(0.5), 0), record("a", rising(0.52), 1)]
    records += [
        record("a", rising(0.5, 0.3, -1.0), 0, "thin8"),
        record("a", rising(0.52, 0.3, 0.5), 1, "thin8"),
    ]
    records += [record("a", rising(1.5), 0, "thin16"), record("a", rising(1.5), 1, "thin16")]
    rows = {row.rung: row for row in curves.collapses({r.training: r for r in records})}

    assert rows["thin8"].distance == pytest.approx(0, abs=1e-9)
    assert rows["thin8"].collapses == "yes"
    shape = np.interp(curves.GRID, STEPS, STEPS**0.5) - np.interp(curves.GRID, STEPS, STEPS**0.52)
    assert rows["thin8"].noise == pytest.approx(np.sqrt(np.mean(shape**2)))
    assert rows["thin16"].collapses == "no"


def test_what_has_no_shape_is_said():
    """A curve that falls, one without its full training, one or another seed have a reason and no verdict."""
    records = [
        record("falls", rising(0.5)), record("falls", rising(0.5, -1.0), rung="s"),
        record("alone", rising(0.5), rung="s"),
        record("one", rising(0.5)), record("one", rising(0.5), rung="s"),
        record("other", rising(0.5)), record("other", rising(0.5), 1, rung="s"),
    ]  # fmt: skip
    rows = {row.run: row for row in curves.collapses({r.training: r for r in records})}

    assert {name: row.collapses for name, row in rows.items()} == dict.fromkeys(
        ("falls", "alone", "one", "other"), ""
    )
    assert "rise" in rows["falls"].reason
    assert "not finished" in rows["alone"].reason
    assert rows["other"].reason == "no seed that both have"
    assert "one seed" in rows["one"].reason
    assert rows["one"].distance == pytest.approx(0)
