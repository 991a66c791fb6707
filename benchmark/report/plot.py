"""Describe a plot once, as data: figures.py prints it, assets/plots.js draws it again with interaction.

A series names its colour by what it means (COLOURS); the printed figure and the page's light and dark themes
each have their own value for it. Markers and dashes repeat what colours say.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

# Names of colours: eight to tell series apart, verdicts, and greys.
COLOURS = {  # printed; the page has a variable of the same name for each
    "p1": "#0072b2",
    "p2": "#d55e00",
    "p3": "#009e73",
    "p4": "#c24d93",
    "p5": "#b58900",
    "p6": "#2b8cc4",
    "p7": "#6b4423",
    "p8": "#4d4d4e",
    "good": "#17692f",
    "near": "#0c6a74",
    "doubt": "#8a5a00",
    "bad": "#b3202c",
    "none": "#6c7480",
    "ink": "#1d2127",
    "quiet": "#5b6470",
    "faint": "#bcc3cb",
    "grid": "#e3e6ea",
}
PALETTE = tuple(COLOURS)[:8]
MARKERS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "x", "cross", "star")
DASHES = ("solid", "dash", "dot", "dashdot")
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Axis:
    """An axis; `limits` are in data units, the larger one first for an axis that falls."""

    title: str
    log: bool = False
    limits: tuple[float, float] | None = None  # None: as the data need
    names: tuple[str, ...] = ()  # of the values 0, 1, 2, ... where values are rows or columns
    bare: bool = False  # without line, ticks and numbers


@dataclass(frozen=True)
class Series:
    """Points that mean one thing; in the legend, series of one name are one entry."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    colour: str  # a key of COLOURS
    marker: str = ""  # one of MARKERS, "tick" (a vertical stroke), "triangle-left", or none
    line: str = ""  # one of DASHES, or none
    hollow: bool = False
    wide: bool = False  # line and markers are larger than usual
    across: str = ""  # "x" or "y": the axis along which `low` and `high` are drawn
    low: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()
    points: tuple[str, ...] = ()  # what each point is, for the reader who asks
    labels: tuple[str, ...] = ()  # written beside points; empty: none
    sides: tuple[
        str, ...
    ] = ()  # where labels stand: "right" (where empty), "left", "above" left, "below" right
    legend: bool = True


def scatter(
    name: str, points: Iterable[tuple[float, float, str]], colour: str, marker: str, **looks: Any
) -> Series:
    """Make a series of (x, y, what it is)."""
    x, y, says = [tuple(values) for values in zip(*points, strict=True)] or [(), (), ()]
    return Series(name, x, y, colour, marker, points=says, **looks)


@dataclass(frozen=True)
class Rule:
    """A straight line that is no data: a zero, an identity, a limit."""

    text: str
    x: float | None = None  # vertical, at x
    y: float | None = None  # horizontal, at y; neither: the identity


@dataclass(frozen=True)
class Panel:
    """A pair of axes."""

    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class Plot:
    """A figure of one or more panels."""

    id: str
    group: str  # a key of GROUPS
    title: str
    says: str  # how to read it
    panels: tuple[Panel, ...]
    columns: int = 1  # panels side by side, where there is room
    height: float = 2.4  # of a row of panels, in inches
    full: bool = True  # printed over both columns of a paper, else over one
    numbers: tuple[tuple[str, ...], ...] = ()  # a table in place of that of all points, its head first


def log_free(values: Sequence[float]) -> bool:
    """Tell whether a logarithmic axis can show the values."""
    return all(value > 0 for value in values)


def padded(values: Sequence[float], share: float = 0.06, log: bool = False) -> tuple[float, float]:
    """Return limits a little outside of the values.

    >>> padded([0.0, 1.0], share=0.5), padded([1.0, 100.0], share=0.5, log=True), padded([])
    ((-0.5, 1.5), (0.1, 1000.0), (0.0, 1.0))
    """
    kept = [value for value in values if math.isfinite(value) and (value > 0 or not log)]
    if not kept:
        return (0.1, 1.0) if log else (0.0, 1.0)
    ends = (math.log10(min(kept)), math.log10(max(kept))) if log else (min(kept), max(kept))
    room = share * (ends[1] - ends[0]) or (0.3 if log else abs(ends[0]) / 10 or 1.0)
    low, high = ends[0] - room, ends[1] + room
    return (10**low, 10**high) if log else (low, high)


def slug(text: str) -> str:
    """Make a part of an id and file name.

    >>> slug("plot-ladder-bag-Table 1 (a/b)")
    'plot-ladder-bag-table-1-a-b'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Select the points than which no other has both a smaller x and a larger y, from left to right.

    >>> front([(1, 1), (2, 3), (3, 2), (2, 2), (4, 4)])
    [0, 1, 4]
    """
    best, chosen = -math.inf, []
    for index in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1])):
        if points[index][1] > best:
            best = points[index][1]
            chosen.append(index)
    return chosen


def sparse(points: Sequence[tuple[float, float]], texts: Sequence[str], x: Axis, y: Axis) -> tuple[str, ...]:
    """Blank the labels that would be written over an earlier one."""
    kept: list[tuple[float, float]] = []
    labels = []
    for point, text in zip(points, texts, strict=True):
        place = (position(point[0], x), position(point[1], y))
        free = all(abs(place[0] - a) > 0.3 or abs(place[1] - b) > 0.07 for a, b in kept)
        labels.append(text if free and text else "")
        kept += [place] if free and text else []
    return tuple(labels)


def beside(points: Sequence[tuple[float, float]], axis: Axis) -> tuple[str, ...]:
    """Choose the side of each point on which its label fits: left near the right end of the axis."""
    return tuple("left" if position(x, axis) > 0.7 else "right" for x, _ in points)


def position(value: float, axis: Axis) -> float:
    """Return where on its axis a value is: 0 at the first limit, 1 at the second."""
    low, high = axis.limits or (0.0, 1.0)
    if axis.log:
        low, high, value = math.log10(low), math.log10(high), math.log10(value)
    return (value - low) / (high - low)


def written(value: float, axis: Axis) -> str:
    """Write a value of an axis: its name, or four digits.

    >>> written(1, Axis("", names=("a", "b"))), written(-0.012346, Axis("")), written(123456.0, Axis(""))
    ('b', '−0.01235', '123,456')
    """
    if axis.names and float(value).is_integer() and 0 <= value < len(axis.names):
        return axis.names[int(value)]
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return text.replace("-", MINUS)


def numbers(plot: Plot) -> Iterator[tuple[str, ...]]:
    """Yield the points of a plot as rows of a table, its head first."""
    if plot.numbers:
        yield from plot.numbers
        return
    yield ("Panel", "Series", "Point", "Across", "Up", "Interval")
    for panel in plot.panels:
        for series in panel.series:
            for index, (x, y) in enumerate(zip(series.x, series.y, strict=True)):
                point = series.points[index] if series.points else ""
                axis = panel.x if series.across == "x" else panel.y
                ends = [values[index] for values in (series.low, series.high) if values]
                known = [written(end, axis) for end in ends if end is not None]
                cells = written(x, panel.x), written(y, panel.y), " to ".join(known)
                yield (panel.title.replace("\n", ": "), series.name, point, *cells)
