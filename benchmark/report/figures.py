"""Plots as SVG: fixed ids, no date, text as text, ink that follows the page's light or dark theme."""

import io
import re
from collections.abc import Iterator, Sequence
from html import escape
from operator import attrgetter
from typing import Any

import matplotlib
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, NullLocator

from benchmark.report.measured import Study, Trained
from benchmark.report.runtimes import Dot, Point, Roofline, Times
from benchmark.report.summary import Summary

# matplotlib needs colours it knows; the page's own take their place afterwards.
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
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "grid.color": LINE,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.linewidth": 0.6,
    "grid.linewidth": 0.6,
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "svg.fonttype": "none",
    "text.parse_math": False,  # a label is what a paper or a device says, dollars and all
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
Limits = tuple[float, float]


def svg(figure: Figure, name: str, label: str) -> str:
    """The figure as an inline element whose ids start with `name`."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = file.getvalue()
    text = re.sub(r"<style.*?</style>", "", text[text.index("<svg") :], flags=re.DOTALL)  # style.css says it
    tag, _, rest = text.partition(">")
    tag = re.sub(r'\s(xmlns(:xlink)?|version|width|height)="[^"]*"', "", tag)
    tag = tag.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"')
    text = f"{tag}>{rest}".replace("xlink:href", "href")
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'href="#', f'href="#{name}-', text).replace("url(#", f"url(#{name}-")
    text = re.sub(r"font: ([^;\"]*?px)[^;\"]*", r"font: \1 sans-serif", text)
    for colour, theirs in THEME.items():
        text = text.replace(colour, theirs)
    return re.sub(r"\n\s*", "\n", text).strip()


def axes(width: float, height: float) -> tuple[Figure, Axes]:
    """One empty plot."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def limits(values: Sequence[float]) -> Limits:
    """A range with a little room."""
    low, high = min(values), max(values)
    room = 0.06 * (high - low) or 0.5
    return low - room, high + room


def steps(plot: Axes) -> None:
    """The x axis all curves share."""
    plot.set_xlabel("step")
    plot.xaxis.set_major_locator(MaxNLocator(4, integer=True))


def panel(trained: Trained, floor: float | None, psnrs: Limits, losses: Limits) -> str:
    """One run: loss relative to its first value (left, logarithmic), validation PSNR (right)."""
    curve = trained.curve
    assert curve
    with sns.axes_style("ticks"), matplotlib.rc_context(STYLE):
        figure, left = axes(3.2, 2.0)
        sns.lineplot(x=curve.steps, y=curve.relative, ax=left, color=LOSS, lw=1.1, estimator=None)
        left.set(yscale="log", ylim=losses)
        left.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        left.yaxis.set_major_formatter("{x:g}")
        left.yaxis.set_minor_locator(NullLocator())
        left.set_ylabel("loss / first loss", color=LOSS)
        left.grid(False)
        steps(left)
        right = left.twinx()
        if curve.checks:
            sns.lineplot(
                x=curve.checks,
                y=curve.psnrs,
                ax=right,
                color=PSNR,
                lw=1.4,
                marker="o",
                ms=3.5,
                mew=0,
                estimator=None,
            )
        if floor is not None:
            right.axhline(floor, color=INK, ls="--", lw=0.8)
        right.set_ylim(psnrs)
        right.set_ylabel("PSNR (dB)", color=PSNR)
        sns.despine(ax=right, right=False)
        sns.despine(ax=left)
        label = f"Training of {trained.run}: loss and validation PSNR over steps"
        return svg(figure, f"curve-{trained.run}", label)


def overlay(study: Study, floor: float | None) -> str:
    """Validation PSNR of runs that differ in one thing, on one plot."""
    with sns.axes_style("ticks"), matplotlib.rc_context(STYLE):
        figure, plot = axes(4.2, 3.2)
        colours = sns.color_palette("colorblind", len(study.curves))
        for index, (label, curve) in enumerate(study.curves):
            sns.lineplot(
                x=curve.checks,
                y=curve.psnrs,
                ax=plot,
                color=colours[index],
                label=label,
                legend=False,
                lw=1.5,
                marker=MARKERS[index % len(MARKERS)],
                ms=5,
                mew=0,
                estimator=None,
            )
        if floor is not None:
            plot.axhline(floor, color=INK, ls="--", lw=0.8, label="blurred input")
        plot.set_ylabel("validation PSNR (dB)")
        steps(plot)
        figure.legend(*plot.get_legend_handles_labels(), loc="outside lower center", ncols=3)
        sns.despine(ax=plot)
        return svg(figure, study.name, f"{study.title}: validation PSNR over steps")


def panels(summary: Summary) -> dict[str, str]:
    """One panel per run with a curve, all on the same two ranges."""
    drawn = [trained for trained in summary.curves if trained.curve]
    found = [trained.curve for trained in drawn if trained.curve]
    shares = [share for curve in found for share in curve.relative]
    psnrs = [psnr for curve in found for psnr in curve.psnrs]
    if summary.floor is not None:
        psnrs.append(summary.floor)
    if not found:
        return {}
    losses = min(shares) / 1.2, max(shares) * 1.2
    return {t.run: panel(t, summary.floor, limits(psnrs or [0.0]), losses) for t in drawn}


