"""Evaluate an expression over the cells of a paper, with the rounding of the print.

    Table1["MPRNet", "Runtime"] / Table1["SGENet", "Runtime"]       a cell: table, row, column
    rank(Table1["SGENet", "HIDE PSNR"], Table1[:, "HIDE PSNR"]) == 2     a whole column, best first
    count(Table1[but("SGENet"), "GoPro PSNR"])                      all rows but one
    Prose["pairs for training"] + Prose["pairs for testing"]        sentences, by what they say
    Prose["Sec. 3.1", "pairs for training"]                         the same at one place

Rows and columns may leave out their references ("[27]") and arrows. A printed number stands for all numbers
that round to it, so an expression has a lowest and a highest value. Nothing but the nodes below is evaluated.
"""

import ast
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

from benchmark.claims import Claim, Paper
from benchmark.claims.direction import BETTER
from benchmark.spec import nearest

COUNTED = ("setting", "data")  # counts and choices are printed as they are, not rounded
WORDS = {"single": 1, "once": 1, "two": 2, "dual": 2, "three": 3, "four": 4, "five": 5, "six": 6, "zero": 0}
REFERENCE = re.compile(r"\s*(\[\d+\]|\[\d{4}\]|[↑↓])\s*$")


@dataclass(frozen=True)
class Number:
    """All numbers from `low` to `high`, around the printed one; exact fractions, so that ends can touch."""

    low: Fraction
    value: Fraction
    high: Fraction
    claim: Claim | None = None

    def meets(self, other: "Number") -> bool:
        """Say whether two intervals share a number."""
        return self.low <= other.high and other.low <= self.high


Truth = bool | None  # None: open


def exact(value: int | str | Fraction) -> Number:
    """Return a number without rounding."""
    number = Fraction(value)
    return Number(number, number, number)


def read(claim: Claim, units: Fraction = Fraction(1, 2)) -> Number | None:
    """Return what a cell may stand for: `units` of its last digit to both sides; None for other words."""
    if (word := WORDS.get(claim.printed.lower())) is not None:
        return replace(exact(word), claim=claim)
    if claim.number is None:
        return None
    value, half = (Fraction(part) * Fraction(str(claim.scale)) for part in claim.number)
    width = Fraction(0) if claim.quantity.split(".")[0] in COUNTED else 2 * half * units
    return Number(value - width, value, value + width, claim)


def plain(name: str) -> str:
    """Leave out the reference and the arrow of a row or a column."""
    while (shorter := REFERENCE.sub("", name)) != name:
        name = shorter
    return name


def find(name: str, names: Iterable[str], kind: str) -> str:
    """Find a printed name by itself, or without its reference where that is one name only.

    Raises:
        ValueError: there is none, or several; the message has the nearest.
    """
    names = list(dict.fromkeys(names))
    fits = [other for other in names if other == name] or [other for other in names if plain(other) == name]
    if len(fits) > 1:
        raise ValueError(f"{len(fits)} {kind}s are {name!r}; write one in full: {', '.join(fits)}")
    if not fits:
        raise ValueError(f"no {kind} {name!r}; {nearest(name, [*names, *map(plain, names)])}")
    return fits[0]


# Functions of formulas. A word has one documented reading, the same for all papers.


def order(cells: list[Number]) -> int:
    """Return 1 where more is better, -1 where less is."""
    quantities = {cell.claim.quantity for cell in cells if cell.claim}
    if len(quantities) != 1:
        raise ValueError(f"cells of one quantity are ranked, not of {sorted(quantities)}")
    return -1 if any(BETTER.get(quantity) == "lower" for quantity in quantities) else 1


def rank(cell: Number, among: list[Number]) -> Number:
    """Return the place of a cell, the best is 1; equal cells leave a range of places."""
    sign, others = order([cell, *among]), [other for other in among if other.claim != cell.claim]
    ahead = sum(less(cell, other) is True if sign > 0 else less(other, cell) is True for other in others)
    behind = sum(less(other, cell) is True if sign > 0 else less(cell, other) is True for other in others)
    return Number(Fraction(1 + ahead), Fraction(1 + ahead), Fraction(1 + len(others) - behind))


def best(cells: list[Number]) -> Number:
    """Return the highest PSNR or SSIM, the lowest time, size or number of operations."""
    return max(cells, key=lambda cell: cell.value * order(cells))


def mean(cells: list[Number]) -> Number:
    """Return the arithmetic mean of cells of one quantity."""
    order(cells)
    low, value, high = (
        sum((getattr(cell, end) for cell in cells), Fraction(0)) / len(cells)
        for end in ("low", "value", "high")
    )
    return Number(low, value, high)


def datasets(cells: list[Number]) -> Number:
    """Return on how many test sets the cells of a table were measured."""
    return exact(len({cell.claim.dataset for cell in cells if cell.claim and cell.claim.dataset}))


def almost(one: Number, other: Number) -> Truth:
    """Read "almost the same": at most a tenth of the larger apart."""
    ratio = divide(one, other)
    return ratio.meets(Number(Fraction(9, 10), Fraction(1), Fraction(10, 9)))


