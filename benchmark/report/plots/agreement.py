"""Claimed against measured: every number that this project measured, beside the printed one."""

from collections.abc import Iterator
from typing import Any

from benchmark.report.entries import short
from benchmark.report.inputs import Inputs
from benchmark.report.plot import Axis, Panel, Plot, Rule, Series, beside, padded
from benchmark.report.plots.pareto import BYTES
from benchmark.results.schema import Finding

# Outcome, or evidence that proves nothing, and its look. Later ones are drawn over earlier ones.
LOOKS = {
    "undecided": ("none", "square", True),
    "by construction": ("quiet", "circle", True),
    "close": ("near", "triangle-up", False),
    "holds": ("good", "circle", False),
    "not reproduced": ("bad", "x", False),
}
KINDS = ("size", "macs", "timed", "authors_weights", "retrained", "by_construction")
# Title, quantities with the base units in one unit of the axis, logarithmic, unit.
PANELS = (
    ("weights", {"params": 1e6, "size": BYTES * 1e6}, True, "millions"),
    ("operations", {"macs_720p": 1e9, "macs_256": 1e9}, True, "GMAC"),
    ("run time", {"seconds": 1.0}, True, "s"),
    ("PSNR", {"psnr": 1.0}, False, "dB"),
    ("SSIM", {"ssim": 1.0}, False, ""),
)
FAR = 1.05  # a factor; points further from the line are named


def verdict(finding: Finding) -> str:
    """Name the look of a finding."""
    return "by construction" if finding.kind == "by_construction" else finding.outcome


def panel(inputs: Inputs, title: str, units: dict[str, float], log: bool, unit: str) -> Panel:
    """Draw the measured findings of some quantities against the printed numbers."""
    papers = {paper.key: short(paper) for paper in inputs.papers}
    found = [
        f
        for f in inputs.findings
        if f.kind in KINDS
        and f.quantity in units
        and f.measured is not None
        and f.claimed is not None
        and verdict(f) in LOOKS
        and (not log or min(f.measured, f.claimed) > 0)
    ]
    values = [value / units[f.quantity] for f in found for value in (f.claimed or 0, f.measured or 0)]
    limits = padded(values, 0.08, log)
    words = f" ({unit})" if unit else ""
    across = Axis(f"printed {title}{words}", log, limits)
    series = []
    for name, (colour, marker, hollow) in LOOKS.items():
        own = [f for f in found if verdict(f) == name]
        x = tuple((f.claimed or 0) / units[f.quantity] for f in own)
        y = tuple((f.measured or 0) / units[f.quantity] for f in own)
        says = tuple(
            f"{papers.get(f.paper, f.paper)} {f.table}: {f.row}, {f.column} printed {f.printed}, "
            f"{f.run} has {value:.4g} {unit}".strip()
            for f, value in zip(own, y, strict=True)
        )
        looks: dict[str, Any] = {"marker": marker, "hollow": hollow, "points": says}
        if log and name == "not reproduced":
            far = [f.run if max(a / b, b / a) > FAR else "" for f, a, b in zip(own, x, y, strict=True)]
            once = tuple(text if text not in far[:index] else "" for index, text in enumerate(far))
            looks |= {"labels": once, "sides": beside(list(zip(x, y, strict=True)), across)}
        series.append(Series(name, x, y, colour, **looks))
    return Panel(
        title,
        across,
        Axis(f"measured{words}", log, limits),
        tuple(one for one in series if one.x),
        (Rule("equal"),),
    )


def plots(inputs: Inputs) -> Iterator[Plot]:
    """Draw one panel per kind of number, with the identity line."""
    panels = [panel(inputs, *kind) for kind in PANELS]
    panels = [one for one in panels if one.series]
    if panels:
        cut = " After a cut training on other images, PSNR and SSIM are undecided." if inputs.cut() else ""
        yield Plot(
            "plot-agreement",
            "agreement",
            "Printed numbers against ours",
            "On the line, both are equal. “By construction”: a layout was made to give the printed "
            f"number, which proves nothing.{cut}",
            tuple(panels),
            columns=min(2, len(panels)) if len(panels) != 3 else 3,
            height=2.9,
        )
