"""Orders of small and full trainings, on invented values whose agreement, interval and noise are known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark import claims, spec
from benchmark.compare import ladder, statistics
from benchmark.results import Results, read_rows, write
from benchmark.results.finished import Finished
from benchmark.results.schema import Order, Rung, Score, TrainingStep

ROOT = Path(__file__).parents[1]
PRINTED = {"a": 20.0, "b": 20.2, "c": 21.0, "d": 22.5}
GROUP = ladder.Group("p", "Table 1", "ablation", PRINTED, tuple(PRINTED))


def side(means):
    """Values of (photographs, runs, seeds), three images to each photograph."""
    means = np.asarray(means, dtype=float)
    return ladder.Values(tuple("abcdefgh"[: means.shape[1]]), means, np.full(len(means), 3))


def record(run, seed, psnr, rung="", test=()):
    """A finished training with a PSNR per photograph of two images, and a curve of test gains."""
    scores = {f"{p}/{i}": {"psnr": value} for p, value in enumerate(psnr) for i in range(2)}
    curve = [TrainingStep(step, 1e-3, 0.1, None, None, gain) for step, gain in enumerate(test)]
    name = f"{run}@{seed}-{rung}"
    return Finished(name, run, seed, 10, rung, "", "", 0.1, {}, [], "", curve, {"embedded": scores})


def test_pairs_are_printed_apart_and_the_lower_first():
    """20.0 and 20.2 are 0.2 dB apart and no pair; a and b are each one with c and with d."""
    assert GROUP.pairs() == [("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d")]


def test_variants_that_nobody_prints_are_pairs_with_each_other():
    """Five variants of a system have 10 pairs."""
    assert len(ladder.Group("", "x", "variants", {}, tuple("abcde")).pairs()) == 10


def test_values_without_noise_have_the_printed_order_for_sure():
    """All five pairs are alike in every resample; the opposite order has none."""
    means = np.tile(np.arange(4.0)[None, :, None], (5, 1, 3))
    same, against = (ladder.agreement(GROUP.pairs(), side(sign * means)) for sign in (1, -1))

    assert (same.pairs, same.alike, same.low, same.high) == (5, 5, 1, 1)
    assert (against.alike, against.low, against.high) == (0, 0, 0)


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5], [5, 3, 4, 1, 2, 0], [2, 0, 5, 1, 4, 3]])
def test_counts_and_p_are_those_of_the_exact_test(order):
    """With one dB between systems, alike and p are those of scipy's permutation test over all 720 orders."""
    printed = dict(zip("abcdef", np.arange(6.0), strict=True))
    found = ladder.agreement(ladder.Group("p", "t", "systems", printed, tuple(printed)).pairs(),
                             side(np.tile(np.array(order, float)[None, :, None], (3, 1, 1))))  # fmt: skip
    exact = statistics.agreement(list(printed.values()), order)

    assert (found.pairs, found.alike) == (exact.pairs, exact.alike)
    assert found.p == pytest.approx(exact.p)


def test_the_interval_covers_the_agreement_of_the_population():
    """Of 150 invented experiments, of four to eight photographs and two or three seeds, nine tenths do.

    True means are 0.1 dB apart, two of them in the wrong order; photographs and seeds each move every run.
    """
    rng, covered = np.random.default_rng(3), 0
    true = np.array([0.0, 0.2, 0.1, 0.3, 0.4, 0.5])
    pairs = ladder.Group("", "x", "variants", {}, tuple("abcdef")).pairs()
    share = np.mean([true["abcdef".index(b)] > true["abcdef".index(a)] for a, b in pairs])
    for _ in range(150):
        photographs, seeds = rng.integers(4, 9), rng.integers(2, 4)
        of_photographs = rng.normal(0, 0.1, (photographs, 6, 1))
        of_seeds = rng.normal(0, 0.05, (1, 6, seeds))
        found = ladder.agreement(pairs, side(true[None, :, None] + of_photographs + of_seeds))
        covered += found.low <= share <= found.high

    assert share == pytest.approx(14 / 15)
    assert 0.9 <= covered / 150 <= 1


def test_more_noise_gives_a_wider_interval():
    """The interval is narrow where photographs and seeds agree, and wide where either does not."""
    rng, width = np.random.default_rng(0), {}
    true = np.arange(6.0)[None, :, None] * 0.05
    pairs = ladder.Group("", "x", "variants", {}, tuple("abcdef")).pairs()
    for kind, shape in {"none": (1, 1, 1), "photographs": (6, 6, 1), "seeds": (1, 6, 3)}.items():
        noise = rng.normal(0, 0 if kind == "none" else 0.3, shape)
        found = ladder.agreement(pairs, side(np.broadcast_to(true + noise, (6, 6, 3))))
        width[kind] = found.high - found.low

    assert width["none"] == 0
    assert min(width["photographs"], width["seeds"]) > 0.1


