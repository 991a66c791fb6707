"""Lay out the papers' own tables and sentences, each number with its measurement, verdict and reason."""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from benchmark.claims import Claim, Paper, Table
from benchmark.compare.decode import FAMILIES, other_protocol
from benchmark.report.cells import AuthorsValue, Cell, authors, cell, format_like, part, physics
from benchmark.report.inputs import KEY, Inputs
from benchmark.results.schema import DecodedColumn, Finding

BLURRED = "blurred input"
OTHER_CARD = "our value tests nothing"


@dataclass(frozen=True)
class Head:
    """A column's or row's label as printed, the run behind it if there is only one, and its footnotes."""

    text: str
    run: str = ""
    notes: tuple[int, ...] = ()


@dataclass(frozen=True)
class PrintedTable:
    """A table in the paper's layout, with the blurred input where PSNR or SSIM are printed."""

    anchor: str
    name: str
    about: str
    columns: tuple[Head, ...]
    rows: tuple[tuple[Head, tuple[Cell, ...]], ...]
    footnotes: tuple[str, ...]
    note: str
    hardware: str
    decoded: tuple[DecodedColumn, ...]


@dataclass(frozen=True)
class ProseNumber:
    """A number of the running text."""

    place: str
    statement: str
    unit: str
    cell: Cell
    reason: str
    note: str


@dataclass(frozen=True)
class PrintedPaper:
    """A paper: its tables, its prose numbers, and how many claims have each verdict."""

    key: str
    title: str
    short: str
    cite: str
    url: str
    tables: tuple[PrintedTable, ...]
    prose: tuple[ProseNumber, ...]
    counts: dict[str, int]
    authors: dict[str, int]  # verdicts on the authors' weights
    dashes: int  # claims among `untested` where the paper prints nothing
    waiting: int  # claims without a finding on their present text


Line = list[tuple[Claim, str]]  # printed PSNRs or SSIMs, and the protocol of each ("": none)
Rows = list[tuple[Head, tuple[Cell, ...]]]


@dataclass
class Footnotes:
    """Numbered reasons; equal texts share a number."""

    texts: list[str] = field(default_factory=list)

    def number(self, *texts: str) -> tuple[int, ...]:
        """Return the numbers, from 1, of the texts that are not empty."""
        present = [text for text in texts if text]
        self.texts = list(dict.fromkeys([*self.texts, *present]))
        return tuple(self.texts.index(text) + 1 for text in present)


def short(paper: Paper) -> str:
    """Return a paper's short name: what its title has in parentheses at the end, else the title.

    >>> short(Paper("cdgnet", "Non-uniform Motion Deblurring (CDGNet)", "", None, [], []))
    'CDGNet'
    """
    before, _, last = paper.title.rpartition("(")
    return last.rstrip(")") if before else paper.title


def place(entry: Claim | Finding) -> tuple[str, ...]:
    """Return what a claim and its finding have in common."""
    names = ("paper", "table", "row", "column", "run", "dataset", "quantity", "printed")
    return tuple(getattr(entry, name) or "" for name in names)


class Cells:
    """Fills cells of one profile's page."""

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs
        self.findings: dict[tuple[str, ...], deque[Finding]] = defaultdict(deque)
        for finding in inputs.findings:
            self.findings[place(finding)].append(finding)
        self.authors = inputs.authors.set_index(KEY)
        basis = f"on {inputs.profile.data} images" if inputs.profile.data else "after a cut training"
        self.stand_in = f"our value is measured {basis} and tests nothing"

    def finding(self, claim: Claim) -> Finding | None:
        """Take the next finding on a claim, in printed order; a claim that changed since has none."""
        queue = self.findings.get(place(claim))
        return queue.popleft() if queue else None

    def cell(self, claim: Claim, finding: Finding | None) -> tuple[Cell, tuple[str, ...]]:
        """Fill a claim's cell, without footnotes, and return the reasons of its verdicts."""
        stand_in = OTHER_CARD if claim.quantity == "seconds" else self.stand_in  # times depend on no images
        filled, reason = cell(claim, finding, stand_in)
        value, authors_reason = authors(claim, finding, self.inputs.total(claim.dataset or ""))
        verdict, law = physics(finding)
        return replace(filled, authors=value, physics=verdict), (law, authors_reason, reason)

    def blurred(self, line: Line) -> tuple[Cell, str]:
        """Fill the blurred input's cell of a column (or row), and return a reason.

        The value is that on the paper's dataset where it was measured, otherwise on the stand-in.
        """
        dataset = shared(claim.dataset for claim, _ in line)
        example = next((claim for claim, _ in line if claim.value is not None), None)
        if example is None or not dataset:
            return Cell(""), ""
        protocol = shared(name for _, name in line if name) or example.quantity
        key = (self.inputs.blurred, dataset, protocol)
        if key in self.authors.index and self.authors["value"].notna()[key]:
            images = part(int(self.authors["n"][key]), self.inputs.total(dataset))
            text = format_like(example, float(self.authors["value"][key]))
            return Cell("", authors=AuthorsValue(text, part=images)), ""
        value = self.inputs.mean(self.inputs.blurred, self.inputs.dataset(dataset), protocol)
        if value is None:
            return Cell(""), ""
        stand_in = bool(self.inputs.profile.data)
        return Cell(
            "", ours=format_like(example, value), stand_in=stand_in
        ), self.stand_in if stand_in else ""


