"""Plots of the report: their points are the printed and measured numbers, their files those of a paper."""

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from decimal import Decimal
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import rankdata

from benchmark.report import figures, inputs, plots, printing, runtimes
from benchmark.report.plot import COLOURS, MARKERS, PALETTE, Axis, Panel, Plot, Series, front, numbers
from benchmark.report.plots import curves, first_numbers
from tests.invented import HOSTILE

ROOT = Path(__file__).parents[1]
ASSETS = ROOT / "benchmark" / "report" / "assets"
INCH = 72  # points


@pytest.fixture(scope="module")
def tables():
    """Return the committed results."""
    return inputs.read("embedded", ROOT / "results", ROOT / "params.yaml")


@pytest.fixture(scope="module")
def drawn(tables):
    """Return the plots of the committed results."""
    return plots.collect(tables, runtimes.times(tables))


def by_id(drawn, name):
    """Return the plot with this id."""
    return next(plot for plot in drawn.all if plot.id == name)


def simple(name="plot-x", text="a run", **changes):
    """Make a plot of one line."""
    line = Series(
        text, (1.0, 2.0), (3.0, 4.0), "p1", "circle", "solid", points=(text, text), labels=(text, "")
    )
    panel = Panel(text, Axis("steps", limits=(0.0, 3.0)), Axis("dB"), (line, replace(line, name="another")))
    return replace(Plot(name, "curves", text, "", (panel,)), **changes)


def test_the_front_is_what_nothing_else_beats():
    """A point is on the front if and only if no other is at least as cheap and at least as good."""
    points = [tuple(map(float, pair)) for pair in np.random.default_rng(0).integers(0, 12, (60, 2))]
    kept = {points[index] for index in front(points)}
    beaten = {a for a in points for b in points if b != a and b[0] <= a[0] and b[1] >= a[1]}

    assert kept == set(points) - beaten
    assert [points[index][0] for index in front(points)] == sorted(x for x, _ in kept)


@pytest.mark.parametrize(
    ("paper", "table", "printed"),
    [
        ("bag", "Table 1", "27.08 28.20 28.80 29.06 29.14 29.41"),
        ("cdgnet", "Table 4", ""),
    ],
)
def test_a_ladder_has_the_differences_of_the_printed_cells(tables, drawn, paper, table, printed):
    """A printed step is the difference of two printed cells, a measured one that of two measured means."""
    found = next(t for p in tables.papers for t in p.tables if (p.key, t.name) == (paper, table))
    cells = [claim for claim in found.claims.values() if claim.quantity == "psnr" and claim.run]
    steps = [*pairwise(cells), (cells[0], cells[-1])]
    left, right = by_id(drawn, f"plot-ladder-{paper}-{table.replace(' ', '-')}".lower()).panels
    measured = {y: x for one in right.series for x, y in zip(one.x, one.y, strict=True)}

    assert left.series[0].x == pytest.approx(
        [float(Decimal(b.printed) - Decimal(a.printed)) for a, b in steps]
    )
    for row, (first, second) in enumerate(steps):
        means = [tables.mean(claim.run, "embedded", "psnr") for claim in (first, second)]
        assert measured[row] == pytest.approx(means[1] - means[0], abs=1e-5)
    for one in right.series:  # a direction is claimed where the interval excludes zero, and only there
        for x, low, high in zip(one.x, one.low, one.high, strict=True):
            assert low < x < high
            assert one.name == "undecided" or low * high > 0
    if printed:  # as the paper prints them
        assert left.series[0].x[-1] == pytest.approx(float(printed.split()[-1]) - float(printed.split()[0]))


def test_orders_are_ranks(tables, drawn):
    """Both ends of each line are the ranks that SciPy gives to printed and measured PSNRs."""
    for order, panel in zip(tables.orders, by_id(drawn, "plot-orders").panels, strict=True):
        pairs = plots.ablations.ordered(tables, order)
        left = rankdata([-claim.value for claim, _ in pairs], "ordinal")
        right = rankdata([-value for _, value in pairs], "ordinal")

        assert len(pairs) == order.systems
        assert [one.y for one in panel.series] == [
            (float(a), float(b)) for a, b in zip(left, right, strict=True)
        ]


