"""Draw plots as SVG: fixed ids, no date, text as text, colours of the page's light or dark theme."""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from itertools import cycle, islice
from typing import Any

import matplotlib
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, NullLocator

from benchmark.report.measured import Study
from benchmark.report.runtimes import Dot, Roofline, Times
from benchmark.report.summary import Summary

# matplotlib needs colours that it can parse; `svg` replaces them by the page's variables.
INK, LINE, LOSS, PSNR = "#010203", "#040506", "#070809", "#0a0b0c"
GOOD, DOUBT, WRONG = "#0d0e0f", "#010406", "#07090b"
THEME = {
    INK: "var(--ink)",
    LINE: "var(--line)",
    LOSS: "var(--loss)",
    PSNR: "var(--psnr)",
    GOOD: "var(--agrees)",
    DOUBT: "var(--explained)",
    WRONG: "var(--differs)",
}
STYLE: dict[Any, Any] = {
    **dict.fromkeys(("axes.edgecolor", "axes.labelcolor", "text.color", "xtick.color", "ytick.color"), INK),
    **dict.fromkeys(("axes.facecolor", "figure.facecolor", "savefig.facecolor"), "none"),
    **dict.fromkeys(("axes.linewidth", "grid.linewidth"), 0.6),
    **dict.fromkeys(("font.size", "axes.titlesize"), 9.0),
    "grid.color": LINE,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "svg.fonttype": "none",
    "text.parse_math": False,  # labels quote papers and devices: a dollar is a dollar
    "svg.hashsalt": "deblur-bench",
    "path.simplify": False,
}
MARKERS = "osD^vPX*<>"
PHYSICS = {
    "possible": ("o", GOOD),
    "not credible": ("D", DOUBT),
    "impossible": ("X", WRONG),
    "untested": ("s", LINE),
}
DASHES = ("--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)))


@contextmanager
def style() -> Iterator[None]:
    """Draw in the page's style."""
    with sns.axes_style("ticks"), matplotlib.rc_context(STYLE):
        yield


def svg(figure: Figure, name: str, label: str) -> str:
    """Turn the figure into an inline element whose ids start with `name`."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = file.getvalue()
    text = re.sub(r"<style.*?</style>", "", text[text.index("<svg") :], flags=re.DOTALL)  # style.css has it
    tag, _, rest = text.partition(">")
    tag = re.sub(r'\s(xmlns(:xlink)?|version|width|height)="[^"]*"', "", tag)
    tag = tag.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"')
    text = f"{tag}>{rest}".replace("xlink:href", "href")
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'href="#', f'href="#{name}-', text).replace("url(#", f"url(#{name}-")
    text = re.sub(r"font: ([^;\"]*?px)[^;\"]*", r"font: \1 sans-serif", text)
    for colour, variable in THEME.items():
        text = text.replace(colour, variable)
    return re.sub(r"\n\s*", "\n", text).strip()


def axes(width: float, height: float) -> tuple[Figure, Axes]:
    """Make an empty plot, in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def step_axis(plot: Axes) -> None:
    """Set up the x axis that all curves share."""
    plot.set_xlabel("step")
    plot.xaxis.set_major_locator(MaxNLocator(4, integer=True))


def logarithmic(axis: Axis) -> None:
    """Write plain numbers at 1, 2 and 5."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def legend_below(figure: Figure, plot: Axes) -> None:
    """Move the legend out of the plot."""
    figure.legend(*plot.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    legend = plot.get_legend()  # seaborn's own
    if legend:
        legend.remove()


@style()
def panel(run: str, points: pd.DataFrame, everyone: pd.DataFrame) -> str:
    """Draw a run's loss relative to its first value (left, logarithmic) and its gains in PSNR (right).

    Args:
        run: its name.
        points: rows of Inputs.curves.
        everyone: the points of all runs, which share both ranges.
    """
    figure, left = axes(3.2, 2.0)
    line: dict[str, Any] = {"data": points, "x": "step", "estimator": None}
    sns.lineplot(**line, y="relative", ax=left, color=LOSS, lw=1.1)
    left.set(yscale="log", ylim=(everyone["relative"].min() / 1.2, everyone["relative"].max() * 1.2))
    left.yaxis.set_major_locator(LogLocator(numticks=4))
    left.yaxis.set_major_formatter("{x:g}")
    left.yaxis.set_minor_locator(NullLocator())
    left.set_ylabel("loss / first loss", color=LOSS)
    left.grid(False)
    step_axis(left)
    right = left.twinx()
    gains = points.dropna(subset="test")
    sns.lineplot(gains, x="step", y="test", ax=right, color=PSNR, lw=1.4, marker="o", ms=3.5, mew=0)
    sns.lineplot(gains, x="step", y="train", ax=right, color=PSNR, lw=0.9, ls=":")
    right.axhline(0, color=INK, ls="--", lw=0.8)  # the blurred input
    right.set_ylim(*gain_range(everyone))
    right.set_ylabel("gain (dB)", color=PSNR)
    sns.despine(ax=right, right=False)
    sns.despine(ax=left)
    return svg(figure, f"curve-{run}", f"Training of {run}: loss and gain in PSNR over steps")


def gain_range(curves: pd.DataFrame) -> tuple[float, float]:
    """Return limits of an axis for the gains of several runs; a start far below the input is cut off."""
    gains = pd.concat([curves["test"], curves["train"]]).dropna()
    if not len(gains):
        return -0.5, 0.5
    low, high = max(-1.0, min(0.0, gains.min())), max(0.1, gains.max())
    return low - 0.06 * (high - low), high + 0.06 * (high - low)


@style()
def overlay(study: Study) -> str:
    """Draw the gains on test images of runs that differ in one thing, on one plot."""
    count = study.points["label"].nunique()
    figure, plot = axes(4.2, 3.2)
    looks: dict[str, Any] = {"lw": 1.5, "ms": 5, "mew": 0, "dashes": False, "estimator": None}
    looks["palette"] = sns.color_palette("colorblind", count)
    looks["markers"] = list(islice(cycle(MARKERS), count))
    sns.lineplot(data=study.points, x="step", y="test", hue="label", style="label", ax=plot, **looks)
    plot.axhline(0, color=INK, ls="--", lw=0.8, label="blurred input")
    plot.set_ylim(*gain_range(study.points))
    plot.set_ylabel("gain in PSNR (dB)")
    step_axis(plot)
    legend_below(figure, plot)
    sns.despine(ax=plot)
    return svg(figure, study.name, f"{study.title}: gain in PSNR over steps")


def curves(summary: Summary) -> dict[str, str]:
    """Draw a panel per run with a curve, and a plot per study with at least two curves."""
    drawn = {name: summary.curves[name] for name in summary.inputs.runs if name in summary.curves}
    everyone = pd.concat(drawn.values()) if drawn else pd.DataFrame()
    panels = {run: panel(run, points, everyone) for run, points in drawn.items()}
    studies = [study for study in summary.studies if study.comparable]
    return panels | {study.name: overlay(study) for study in studies}


def scatter(plot: Axes, data: pd.DataFrame, x: str, y: str, name: str, label: str, **look: Any) -> None:
    """Draw points as a group of the drawing with the id `name`."""
    sns.scatterplot(data=data, x=x, y=y, ax=plot, label=label, legend=False, **look)
    plot.collections[-1].set_gid(name)


@style()
def clocks(dots: Sequence[Dot]) -> str:
    """Draw printed times beside the lower bounds of their networks, a row each, on a logarithmic axis."""
    times = pd.DataFrame(dots).rename_axis("row").reset_index()
    figure, plot = axes(8.0, 1.2 + 0.22 * len(times))
    plot.hlines(times["row"], times["at_peak"], times["printed"], color=LINE, lw=1.2, zorder=1)
    bar = {"marker": "|", "s": 81, "linewidth": 1.5}
    triangle = {"marker": "<", "s": 25, "facecolor": "none", "edgecolor": INK, "linewidth": 1.0}
    scatter(plot, times, "at_peak", "row", "at-peak", "time at the card’s peak", color=INK, **bar)
    scatter(plot, times, "lower_bound", "row", "lower-bound", "lower bound", **triangle)
    for verdict, (marker, colour) in PHYSICS.items():
        rows = times[times["verdict"] == verdict]
        if len(rows):
            look = {"marker": marker, "s": 42, "color": colour, "linewidth": 0}
            name = verdict.replace(" ", "-")
            scatter(plot, rows, "printed", "row", name, f"printed: {verdict}", **look)
    plot.set_yticks(times["row"], times["label"])
    plot.set(xscale="log", xlabel="seconds, logarithmic", ylabel="", ylim=(len(times) - 0.4, -0.6))
    logarithmic(plot.xaxis)
    plot.grid(axis="y", visible=False)
    plot.grid(axis="x", visible=True)
    plot.tick_params(axis="y", length=0)
    legend_below(figure, plot)
    sns.despine(ax=plot, left=True)
    return svg(figure, "clocks", "Printed run times beside the lower bounds of their networks")


def limit(
    plot: Axes, x: tuple[float, float], y: tuple[float, float], name: str, label: str, **look: Any
) -> None:
    """Draw a line that no run can be above, as a group of the drawing with the id `name`."""
    (line,) = plot.plot(x, y, color=INK, **look)
    line.set(gid=name, label=label)


@style()
def roofline_plot(roofline: Roofline) -> str:
    """Draw runs below the limits of the device: a slope for its memory, a roof for each precision."""
    runs, bandwidth = pd.DataFrame(roofline.points), roofline.bandwidth
    ridges = [1e3 * roof / bandwidth for _, roof in roofline.roofs] if bandwidth else []
    low = min([*runs["intensity"], *ridges]) / 2
    high = max([*runs["intensity"], *ridges]) * 2
    figure, plot = axes(8.0, 4.6)
    if bandwidth:
        end = max(ridges, default=high)
        ends = bandwidth * low / 1e3, bandwidth * end / 1e3
        limit(plot, (low, end), ends, "memory", f"memory {bandwidth:,.0f} GB/s", lw=1.0)
    for number, (name, roof) in enumerate(roofline.roofs):
        start, dash = ridges[number] if ridges else low, DASHES[number % len(DASHES)]
        label = f"{name} {roof:.3g} TFLOP/s"
        limit(plot, (start, high), (roof, roof), f"roof-{number}", label, lw=1.2, ls=dash)
    look = {"marker": "o", "s": 20, "color": PSNR, "linewidth": 0}
    scatter(plot, runs, "intensity", "tflops", "runs", "a run, strict mode", **look)
    columns = runs[["tflops", "intensity"]]
    for index in sorted({*columns.idxmin(), *columns.idxmax()}):  # a label for each would be too many
        place = (runs.at[index, "intensity"], runs.at[index, "tflops"])
        plot.annotate(str(runs.at[index, "run"]), place, (5, 4), textcoords="offset points", fontsize=8)
    plot.set(xscale="log", yscale="log", xlim=(low, high))
    plot.set(xlabel="FLOP per byte, logarithmic", ylabel="TFLOP/s, logarithmic")
    logarithmic(plot.xaxis)
    logarithmic(plot.yaxis)
    legend_below(figure, plot)
    sns.despine(ax=plot)
    return svg(figure, roofline.name, f"Roofline of {roofline.device}")


def run_times(times: Times) -> dict[str, str]:
    """Draw the plots of the section of run times: printed times, and a roofline per device with runs."""
    rooflines = [device.roofline for device in times.devices if device.roofline.points]
    plots = {roofline.name: roofline_plot(roofline) for roofline in rooflines}
    return plots | ({"clocks": clocks(times.dots)} if times.dots else {})
