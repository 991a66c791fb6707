"""Draw a plot with matplotlib and seaborn, as a figure of a two-column paper.

Text stays text in SVG files and TrueType in PDF files; ids are fixed and there is no date, so that the same
data give the same bytes.
"""

import io
import re
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis as MatplotlibAxis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from benchmark.report.plot import COLOURS, Axis, Panel, Plot, Rule, Series

MOST = 2000  # points of a series that are drawn as shapes; more are a picture, to keep files small
COLUMN, PAGE = 3.5, 7.16  # inches: one column of a two-column paper, and both
MARKERS = {
    "circle": "o",
    "square": "s",
    "diamond": "D",
    "triangle-up": "^",
    "triangle-down": "v",
    "triangle-left": "<",
    "x": "X",
    "cross": "P",
    "star": "*",
    "tick": "|",
}
DASHES: dict[str, Any] = {"solid": "-", "dash": (0, (4, 2)), "dot": ":", "dashdot": "-."}
SIDES: dict[str, dict[str, Any]] = {
    "right": {"xytext": (4, 0), "ha": "left", "va": "center"},
    "left": {"xytext": (-5, 0), "ha": "right", "va": "center"},
    "above": {"xytext": (-2, 3), "ha": "right", "va": "bottom"},
    "below": {"xytext": (4, -3), "ha": "left", "va": "top"},
}
INK = COLOURS["ink"]
STYLE: dict[Any, Any] = {
    **dict.fromkeys(("axes.edgecolor", "axes.labelcolor", "text.color", "xtick.color", "ytick.color"), INK),
    **dict.fromkeys(("axes.facecolor", "figure.facecolor", "savefig.facecolor"), "none"),
    **dict.fromkeys(("axes.linewidth", "grid.linewidth", "xtick.major.width", "ytick.major.width"), 0.5),
    **dict.fromkeys(("font.size", "axes.labelsize", "axes.titlesize"), 8.0),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), 7.0),
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "grid.color": COLOURS["grid"],
    "axes.grid": True,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "deblur-bench",
    "pdf.fonttype": 42,
    "text.parse_math": False,  # labels quote papers and devices: a dollar is a dollar
    "path.simplify": False,
}


def ticks(axis: MatplotlibAxis, spec: Axis, most: int, letters: int) -> None:
    """Write plain numbers, at 1, 2 and 5 where few powers of ten are in sight."""
    if spec.bare:
        axis.set_ticks([])
    elif spec.names:
        axis.set_ticks(range(len(spec.names)), [textwrap.fill(name, letters) for name in spec.names])
    elif spec.log:
        low, high = spec.limits or (1.0, 10.0)
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 60 else (1,), numticks=most + 2))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())
    else:
        axis.set_major_locator(MaxNLocator(most, integer=spec.title in ("rank", "training step")))


def add_series(plot: Axes, series: Series, spec: Panel) -> None:
    """Draw one series."""
    colour, size = COLOURS[series.colour], 5.0 if series.wide else 3.8
    ends = zip(series.low, series.high, strict=True)
    for index, (low, high) in enumerate(ends):
        if low is not None and high is not None:
            draw = plot.hlines if series.across == "x" else plot.vlines
            place = series.y[index] if series.across == "x" else series.x[index]
            draw(place, low, high, color=colour, lw=1.0, zorder=2)
    background = series.colour == "faint"
    plot.plot(
        series.x,
        series.y,
        color=colour,
        marker=MARKERS.get(series.marker, ""),
        ms=size + 2 if series.marker == "tick" else size,
        mfc="white" if series.hollow else colour,
        mec=colour,
        mew=1.2 if series.marker == "tick" else 0.9 if series.hollow else 0,
        ls=DASHES[series.line] if series.line else "none",
        lw=1.3 if series.wide else 0.6 if background else 1.0,
        zorder=1.5 if background else 3,
        label=series.name if series.legend else "_",
        rasterized=len(series.x) > MOST,
    )
    sides = series.sides or [""] * len(series.labels)
    for x, y, text, side in zip(series.x, series.y, series.labels, sides, strict=False):
        if text:
            look = SIDES[side or "right"]
            plot.annotate(text, (x, y), textcoords="offset points", fontsize=6.0, zorder=4, **look)


def add_rule(plot: Axes, rule: Rule) -> None:
    """Draw a line that is no data."""
    look: dict[str, Any] = {"color": COLOURS["quiet"], "lw": 0.7, "ls": DASHES["dash"], "zorder": 1.8}
    look["label"] = rule.text or "_"
    if rule.x is not None:
        plot.axvline(rule.x, **look)
    elif rule.y is not None:
        plot.axhline(rule.y, **look)
    else:
        low, high = plot.get_xlim()
        plot.plot((low, high), (low, high), **look)


def add_panel(plot: Axes, panel: Panel, shared: bool, width: float) -> None:
    """Draw a pair of axes; `shared` where the panel to the left names the same rows."""
    for axis, scale, limits, label, spec in (
        (plot.xaxis, plot.set_xscale, plot.set_xlim, plot.set_xlabel, panel.x),
        (plot.yaxis, plot.set_yscale, plot.set_ylim, plot.set_ylabel, panel.y),
    ):
        if spec.log:
            scale("log")
        if spec.limits:
            limits(*spec.limits)
        label(spec.title)
        most = 5 if axis is plot.yaxis else max(3, round(width * 1.6))
        ticks(axis, spec, most, letters=52 if width > COLUMN else 34)
        axis.grid(not spec.names or axis is plot.yaxis)
    if shared:
        plot.tick_params(axis="y", labelleft=False)
    for rule in panel.rules:
        add_rule(plot, rule)
    for series in panel.series:
        add_series(plot, series, panel)
    if panel.title:
        plot.set_title(panel.title, loc="left")
    sns.despine(ax=plot, left=panel.y.bare)


def figure(plot: Plot) -> Figure:
    """Draw all panels of a plot with one legend below them."""
    across = min(plot.columns, len(plot.panels))
    down = -(-len(plot.panels) // across)
    width = PAGE if plot.full else COLUMN
    drawn = Figure(figsize=(width, plot.height * down), layout="constrained")
    handles: dict[str, Any] = {}
    for index, panel in enumerate(plot.panels):
        axes = drawn.add_subplot(down, across, index + 1)
        left = plot.panels[index - 1] if index % across else None
        add_panel(axes, panel, bool(panel.y.names and left and left.y.names == panel.y.names), width / across)
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    if len(handles) > 1:
        longest = max(map(len, handles))
        columns = max(1, min(len(handles), int(width * 16 / (longest + 6))))
        drawn.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=columns)
    drawn.draw_without_rendering()  # lays out; saving would do so twice again
    drawn.set_layout_engine("none")
    return drawn


def write(plots: Iterable[tuple[Plot, str]], folder: Path) -> None:
    """Write <id>.svg, which ends with the given line, and <id>.pdf of each plot."""
    with sns.axes_style("ticks"), matplotlib.rc_context(STYLE):
        for plot, last in plots:
            drawn = figure(plot)
            file = io.StringIO()
            nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
            drawn.savefig(file, format="svg", metadata=nothing)
            text = re.sub(r"(\d\.\d\d)\d{4}\b", r"\1", file.getvalue())  # of coordinates
            drawn.savefig(
                folder / f"{plot.id}.pdf", metadata={"CreationDate": None, "Producer": None, "Creator": None}
            )
            (folder / f"{plot.id}.svg").write_text(f"{text.rstrip()}\n{last}\n", encoding="utf-8")
