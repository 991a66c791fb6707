"""What the report and the README say of ladder.csv, collapse.csv and forecasts.csv."""

import shutil
from dataclasses import replace

import pytest

from benchmark.report import ladders, page, readme, summary
from benchmark.results import Results, write
from benchmark.results.schema import Collapse, Forecast, Rung
from tests.invented import read, section

TABLE = Rung(
    "cdgnet", "Table 3", "ablation", "embedded", "steps250", "print", 9, 2, None, 20, 11, 0.55, 0.4, 0.7, 0.6,
    0.1, 0.05, 0.02, 1.86, "",
)  # fmt: skip
RUNGS = [
    TABLE,
    replace(TABLE, table="Table 4", seeds=1, signal_over_noise=None),
    replace(TABLE, paper="", table="all", runs=17, pairs=40, alike=30, share=0.75, low=0.61, high=0.88),
    replace(TABLE, kind="systems", pairs=0, alike=0, share=None, low=None, high=None, p=None),
    replace(TABLE, against="full", seeds_other=1, pairs=36, alike=27, share=0.75, low=0.7, high=0.8),
    replace(TABLE, against="seed", seeds=1, seeds_other=1, pairs=36, alike=18, share=0.5, low=0.4, high=0.6),
]
COLLAPSES = [
    Collapse("dmphn_1", "steps250", 2, 0.1, 0.2, "yes", ""),
    Collapse("svdn", "steps250", 2, 0.3, 0.1, "no", ""),
    Collapse("bag", "steps250", 1, 0.5, None, "", "one seed tells no noise"),
]
FORECASTS = [
    Forecast("dmphn_1", 0, "steps250", 9, 0.5, 0.4, 0.6, 0.45, 0.05, 0.1, 0.3, "yes", ""),
    Forecast("svdn", 0, "steps250", 9, 0.5, 0.4, 0.6, 0.75, -0.25, -0.3, 0.1, "no", ""),
    Forecast("bag", 0, "steps250", 9, 0.5, None, None, 0.7, -0.2, -0.4, 0.2, "", "no interval"),
]


@pytest.fixture(scope="module")
def climbed(filled, tmp_path_factory):
    """Return the summary of a folder in which another profile has a ladder."""
    root = tmp_path_factory.mktemp("climbed")
    shutil.copytree(filled, root, dirs_exist_ok=True)
    tables = Results("night", root / "results")
    write(tables.ladder, Rung, RUNGS)
    write(tables.collapse, Collapse, COLLAPSES)
    write(tables.forecasts, Forecast, FORECASTS)
    return summary.summarise(read(root))


def test_every_profile_with_a_ladder_is_shown(climbed):
    """The row over all tables stands for them; each table's own is one step further."""
    text = section(page.render(climbed), "ladder")
    first, single = text.split("Table by table")

    assert "night, 250 steps 2 30 of 40 17 runs 75 % 61 to 88" in first
    assert "11 of 20" not in first
    assert "CDGNet, Table 3 11 of 20 9 runs 55 % 40 to 70 0.60 1.9" in single
    assert "CDGNet, Table 4 11 of 20 9 runs 55 % 40 to 70 0.60 –" in single  # one seed tells no noise
    full, seed = single.split("The order of the full trainings")[1].split("The order of another seed")
    assert "2 against 1 27 of 36" in full
    assert "1 against 1 18 of 36" in seed


def test_curves_are_counted(climbed):
    """A forecast without an interval, and a shape without noise to hold it against, are not."""
    (row,) = climbed.ladder_curves

    assert (row.predicted, row.inside, row.error) == (2, 1, pytest.approx(0.15))
    assert (row.half, row.error_of_last, row.error_of_law) == pytest.approx((0.1, 0.2, 0.2))
    assert (row.collapsed, row.compared) == (1, 2)
    assert (row.distance, row.noise) == (pytest.approx(0.3), pytest.approx(0.15))


def test_the_readme_has_the_orders(climbed):
    lines = readme.section(climbed).splitlines()
    own = [line for line in lines if line.startswith("| `night`, 250 steps |")]

    assert [line.split("|")[-2].strip() for line in own] == [
        "30 of 40 (75 %; 61 to 88; p 0.6; 2 seeds)", "27 of 36 (75 %; 70 to 80; p 0.6; 2 seeds against 1)",
        "18 of 36 (50 %; 40 to 60; p 0.6; 1 seed against 1)",
    ]  # fmt: skip


def test_without_a_ladder_nothing_is_said(tmp_path):
    assert ladders.read(tmp_path) == []
    assert list(ladders.agreements([], "print")) == []
    assert list(ladders.curves([])) == []
