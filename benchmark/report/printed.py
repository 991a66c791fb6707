"""The papers' own tables and sentences, each number with what was measured and what that means."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from benchmark.claims import Claim, Paper, Table
from benchmark.compare.decode import FAMILIES, Decoded
from benchmark.compare.findings import Finding
from benchmark.report.cells import Cell, Real, authors, cell, like, part, physics
from benchmark.report.inputs import Inputs

BLURRED = "blurred input"
ELSEWHERE = "our value tests nothing here"


@dataclass(frozen=True)
class Head:
    """A column's or row's label as printed, the run behind it if it is only one, and its footnotes."""

    text: str
    run: str = ""
    notes: tuple[int, ...] = ()


@dataclass(frozen=True)
class PrintedTable:
    """A table in the paper's layout, and the blurred input where PSNR or SSIM are printed."""

    anchor: str
    name: str
    about: str
    columns: tuple[Head, ...]
    rows: tuple[tuple[Head, tuple[Cell, ...]], ...]
    footnotes: tuple[str, ...]
    note: str
    hardware: str
    decoded: tuple[Decoded, ...]


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
    authors: dict[str, int]  # verdicts on what the authors' weights give
    dashes: int  # claims among `untested` where the paper prints nothing
    waiting: int  # claims that findings.csv does not know in their present form


Line = list[tuple[Claim, str]]  # printed PSNRs or SSIMs, and what each is held against ("": nothing)
Rows = list[tuple[Head, tuple[Cell, ...]]]


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


class Join:
    """Claims to findings, by place and in printed order where a place says two things."""

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs
        self.found: dict[tuple[str, ...], list[Finding]] = defaultdict(list)
        for finding in inputs.findings:
            self.found[key(finding)].append(finding)
        on = f"on {inputs.profile.data} images" if inputs.profile.data else "after a cut training"
        self.stand_in = f"our value is measured {on} and tests nothing here"

    def finding(self, claim: Claim) -> Finding | None:
        """The next finding on a claim; one of an older claims file does not count."""
        found = self.found.get(key(claim))
        return found.pop(0) if found else None

    def cell(self, claim: Claim, finding: Finding | None) -> tuple[Cell, tuple[str, ...]]:
        """A claim's cell and the reasons for its verdicts."""
        timed = claim.quantity == "seconds"  # on no images of a profile, but on another card
        made, reason = cell(claim, finding, ELSEWHERE if timed else self.stand_in)
        real, why = authors(claim, finding, self.inputs.total(claim.dataset or ""))
        verdict, law = physics(finding)
        return replace(made, authors=real, physics=verdict), (law, why, reason)

    def blurred(self, line: Line) -> tuple[Cell, str]:
        """The blurred input beside the numbers of a column (or row), and a reason.

        On the paper's dataset where it was measured; on the stand-in otherwise.
        """
        dataset = shared(claim.dataset for claim, _ in line)
        model = next((claim for claim, _ in line if claim.value is not None), None)
        if model is None or not dataset:
            return Cell(""), ""
        protocol = shared(name for _, name in line if name) or model.quantity
        run = self.inputs.blurred
        row = self.inputs.authors.get((run, dataset, protocol))
        if row and row.value:
            total = self.inputs.total(dataset)
            return Cell("", authors=Real(like(model, float(row.value)), part=part(row.n, total))), ""
        value = self.inputs.mean(run, self.inputs.dataset(dataset), protocol)
        if value is None:
            return Cell(""), ""
        stand_in = bool(self.inputs.profile.data)
        return Cell("", ours=like(model, value), stand_in=stand_in), self.stand_in if stand_in else ""


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


def fitting(claim: Claim, decoded: Iterable[Decoded], reasons: Iterable[str]) -> str:
    """What the decoder says of a number that only another protocol than its column's fits, once."""
    kind = claim.dataset, claim.quantity
    name = next((fit for d in decoded if (d.dataset, d.family) == kind and (fit := d.fits(claim))), "")
    said = any(f"fits {name} instead" in reason for reason in reasons)
    return f"the protocol decoder: this number fits `{name}` instead" if name and not said else ""


def lay_out(table: Table, anchor: str, join: Join) -> PrintedTable:
    """The table with measured numbers and footnotes."""
    notes = Footnotes()
    decoded = tuple(one for one in join.inputs.decoded if (one.paper, one.table) == (table.paper, table.name))
    down = {j: [c for (_, at), c in table.claims.items() if at == j] for j in range(len(table.columns))}
    across = {i: [c for (at, _), c in table.claims.items() if at == i] for i in range(len(table.rows))}
    by_row = any(shared(c.run for c in claims) for claims in across.values())
    heads, common = [], {}
    for j, text in enumerate(table.columns):
        common[j] = shared(remark(claim, table) for claim in down[j])
        heads.append(Head(text, "" if by_row else shared(c.run for c in down[j]), notes.number(common[j])))
    lines: dict[int, Line] = defaultdict(list)  # by column, or by row where systems stand across
    rows: Rows = []
    for i, (label, texts) in enumerate(table.rows):
        cells = []
        for j, text in enumerate(texts):
            claim = table.claims.get((i, j))
            if claim is None:
                cells.append(Cell(text))
                continue
            finding = join.finding(claim)
            made, reasons = join.cell(claim, finding)
            own = remark(claim, table)
            odd = fitting(claim, decoded, reasons)
            numbers = notes.number(*reasons, odd, "" if own == common[j] else own)
            cells.append(replace(made, notes=numbers))
            if claim.quantity in FAMILIES:
                lines[j if by_row else i].append((claim, finding.protocol if finding else ""))
        rows.append((Head(label, shared(c.run for c in across[i]) if by_row else ""), tuple(cells)))
    floor = []
    for k in range(len(table.columns) if by_row else len(rows)):
        made, reason = join.blurred(lines[k])
        floor.append(replace(made, notes=notes.number(reason)))
    if any(made.ours or made.authors for made in floor):
        first = Head(BLURRED, join.inputs.blurred)
        if by_row:
            rows = [(first, tuple(floor)), *rows]
        else:
            heads = [first, *heads]
            rows = [(head, (made, *cells)) for made, (head, cells) in zip(floor, rows, strict=True)]
    return PrintedTable(
        anchor,
        table.name,
        table.about,
        tuple(heads),
        tuple(rows),
        tuple(notes.texts),
        table.note,
        table.on,
        decoded,
    )


def said(claim: Claim, join: Join) -> Said:
    """A prose number with its reasons beside it."""
    made, reasons = join.cell(claim, join.finding(claim))
    reason = "; ".join(reason for reason in reasons if reason)
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
        weights = Counter(c.authors.verdict for c in cells if c.authors and c.authors.verdict)
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
                dict(weights),
                dashes,
                sum(c.waiting for c in cells),
            )
        )
    return tuple(made)