def little(part: Number) -> Truth:
    """Read "little": at most a tenth of the whole."""
    return less(part, exact("1/10"), equal=True)


def much(ratio: Number) -> Truth:
    """Read "much faster": at least twice as fast."""
    return less(exact(2), ratio, equal=True)


def real_time(seconds: Number) -> Truth:
    """Read "in real time": at least the 24 images of a second of film."""
    return less(exact(24), divide(exact(1), seconds), equal=True)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "rank": rank,
    "best": best,
    "mean": mean,
    "count": lambda cells: exact(len(cells)),
    "datasets": datasets,
    "almost": almost,
    "little": little,
    "much": much,
    "real_time": real_time,
}


READINGS = {
    "almost": "at most a tenth apart",
    "little": "at most a tenth",
    "much": "at least twice",
    "real_time": "24 images a second or more",
}
TAKES = {
    "rank": ("number", "cells"),
    "almost": ("number", "number"),
    **dict.fromkeys(("little", "much", "real_time"), ("number",)),
}  # others take cells


def kind_of(value: Any) -> str:
    """Name what a part of a formula is: a number, cells or a statement."""
    return "number" if isinstance(value, Number) else "cells" if isinstance(value, list) else "statement"


def less(one: Number, other: Number, equal: bool = False) -> Truth:
    """Compare two numbers; None where their roundings leave it open."""
    if one.low == one.high and other.low == other.high:
        return one.value <= other.value if equal else one.value < other.value
    if one.high <= other.low:
        return True
    return False if one.low >= other.high else None


def divide(one: Number, other: Number) -> Number:
    """Divide; the divisor must not reach zero."""
    if other.low <= 0 <= other.high:
        raise ValueError("division by a number that may be zero")
    ends = [a / b for a in (one.low, one.high) for b in (other.low, other.high)]
    return Number(min(ends), one.value / other.value, max(ends))


def multiply(one: Number, other: Number) -> Number:
    """Multiply."""
    ends = [a * b for a in (one.low, one.high) for b in (other.low, other.high)]
    return Number(min(ends), one.value * other.value, max(ends))


ARITHMETIC: dict[type, tuple[str, Callable[[Number, Number], Number]]] = {
    ast.Add: ("+", lambda a, b: Number(a.low + b.low, a.value + b.value, a.high + b.high)),
    ast.Sub: ("-", lambda a, b: Number(a.low - b.high, a.value - b.value, a.high - b.low)),
    ast.Mult: ("x", multiply),
    ast.Div: ("/", divide),
}
COMPARISONS: dict[type, tuple[str, Callable[[Number, Number], Truth]]] = {
    ast.Lt: ("<", less),
    ast.Gt: (">", lambda a, b: less(b, a)),
    ast.LtE: ("<=", lambda a, b: less(a, b, equal=True)),
    ast.GtE: (">=", lambda a, b: less(b, a, equal=True)),
    ast.Eq: ("=", lambda a, b: a.meets(b)),
}


def describe(name: str, value: Any, parts: list[tuple[Any, str]]) -> str:
    """Write a call in words and numbers."""
    texts = [text for _, text in parts]
    if name == "rank":
        among = parts[1][0]
        first = getattr(best(among).claim, "printed", "")
        place = f"{float(value.low):g}" + (f" to {float(value.high):g}" if value.low < value.high else "")
        return f"{texts[0]} is number {place} of {len(among)} (best: {first})"
    if name == "datasets":
        return f"data sets of {texts[0]}"
    if name == "count":
        return f"count of {texts[0]} [{float(value.value):g}]"
    read_as = f"; read as {READINGS[name]}" if name in READINGS else ""
    if isinstance(parts[0][0], Number) and len(parts) == 1:
        result = f"{float(parts[0][0].value):.3g}"
        texts = [texts[0] if texts[0] == result else f"{texts[0]} = {result}"]
    return f"{name.replace('_', ' ')} ({', '.join(texts)}{read_as})"


