"""Prices of recipes, against arithmetic by hand."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmark import spec
from benchmark.results.schema import Timing
from benchmark.spec import Optimiser, Recipe, Run
from benchmark.timing.prices import NO_RATE, prices

ROOT = Path(__file__).parents[1]
RUNS = spec.load(ROOT / "params.yaml")[1]
DMPHN = {"dmphn_1": RUNS["dmphn_1"]}
CARD = "Card 80GB"
# A step of DMPHN's recipe.
STEP = Timing(CARD, "step", "dmphn_1", "tf32", 256, 256, 6, "sound", "")
STEP = replace(STEP, median_ms=100.0, ci_low_ms=99.5, ci_high_ms=100.25)
RATE = {CARD: 2.5, "Card 40GB": 1.0}


def price(timing, runs=DMPHN, rates=RATE):
    """Return the only row."""
    (row,) = prices([timing], runs, rates)
    return row


def test_hours_are_steps_times_the_median_and_cost_is_hours_times_rate():
    """DMPHN: 2,400 epochs of ceil(2103 / 6) = 351 steps of 100 ms are 23.4 hours, at 2.50 58.50."""
    row = price(STEP)

    assert row.steps == 2400 * 351 == 842_400
    assert (row.hours, row.cost) == pytest.approx((23.4, 58.5), rel=1e-12)
    assert (row.step_ms, row.ci_low_ms, row.ci_high_ms) == (100, 99.5, 100.25)
    assert (row.batch, row.crop, row.verdict, row.rate, row.reason) == (6, 256, "sound", 2.5, "")


def test_without_a_rate_there_are_hours_and_no_cost():
    """The reason says where a rate belongs, after the timing's own reason."""
    row = price(replace(STEP, reason="2 samples dropped"), rates={"Card": 1.0})

    assert (row.hours, row.rate, row.cost) == (pytest.approx(23.4), None, None)
    assert row.reason == f"2 samples dropped; {NO_RATE}"


def test_energy_is_that_of_all_images():
    """5 J an image, 6 images a step, 842,400 steps: 25.272 MJ, which are 7.02 kWh."""
    assert price(replace(STEP, joules_per_image=5.0)).kwh == pytest.approx(25.272e6 / 3.6e6, rel=1e-9)
    assert price(STEP).kwh is None


@pytest.mark.parametrize("verdict", ["drifting", "inconclusive", "throttled"])
def test_the_verdict_is_that_of_the_timing(verdict):
    """A price from a doubtful time says so."""
    row = price(replace(STEP, verdict=verdict, reason="doubtful"))

    assert (row.verdict, row.reason, row.hours) == (verdict, "doubtful", pytest.approx(23.4))


OTHER_SIZE = "no step of batch 6 and crop 256 was timed"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"median_ms": None, "verdict": "unmeasured", "reason": "out of memory"}, "out of memory"),
        ({"batch": 2}, OTHER_SIZE),  # half a batch is not half the time
        ({"height": 128, "width": 128}, OTHER_SIZE),
        ({"width": 512}, OTHER_SIZE),
    ],
)
def test_an_unmeasured_step_has_no_price_but_a_reason(changes, reason):
    """The missing rate is not the reason; steps are still those of the recipe."""
    row = price(replace(STEP, ci_low_ms=None, ci_high_ms=None, **changes), rates={})

    assert (row.verdict, row.reason, row.steps) == ("unmeasured", reason, 842_400)
    assert {row.step_ms, row.ci_low_ms, row.ci_high_ms, row.hours, row.cost, row.kwh} == {None}


def test_only_training_steps_count():
    """A device without a timed step has no row."""
    assert list(prices([replace(STEP, kind="forward"), replace(STEP, kind="ceiling")], DMPHN, RATE)) == []


def test_every_run_with_a_recipe_has_a_row_on_every_device():
    """By device and mode; the blurred input has no recipe, and a removed run has no row."""
    rows = list(prices([STEP, replace(STEP, mode="strict"), replace(STEP, device="cpu")], RUNS, {}))
    trained = [name for name, run in RUNS.items() if run.train]

    places = [(row.device, row.mode) for row in rows[:: len(trained)]]
    assert places == [(CARD, "tf32"), (CARD, "strict"), ("cpu", "tf32")]
    assert [row.run for row in rows] == 3 * trained
    assert {row.run for row in rows if row.hours} == {"dmphn_1"}
    assert all(row.reason for row in rows)
    assert price(STEP, runs={"other": replace(RUNS["dmphn_1"], name="other")}).run == "other"


def test_a_part_of_a_batch_is_a_step():
    """10 epochs of 5 pairs in batches of 2 are 30 steps; 1.2 s each make 36 s, a hundredth of an hour."""
    recipe = Recipe(10, 2, 16, Optimiser(1e-4), {}, {}, pairs=5)
    runs = {"small": Run("small", "dmphn", "", train=recipe)}
    row = price(replace(STEP, run="small", batch=2, height=16, width=16, median_ms=1200.0), runs)

    assert (row.steps, row.hours) == (30, pytest.approx(0.01))
