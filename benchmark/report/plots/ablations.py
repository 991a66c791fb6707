"""Ablation ladders, printed beside measured, and the printed order of systems beside the measured one."""

import re
from collections.abc import Iterator, Sequence

import pandas as pd

from benchmark.claims import Claim
from benchmark.report import ablation
from benchmark.report.entries import short
from benchmark.report.inputs import Inputs
from benchmark.report.plot import Axis, Panel, Plot, Rule, Series, padded, slug
from benchmark.results.schema import AblationStep, Order

DIRECTIONS = {
    "same": ("good", "circle", False),
    "against": ("bad", "x", False),
    "undecided": ("none", "square", True),
}
QUANTITY = "psnr"
ARROW = " → "


def ladder(table: ablation.AblationTable) -> Plot:
    """Draw the steps of a printed table from its first row down, as printed and as measured."""
    rows = [*table.steps, table.whole]
    names = tuple(f"{step.before}{ARROW}{step.after}" for step in rows)
    names = (*names[:-1], f"whole: {names[-1]}")
    y = Axis("", limits=(len(rows) - 0.5, -0.5), names=names)
    printed = [(row, step.printed) for row, step in enumerate(rows) if step.printed is not None]
    values = [value for _, value in printed]
    left = Series(
        "printed",
        tuple(values),
        tuple(float(row) for row, _ in printed),
        "ink",
        marker="diamond",
        across="x",
        low=tuple(min(0.0, value) for value in values),
        high=tuple(max(0.0, value) for value in values),
        points=tuple(names[row] for row, _ in printed),
    )
    right = tuple(measured(rows, names, outcome) for outcome in DIRECTIONS)
    ends = [end for step in rows for end in (step.low, step.high, step.measured) if end is not None]
    found = next((step for step in rows if step.measured is not None), None)
    images = f"{found.images} images of {found.clusters} scenes" if found else "nothing yet"
    zero = Rule("", x=0.0)
    return Plot(
        slug(f"plot-ladder-{table.whole.paper}-{table.printed.name}"),
        "ablations",
        f"{table.paper}, {table.printed.name}: {table.printed.about}",
        "Each row changes one thing; the last compares the first network with the final one. "
        f"Measured on {images}, with 95 % intervals. The two scales differ: read directions, not sizes.",
        (
            Panel(
                "printed", Axis("change in PSNR (dB)", limits=padded([0, *values], 0.1)), y, (left,), (zero,)
            ),
            Panel(
                "measured",
                Axis("change in PSNR (dB)", limits=padded([0, *ends], 0.1)),
                y,
                tuple(series for series in right if series.x),
                (zero,),
            ),
        ),
        columns=2,
        height=0.9 + 0.27 * len(rows),
    )


def measured(rows: Sequence[AblationStep], names: Sequence[str], outcome: str) -> Series:
    """Draw the measured steps with one outcome."""
    own = [
        (row, step) for row, step in enumerate(rows) if step.outcome == outcome and step.measured is not None
    ]
    colour, marker, hollow = DIRECTIONS[outcome]
    label = {"same": "printed direction", "against": "against the print", "undecided": "undecided"}[outcome]
    return Series(
        label,
        tuple(step.measured or 0.0 for _, step in own),
        tuple(float(row) for row, _ in own),
        colour,
        marker=marker,
        hollow=hollow,
        across="x",
        low=tuple(step.low for _, step in own),
        high=tuple(step.high for _, step in own),
        points=tuple(f"{names[row]}: {step.reason}" for row, step in own),
    )


def ladders(inputs: Inputs) -> Iterator[Plot]:
    """Draw every printed ablation table."""
    yield from (ladder(table) for table in ablation.tables(inputs))


def ordered(inputs: Inputs, order: Order) -> list[tuple[Claim, float]]:
    """Return the printed cells behind an order, each with its run's measured mean."""
    source = inputs.measurements if order.measured_by == "retrained" else inputs.authors
    rows = source[(source["dataset"] == order.measured_on) & (source["quantity"] == QUANTITY)]
    means = dict(zip(rows["run"], rows["value"], strict=True))
    cells = {
        claim.run: claim
        for paper in inputs.papers
        for table in paper.tables
        if (paper.key, table.name) == (order.paper, order.table)
        for claim in table.claims.values()
        if (claim.quantity, claim.dataset or "") == (QUANTITY, order.dataset) and claim.value is not None
    }
    return [(claim, float(means[run])) for run, claim in cells.items() if run and pd.notna(means.get(run))]


def slopes(inputs: Inputs, order: Order, title: str) -> Panel:
    """Draw the printed ranks on the left and the measured ones on the right, a line per system."""
    pairs = ordered(inputs, order)
    printed = pd.Series([-(claim.value or 0.0) for claim, _ in pairs]).rank(method="first")
    reached = pd.Series([-value for _, value in pairs]).rank(method="first")
    series = []
    for index, (claim, value) in enumerate(pairs):
        label = uncited(claim.column if claim.row.upper().startswith("PSNR") else claim.row)
        own = claim.run == order.paper
        series.append(
            Series(
                "the paper’s own" if own else "other systems",
                (0.0, 1.0),
                (float(printed[index]), float(reached[index])),
                "p2" if own else "quiet",
                marker="diamond" if own else "circle",
                line="solid",
                wide=own,
                points=(f"{label}: printed {claim.printed} dB", f"{label}: measured {value:.2f} dB"),
                labels=(f"{label}  {printed[index]:.0f}", ""),
                sides=("left", ""),
                legend=index == 0 or own,
            )
        )
    columns = Axis("", limits=(-1.3, 1.2), names=("printed", "measured"))
    ranks = Axis("rank", limits=(len(pairs) + 0.6, 0.4), bare=True)
    return Panel(title, columns, ranks, tuple(series))


def uncited(label: str) -> str:
    """Leave the number of a reference out of a row's label.

    >>> uncited("MPRNet [27]"), uncited("[2]")
    ('MPRNet', '[2]')
    """
    return re.sub(r"\s+\[\d+\]$", "", label)


def order_plot(inputs: Inputs) -> Iterator[Plot]:
    """Draw the order of the systems of every printed table."""
    papers = {paper.key: short(paper) for paper in inputs.papers}
    panels = []
    for order in inputs.orders:
        where = f"{papers.get(order.paper, order.paper)} {order.table}"
        title = f"{where}, {order.dataset}\n{order.alike} of {order.pairs} pairs alike"
        panel = slopes(inputs, order, title)
        if panel.series:
            panels.append(panel)
    if panels:
        most = max(len(panel.series) for panel in panels)
        yield Plot(
            "plot-orders",
            "orders",
            "The order of systems, as printed and as measured",
            "Rank 1 has the highest PSNR. A line that falls is a system that does worse here than its table "
            "says. Pairs of systems count where they are printed at least 0.3 dB apart.",
            tuple(panels),
            columns=3,
            height=0.8 + 0.19 * most,
        )
