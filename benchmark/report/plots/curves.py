"""Training curves: all runs in one plot, runs that differ in one thing of the loss, and one run alone."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from benchmark.report.inputs import Inputs
from benchmark.report.measured import Study, studies
from benchmark.report.plot import DASHES, MARKERS, PALETTE, Axis, Panel, Plot, Rule, Series, padded, slug

GAINS = {"test": "test images", "validation": "validation images", "train": "training images"}
CHOSEN = 6  # runs that are coloured before a reader chooses others
LOWEST_GAIN = -1.0  # dB: a start far below the input is cut off


def rounded(values: "pd.Series[Any]") -> list[float]:
    """Keep five significant digits: more cannot be seen."""
    return [float(f"{value:.5g}") for value in values]


def of_run(points: pd.DataFrame) -> dict[str, Any]:
    """Return a run's curve for the page: losses since the previous point, and gains at fewer steps.

    Args:
        points: rows of Inputs.curves of the run.
    """
    losses, gains = points.dropna(subset="loss"), points.dropna(subset=list(GAINS), how="all")
    curve: dict[str, Any] = {
        "steps": losses["step"].tolist(),
        "loss": rounded(losses["loss"]),
        "relative": rounded(losses["relative"]),
        "measured": gains["step"].tolist(),
    }
    for name in GAINS:
        if gains[name].notna().any():
            curve[name] = [None if np.isnan(gain) else float(f"{gain:.4g}") for gain in gains[name]]
    return curve


def system(inputs: Inputs, run: str) -> str:
    """Name the run that a variant varies, in the end; itself for any other run."""
    seen = set()
    while run in inputs.runs and inputs.runs[run].ablates and run not in seen:
        seen.add(run)
        run = inputs.runs[run].ablates
    return run


def curves(inputs: Inputs) -> list[dict[str, Any]]:
    """Return the curve of every run that has one, in the order of benchmark/runs."""
    by_run = {str(run): points for run, points in inputs.curves.groupby("run")}
    return [
        {"run": name, "system": system(inputs, name), "about": run.about, **of_run(by_run[name])}
        for name, run in inputs.runs.items()
        if name in by_run
    ]


def last_gain(curve: Mapping[str, Any], name: str = "test") -> float:
    """Return the last measured gain of a curve; minus infinity where there is none."""
    known = [gain for gain in curve.get(name, ()) if gain is not None]
    return known[-1] if known else -np.inf


def presets(inputs: Inputs, drawn: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Name groups of runs that are worth comparing: the best systems, each study, each system's variants."""
    names = [curve["run"] for curve in drawn]
    systems = [curve for curve in drawn if curve["run"] == curve["system"]]
    best = sorted(systems, key=last_gain, reverse=True)[:CHOSEN]
    groups = {"best systems": [curve["run"] for curve in drawn if curve in best]}
    for study in studies(inputs):
        if study.comparable:
            groups[f"{study.title} ({study.run})"] = list(dict.fromkeys(study.points["run"]))
    for parent in dict.fromkeys(curve["system"] for curve in drawn):
        family = [name for name in names if system(inputs, name) == parent]
        if len(family) > 1:
            groups[f"all of {parent}"] = family
    return {name: runs for name, runs in groups.items() if runs}


def gain_axis(gains: Sequence[float], title: str = "gain in PSNR (dB)") -> Axis:
    """Make an axis of gains that shows zero and cuts off what is far below it."""
    kept = [max(gain, LOWEST_GAIN) for gain in gains if not np.isnan(gain)]
    return Axis(title, limits=padded([0.0, 0.05, *kept]))


