"""What recipes cost, against arithmetic by hand."""

from dataclasses import fields, replace
from pathlib import Path

import pytest
from benchmark.timing.analyse import Timing

from benchmark import spec
from benchmark.spec import Optimiser, Recipe, Run
from benchmark.timing.prices import NO_RATE, prices

ROOT = Path(__file__).parents[1]
RUNS = spec.load(ROOT / "params.yaml")[1]
DMPHN = {"dmphn_1": RUNS["dmphn_1"]}
CARD = "Card 80GB"


def timing(**known):
    """A step of DMPHN's recipe that takes 100 ms, unless told otherwise."""
    cells = dict.fromkeys((field.name for field in fields(Timing)), "")
    step = {"device": CARD, "kind": "step", "run": "dmphn_1", "mode": "tf32", "verdict": "sound"}
    size = {"height": 256, "width": 256, "batch": 6}
    return Timing(**(cells | step | size | {"ms": "100", "low": "99.5", "high": "100.25"} | known))


def one(*timings, runs=DMPHN, rates=None):
    """The only row."""
    (row,) = prices(timings, runs, rates or {})
    return row


def test_hours_are_steps_times_the_median():
    """DMPHN: 2,400 epochs of ceil(2103 / 6) = 351 steps of 100 ms are 23.4 hours."""
    row = one(timing())

    assert int(row.steps) == 2400 * 351 == 842_400
    assert float(row.hours) == pytest.approx(23.4, rel=1e-12)
    assert (row.step_ms, row.low, row.high) == ("100", "99.5", "100.25")
    assert (row.batch, row.crop, row.verdict) == (6, 256, "sound")


def test_cost_is_hours_times_the_devices_own_rate():
    """23.4 hours at 2.50 are 58.50; another device's rate does not matter."""
    row = one(timing(), rates={CARD: 2.5, "Card 40GB": 1.0})

    assert float(row.cost) == pytest.approx(58.5, rel=1e-12)
    assert (row.rate, row.reason) == ("2.5", "")


def test_without_a_rate_there_are_hours_and_no_cost():
    """The reason says where a rate goes, after what the timing says itself."""
    row = one(timing(reason="2 samples dropped"), rates={"Card": 1.0})

    assert (row.hours, row.rate, row.cost) == ("23.400000", "", "")
    assert row.reason == f"2 samples dropped; {NO_RATE}"


def test_energy_is_that_of_all_images():
    """5 J an image, 6 images a step, 842,400 steps: 25.272 MJ, which are 7.02 kWh."""
    assert float(one(timing(joules="5")).kwh) == pytest.approx(25.272e6 / 3.6e6, rel=1e-9)
    assert one(timing()).kwh == ""


@pytest.mark.parametrize("verdict", ["drifting", "inconclusive", "throttled"])
def test_the_verdict_is_that_of_the_timing(verdict):
    """A price from a time that cannot be believed says so."""
    row = one(timing(verdict=verdict, reason="why"), rates={CARD: 1.0})

    assert (row.verdict, row.reason, row.hours) == (verdict, "why", "23.400000")


def test_a_step_that_could_not_be_timed_has_its_reason():
    """No number is made up, and the missing rate is not the reason."""
    row = one(timing(ms="", low="", high="", verdict="unmeasured", reason="out of memory"))

    assert (row.verdict, row.reason) == ("unmeasured", "out of memory")
    assert {row.step_ms, row.low, row.high, row.hours, row.cost, row.kwh} == {""}
    assert row.steps == "842400"


@pytest.mark.parametrize("other", [{"batch": 2}, {"height": 128, "width": 128}, {"width": 512}])
def test_a_step_of_another_size_gives_no_price(other):
    """Half a batch is not half the time."""
    row = one(timing(**other), rates={CARD: 1.0})

    assert (row.hours, row.cost, row.verdict) == ("", "", "unmeasured")
    assert row.reason == "no step of batch 6 and crop 256 was timed"


def test_only_training_steps_count():
    """A forward pass or a ceiling gives no price, nor a device on which no step was timed a row."""
    assert list(prices([timing(kind="forward"), timing(kind="ceiling")], DMPHN, {CARD: 1.0})) == []


def test_every_run_with_a_recipe_has_a_row_on_every_device():
    """By device and mode; the blurred input learns nothing and has none."""
    rows = list(prices([timing(), timing(mode="strict"), timing(device="cpu")], RUNS, {}))
    trained = [name for name, run in RUNS.items() if run.train]

    assert [(row.device, row.mode) for row in rows[:: len(trained)]] == [
        (CARD, "tf32"),
        (CARD, "strict"),
        ("cpu", "tf32"),
    ]
    assert [row.run for row in rows] == 3 * trained
    assert {row.run for row in rows if row.hours} == {"dmphn_1"}
    assert all(row.reason for row in rows)


def test_a_part_of_a_batch_is_a_step():
    """10 epochs of 5 pairs in batches of 2 are 30 steps; 1.2 s each make 36 s, a hundredth of an hour."""
    recipe = Recipe(10, 2, 16, Optimiser(1e-4), {}, {}, pairs=5)
    runs = {"small": Run("small", "dmphn", "", train=recipe)}
    row = one(timing(run="small", batch=2, height=16, width=16, ms="1200"), runs=runs)

    assert (row.steps, row.hours) == ("30", "0.01")


def test_a_run_that_is_gone_has_no_price():
    """Recordings outlive their entry in params.yaml."""
    runs = {"other": replace(RUNS["dmphn_1"], name="other")}

    assert {row.run for row in prices([timing()], runs, {})} == {"other"}