class Formula:
    """Evaluate one expression over the cells of a paper, and write its arithmetic."""

    def __init__(
        self,
        paper: Paper,
        units: Fraction = Fraction(1, 2),
        measured: Mapping[Claim, Number] | None = None,  # in place of what these cells print
    ) -> None:
        self.paper, self.units, self.used = paper, units, dict[Claim, None]()
        self.measured = measured or {}

    def visit(self, node: ast.expr) -> tuple[Any, str]:
        """Return the value of a node and its text with printed numbers in place of names.

        Raises:
            ValueError: the node is not allowed, or names an unknown cell.
        """
        match node:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                return exact(str(value)), str(value)
            case ast.Subscript():
                return self.cells(node)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in ARITHMETIC:
                (a, left_text), (b, right_text) = self.number(left), self.number(right)
                sign, apply = ARITHMETIC[type(op)]
                texts = [
                    f"({t})" if isinstance(n, ast.BinOp) else t
                    for n, t in ((left, left_text), (right, right_text))
                ]
                return apply(a, b), f"{texts[0]} {sign} {texts[1]}"
            case ast.Compare(left=left, ops=ops, comparators=rest):
                parts = [self.number(part) for part in (left, *rest)]
                signs = [COMPARISONS[type(op)] for op in ops if type(op) in COMPARISONS]
                if len(signs) == len(ops):
                    truths = [f(a[0], b[0]) for (_, f), (a, b) in zip(signs, pairwise(parts), strict=True)]
                    stated = [f" {s} {p[1]}" for (s, _), p in zip(signs, parts[1:], strict=True)]
                    if isinstance(left, ast.Call):  # a sentence, such as that of a rank
                        stated = [f"; stated{''.join(stated).replace(' = ', ' ')}"]
                    text = parts[0][1] + "".join(stated)
                    return both(truths), text
            case ast.BoolOp(op=ast.And(), values=values):
                parts = [self.visit(part) for part in values]
                for node_, (part, _) in zip(values, parts, strict=True):
                    if kind_of(part) != "statement":
                        raise ValueError(f"{ast.unparse(node_)!r} is no statement, as `and` needs")
                return both([part[0] for part in parts]), " and ".join(part[1] for part in parts)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                if name not in FUNCTIONS:
                    raise ValueError(f"no function {name!r}; {nearest(name, list(FUNCTIONS))}")
                parts = [self.visit(part) for part in arguments]
                wants = TAKES.get(name, ("cells",))
                gets = tuple(kind_of(part[0]) for part in parts)
                if gets != wants:
                    given = ", ".join(gets) or "nothing"
                    raise ValueError(f"{name}({given}); allowed: {name}({', '.join(wants)})")
                value = FUNCTIONS[name](*(part[0] for part in parts))
                return value, describe(name, value, parts)
        raise ValueError(
            f"{ast.unparse(node)!r} is not allowed; allowed: cells, numbers, + - * /, comparisons, `and`"
        )

    def number(self, node: ast.expr) -> tuple[Any, str]:
        """Return the value of a node that must be one number."""
        value, text = self.visit(node)
        if kind_of(value) != "number":
            raise ValueError(f"{ast.unparse(node)!r} is {kind_of(value)}; allowed here: a number")
        return value, text

    def cells(self, node: ast.Subscript) -> tuple[Any, str]:
        """Look up one cell, or all of a row, a column or a part of a table."""
        if not isinstance(node.value, ast.Name):
            raise ValueError(f"{ast.unparse(node)!r} is not allowed; a cell is Table1[row, column]")
        table, parts = node.value.id, node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        found = self.sentences(parts) if table == "Prose" else self.table(table, parts)
        numbers = [
            number for claim in found if (number := self.measured.get(claim) or read(claim, self.units))
        ]
        if not numbers:
            raise ValueError(f"{ast.unparse(node)}: no number is printed there")
        self.used |= dict.fromkeys(number.claim for number in numbers if number.claim)
        if all(isinstance(part, ast.Constant) for part in parts):
            return numbers[0], found[0].printed.strip()
        texts = [number.claim.printed for number in numbers if number.claim]
        return numbers, ", ".join(texts) if len(texts) < 5 else f"{len(texts)} cells"

    def table(self, name: str, parts: list[ast.expr]) -> list[Claim]:
        """Return the claims of rows and columns of a table."""
        tables = {table.name.replace(" ", ""): table for table in self.paper.tables}
        if name not in tables or len(parts) != 2:
            raise ValueError(f"no table {name!r} of rows and columns; {nearest(name, [*tables, 'Prose'])}")
        claims = list(tables[name].claims.values())
        rows = choose(parts[0], [claim.row for claim in claims], "row")
        columns = choose(parts[1], [claim.column for claim in claims], "column")
        return [claim for claim in claims if claim.row in rows and claim.column in columns]

    def sentences(self, parts: list[ast.expr]) -> list[Claim]:
        """Return the sentences that say something, at a place where that is given."""
        claims = self.paper.prose
        if not 1 <= len(parts) <= 2:
            raise ValueError("Prose takes a sentence, or a place and a sentence")
        if len(parts) == 2:
            places = choose(parts[0], [claim.table for claim in claims], "place")
            claims = [claim for claim in claims if claim.table in places]
        found = choose(parts[-1], [claim.row for claim in claims], "sentence")
        return [claim for claim in claims if claim.row in found]


def choose(node: ast.expr, names: list[str], kind: str) -> set[str]:
    """Return the rows or columns that one part of a subscript means."""
    match node:
        case ast.Constant(value=str(name)):
            return {find(name, names, kind)}
        case ast.Slice(lower=None, upper=None, step=None):
            return set(names)
        case ast.List(elts=elements):
            return set().union(*(choose(element, names, kind) for element in elements))
        case ast.Call(func=ast.Name(id="but"), args=arguments, keywords=[]):
            return set(names) - set().union(*(choose(argument, names, kind) for argument in arguments))
    raise ValueError(
        f'{ast.unparse(node)!r} is no {kind}; allowed: "name", ["name", ...], :, but("name", ...)'
    )


def both(truths: list[Truth]) -> Truth:
    """Return whether all hold; None if one is open and none fails."""
    return False if False in truths else None if None in truths else True