def test_a_time_is_impossible_left_of_the_floor(drawn):
    """What is called impossible is shorter than the least possible time of its row, and nothing else is."""
    series = {one.name: one for one in by_id(drawn, "plot-floors").panels[0].series}
    floor = dict(zip(series["least possible time"].y, series["least possible time"].x, strict=True))
    rounding = 1.1  # a print such as 0.006 s may mean 6.5 ms

    for row, seconds in zip(series["printed: impossible"].y, series["printed: impossible"].x, strict=True):
        assert seconds < floor[row]
    for name in ("printed: possible", "printed: not credible"):
        for row, seconds in zip(series[name].y, series[name].x, strict=True):
            assert seconds * rounding > floor[row]


def test_no_run_is_above_the_roof(drawn):
    """Points of a roofline lie below its highest roof and below the slope of its memory."""
    plot = next(plot for plot in drawn.all if plot.id.startswith("plot-roofline"))
    *limits, runs = plot.panels[0].series
    slope = limits[0].y[0] / limits[0].x[0]

    for intensity, rate in zip(runs.x, runs.y, strict=True):
        assert rate <= 1.05 * max(y for one in limits for y in one.y)
        assert rate <= 1.05 * slope * intensity


def test_what_holds_is_on_the_line(drawn):
    """A size that holds is as near as its print tells; one that is not reproduced is off the line."""
    weights = by_id(drawn, "plot-agreement").panels[0]
    series = {one.name: one for one in weights.series}

    for x, y in zip(series["holds"].x, series["holds"].y, strict=True):
        assert y == pytest.approx(x, rel=0.02)
    for x, y in zip(series["not reproduced"].x, series["not reproduced"].y, strict=True):
        assert y != pytest.approx(x, rel=0.005)


def test_curves_are_those_of_the_table(tables, drawn):
    """The page gets every point of curves.csv; the best systems are those with the largest last gain."""
    known = set(tables.curves["run"])

    assert [curve["run"] for curve in drawn.curves] == [run for run in tables.runs if run in known]
    for curve in drawn.curves:
        points = tables.curves[tables.curves["run"] == curve["run"]]
        gains = points.dropna(subset="test")
        assert curve["loss"] == pytest.approx(points["loss"].dropna().tolist(), rel=1e-4)
        assert curve["measured"] == gains["step"].tolist()
        assert curve["test"] == pytest.approx(gains["test"].tolist(), rel=1e-3)
    last = {c["run"]: c["test"][-1] for c in drawn.curves if not tables.runs[c["run"]].ablates}
    best = drawn.presets["best systems"]

    assert min(last[run] for run in best) >= max(gain for run, gain in last.items() if run not in best)


def test_nothing_is_drawn_from_nothing(tables):
    """Without results there is no plot, and each group says what is missing."""
    empty = {
        "findings": [],
        "verdicts": [],
        "steps": [],
        "orders": [],
        "times": [],
        "timings": [],
        "complexity": {},
    }
    frames = {
        name: getattr(tables, name).iloc[:0] for name in ("measurements", "authors", "scores", "curves")
    }
    bare = replace(tables, **empty, **frames, clocked=())
    collected = plots.collect(bare, runtimes.times(bare))

    assert [plot.id for plot in collected.all if plot.group not in ("pareto",)] == []
    assert all("authors" not in panel.title for plot in collected.all for panel in plot.panels)
    assert {plot.group for plot in collected.all} <= set(plots.GROUPS)
    assert curves.figure(collected.curve("sgenet")) == ""


def test_the_page_gets_finite_json(drawn):
    """The data of the page are JSON without NaN; their colours and markers are those that styles know."""
    text = json.dumps(drawn.content(), allow_nan=False)
    style, script = (ASSETS / "plots.css").read_text(), (ASSETS / "plots.js").read_text()
    shared = (ASSETS / "report.css").read_text()

    assert len(text) < 600_000
    for name in COLOURS:
        assert f"--{name}:" in style + shared
    for plot in drawn.all:
        for one in (one for panel in plot.panels for one in panel.series):
            assert one.colour in COLOURS
            assert one.marker in (*MARKERS, "", "tick", "triangle-left")
            assert len(one.x) == len(one.y)
    assert "triangle-left" in script


def luminance(colour):
    """Return the relative luminance of WCAG 2.2 of #rrggbb."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_colours_are_seen_on_both_themes():
    """Every colour of a series has WCAG's contrast for graphics, 3 : 1, to the paper of its theme."""
    themes = (ASSETS / "plots.css").read_text().split("@media screen")[:2]
    light, dark = (dict(re.findall(r"--(\w+): (#\w{6})", theme)) for theme in themes)
    papers = re.findall(r"--paper: (#\w{6})", (ASSETS / "report.css").read_text())[:2]

    assert {name: light[name] for name in PALETTE} == {name: COLOURS[name] for name in PALETTE}
    for colours, paper in zip((light, dark), papers, strict=True):
        for name in PALETTE:
            ends = sorted((luminance(colours[name]), luminance(paper)))
            assert (ends[1] + 0.05) / (ends[0] + 0.05) >= 3, (name, paper)


