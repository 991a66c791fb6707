"""Curves as SVG: fixed ids, no date, text as text, ink that follows the page's light or dark theme."""

import io
import re
from collections.abc import Sequence
from html import escape
from typing import Any

import matplotlib
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from benchmark.report.measured import Study, Trained
from benchmark.report.summary import Summary

# matplotlib needs colours it knows; the page's own take their place afterwards.
INK, LINE, LOSS, PSNR = "#010203", "#040506", "#070809", "#0a0b0c"
THEME = {INK: "var(--ink)", LINE: "var(--line)", LOSS: "var(--loss)", PSNR: "var(--psnr)"}
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
    "svg.hashsalt": "deblur-bench",
    "path.simplify": False,
}
MARKERS = "osD^vPX*<>"
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
