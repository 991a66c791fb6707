"""The papers' own tables and sentences, each number with what was measured and what that means."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from benchmark.claims import NUMBER, SCALES, Claim, Paper, Table
from benchmark.compare import ABSOLUTE, RELATIVE, Finding
from benchmark.report.inputs import Inputs

NOT_COMPARED = "not compared yet: `python -m benchmark.compare` does it"
UNEXPLAINED = "nothing explains this difference yet"


@dataclass(frozen=True)
class Cell:
    """One printed cell. Text and dashes have no verdict; a claim without a finding has `waiting`."""

    text: str
    verdict: str = ""  # one of compare.VERDICTS
    ours: str = ""  # in the printed unit and precision
    gap: str = ""
    stand_in: bool = False  # ours is no test of the claim: other images, or a cut training
    waiting: bool = False
    notes: tuple[int, ...] = ()  # footnotes, from 1


@dataclass(frozen=True)
class Head:
    """A column's or row's label as printed, the run behind it if it is only one, and its footnotes."""

    text: str
    run: str = ""
    notes: tuple[int, ...] = ()


@dataclass(frozen=True)
class PrintedTable:
    """A table in the paper's layout."""

    anchor: str
    name: str
    about: str
    columns: tuple[Head, ...]
    rows: tuple[tuple[Head, tuple[Cell, ...]], ...]
    footnotes: tuple[str, ...]
    note: str
    hardware: str


@dataclass(frozen=True)
class Said:
    """One number of the running text."""

    place: str
    says: str
    unit: str
    cell: Cell
    reason: str
    note: str


@dataclass(frozen=True)
class PrintedPaper:
    """One paper: its tables, its prose numbers, and how many claims have each verdict."""

    key: str
    title: str
    short: str
    cite: str
    url: str
    tables: tuple[PrintedTable, ...]
    prose: tuple[Said, ...]
    counts: dict[str, int]
    dashes: int  # claims among `untested` where the paper prints nothing
    waiting: int  # claims that findings.csv does not know in their present form


class Footnotes:
    """Numbered reasons; equal ones share a number."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def number(self, *texts: str) -> tuple[int, ...]:
        """Numbers, from 1, of the texts that say something."""
        for text in texts:
            if text and text not in self.texts:
                self.texts.append(text)
        return tuple(self.texts.index(text) + 1 for text in texts if text)


def short(paper: Paper) -> str:
    """A paper's short name: what its title has in parentheses at the end, else the title.

    >>> short(Paper("cdgnet", "Non-uniform Motion Deblurring (CDGNet)", "", None, [], []))
    'CDGNet'
    """
    before, _, last = paper.title.rpartition("(")
    return last.rstrip(")") if before else paper.title


def like(claim: Claim, measured: float, exact: bool = True) -> str:
    """A measured number in the printed unit and precision; more digits where a difference would vanish.

    >>> claim = Claim("", "", "", "", None, None, "macs_720p", "689.20", scale=1e9)
    >>> like(claim, 687.086e9), like(claim, 689.204e9), like(claim, 689.204e9, exact=False)
    ('687.09', '689.20', '689.204')
    """
    found = NUMBER.fullmatch(claim.printed.strip())
    assert found
    assert claim.value is not None
    unit, digits = found["unit"] or "", found["mantissa"] or ""
    if abs(measured - claim.value) <= 1e-9 * abs(claim.value):
        return claim.printed
    value = measured / claim.scale / SCALES.get(unit, 1)
    if found["ten"]:
        return f"{value:g} {unit}".strip()
    decimals = len(digits.partition(".")[2])
    comma = "," if "," in digits else ""
    while not exact and decimals < 9 and f"{value:{comma}.{decimals}f}" == digits:
        decimals += 1
    return f"{value:{comma}.{decimals}f} {unit}".strip()


def distance(claim: Claim, measured: float) -> str:
    """How far off, in per cent for counts and in the unit for qualities; empty for the rest.

    >>> distance(Claim("", "", "", "", None, None, "params", "20", scale=1e6), 20.2e6)
    '+1 %'
    """
    if claim.quantity in RELATIVE and claim.value:
        percent = 100 * (measured - claim.value) / claim.value
        return f"{percent:+.0f} %" if abs(percent) >= 10 else f"{percent:+.2g} %"
    if claim.quantity in ABSOLUTE and claim.value is not None:
        return f"{measured - claim.value:+.3g}"
    return ""


def cell(claim: Claim, finding: Finding | None, stand_in: str) -> tuple[Cell, str]:
    """A claim's cell without footnotes, and its reason."""
    if claim.blank:
        return Cell(claim.printed), ""
    if finding is None:
        return Cell(claim.printed, waiting=True), NOT_COMPARED
    if not finding.measured or claim.value is None:
        return Cell(claim.printed, finding.verdict), finding.reason
    measured, agrees = float(finding.measured), finding.verdict == "agrees"
    if finding.verdict == "untested":
        ours = like(claim, measured)
        return Cell(claim.printed, "untested", ours, stand_in=True), f"{stand_in}: {finding.reason}"
    gap = "" if agrees else distance(claim, measured)
    reason = finding.reason or (UNEXPLAINED if finding.verdict == "differs" else "")
    return Cell(claim.printed, finding.verdict, like(claim, measured, exact=agrees), gap), reason


