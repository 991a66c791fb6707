"""PSNR against what it costs: printed numbers, authors' weights and our short trainings, each apart."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.claims import Table
from benchmark.report.entries import short
from benchmark.report.inputs import Inputs
from benchmark.report.plot import (
    MARKERS,
    PALETTE,
    Axis,
    Panel,
    Plot,
    Rule,
    Series,
    front,
    padded,
    position,
    scatter,
    sparse,
)
from benchmark.report.plots.ablations import uncited
from benchmark.report.runtimes import STRICT
from benchmark.results.schema import Timing

PRINTED_ON = "gopro"
BYTES = 4  # of a weight: sizes printed in MB are of float32


@dataclass(frozen=True)
class Cost:
    """A quantity that one would like to have small."""

    name: str
    title: str
    unit: float  # base units in one unit of the axis


COSTS = (
    Cost("params", "weights (millions)", 1e6),
    Cost("macs", "operations at 720x1280 (GMAC)", 1e9),
    Cost("seconds", "run time (s)", 1.0),
)


@dataclass(frozen=True)
class Dot:
    """A system's PSNR beside its cost."""

    name: str
    cost: float
    psnr: float
    says: str
    variant: bool = False


def printed(table: Table, cost: Cost) -> Iterator[Dot]:
    """Yield the rows of a table with a PSNR on GoPro and this cost."""
    quantities = {"params": ("params", "size"), "macs": ("macs_720p",), "seconds": ("seconds",)}[cost.name]
    claims = [claim for claim in table.claims.values() if claim.value]
    for row in dict.fromkeys(claim.row for claim in claims):
        own = [claim for claim in claims if claim.row == row]
        psnr = next((c for c in own if (c.quantity, c.dataset) == ("psnr", PRINTED_ON)), None)
        price = next((c for c in own if c.quantity in quantities), None)
        if psnr and price and psnr.value and price.value:
            value = price.value / (BYTES if price.quantity == "size" else 1)
            says = f"{row}: {psnr.printed} dB, {price.column} {price.printed}"
            name = table.paper if psnr.run == table.paper else uncited(row)
            yield Dot(name, value / cost.unit, psnr.value, says)


def measured(inputs: Inputs, cost: Cost, source: str, dataset: str) -> Iterator[Dot]:
    """Yield the runs with a measured PSNR on a set and this cost."""
    rows = inputs.authors if source == "authors" else inputs.measurements
    rows = rows[(rows["dataset"] == dataset) & (rows["quantity"] == "psnr") & rows["value"].notna()]
    costs = prices(inputs, cost)
    for run, value in zip(rows["run"], rows["value"], strict=True):
        price = costs.get(str(run), 0.0) / cost.unit
        if price > 0 and run in inputs.runs:
            says = f"{run}: {value:.2f} dB at {price:.4g}"
            yield Dot(str(run), price, float(value), says, bool(inputs.runs[run].ablates))


def prices(inputs: Inputs, cost: Cost) -> dict[str, float]:
    """Return the cost of each run in base units: counted for the full network, or timed at one size."""
    if cost.name == "params":
        return {run: float(row.params) for run, row in inputs.complexity.items()}
    if cost.name == "macs":
        counts = inputs.complexity.items()
        return {
            run: float(row.macs_720p + (row.macs_720p_deformable or 0))
            for run, row in counts
            if row.macs_720p is not None
        }
    rows = timed(inputs)
    return {row.run: row.median_ms / 1e3 for row in rows if row.median_ms}


def timed(inputs: Inputs) -> list[Timing]:
    """Select the times of single images at the largest size of the device that timed most."""
    rows = [r for r in inputs.timings if (r.kind, r.mode, r.batch) == ("forward", STRICT, 1) and r.median_ms]
    sizes = [(row.device, row.height, row.width) for row in rows]
    most = max(dict.fromkeys(sizes), key=lambda s: (sizes.count(s), s[1] * s[2]), default=None)
    return [row for row, size in zip(rows, sizes, strict=True) if size == most]


def fronts(dots: Sequence[Dot], name: str, colour: str, marker: str, x: Axis, y: Axis) -> Iterable[Series]:
    """Draw dots and, through those that no other beats in both, a line with their names."""
    best = front([(dot.cost, dot.psnr) for dot in dots])
    rest = [dot for index, dot in enumerate(dots) if index not in best]
    chosen = [dots[index] for index in best]
    looks: dict[str, Any] = {"colour": colour, "marker": marker}
    yield series(rest, name, **looks, hollow=True)
    labels = sparse([(dot.cost, dot.psnr) for dot in chosen], [dot.name for dot in chosen], x, y)
    # A name stands left of its point, where a front has no others, unless it would reach over the axis.
    room = [position(dot.cost, x) > 0.03 * len(dot.name) for dot in chosen]
    sides = tuple("above" if free else "below" for free in room)
    looks |= {"line": "solid", "labels": labels, "sides": sides, "wide": True}
    yield series(chosen, f"{name}, its front", **looks)


