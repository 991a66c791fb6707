"""Every plot of the report as data, one file per kind; spec.py has what a plot consists of."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec

from benchmark.report.inputs import Inputs
from benchmark.report.plot import Plot, numbers
from benchmark.report.plots import ablations, agreement, curves, pareto, times
from benchmark.report.runtimes import Times

# Groups in the order of the page, with their titles and what is missing where a group has no plot.
GROUPS = {
    "curves": ("Convergence", "No run has a training curve yet; `dvc repro` trains them."),
    "ablations": ("Ablations", "No ablation table has two runs of this project."),
    "orders": ("Order of systems", "Fewer than two systems of any table are measured."),
    "pareto": ("PSNR against cost", "Nothing is measured or counted yet."),
    "agreement": ("Printed against measured", "No printed number is measured yet."),
    "times": ("Run times", "No printed run time has been judged yet; `python -m benchmark.compare` does it."),
}


ROWS = 1000  # of a plot's table of numbers


@dataclass(frozen=True)
class Plots:
    """All plots, and the curves behind the interactive one."""

    all: tuple[Plot, ...]
    curves: list[dict[str, Any]]
    presets: dict[str, list[str]]

    def of(self, group: str) -> list[Plot]:
        """Select the plots of a group."""
        return [plot for plot in self.all if plot.group == group]

    def content(self) -> dict[str, Any]:
        """Return what assets/plots.js draws from."""
        plots = {plot.id: msgspec.to_builtins(plot) | {"numbers": []} for plot in self.all}
        return {"plots": plots, "curves": self.curves, "presets": self.presets}

    def curve(self, run: str) -> dict[str, Any] | None:
        """Return the curve of a run; None where it has none."""
        return next((curve for curve in self.curves if curve["run"] == run), None)


def first_numbers(plot: Plot) -> tuple[list[tuple[str, ...]], int]:
    """Return the head and the first ROWS rows of a plot's numbers, and how many are left out."""
    rows = numbers(plot)
    return list(islice(rows, ROWS + 1)), sum(1 for _ in rows)


def draw(inputs: Inputs, printed: Times) -> Iterator[Plot]:
    """Yield every plot that has data, in the order of the page."""
    yield from curves.convergence(inputs)
    yield from curves.overlays(inputs)
    yield from ablations.ladders(inputs)
    yield from ablations.order_plot(inputs)
    yield from pareto.plots(inputs)
    yield from agreement.plots(inputs)
    yield from times.plots(printed)


def collect(inputs: Inputs, printed: Times) -> Plots:
    """Make all plots of the results; `printed` is the section of run times."""
    drawn = curves.curves(inputs)
    return Plots(tuple(draw(inputs, printed)), drawn, curves.presets(inputs, drawn))
