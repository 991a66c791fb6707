"""Ratios measured in turn beside printed ones, and what they say of a sentence about run times.

A ratio of two networks depends on the card: on its operations per byte, on the kernels of its library, on how
much of it a small image fills. So a sentence about a paper's card is decided on that card at 720x1280 alone.
What another GPU or a processor measures is written beside it and decides nothing (docs/runtime.md).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from benchmark.claims import Claim, Paper
from benchmark.claims.formulas import Formula, Number
from benchmark.claims.relations import readings, relation
from benchmark.compare.bands import OWN_CARD
from benchmark.compare.physics import Card
from benchmark.results.ratios import PairedRatio
from benchmark.results.schema import Outcome, RatioScope

FULL_SIZE = (720, 1280)
Setting = tuple[str, str, int, int]  # device, mode, height, width


@dataclass(frozen=True)
class Statement:
    """What measured ratios say of a sentence about run times."""

    claim: Claim
    outcome: Outcome
    reason: str
    measured: float | None  # of a sentence with a number


def setting(row: PairedRatio) -> Setting:
    """Return what ratios must share to be compared."""
    return row.device, row.mode, row.height, row.width


def scope(row: PairedRatio, card: Card | None) -> RatioScope:
    """Return what a measured ratio can say of a paper's: that of its own card, or less."""
    full = (row.height, row.width) == FULL_SIZE
    if card is not None and card.has_name(row.device) and full:
        return "the paper's card"
    return "a processor" if row.kind_of_device == "cpu" else "another GPU or size"


def rank(row: PairedRatio, card: Card | None) -> tuple[bool, bool, bool, int, str]:
    """Order ratios by how much they say: the paper's card, a GPU, its default mode, large images."""
    default = "tf32" if card is not None and card.tf32 else "strict"
    gpu = row.kind_of_device == "cuda"
    own = scope(row, card) == "the paper's card"
    return own, gpu, row.mode == default, row.height * row.width, row.device


def in_words(row: PairedRatio) -> str:
    """Name where a ratio was measured."""
    return f"{row.device} ({row.mode}, {row.height}x{row.width})"


def cells(run: str, anchor: str, card: Card | None, rows: Iterable[PairedRatio]) -> dict[str, Any]:
    """Fill the columns of the measured ratio; none for the anchor itself."""
    own = [row for row in rows if (row.run, row.anchor) == (run, anchor) and run != anchor]
    best = max(own, key=lambda row: rank(row, card), default=None)
    if best is None:
        return {}
    return {
        "paired_ratio": best.ratio,
        "paired_low": best.ci_low,
        "paired_high": best.ci_high,
        "paired_on": in_words(best),
        "paired_scope": scope(best, card),
    }


def statements(
    papers: Iterable[Paper], cards: Mapping[str, Card], rows: Sequence[PairedRatio]
) -> Iterator[Statement]:
    """Judge each sentence whose formula is of the run times of one table alone, where these are measured.

    Raises:
        ValueError: a formula is malformed.
    """
    for paper in papers:
        anchors = {table.name: table.anchor for table in paper.tables}
        for claim in paper.prose:
            if not (claim.formula and claim.quantity in ("order.seconds", "ratio.seconds")):
                continue
            used = relation(paper, claim).cells
            tables = {cell.table for cell in used}
            if {cell.quantity for cell in used} != {"seconds"} or len(tables) != 1:
                continue
            (table,) = tables
            anchor = next(
                (
                    c
                    for c in paper.claims()
                    if (c.table, c.row, c.quantity) == (table, anchors.get(table), "seconds")
                ),
                None,
            )
            if anchor and len(used) > 1:
                yield from judge(paper, claim, used, anchor, cards.get(anchor.card), rows)


def judge(
    paper: Paper,
    claim: Claim,
    used: Sequence[Claim],
    anchor: Claim,
    card: Card | None,
    rows: Sequence[PairedRatio],
) -> Iterator[Statement]:
    """Judge one sentence in the most telling setting in which all its ratios are measured."""
    by_setting: dict[Setting, dict[str, PairedRatio]] = {}
    for each in rows:
        if each.anchor == anchor.run:
            by_setting.setdefault(setting(each), {})[each.run] = each
    needed = {cell.run or "" for cell in used} - {anchor.run}
    complete = [of_run for of_run in by_setting.values() if needed <= of_run.keys()]
    if not complete:
        return
    of_run = max(complete, key=lambda ratios: rank(ratios[min(needed)], card))
    measured = {cell: number(cell, of_run, anchor.run or "") for cell in used}
    shown = ", ".join(
        f"{cell.row} {row.ratio:.3g} ({row.ci_low:.3g} to {row.ci_high:.3g})"
        for cell in used
        if (row := of_run.get(cell.run or "")) and cell.run != anchor.run
    )
    one = of_run[min(needed)]
    values = [Formula(paper, measured=measured).visit(node)[0] for node in readings(claim.formula)]
    outcome, says, value = compare(claim, values)
    reason = f"in turn with {anchor.row}, as multiples of its time, on {in_words(one)}: {shown}; {says}"
    kind = scope(one, card)
    if kind != "the paper's card":
        yield Statement(
            claim, "undecided", f"{reason} there; {kind} decides nothing on the paper's card", None
        )
    else:
        yield Statement(claim, outcome, reason, value)


def number(cell: Claim, of_run: Mapping[str, PairedRatio], anchor: str) -> Number:
    """Return a cell's time as a multiple of the anchor's, with its interval."""
    if cell.run == anchor:
        return Number(Fraction(1), Fraction(1), Fraction(1), cell)
    row = of_run[cell.run or ""]
    low, ratio, high = (Fraction(str(end)) for end in (row.ci_low, row.ratio, row.ci_high))
    return Number(low, ratio, high, cell)


def compare(claim: Claim, values: Sequence[Any]) -> tuple[Outcome, str, float | None]:
    """Return the outcome of a sentence's readings, in words, and the measured number nearest to the print."""
    if all(value is None or isinstance(value, bool) for value in values):
        truths = set(values)
        if len(truths) == 1 and None not in truths:
            return ("holds", "true", None) if truths == {True} else ("not reproduced", "false", None)
        return "undecided", "open", None
    printed = claim.value
    assert printed is not None
    nearest = min(values, key=lambda value: abs(float(value.value) - printed))
    low, high = float(nearest.low) * (1 - OWN_CARD), float(nearest.high) * (1 + OWN_CARD)
    fits = low <= printed + claim.rounding and printed - claim.rounding <= high
    words = f"{float(nearest.value):.3g} where {claim.printed} is printed"
    return "holds" if fits else "not reproduced", words, float(nearest.value)
