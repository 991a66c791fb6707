"""Verdicts on ablation steps, orders of systems and test sets."""

from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark import claims, spec
from benchmark.compare import differences, statistics
from benchmark.compare.statistics import Difference
from tests.benchmarks.coverage import GOPRO, simulate

ROOT = Path(__file__).parents[1]
PAPERS = claims.read(ROOT / "benchmark" / "claims")
PROFILE, RUNS = spec.load(ROOT / "params.yaml", "embedded")
IMAGES = [f"{photograph}/{view}" for photograph in "abcd" for view in range(3)]
PRINTED, ROUNDING = Decimal("0.30"), Decimal("0.01")


def verdicts(truth, effect, sizes, spread=0.1, count=1000):
    """Judge many simulated measurements of one true difference, printed as 0.30 dB."""
    sizes = np.asarray(sizes, dtype=float)
    found = statistics.interval(truth + spread * simulate(effect, sizes, 0.5, count, seed=5), sizes)
    columns = zip(found.value, found.error, found.value - found.half, found.value + found.half, strict=True)
    measured = [
        Difference(v, e, found.freedom, low, high, found.method, int(sizes.sum()), len(sizes), spread)
        for v, e, low, high in columns
    ]
    return (
        pd.Series([differences.judge(PRINTED, ROUNDING, one)[0] for one in measured]).value_counts() / count
    )


@pytest.mark.parametrize("effect", ["normal", "heavy", "skewed"])
@pytest.mark.parametrize("sizes", [[3] * 4, GOPRO], ids=["embedded", "gopro"])
def test_wrong_directions_are_rare(sizes, effect):
    """At most 5 % of steps without an effect get a direction, and of those with one the wrong one.

    The margin is two standard errors of 1,000 draws; a small effect in either direction is hardest.
    """
    nothing = verdicts(0.0, effect, sizes)
    assert nothing.get("same", 0) + nothing.get("against", 0) <= 0.05 + 0.014
    for truth in (0.02, 0.15):
        assert verdicts(truth, effect, sizes).get("against", 0) <= 0.05
        assert verdicts(-truth, effect, sizes).get("same", 0) <= 0.05


def test_a_step_as_large_as_printed_is_found():
    """With a spread of a third of the printed step, GoPro's sequences find its direction in either case."""
    assert verdicts(0.3, "normal", GOPRO).get("same", 0) > 0.95
    assert verdicts(-0.3, "normal", GOPRO).get("against", 0) > 0.95


def measured(value, half, spread=0.1, error=None):
    """Make a difference over twelve images of four photographs."""
    error = half / 3.182 if error is None else error
    return Difference(value, error, 3.0, value - half, value + half, "Student's t", 12, 4, spread)


@pytest.mark.parametrize(
    ("printed", "found", "outcome", "reason"),
    [
        ("0.30", measured(0.2, 0.1), "same", "+0.20 dB, 95 % interval +0.10 to +0.30"),
        ("-0.30", measured(0.2, 0.1), "against", "+0.20 dB"),
        ("0.30", measured(0.05, 0.1), "undecided", "includes 0"),
        ("0.01", measured(0.2, 0.001), "undecided", "may be equal before rounding"),
        ("0.30", measured(0.9, 0.6), "undecided", "not the printed 0.30 dB (that takes about"),
        ("0.30", None, "undecided", "not measured"),
        (None, measured(0.2, 0.1), "undecided", "no paper prints both"),
    ],
)
def test_a_direction_has_a_reason(printed, found, outcome, reason):
    """Even a clear difference is undecided where the images cannot detect one as small as the printed one."""
    value = None if printed is None else Decimal(printed)
    judged, why = differences.judge(value, ROUNDING, found)

    assert judged == outcome
    assert reason in why


def scores(means):
    """Invent PSNRs: every run has its mean on every image but for a little."""
    rows = [
        (run, "embedded", image, "psnr", mean + 0.001 * ((7 * index + len(run)) % 5))
        for run, mean in means.items()
        for index, image in enumerate(IMAGES)
    ]
    return pd.DataFrame(rows, columns=["run", "dataset", "image", "quantity", "value"])