def test_a_small_training_is_held_against_the_full_one():
    """Two of three pairs in the full training's order, whatever anybody prints; equal sides agree wholly."""
    full = side([[[0.0], [1.0], [2.0]]] * 4)
    small = side([[[0.0], [2.0], [1.0]]] * 4)
    pairs = [("a", "b"), ("a", "c"), ("b", "c")]

    assert ladder.agreement(pairs, small, full).alike == 2
    assert ladder.agreement(pairs, full, full).alike == 3


def test_sides_have_seeds_of_their_own():
    """Two small trainings, one in the full one's order and one against it: the interval has either share.

    So has one small training beside two full ones.
    """
    steady = np.tile(np.arange(3.0)[None, :, None], (4, 1, 1))
    torn = np.concatenate([steady, -1.1 * steady], axis=2)
    pairs = [("a", "b"), ("a", "c"), ("b", "c")]

    for small, full in ((torn, steady), (steady, torn)):
        found = ladder.agreement(pairs, side(small), side(full))
        assert (found.low, found.high) == (0, 1)


def test_a_run_with_fewer_seeds_keeps_its_mean():
    """A seed that a run does not have is not a zero: its mean is over those that it has."""
    means = np.full((2, 2, 2), np.nan)
    means[:, 0, :], means[:, 1, 0] = [1.0, 3.0], 5.0

    assert side(means).overall().tolist() == [2, 5]


def test_noise_is_that_of_seeds_and_of_last_points():
    """Signal, seed noise and end noise equal their closed forms: sd of 1, 3; of ±0.1; of the last four.

    A seed that moves all runs by 5 dB is no noise of their order.
    """
    records = [record("a", seed, [1 + d, 1 + d], test=np.r_[np.zeros(8), 1, -1, 1, -1] / 10)
               for seed, d in enumerate((-0.1, 5.1))]  # fmt: skip
    records += [record("b", seed, [3 + d, 3 + d]) for seed, d in enumerate((0.1, 4.9))]
    kept = {entry.training: entry for entry in records}
    measured = ladder.by_rung(None, kept, "embedded")[""]
    signal, seeds, end = ladder.noise([measured], ladder.ends(records, ""))

    assert signal == pytest.approx(2**0.5)
    assert seeds == pytest.approx(0.2)  # 4 residuals of 0.1 with one degree of freedom
    assert end == pytest.approx(np.std([0.1, -0.1, 0.1, -0.1], ddof=1))


def test_what_a_seed_adds_to_one_table_is_no_noise():
    """Of two tables, a seed moves all of one by 0.5 dB: that changes no order in either."""
    first = np.tile(np.array([1.0, 3.0])[None, :, None], (3, 1, 2))
    second = first + 10 + np.array([0.0, 0.5])
    signal, seeds, _ = ladder.noise([side(first), side(second)], {})

    assert signal == pytest.approx(2**0.5)
    assert seeds == pytest.approx(0)


def test_seeds_that_not_all_runs_have_do_not_count():
    """A run with a second, better seed is compared by the first, as its neighbours are."""
    means = np.full((2, 3, 2), np.nan)
    means[:, :, 0] = [1.0, 2.0, 3.0]
    means[:, 0, 1] = 9.0
    kept, alone = (ladder.shared(runs, side(means)) for runs in (["a", "c"], ["a"]))

    assert (kept.runs, kept.overall().tolist()) == (("a", "c"), [1, 3])
    assert alone.overall().tolist() == [5]
    assert np.isnan(ladder.noise([kept], {})[1])


def test_two_seeds_are_held_against_each_other():
    """Only runs with both seeds count; one of their three pairs has another order with the second seed."""
    means = np.full((4, 4, 2), np.nan)
    means[:, :, 0] = [0, 1, 2, 3]
    means[:, :3, 1] = [0, 2, 1]
    one, other = ladder.two_seeds(side(means))

    assert one.runs == other.runs == ("a", "b", "c")
    assert ladder.agreement([("a", "b"), ("a", "c"), ("b", "c")], one, other).alike == 2
    assert ladder.two_seeds(side(means[..., :1])) is None