def series(dots: Iterable[Dot], name: str, **looks: Any) -> Series:
    """Draw dots."""
    return scatter(name, [(dot.cost, dot.psnr, dot.says) for dot in dots], **looks)


def axes(dots: Sequence[Dot], cost: Cost) -> tuple[Axis, Axis]:
    """Make axes that leave room for the names on the front."""
    low, high = padded([dot.psnr for dot in dots], 0.08)
    left, right = padded([dot.cost for dot in dots], 0.08, log=True)
    left /= min((right / left) ** 0.3, 8.0)
    room = (high - low) / 10
    return Axis(cost.title, True, (left, right)), Axis("PSNR (dB)", limits=(low - room, high + room))


def printed_panel(inputs: Inputs, cost: Cost) -> Panel:
    """Draw what papers print, each with a front of its own: their cards, sets and counters differ."""
    ablations = {(step.paper, step.table) for step in inputs.steps if step.kind == "whole"}
    by_paper = {
        short(paper): [
            dot
            for table in paper.tables
            if (paper.key, table.name) not in ablations
            for dot in printed(table, cost)
        ]
        for paper in inputs.papers
    }
    x, y = axes([dot for dots in by_paper.values() for dot in dots], cost)
    drawn: list[Series] = []
    for index, (paper, dots) in enumerate(by_paper.items()):
        if len(dots) > 1:
            drawn += fronts(dots, paper, PALETTE[index % len(PALETTE)], MARKERS[index % len(MARKERS)], x, y)
    return Panel("printed, GoPro", x, y, tuple(one for one in drawn if one.x))


def measured_panel(inputs: Inputs, cost: Cost, source: str, dataset: str, title: str) -> Panel:
    """Draw what was measured on one set, variants of networks apart."""
    dots = list(measured(inputs, cost, source, dataset))
    x, y = axes(dots, cost)
    names = [dot for dot in dots if not dot.variant]
    series_ = [
        series([dot for dot in dots if dot.variant], "variants", colour="faint", marker="circle"),
        *fronts(names, "systems", "p1", "circle", x, y),
    ]
    blurred = inputs.mean(inputs.blurred, dataset, "psnr") if source == "retrained" else None
    rules = () if blurred is None else (Rule("blurred input", y=blurred),)
    if blurred is not None and y.limits:
        y = Axis(y.title, limits=(min(y.limits[0], blurred - 0.02), y.limits[1]))
    return Panel(title, x, y, tuple(one for one in series_ if one.x), rules)


def plots(inputs: Inputs) -> Iterator[Plot]:
    """Draw PSNR against weights, operations and run time."""
    for cost in COSTS:
        panels = [printed_panel(inputs, cost)]
        for dataset in dict.fromkeys(inputs.authors["dataset"]):
            if dataset:
                title = f"authors’ weights, {dataset}"
                panels.append(measured_panel(inputs, cost, "authors", str(dataset), title))
        for dataset in dict.fromkeys(inputs.measurements["dataset"]):
            if dataset:
                title = f"trained here, {dataset}"
                panels.append(measured_panel(inputs, cost, "retrained", str(dataset), title))
        panels = [panel for panel in panels if sum(len(one.x) for one in panel.series) > 1]
        if panels:
            yield Plot(
                f"plot-pareto-{cost.name}",
                "pareto",
                f"PSNR against {cost.title}",
                " ".join(
                    filter(
                        None,
                        [
                            "Up and to the left is better. The line joins what nothing else beats in both.",
                            *notes(inputs, cost),
                        ],
                    )
                ),
                tuple(panels),
                columns=min(3, len(panels)),
                height=2.7,
            )


def notes(inputs: Inputs, cost: Cost) -> Iterator[str]:
    """Say what the numbers of a cost are."""
    if cost.name == "params":
        yield "Sizes that are printed in MB count as four bytes a weight. Ours are the full networks’."
    if cost.name == "macs":
        yield "Ours are counted for the full networks, deformable convolutions included."
    if cost.name == "seconds":
        yield "Each paper times on its own card, so that only points of one colour compare."
        rows = timed(inputs)
        if rows:
            yield f"Ours: {rows[0].device}, images of {rows[0].height}x{rows[0].width}, float32."
    if inputs.cut():
        yield "“Trained here” is short training on other images: it says nothing about the printed PSNRs."