def test_series_differ_without_colour():
    """No two of the first 32 series share colour, marker and dash; the first eight have eight markers."""
    looks = [tuple(curves.look(index).values()) for index in range(32)]

    assert all(a != b for a, b in combinations(looks, 2))
    assert len({curves.look(index)["marker"] for index in range(8)}) == 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with two figures: one column wide, and both."""
    path = tmp_path_factory.mktemp("figures")
    both = [simple(text=HOSTILE), simple("plot-y", full=False)]
    printing.write([(plot, figures.stamp(plot)) for plot in both], path)
    return path


def test_figures_fit_a_two_column_paper(folder):
    """Both files are 7.16 or 3.5 inches wide; PDFs embed TrueType fonts, as publishers ask, and no date."""
    for name, inches in (("plot-x", 7.16), ("plot-y", 3.5)):
        root = ET.parse(folder / f"{name}.svg").getroot()
        pdf = (folder / f"{name}.pdf").read_bytes()
        box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ", pdf)

        assert float(root.attrib["width"].removesuffix("pt")) == pytest.approx(inches * INCH, abs=0.01)
        assert float(box[1]) == pytest.approx(inches * INCH, abs=0.01)
        assert b"/Type0" in pdf
        assert b"/Type3" not in pdf
        assert b"CreationDate" not in pdf


def test_text_of_results_stays_text(folder):
    """A label that is markup is text in the file and in the page, where ids are those of the plot alone."""
    text = "".join(ET.parse(folder / "plot-x.svg").getroot().itertext())
    inline = figures.inline(simple(text=HOSTILE), folder)

    assert HOSTILE in text
    assert "<script" not in inline
    assert ET.fromstring(inline).attrib["aria-label"] == HOSTILE
    names = re.findall(r'\bid="([^"]*)"', inline)
    assert all(name.startswith("plot-x-") for name in names)
    assert set(re.findall(r'(?:href="#|url\(#)([^")]*)', inline)) <= set(names)
    assert not any(colour in inline for colour in COLOURS.values())


def test_only_what_changed_is_drawn_again(folder, tmp_path):
    """The same data give the same bytes; new data are drawn, by another process; old figures go."""
    same, changed = simple("plot-y", full=False), simple("plot-x", "another run")
    before = (folder / "plot-y.svg").read_bytes()
    stamp = (folder / "plot-y.svg").stat().st_mtime_ns
    (folder / "plot-gone.svg").write_text("<svg/>")

    assert figures.inline(changed, folder) == ""
    with figures.Drawing([same, changed], folder) as drawing:
        assert len(drawing.processes) == 1
        assert "another run" in drawing.picture(changed)
    assert (folder / "plot-y.svg").stat().st_mtime_ns == stamp
    assert not (folder / "plot-gone.svg").exists()
    printing.write([(same, figures.stamp(same))], tmp_path)
    assert (tmp_path / "plot-y.svg").read_bytes() == before
    assert (tmp_path / "plot-y.pdf").read_bytes() == (folder / "plot-y.pdf").read_bytes()


def test_a_figure_that_cannot_be_drawn_is_an_error(tmp_path):
    """A process that fails is reported with its reason, not passed over."""
    bad = simple(panels=(Panel("", Axis(""), Axis(""), (Series("a", (1.0,), (2.0, 3.0), "p1"),)),))

    with figures.Drawing([bad], tmp_path) as drawing, pytest.raises(OSError, match="figures cannot be drawn"):
        drawing.picture(bad)


def test_numbers_are_those_of_the_points():
    """The table below a plot has a row per point, at most 1,000, and says how many it leaves out."""
    line = Series("a", tuple(map(float, range(1, 1501))), (0.5,) * 1500, "p1", points=("p",) * 1500)
    plot = Plot("plot-z", "curves", "", "", (Panel("", Axis("x"), Axis("y"), (line,)),))
    rows, left_out = first_numbers(plot)

    assert (len(rows), left_out) == (1001, 500)
    assert list(numbers(plot))[1000] == ("", "a", "p", "1,000", "0.5", "")
