"""Read every number printed in the papers, from one YAML file per paper.

What a cell means is written at its table, its column or its row; the later of them wins. So a table with
methods across is written as printed, with `run` on the columns and `quantity` on the rows.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Any, Required, TypedDict

from benchmark.spec import build, nearest, read_yaml

BLANK = {"", "-", "–", "—", "N/A"}
THOUSANDS = re.compile(r"(?<![\d.])[-+]?\d{1,3}(,\d{3})+(?![\d,])")
SCALES = {"min": 60, "s": 1, "dB": 1}
NUMBER = re.compile(
    r"(?P<mantissa>[-+]?\d[\d,]*\.?\d*)?\s*(?:[x×]?\s*(?P<ten>10)\^(?P<power>-?\d+))?\s*(?P<unit>min|dB|s|x|%)?"
)


@dataclass(frozen=True)
class Explained:
    """Why a claim is not reproduced: holds for one measured value, so that a network that drifts fails."""

    measured: float  # in base units
    formula: (
        str  # over measured counts; gives the printed number in base units (benchmark/compare/explain.py)
    )
    says: str  # the cause, in words


@dataclass(frozen=True)
class Unexplained:
    """A claim that is known not to be reproduced, for one measured value, and nothing explains it."""

    measured: float  # in base units
    says: str  # what is known
    formula: str = field(default="", init=False)


@dataclass(frozen=True)
class Claim:
    """One printed cell or sentence, and where it is printed."""

    paper: str
    table: str  # or the section, for a number in the prose
    row: str  # or what the sentence says
    column: str
    run: str | None
    dataset: str | None
    quantity: str
    printed: str
    scale: float = 1.0
    on: str = ""  # the paper's hardware, for run times
    card: str = ""  # the graphics card among it: a key of benchmark/compare/cards.yaml
    size: str = ""  # the image's, for run times, as "720x1280"; empty: the paper does not say
    note: str = ""
    or_run: str = ""  # the run of another reading of the row
    quoted: str = ""  # for run times: who measured it, on another card than the table's
    explain: Explained | Unexplained | None = None  # a known difference
    formula: str = ""  # over other cells of the same paper: benchmark.claims.relations

    @property
    def blank(self) -> bool:
        """Say whether the paper prints nothing in this cell, or a dash."""
        return self.printed.strip() in BLANK

    @property
    def number(self) -> tuple[Decimal, Decimal] | None:
        """Return the printed number and half a unit of its last digit, in the printed unit; None for words.

        >>> Claim("", "", "", "", None, None, "psnr", "30.20").number
        (Decimal('30.20'), Decimal('0.005'))
        >>> Claim("", "", "", "", None, None, "seconds", "20 min").number
        (Decimal('1200'), Decimal('30.0'))
        >>> Claim("", "", "", "", None, None, "setting.lr", "10^-4").number
        (Decimal('0.0001'), Decimal('0.0000'))
        """
        parts = NUMBER.fullmatch(self.printed.strip())
        if self.blank or not parts or not (parts["mantissa"] or parts["ten"]):
            return None
        mantissa = Decimal((parts["mantissa"] or "1").replace(",", ""))
        exponent = mantissa.as_tuple().exponent
        assert isinstance(exponent, int)
        half = Decimal("0.5").scaleb(exponent) if parts["mantissa"] else Decimal(0)
        factor = (Decimal(10) ** int(parts["power"] or 0)) * SCALES.get(parts["unit"] or "", 1)
        return mantissa * factor, half * factor

    @property
    def value(self) -> float | None:
        """Return the number in base units (dB, count, bytes, seconds)."""
        return None if self.number is None else float(self.number[0]) * self.scale

    @property
    def rounding(self) -> float:
        """Return how far the true value can be from the printed one, in base units."""
        return 0.0 if self.number is None else float(self.number[1]) * self.scale


@dataclass(frozen=True)
class Table:
    """A table as printed: rows of text, and the claims behind the cells that are numbers."""

    paper: str
    name: str
    about: str
    columns: list[str]
    rows: list[tuple[str, list[str]]]
    note: str = ""
    on: str = ""
    anchor: str = ""  # the row that ratios of run times are formed against
    claims: dict[tuple[int, int], Claim] = field(default_factory=dict)  # (row, column) -> claim


@dataclass(frozen=True)
class Paper:
    """One claims file."""

    key: str
    title: str
    cite: str
    url: str | None
    tables: list[Table]
    prose: list[Claim]

    def claims(self) -> Iterator[Claim]:
        """Yield table cells first, then prose, in printed order."""
        for table in self.tables:
            yield from table.claims.values()
        yield from self.prose


class Meaning(TypedDict, total=False):
    """What a table, a column or a row of a claims file says of its cells."""

    run: str | None
    dataset: str | None
    quantity: str
    scale: float
    on: str
    card: str
    size: str
    note: str
    or_run: str
    quoted: str


class RowEntry(Meaning, total=False):
    """A row of a table in a claims file."""

    row: Required[str]
    cells: Required[list[str]]
    explain: dict[str, Explained]  # by column
    unexplained: dict[str, Unexplained]  # by column
    formula: dict[str, str]  # by column
    runs: dict[str, str | None]  # by column, for a row that mixes networks


class TableEntry(Meaning, total=False):
    """A table in a claims file; its note is about the table, not about its cells."""

    table: Required[str]
    about: str
    anchor: str
    columns: Required[dict[str, Meaning]]
    rows: Required[list[RowEntry]]


class SentenceEntry(Meaning, total=False):
    """A number in the prose."""

    place: Required[str]
    says: Required[str]
    printed: Required[str]
    unit: str
    explain: Explained
    unexplained: Unexplained
    formula: str


class Source(TypedDict):
    """Where a paper is published."""

    title: str
    cite: str
    url: str | None


class File(TypedDict, total=False):
    """A claims file."""

    paper: Required[Source]
    tables: Required[list[TableEntry]]
    prose: list[SentenceEntry]


def meaning(*entries: Mapping[str, Any]) -> dict[str, Any]:
    """Merge what table, column and row say of a cell; the later wins."""
    merged: dict[str, Any] = {"run": None, "dataset": None}
    for entry in entries:
        merged |= {key: value for key, value in entry.items() if key in Meaning.__annotations__}
    return merged


def read_table(paper: str, place: str, entry: TableEntry) -> Table:
    """Read one table; every row needs as many cells as there are columns.

    Raises:
        ValueError: something is not allowed; the message names file, table and row.
    """
    columns, claims = entry["columns"], {}
    defaults = {key: value for key, value in entry.items() if key != "note"}
    for i, row in enumerate(entry["rows"]):
        row_place, cells = f"{place}.rows[{row['row']}]", row["cells"]
        if len(cells) != len(columns):
            raise ValueError(f"{row_place}: {len(cells)} cells; the table has {len(columns)} columns")
        known: dict[str, Explained | Unexplained] = {**row.get("unexplained", {}), **row.get("explain", {})}
        formula, runs = row.get("formula", {}), row.get("runs", {})
        for head in (*known, *formula, *runs):
            if head not in columns:
                raise ValueError(f"{row_place}: no column {head!r}; {nearest(head, columns)}")
        for j, (head, column) in enumerate(columns.items()):
            cell = meaning(defaults, column, row)
            if "quantity" not in cell:
                needed = "table, column or row names it"
                raise ValueError(f"{row_place}: no quantity for column {head!r}; {needed}")
            cell["run"] = runs.get(head, cell["run"])
            if cell["quantity"] != "text":
                where = (paper, entry["table"], row["row"], head)
                cell |= {"explain": known.get(head), "formula": formula.get(head, "")}
                claims[i, j] = checked(f"{row_place}.cells[{j}]", Claim(*where, printed=cells[j], **cell))
    rows, anchor = [(row["row"], row["cells"]) for row in entry["rows"]], entry.get("anchor", "")
    if anchor and anchor not in dict(rows):
        raise ValueError(f"{place}.anchor: no row {anchor!r}; {nearest(anchor, dict(rows))}")
    about, note, on = (str(entry.get(key, "")) for key in ("about", "note", "on"))
    return Table(paper, entry["table"], about, list(columns), rows, note, on, anchor, claims)


def read_sentence(paper: str, place: str, entry: SentenceEntry) -> Claim:
    """Read one number of the prose."""
    known = entry.get("explain") or entry.get("unexplained")
    cell = meaning(entry) | {"explain": known, "formula": entry.get("formula", "")}
    if "quantity" not in cell:
        raise ValueError(f"{place}: 'quantity' is missing")
    where = (paper, entry["place"], entry["says"], entry.get("unit", ""))
    return checked(f"{place}.printed", Claim(*where, printed=entry["printed"], **cell))


def checked(place: str, claim: Claim) -> Claim:
    """Return a claim whose number and scale can be read.

    Raises:
        ValueError: the print would pass for words or for another number; the message has place and value.
    """
    if not (isfinite(claim.scale) and claim.scale > 0):
        raise ValueError(f"{place}: scale {claim.scale}; allowed: finite numbers > 0")
    power = re.search(r"\^(-?\d+)", claim.printed)
    if power and (len(power[1]) > 4 or abs(int(power[1])) > 300):
        raise ValueError(f"{place}: {claim.printed!r}; allowed: powers from 10^-300 to 10^300")
    if len(claim.printed) > 200 and claim.number is not None:
        raise ValueError(
            f"{place}: {claim.printed[:20]}... has {len(claim.printed)} characters; allowed: 200"
        )
    if claim.number is None and re.search(r"[\u200b-\u200f\u2060\ufeff]|^\s*[−–‐]\s*\d", claim.printed):
        raise ValueError(
            f"{place}: {claim.printed!r} is no number; a minus is '-', without invisible characters"
        )
    if claim.number is not None and "," in claim.printed and not THOUSANDS.search(claim.printed):
        raise ValueError(f"{place}: {claim.printed!r}; allowed: commas between thousands, a decimal point")
    if "^" in claim.printed and claim.number is None:
        raise ValueError(f"{place}: {claim.printed!r} is no number; a power is written 10^-4 or 2 x 10^5")
    return claim


def read_paper(path: Path, place: str) -> Paper:
    """Read one claims file; errors call it `place`.

    Raises:
        ValueError: something is not allowed; the message names file, place, value and what is allowed.
    """
    key, file = path.stem, build(File, place, read_yaml(path))
    tables = [read_table(key, f"{place}: tables[{t['table']}]", t) for t in file["tables"]]
    prose = [read_sentence(key, f"{place}: prose[{s['says']}]", s) for s in file.get("prose", [])]
    found = Paper(key, **file["paper"], tables=tables, prose=prose)
    seen = set[tuple[str | None, ...]]()
    for claim in found.claims():
        name = claim.table, claim.row, claim.column, claim.dataset
        if name in seen:
            what = ", ".join(filter(None, name))
            raise ValueError(
                f"{place}: {what}: is there twice; allowed: another label, such as {claim.row!r} (2)"
            )
        seen.add(name)
    if not seen:
        raise ValueError(f"{place}: has no claim; allowed: at least one")
    return found


def read(folder: Path = Path(__file__).parent) -> list[Paper]:
    """Read every paper, in the order of their file names.

    Raises:
        ValueError: as `read_paper`.
    """
    return [read_paper(path, f"benchmark/claims/{path.name}") for path in sorted(folder.glob("*.yaml"))]