def test_steps_are_those_of_the_printed_tables():
    """BAG's Table 1 and CDGNet's Tables 3 and 4, from cell to cell, and every variant beside its parent."""
    bag = {"bag_plain": 27, "bag_1": 28, "bag_2": 29, "bag_3": 28, "bag_4": 28.5, "bag": 29}
    values = differences.frames(scores(bag))
    rows = list(differences.steps(PAPERS, differences.Measured(PROFILE, RUNS, values)))
    steps = {(row.paper, row.table, row.before, row.after): row for row in rows if row.kind != "variant"}
    first = steps["bag", "Table 1", "Model Plain", "Model 1"]
    whole = steps["bag", "Table 1", "Model Plain", "BAG"]
    unmeasured = steps["cdgnet", "Table 3", "DMPHN 1", "RDB+Two-branch+OFF"]

    assert {key[:2] for key in steps} == {("bag", "Table 1"), ("cdgnet", "Table 3"), ("cdgnet", "Table 4")}
    assert (first.printed, first.outcome) == (1.12, "same")
    assert steps["bag", "Table 1", "Modle 2", "Modle 3"].outcome == "against"
    assert (whole.printed, whole.images, whole.clusters) == (2.33, 12, 4)
    assert whole.measured == pytest.approx(2.0, abs=0.01)
    assert (unmeasured.printed, unmeasured.outcome, unmeasured.reason) == (1.89, "undecided", "not measured")
    variants = {(row.first, row.second) for row in rows if row.kind == "variant"}
    assert variants == {(run.ablates, name) for name, run in RUNS.items() if run.ablates}


def test_orders_are_by_table_and_dataset():
    """SGENet's Table 1 in its printed order is the same; with two systems swapped far apart it is not."""
    table = next(t for paper in PAPERS for t in paper.tables if (t.paper, t.name) == ("sgenet", "Table 1"))
    printed = {c.run: c.value for c in differences.networks(table) if c.dataset == "gopro" and c.value}
    same = next(
        row
        for row in differences.orders(PAPERS, differences.frames(scores(printed)), "retrained", "embedded")
        if (row.paper, row.dataset) == ("sgenet", "gopro")
    )
    upside_down = {run: -value for run, value in printed.items()}
    against = next(
        row
        for row in differences.orders(
            PAPERS, differences.frames(scores(upside_down)), "retrained", "embedded"
        )
        if (row.paper, row.dataset) == ("sgenet", "gopro")
    )

    assert (same.systems, same.alike, same.outcome) == (len(printed), same.pairs, "same")
    assert (against.alike, against.outcome) == (0, "against")
    assert same.p < 0.001


def test_equal_values_have_no_order():
    """Systems that all measure the same are undecided, without a tau."""
    alike = differences.frames(scores({"dmphn_stack4": 27, "mprnet": 27, "sgenet": 27}))
    alike["embedded"].loc[:] = 27.0
    rows = list(differences.orders(PAPERS, alike, "retrained", "embedded"))

    assert rows
    assert {(row.tau, row.outcome) for row in rows} == {(None, "undecided")}


def test_chance_orders_are_rarely_a_verdict():
    """Of orders drawn at random at most 5 % get a direction; four systems never do."""
    draw = np.random.default_rng(0)
    for systems, most in ((4, 0.0), (6, 0.05 + 0.03)):
        outcomes = [
            differences.judge_order(statistics.agreement(np.arange(systems), draw.permutation(systems)))[0]
            for _ in range(200)
        ]

        assert 1 - outcomes.count("undecided") / len(outcomes) <= most


def test_an_order_is_of_the_seeds_that_all_runs_have():
    """DMPHN's second seed is as good as CDGNet's first: without one of CDGNet it does not count."""
    columns = {("cdgnet", 0): 20.0, ("dmphn_1", 0): 19.0, ("dmphn_1", 1): 25.0}
    frame = pd.DataFrame({key: [value, value] for key, value in columns.items()}, index=["p/0", "q/0"])
    kept = differences.same_seeds(frame)

    assert list(kept.columns) == [("cdgnet", 0), ("dmphn_1", 0)]
    assert differences.same_seeds(frame[[("cdgnet", 0), ("dmphn_1", 1)]]).empty


def test_test_sets_have_the_detectable_differences_of_their_pairs():
    """Over all pairs of runs, the largest is that of the pair that differs most from image to image."""
    draw = np.random.default_rng(0)
    table = pd.concat(
        scores({"a": 27, "b": 28, "c": 29}).assign(quantity=quantity) for quantity in ("psnr", "psnr_pooled")
    )
    table["value"] += draw.normal(size=len(table))
    values = differences.frames(table)
    pairs = [differences.difference(values, "embedded", *pair) for pair in ("ab", "ac", "bc")]
    (row,) = differences.smallest(table, "retrained")

    assert (row.quantity, row.images, row.clusters, row.pairs) == ("psnr", 12, 4, 3)
    assert row.largest == pytest.approx(max(pair.detectable for pair in pairs))
    assert row.median == pytest.approx(np.median([pair.detectable for pair in pairs]))