def shared(values: Iterable[str | None]) -> str:
    """Return the value that all share, else nothing."""
    distinct = set(values)
    return (distinct.pop() or "") if len(distinct) == 1 else ""


def remark(claim: Claim, table: Table) -> str:
    """Return the claims file's note on a cell, with the cell's own hardware if it has some."""
    hardware = f"hardware: {claim.on}" if claim.on and claim.on != table.on else ""
    return "; ".join(text for text in (claim.note, hardware) if text)


def outlier_note(claim: Claim, decoded: Iterable[DecodedColumn], reasons: Iterable[str]) -> str:
    """Say that a number fits another protocol than its column's; nothing for most, or if a reason says so."""
    for column in decoded:
        name = other_protocol(column, claim)
        if name and (column.dataset, column.family) == (claim.dataset, claim.quantity):
            repeated = any(f"fits {name} instead" in reason for reason in reasons)
            return "" if repeated else f"the protocol decoder: this number fits `{name}` instead"
    return ""


def with_blurred(
    cells: Cells, notes: Footnotes, heads: list[Head], rows: Rows, lines: dict[int, Line], by_row: bool
) -> tuple[list[Head], Rows]:
    """Put the blurred input first, as a row or a column; nothing changes where it has no value."""
    first = []
    for index in range(len(heads) if by_row else len(rows)):
        blurred, reason = cells.blurred(lines[index])
        first.append(replace(blurred, notes=notes.number(reason)))
    if not any(blurred.ours or blurred.authors for blurred in first):
        return heads, rows
    head = Head(BLURRED, cells.inputs.blurred)
    if by_row:
        return heads, [(head, tuple(first)), *rows]
    return [head, *heads], [(h, (blurred, *row)) for blurred, (h, row) in zip(first, rows, strict=True)]


def lay_out(table: Table, anchor: str, cells: Cells) -> PrintedTable:
    """Lay out a table with measured numbers and footnotes."""
    notes = Footnotes()
    decoded = tuple(c for c in cells.inputs.decoded if (c.paper, c.table) == (table.paper, table.name))
    down = {j: [c for (_, at), c in table.claims.items() if at == j] for j in range(len(table.columns))}
    across = {i: [c for (at, _), c in table.claims.items() if at == i] for i in range(len(table.rows))}
    by_row = any(shared(c.run for c in claims) for claims in across.values())  # systems are rows, not columns
    remarks = {j: shared(remark(claim, table) for claim in claims) for j, claims in down.items()}
    heads = [
        Head(text, "" if by_row else shared(c.run for c in down[j]), notes.number(remarks[j]))
        for j, text in enumerate(table.columns)
    ]
    lines: dict[int, Line] = defaultdict(list)  # by column where systems are rows, else by row
    rows: Rows = []
    for i, (label, texts) in enumerate(table.rows):
        row = []
        for j, text in enumerate(texts):
            claim = table.claims.get((i, j))
            if claim is None:
                row.append(Cell(text))
                continue
            finding = cells.finding(claim)
            filled, reasons = cells.cell(claim, finding)
            own = remark(claim, table)
            outlier = outlier_note(claim, decoded, reasons)
            numbers = notes.number(*reasons, outlier, "" if own == remarks[j] else own)
            row.append(replace(filled, notes=numbers))
            if claim.quantity in FAMILIES:
                lines[j if by_row else i].append((claim, finding.protocol if finding else ""))
        rows.append((Head(label, shared(c.run for c in across[i]) if by_row else ""), tuple(row)))
    heads, rows = with_blurred(cells, notes, heads, rows, lines, by_row)
    return PrintedTable(
        anchor=anchor,
        name=table.name,
        about=table.about,
        columns=tuple(heads),
        rows=tuple(rows),
        footnotes=tuple(notes.texts),
        note=table.note,
        hardware=table.on,
        decoded=decoded,
    )


def prose_number(claim: Claim, cells: Cells) -> ProseNumber:
    """Lay out a prose number, its reasons beside it."""
    filled, reasons = cells.cell(claim, cells.finding(claim))
    reason = "; ".join(reason for reason in reasons if reason)
    return ProseNumber(claim.table, claim.row, claim.column, filled, reason, claim.note)


def lay_out_paper(paper: Paper, cells: Cells) -> PrintedPaper:
    """Lay out a paper and count its verdicts."""
    tables = tuple(lay_out(table, f"{paper.key}-{k}", cells) for k, table in enumerate(paper.tables, 1))
    prose = tuple(prose_number(claim, cells) for claim in paper.prose)
    filled = [c for table in tables for _, row in table.rows for c in row] + [number.cell for number in prose]
    dashes = sum(claim.blank for claim in paper.claims()) if cells.inputs.findings else 0
    counts = Counter(c.verdict for c in filled if c.verdict)
    counts["untested"] += dashes
    return PrintedPaper(
        key=paper.key,
        title=paper.title,
        short=short(paper),
        cite=paper.cite,
        url=paper.url if paper.url and paper.url.startswith(("https://", "http://")) else "",
        tables=tables,
        prose=prose,
        counts=dict(counts),
        authors=dict(Counter(c.authors.verdict for c in filled if c.authors and c.authors.verdict)),
        dashes=dashes,
        waiting=sum(c.waiting for c in filled),
    )


def papers(inputs: Inputs) -> tuple[PrintedPaper, ...]:
    """Lay out every paper, in the order of the claims files."""
    cells = Cells(inputs)
    return tuple(lay_out_paper(paper, cells) for paper in inputs.papers)