def test_a_ladder_has_a_row_per_table_rung_and_side():
    """Records of CDGNet's Table 3 in the printed order, a rung in the opposite one: 1 and 0 of the share.

    Both seeds have the same values, so they agree about every pair.
    """
    runs, papers = spec.load(ROOT / "params.yaml")[1], claims.read()
    groups = {(group.paper, group.table): group for group in ladder.groups(papers, runs)}
    printed = groups["cdgnet", "Table 3"].printed
    records = [
        record(run, seed, np.array([1, 1.1, 0.9]) + sign * value / 10, rung)
        for run, value in printed.items()
        for seed in (0, 1)
        for rung, sign in (("", 1), ("steps5", -1))
    ]
    kept = {entry.training: entry for entry in records}
    found = {
        (row.rung, row.against): row
        for row in ladder.rows(list(groups.values()), None, kept, "embedded")
        if (row.paper, row.table) == ("cdgnet", "Table 3")
    }

    assert {key: row.share for key, row in found.items()} == {
        ("", "print"): 1, ("steps5", "print"): 0, ("steps5", "full"): 0,
        ("", "seed"): 1, ("steps5", "seed"): 1,
    }  # fmt: skip
    assert {key: (row.seeds, row.seeds_other) for key, row in found.items()} == {
        ("", "print"): (2, None), ("steps5", "print"): (2, None), ("steps5", "full"): (2, 2),
        ("", "seed"): (1, 1), ("steps5", "seed"): (1, 1),
    }  # fmt: skip
    assert all(row.pairs == 29 for row in found.values())


def test_an_image_that_a_run_lacks_counts_for_none():
    """A run with the two easy photographs alone is compared on these, and so is the rung."""
    records = [
        record("a", 0, [26, 26]), record("b", 0, [27, 27, 21, 21]),
        record("a", 0, [26, 26, 26], "steps5"), record("b", 0, [25, 25, 99], "steps5"),
    ]  # fmt: skip
    sides = ladder.by_rung(None, {entry.training: entry for entry in records}, "embedded")

    assert sides[""].overall().tolist() == [26, 27]
    assert sides["steps5"].overall().tolist() == [26, 25]


def test_runs_without_a_common_seed_have_no_order():
    """One run has the first seed, the other the second: which of the two is better, nothing says."""
    records = [record("a", 0, [1, 2]), record("b", 1, [5, 6]), record("c", 0, [1, 1]), record("c", 1, [1, 1])]
    group = ladder.Group("p", "t", "systems", {"a": 1.0, "b": 2.0}, ("a", "b"))
    (row,) = ladder.rows([group], None, {entry.training: entry for entry in records}, "embedded")

    assert (row.seeds, row.share, row.p, row.reason) == (0, None, None, "no seed that all runs have")


def test_a_table_is_held_against_measurements_on_its_own_set(tmp_path):
    """Without a stand-in set, GoPro's column is compared with GoPro alone, and HIDE's with HIDE."""
    runs, papers = spec.load(ROOT / "params.yaml")[1], claims.read()
    printed = {
        group.dataset: group.printed
        for group in ladder.groups(papers, runs)
        if group.paper == "sgenet" and group.dataset in ("gopro", "hide")
    }
    scores = [
        Score(run, dataset, f"{p}/0.png", "psnr", value)
        for dataset, values in printed.items()
        for run, value in values.items()
        for p in range(4)
    ]
    profile = replace(spec.load(ROOT / "params.yaml", "paper")[0], name="paper")
    write(Results("paper", tmp_path).quality, Score, scores)
    ladder.write_tables(papers, profile, runs, tmp_path)
    rows = [r for r in read_rows(tmp_path / "paper" / "ladder.csv", Rung) if r.paper == "sgenet"]

    assert set(printed) == {"gopro", "hide"}
    assert all(row.table.endswith(row.dataset) for row in rows)
    assert {row.share for row in rows} == {1}


def test_the_full_row_of_a_table_agrees_with_orders_csv(tmp_path):
    """For the committed profile, pairs and those alike are those of orders.csv, table by table.

    A ladder orders networks that restore: tables with others, or with solvers, are left out.
    """
    folder = tmp_path / "embedded"
    folder.mkdir()
    committed = ROOT / "results" / "embedded"
    (folder / "quality.csv").write_bytes((committed / "quality.csv").read_bytes())
    profile, runs = spec.load(ROOT / "params.yaml", "embedded")
    ladder.write_tables(claims.read(), profile, runs, tmp_path)
    others = {name for name, run in runs.items() if not ((run.train and run.restores) or run.is_input)}
    tables = [table for paper in claims.read() for table in paper.tables]
    left_out = {(t.paper, t.name) for t in tables if {c.run for c in t.claims.values()} & others}
    orders = [row for row in read_rows(committed / "orders.csv", Order) if row.measured_by == "retrained"]
    rows = [row for row in read_rows(folder / "ladder.csv", Rung) if row.paper]
    orders, rows = ([r for r in table if (r.paper, r.table) not in left_out] for table in (orders, rows))

    assert {("bag", "Table 1"), ("cdgnet", "Table 3")} <= {(row.paper, row.table) for row in orders}
    assert sorted((r.paper, r.pairs, r.alike) for r in orders) == sorted(
        (r.paper, r.pairs, r.alike) for r in rows
    )