class Join:
    """Claims to findings, by place and in printed order where a place says two things."""

    def __init__(self, inputs: Inputs) -> None:
        self.found: dict[tuple[str, ...], list[Finding]] = defaultdict(list)
        for finding in inputs.findings:
            self.found[key(finding)].append(finding)
        on = f"on {inputs.profile.data} images" if inputs.profile.data else "after a cut training"
        self.stand_in = f"our value is measured {on} and tests nothing here"

    def cell(self, claim: Claim) -> tuple[Cell, str]:
        """A claim's cell and reason; a finding of an older claims file does not count."""
        found = self.found.get(key(claim))
        return cell(claim, found.pop(0) if found else None, self.stand_in)


def key(one: Claim | Finding) -> tuple[str, ...]:
    """What a claim and its finding have in common."""
    names = ("paper", "table", "row", "column", "run", "dataset", "quantity", "printed")
    return tuple(getattr(one, name) or "" for name in names)


def shared(values: Iterable[str | None]) -> str:
    """The one value that all share, else nothing."""
    distinct = set(values)
    return (distinct.pop() or "") if len(distinct) == 1 else ""


def remark(claim: Claim, table: Table) -> str:
    """What the claims file notes on a cell, with hardware of its own if it has one."""
    hardware = f"hardware: {claim.on}" if claim.on and claim.on != table.on else ""
    return "; ".join(part for part in (claim.note, hardware) if part)


def lay_out(table: Table, anchor: str, join: Join) -> PrintedTable:
    """The table with measured numbers and footnotes."""
    notes = Footnotes()
    down = {j: [c for (_, at), c in table.claims.items() if at == j] for j in range(len(table.columns))}
    across = {i: [c for (at, _), c in table.claims.items() if at == i] for i in range(len(table.rows))}
    by_row = any(shared(c.run for c in claims) for claims in across.values())
    heads, common = [], {}
    for j, text in enumerate(table.columns):
        common[j] = shared(remark(claim, table) for claim in down[j])
        heads.append(Head(text, "" if by_row else shared(c.run for c in down[j]), notes.number(common[j])))
    rows = []
    for i, (label, texts) in enumerate(table.rows):
        cells = []
        for j, text in enumerate(texts):
            claim = table.claims.get((i, j))
            if claim is None:
                cells.append(Cell(text))
                continue
            made, reason = join.cell(claim)
            own = remark(claim, table)
            numbers = notes.number(reason, "" if own == common[j] else own)
            cells.append(Cell(**{**vars(made), "notes": numbers}))
        rows.append((Head(label, shared(c.run for c in across[i]) if by_row else ""), tuple(cells)))
    return PrintedTable(
        anchor, table.name, table.about, tuple(heads), tuple(rows), tuple(notes.texts), table.note, table.on
    )


def said(claim: Claim, join: Join) -> Said:
    """A prose number with its reason beside it."""
    made, reason = join.cell(claim)
    return Said(claim.table, claim.row, claim.column, made, reason, claim.note)


def papers(inputs: Inputs) -> tuple[PrintedPaper, ...]:
    """Every paper, in the order of the claims files."""
    join, made = Join(inputs), []
    for paper in inputs.papers:
        tables = [lay_out(table, f"{paper.key}-{k}", join) for k, table in enumerate(paper.tables, 1)]
        prose = [said(claim, join) for claim in paper.prose]
        cells = [c for table in tables for _, row in table.rows for c in row] + [s.cell for s in prose]
        dashes = sum(claim.blank for claim in paper.claims()) if inputs.findings else 0
        counts = Counter(c.verdict for c in cells if c.verdict)
        counts["untested"] += dashes
        url = paper.url if paper.url and paper.url.startswith(("https://", "http://")) else ""
        made.append(
            PrintedPaper(
                paper.key,
                paper.title,
                short(paper),
                paper.cite,
                url,
                tuple(tables),
                tuple(prose),
                dict(counts),
                dashes,
                sum(c.waiting for c in cells),
            )
        )
    return tuple(made)