def look(index: int) -> dict[str, Any]:
    """Choose colour, marker and dash of the series with this number: eight colours, then other dashes."""
    return {
        "colour": PALETTE[index % len(PALETTE)],
        "marker": MARKERS[index % len(MARKERS)],
        "line": DASHES[index // len(PALETTE) % len(DASHES)],
    }


INPUT = Rule("blurred input", y=0.0)


def gain_series(curve: Mapping[str, Any], name: str = "test", **looks: Any) -> Series:
    """Draw the gains of a run."""
    points = zip(curve["measured"], curve.get(name, ()), strict=False)
    known = [(float(step), gain) for step, gain in points if gain is not None]
    return Series(str(curve["run"]), tuple(x for x, _ in known), tuple(y for _, y in known), **looks)


def convergence(inputs: Inputs) -> Iterator[Plot]:
    """Draw the gains of every run: grey, but for the best systems."""
    drawn = curves(inputs)
    if not drawn:
        return
    chosen = presets(inputs, drawn).get("best systems", [])
    with_gain = [curve for curve in drawn if np.isfinite(last_gain(curve))]
    others = [
        gain_series(curve, colour="faint", line="solid", legend=False)
        for curve in with_gain
        if curve["run"] not in chosen
    ]
    best = [
        gain_series(curve, **look(chosen.index(curve["run"])), wide=True)
        for curve in with_gain
        if curve["run"] in chosen
    ]
    series = (*others, *best)
    y = gain_axis([gain for one in series for gain in one.y], "gain in PSNR on test images (dB)")
    rows = (
        ("Run", "Steps", *(f"Gain on {name} (dB)" for name in GAINS.values()), "Loss / first loss"),
        *(
            (
                curve["run"],
                f"{max(curve['steps'], default=0):,}",
                *(
                    f"{gain:+.3f}".replace("-", "\N{MINUS SIGN}") if np.isfinite(gain) else "–"
                    for gain in (last_gain(curve, name) for name in GAINS)
                ),
                f"{curve['relative'][-1]:.3g}" if curve["relative"] else "–",
            )
            for curve in drawn
        ),
    )
    yield Plot(
        "plot-convergence",
        "curves",
        "Every run over its training",
        "Gain in PSNR over the blurred input, on crops that are only shown and select nothing. "
        f"{len(drawn)} runs, grey; the {len(best)} systems with the largest last gain are coloured.",
        (Panel("", Axis("training step", limits=(0.0, max_step(series))), y, series, (INPUT,)),),
        height=3.6,
        numbers=rows,
    )


def max_step(series: Sequence[Series]) -> float:
    """Return the end of an axis of steps."""
    return 1.03 * max((x for one in series for x in one.x), default=1.0)


def study_plot(study: Study) -> Plot:
    """Overlay the gains of runs that differ in one thing, as CDGNet's Fig. 10 does."""
    series = []
    for index, (label, points) in enumerate(study.points.groupby("label", sort=False)):
        x, y = tuple(map(float, points["step"])), tuple(map(float, points["test"]))
        series.append(Series(str(label), x, y, **look(index), wide=True, points=tuple(points["run"])))
    absent = f" No curve in this profile: {', '.join(study.absent)}." if study.absent else ""
    gains = gain_axis([gain for one in series for gain in one.y])
    return Plot(
        slug(f"plot-{study.name}"),
        "curves",
        f"{study.title}: variants of {study.run}",
        "Losses of these runs have different units, so they are compared by their gain on test images."
        + absent,
        (Panel("", Axis("training step", limits=(0.0, max_step(series))), gains, tuple(series), (INPUT,)),),
        height=2.6,
        full=False,
    )


def overlays(inputs: Inputs) -> Iterator[Plot]:
    """Overlay the runs of each study with at least two curves."""
    yield from (study_plot(study) for study in studies(inputs) if study.comparable)


WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 360, 150, 44, 8, 22  # of the small picture of one curve


def figure(curve: Mapping[str, Any] | None) -> str:
    """Return the figure of one run, which assets/plots.js makes interactive; empty without a curve."""
    if curve is None:
        return ""
    run = escape(str(curve["run"]))
    return (
        f'<figure class="plot curve" data-run="{run}" id="curve-{run}">\n'
        f'<div class="static">{small(curve)}\n'
        '<p class="small">Solid: test images; dotted: training images.</p></div>\n'
        f'<figcaption class="small">Training of <code>{run}</code>: gain in PSNR over the blurred input '
        "(dashed), in dB.</figcaption>\n</figure>"
    )


def small(curve: Mapping[str, Any]) -> str:
    """Draw one run's gains on test images (solid) and training images (dotted) as a small SVG."""
    gains = [gain_series(curve, name, colour="p1") for name in ("test", "train")]
    values = [y for one in gains for y in one.y]
    low, high = gain_axis(values).limits or (0.0, 1.0)
    end = max_step(gains)

    def place(x: float, y: float) -> str:
        across = LEFT + (WIDTH - LEFT - 6) * x / end
        return f"{across:.1f},{TOP + (HEIGHT - TOP - BOTTOM) * (high - max(y, low)) / (high - low):.1f}"

    def path(series: Series, name: str) -> str:
        pairs = " ".join(place(x, y) for x, y in zip(series.x, series.y, strict=True))
        return f'<polyline class="{name}" points="{pairs}"/>' if pairs else ""

    zero = place(0, 0).split(",")[1]
    marks = [
        f'<text x="{LEFT - 5}" y="{float(place(0, y).split(",")[1]) + 4:.1f}" text-anchor="end">{text}</text>'
        for y, text in (
            (0.0, "0"),
            *((value, f"{value:+.2g}") for value in (max(values, default=0),) if value > 0.02),
        )
    ]
    last = int(max((x for one in gains for x in one.x), default=0))
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(str(curve["run"]))}: '
        'gain in PSNR over training steps">'
        f'<line class="zero" x1="{LEFT}" x2="{WIDTH}" y1="{zero}" y2="{zero}"/>'
        f'<line class="axis" x1="{LEFT}" x2="{LEFT}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        f"{path(gains[1], 'train')}{path(gains[0], 'test')}{''.join(marks)}"
        f'<text x="{LEFT}" y="{HEIGHT - 6}">0</text>'
        f'<text x="{WIDTH - 6}" y="{HEIGHT - 6}" text-anchor="end">step {last:,}</text></svg>'
    )