def overlays(summary: Summary) -> dict[str, str]:
    """One plot per study of which at least two runs are trained."""
    return {study.name: overlay(study, summary.floor) for study in summary.studies if len(study.curves) > 1}


def logarithmic(axis: Axis) -> None:
    """Plain numbers at 1, 2 and 5."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def marks(plot: Axes, x: Sequence[float], y: Sequence[float], name: str, label: str, **look: Any) -> None:
    """Marks without a line, as one group of the drawing that has a name."""
    (drawn,) = plot.plot(x, y, ls="none", **look)
    drawn.set(gid=name, label=label)


def clocks(dots: Sequence[Dot]) -> str:
    """Printed times beside the least times of their networks, one line each, on one logarithmic axis."""
    with sns.axes_style("ticks"), matplotlib.rc_context(STYLE):
        figure, plot = axes(8.0, 1.2 + 0.22 * len(dots))
        places = range(len(dots))
        for place, dot in zip(places, dots, strict=True):
            plot.plot((dot.floor, dot.printed), (place, place), color=LINE, lw=1.2, zorder=1)
        bar, triangle = {"marker": "|", "ms": 9, "mew": 1.5}, {"marker": "<", "ms": 5, "mfc": "none"}
        floors, leasts = [dot.floor for dot in dots], [dot.least for dot in dots]
        marks(plot, floors, places, "floor", "least time at the card’s peak", mec=INK, **bar)
        marks(plot, leasts, places, "least", "least time possible", mec=INK, **triangle)
        for verdict, (marker, colour) in PHYSICS.items():
            at = [place for place in places if dots[place].verdict == verdict]
            if at:
                printed = [dots[place].printed for place in at]
                look = {"marker": marker, "ms": 6.5, "mfc": colour, "mew": 0}
                marks(plot, printed, at, verdict.replace(" ", "-"), f"printed: {verdict}", **look)
        plot.set_yticks(places, [dot.label for dot in dots])
        plot.set(xscale="log", xlabel="seconds, logarithmic", ylim=(len(dots) - 0.4, -0.6))
        logarithmic(plot.xaxis)
        plot.grid(axis="y", visible=False)
        plot.grid(axis="x", visible=True)
        plot.tick_params(axis="y", length=0)
        figure.legend(*plot.get_legend_handles_labels(), loc="outside lower center", ncols=3)
        sns.despine(ax=plot, left=True)
        return svg(figure, "clocks", "Printed run times beside the least times of their networks")


def labelled(points: Sequence[Point]) -> Iterator[Point]:
    """The few that get a label: fastest, slowest, most and least arithmetic per byte."""
    for key in (attrgetter("tflops"), attrgetter("intensity")):
        yield min(points, key=key)
        yield max(points, key=key)


def beneath(roofline: Roofline) -> str:
    """Runs beneath what the device alone can do: a slope for its memory, a roof for each precision."""
    points, bandwidth = roofline.points, roofline.bandwidth
    ridges = [1e3 * roof / bandwidth for _, roof in roofline.roofs] if bandwidth else []
    low = min([point.intensity for point in points] + ridges) / 2
    high = max([point.intensity for point in points] + ridges) * 2
    with sns.axes_style("ticks"), matplotlib.rc_context(STYLE):
        figure, plot = axes(8.0, 4.6)
        if bandwidth:
            end = max(ridges, default=high)
            slope = plot.plot((low, end), (bandwidth * low / 1e3, bandwidth * end / 1e3), color=INK, lw=1.0)
            slope[0].set(gid="memory", label=f"memory {bandwidth:,.0f} GB/s")
        for number, (name, roof) in enumerate(roofline.roofs):
            start = ridges[number] if ridges else low
            line = plot.plot((start, high), (roof, roof), color=INK, lw=1.2, ls=DASHES[number % len(DASHES)])
            line[0].set(gid=f"roof-{number}", label=f"{name} {roof:.3g} TFLOP/s")
        at, rates = [point.intensity for point in points], [point.tflops for point in points]
        marks(plot, at, rates, "runs", "a run, strict mode", marker="o", ms=4.5, mfc=PSNR, mew=0)
        for point in dict.fromkeys(labelled(points)):
            place = (point.intensity, point.tflops)
            plot.annotate(point.run, place, (5, 4), textcoords="offset points", fontsize=8)
        plot.set(xscale="log", yscale="log", xlim=(low, high))
        plot.set(xlabel="FLOP per byte, logarithmic", ylabel="TFLOP/s, logarithmic")
        logarithmic(plot.xaxis)
        logarithmic(plot.yaxis)
        figure.legend(*plot.get_legend_handles_labels(), loc="outside lower center", ncols=3)
        sns.despine(ax=plot)
        return svg(figure, roofline.name, f"Roofline of {roofline.device}")


def plots(times: Times) -> dict[str, str]:
    """The drawings of the section of run times: printed times, and a roofline for each device with runs."""
    drawn = {one.name: beneath(one) for device in times.devices if (one := device.roofline).points}
    return drawn | ({"clocks": clocks(times.dots)} if times.dots else {})
