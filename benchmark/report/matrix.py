"""Count the verdicts of every system in every paper by what the claims are about, for the first screen."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from benchmark.report.cells import COLUMNS
from benchmark.report.entries import GROUPS, NONE, Entry
from benchmark.report.system import System

OTHERS = "no system"  # data, cards, sentences on all systems


@dataclass(frozen=True)
class Mark:
    """A square of the matrix: its gravest outcome, the number of claims by outcome, and the gravest claim."""

    outcome: str
    counts: Counter[str]
    first: Entry

    @property
    def single(self) -> bool:
        """Tell whether it is of one claim."""
        return self.counts.total() == 1

    @property
    def query(self) -> str:
        """Write the state of the list of claims that shows these."""
        where = {"paper": self.first.paper.key, "system": self.first.system or "none"}
        return urlencode(where | {"group": self.first.group})

    @property
    def words(self) -> str:
        """Name the counts, the gravest first: "2 contradicted, 1 holds (print)"."""
        return ", ".join(f"{self.counts[name]} {name}" for name in COLUMNS if self.counts[name])


@dataclass(frozen=True)
class Row:
    """A system with a square per paper and group; None where nothing is printed."""

    key: str
    title: str
    marks: list[Mark | None]


@dataclass(frozen=True)
class Matrix:
    """Systems down; papers across, each with the groups of which it prints something."""

    papers: list[tuple[str, list[str]]]  # key and groups
    rows: list[Row]


def mark(entries: Sequence[Entry]) -> Mark | None:
    """Summarise the claims of a square by the gravest; a decided one before any undecided."""
    if not entries:
        return None
    gravest = min(entries, key=lambda entry: COLUMNS.index(entry.outcome))
    return Mark(gravest.outcome, Counter(entry.outcome for entry in entries), gravest)


def matrix(entries: Sequence[Entry], systems: Sequence[System]) -> Matrix:
    """Arrange all claims; systems of which nothing is printed are left out."""
    papers = list(dict.fromkeys(entry.paper.key for entry in entries))
    columns = [
        (paper, [g for g in GROUPS if any(e.paper.key == paper and e.group == g for e in entries)])
        for paper in papers
    ]
    squares: dict[tuple[str, str, str], list[Entry]] = {}
    for entry in entries:
        squares.setdefault((entry.system, entry.paper.key, entry.group), []).append(entry)
    titles = {system.key: system.title for system in systems} | {NONE: OTHERS}
    rows = [
        Row(key, title, [mark(squares.get((key, paper, g), [])) for paper, groups in columns for g in groups])
        for key, title in titles.items()
    ]
    return Matrix(columns, [row for row in rows if any(row.marks)])
