"""Every number printed in the papers, one YAML file per paper.

A cell means what its table says, then its column, then its row: later wins. So a table with methods
across is written as printed, with `run` on the columns and `quantity` on the rows.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

BLANK = {"", "-", "–", "—", "N/A"}
SCALES = {"min": 60, "s": 1, "dB": 1}
NUMBER = re.compile(
    r"(?P<mantissa>[-+]?\d[\d,]*\.?\d*)?\s*(?:[x×]?\s*(?P<ten>10)\^(?P<power>-?\d+))?\s*(?P<unit>min|dB|s|x|%)?"
)


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
    explain: str = ""  # why a known difference is no error of ours

    @property
    def blank(self) -> bool:
        """Whether the paper prints nothing here, or a dash."""
        return self.printed.strip() in BLANK

    @property
    def number(self) -> tuple[Decimal, Decimal] | None:
        """The printed number and half a unit of its last digit, in the printed unit; None for words.

        >>> Claim("", "", "", "", None, None, "psnr", "30.20").number
        (Decimal('30.20'), Decimal('0.005'))
        >>> Claim("", "", "", "", None, None, "seconds", "20 min").number
        (Decimal('1200'), Decimal('30.0'))
        >>> Claim("", "", "", "", None, None, "setting.lr", "10^-4").number
        (Decimal('0.0001'), Decimal('0.0000'))
        """
        found = NUMBER.fullmatch(self.printed.strip())
        if self.blank or not found or not (found["mantissa"] or found["ten"]):
            return None
        mantissa = Decimal((found["mantissa"] or "1").replace(",", ""))
        exponent = mantissa.as_tuple().exponent
        assert isinstance(exponent, int)
        half = Decimal("0.5").scaleb(exponent) if found["mantissa"] else Decimal(0)
        factor = (Decimal(10) ** int(found["power"] or 0)) * SCALES.get(found["unit"] or "", 1)
        return mantissa * factor, half * factor

    @property
    def value(self) -> float | None:
        """The number in base units (dB, count, bytes, seconds)."""
        return None if self.number is None else float(self.number[0]) * self.scale

    @property
    def rounding(self) -> float:
        """How far the true value can be from the printed one, in base units."""
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
    """Everything one file holds."""

    key: str
    title: str
    cite: str
    url: str | None
    tables: list[Table]
    prose: list[Claim]

    def claims(self) -> Iterator[Claim]:
        """Table cells first, then prose, in printed order."""
        for table in self.tables:
            yield from table.claims.values()
        yield from self.prose


CELL = {"run", "dataset", "quantity", "scale", "on", "card", "size", "note", "explain"}
DEFAULTS = ("run", "dataset", "quantity", "scale", "on", "card", "size")  # what a table may say for all cells
PROSE = {"place", "says", "printed", "unit"} | CELL


def fail(where: str, message: str) -> ValueError:
    """An error that names the place."""
    return ValueError(f"benchmark/claims/{where}: {message}")


def table(paper: str, entry: dict[str, Any]) -> Table:
    """One table; every row must have as many cells as there are columns, all of them text."""
    where = f"{paper}.yaml, {entry['table']}"
    heads: dict[str, dict[str, Any]] = entry["columns"]
    defaults = {key: entry[key] for key in DEFAULTS if key in entry}
    anchor, labels = entry.get("anchor", ""), [row["row"] for row in entry["rows"]]
    if anchor and anchor not in labels:
        raise fail(where, f"no row {anchor!r} to be the anchor; rows are {', '.join(labels)}")
    made = Table(
        paper,
        entry["table"],
        entry.get("about", ""),
        list(heads),
        [],
        entry.get("note", ""),
        entry.get("on", ""),
        anchor,
    )
    for i, row in enumerate(entry["rows"]):
        cells = row["cells"]
        if len(cells) != len(heads) or not all(isinstance(cell, str) for cell in cells):
            raise fail(where, f"row {row['row']!r} needs {len(heads)} quoted cells, has {cells!r}")
        made.rows.append((row["row"], cells))
        explain = row.get("explain", {})
        for unknown in explain.keys() - heads.keys():
            raise fail(where, f"row {row['row']!r} explains {unknown!r}; columns are {', '.join(heads)}")
        own = {key: value for key, value in row.items() if key in CELL - {"explain"}}
        runs = row.get("runs", {})
        for unknown in runs.keys() - heads.keys():
            raise fail(where, f"row {row['row']!r} has a run for {unknown!r}; columns are {', '.join(heads)}")
        for j, (head, column) in enumerate(heads.items()):
            cell = {"run": None, "dataset": None, **defaults, **column, **own}
            cell["run"] = runs.get(head, cell["run"])  # a row that mixes two networks
            if unknown := cell.keys() - CELL:
                raise fail(where, f"unknown key {min(unknown)!r}; known: {', '.join(sorted(CELL))}")
            if "quantity" not in cell:
                raise fail(where, f"cell {row['row']!r} / {head!r} has no quantity")
            if cell["quantity"] != "text":
                made.claims[i, j] = Claim(
                    paper,
                    made.name,
                    row["row"],
                    head,
                    printed=cells[j],
                    explain=explain.get(head, ""),
                    **cell,
                )
    return made


def sentence(paper: str, entry: dict[str, Any]) -> Claim:
    """One number of the running text."""
    where = f"{paper}.yaml, {entry.get('place')}, {entry.get('says')!r}"
    if unknown := entry.keys() - PROSE:
        raise fail(where, f"unknown key {min(unknown)!r}; known: {', '.join(sorted(PROSE))}")
    if not isinstance(entry["printed"], str):
        raise fail(where, f"printed must be quoted text, is {entry['printed']!r}")
    cell = {key: value for key, value in entry.items() if key in CELL}
    return Claim(
        paper, entry["place"], entry["says"], entry.get("unit", ""), printed=entry["printed"], **cell
    )


def read(folder: Path = Path(__file__).parent) -> list[Paper]:
    """Every paper, in the order of their file names.

    Raises:
        ValueError: a file says something that is not allowed; the message names file and place.
    """
    papers = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise fail(path.name, str(error)) from None
        key = path.stem
        papers.append(
            Paper(
                key,
                raw["paper"]["title"],
                raw["paper"]["cite"],
                raw["paper"]["url"],
                [table(key, entry) for entry in raw["tables"]],
                [sentence(key, entry) for entry in raw.get("prose", [])],
            )
        )
    return papers
