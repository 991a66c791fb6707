"""Hold a printed number, or a claim about order, against other cells of the same paper.

A sentence or a cell of a claims file may have a `formula` (benchmark.claims.formulas); `either(a, b)` around
it gives the readings that the words allow. It is a number, or a statement about order. The claim

holds         if the interval of its print meets that of the formula, or the statement is true,
close         if they would meet were every number cut off in its last digit in place of rounded,
contradicted  if not, by every reading,
undecided     if equal printed digits leave the order open, or two readings disagree.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from benchmark.claims import Claim, Paper
from benchmark.claims.formulas import Formula, Number, read

Outcome = Literal["holds", "close", "contradicted", "undecided"]
LONGEST = 1000  # characters of a formula, so that none is too deep for a parser
UNITS = ("psnr", "ssim", "seconds", "params", "size", "macs_256", "macs_720p")  # a cell repeats its own only


@dataclass(frozen=True)
class Relation:
    """A claim beside the value of its formula."""

    claim: Claim
    formula: str
    low: float | None  # of the formula, in base units; None where it is a statement
    high: float | None
    truth: bool | None  # of a statement; None where it is a number, or open
    cells: tuple[Claim, ...]  # that the formula uses
    outcome: Outcome
    reason: str  # the arithmetic, to the printed digit


def places(claim: Claim) -> int:
    """Return how many decimals a number is printed with."""
    number = re.search(r"\.(\d+)", claim.printed)
    return len(number[1]) if number else 0


def readings(formula: str) -> list[ast.expr]:
    """Parse a formula; `either(...)` around all of it gives several readings."""
    if len(formula) > LONGEST:
        raise ValueError(f"{formula[:40]!r}... has {len(formula)} characters; allowed: {LONGEST}")
    try:
        node = ast.parse(formula.strip(), mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"{formula!r} is no expression: {error.msg}") from None
    match node:
        case ast.Call(func=ast.Name(id="either"), args=arguments, keywords=[]) if arguments:
            return arguments
    return [node]


def judge(paper: Paper, claim: Claim, node: ast.expr) -> Relation:
    """Hold a claim against one reading of its formula."""
    formula = Formula(paper)
    value, text = formula.visit(node)
    used, printed = tuple(formula.used), claim.printed
    if value is None or isinstance(value, bool):
        outcome: Outcome = "undecided" if value is None else "holds" if value else "contradicted"
        words = {
            "holds": "true",
            "contradicted": "false",
            "undecided": "open, the printed digits do not decide",
        }
        return Relation(claim, claim.formula, None, None, value, used, outcome, f"{text}: {words[outcome]}")
    own = read(claim)
    if claim in used:
        raise ValueError("a formula over the claim itself says nothing")
    if own is None or not isinstance(value, Number):
        raise ValueError(f"{printed!r} cannot be compared with {text}: a number or a statement is needed")
    kinds = {part.quantity for part in (claim, *used)}
    if isinstance(node, ast.Subscript) and len(kinds) > 1 and kinds & set(UNITS):
        raise ValueError(f"{ast.unparse(node)} is {used[0].quantity}, the claim {claim.quantity}")
    looser = [read(claim, Fraction(1)), Formula(paper, Fraction(1)).visit(node)[0]]
    outcome = "holds" if own.meets(value) else "close" if looser[0].meets(looser[1]) else "contradicted"
    return Relation(
        claim,
        claim.formula,
        float(value.low),
        float(value.high),
        None,
        used,
        outcome,
        arithmetic(claim, node, value, text, used),
    )


def arithmetic(claim: Claim, node: ast.expr, value: Number, text: str, used: tuple[Claim, ...]) -> str:
    """Write the formula in printed numbers, its value to the printed digit, and what the claim prints."""
    if isinstance(node, ast.Subscript) and len(used) == 1:
        return f"{used[0].table} ({used[0].row}) prints {text}, here {claim.printed}"
    ratios = any(isinstance(part, ast.Mult | ast.Div | ast.Call) for part in ast.walk(node))
    digits = max(places(cell) for cell in ((claim,) if ratios else (claim, *used)))
    low, middle, high = (
        float(end / Fraction(str(claim.scale))) for end in (value.low, value.value, value.high)
    )
    spread = f" ({low:,.{digits + 1}f} to {high:,.{digits + 1}f})" if low < high else ""
    return f"{text} = {middle:,.{digits}f}{spread}; printed: {claim.printed}"


def relation(paper: Paper, claim: Claim) -> Relation:
    """Evaluate the formula of a claim, in all its readings.

    Raises:
        ValueError: the formula is malformed; the message has file, place, the bad name and the nearest.
    """
    try:
        parts = [judge(paper, claim, node) for node in readings(claim.formula)]
    except (ValueError, OverflowError, RecursionError, MemoryError) as error:
        place = f"benchmark/claims/{paper.key}.yaml: {claim.table}[{claim.row}]"
        raise ValueError(f"{place}{'.' + claim.column if claim.column else ''}.formula: {error}") from None
    outcomes = {part.outcome for part in parts}
    if len(parts) == 1:
        return parts[0]
    outcome: Outcome = outcomes.pop() if len(outcomes) == 1 else "undecided"
    used = tuple(dict.fromkeys(cell for part in parts for cell in part.cells))
    reason = "; or ".join(f"{part.reason}: {part.outcome}" for part in parts)
    return Relation(claim, claim.formula, None, None, None, used, outcome, reason)


def relations(papers: Iterable[Paper]) -> Iterator[Relation]:
    """Evaluate every formula of the claims files, in printed order."""
    for paper in papers:
        yield from (relation(paper, claim) for claim in paper.claims() if claim.formula)
