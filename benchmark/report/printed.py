"""Lay out the papers' own tables and sentences, each number with its verdict and its measurements."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmark.claims import Claim, Paper, Table
from benchmark.compare.decode import FAMILIES, other_protocol
from benchmark.compare.units import format_like
from benchmark.report.cells import AuthorsValue, Cell, part
from benchmark.report.entries import Entry, anchor, short
from benchmark.report.inputs import KEY, Inputs
from benchmark.results.schema import DecodedColumn, Verdict

BLURRED = "blurred input"


@dataclass(frozen=True)
class Head:
    """A column's or row's label as printed, the run behind it if there is only one, and a note on it."""

    text: str
    run: str = ""
    note: str = ""


@dataclass(frozen=True)
class PrintedTable:
    """A table in the paper's layout, with the blurred input where PSNR or SSIM are printed."""

    anchor: str
    printed: Table
    columns: list[Head]
    rows: list[tuple[Head, list[Cell]]]
    remarks: list[str]  # of the claims file, on columns, rows and cells
    decoded: list[DecodedColumn]


@dataclass(frozen=True)
class PrintedPaper:
    """A paper: its tables, its sentences, and its verdicts."""

    paper: Paper
    short: str
    tables: list[PrintedTable]
    prose: list[Entry]
    entries: list[Entry]  # of tables and sentences
    dashes: int  # cells where the paper prints nothing

    @property
    def verdicts(self) -> list[Verdict]:
        """List the verdicts of its claims."""
        return [entry.judged.verdict for entry in self.entries if entry.judged]

    @property
    def totals(self) -> Counter[str]:
        """Count its claims by outcome and what it rests on."""
        return Counter(entry.outcome for entry in self.entries)

    @property
    def waiting(self) -> int:
        """Count its claims without a verdict on their present text."""
        return sum(entry.judged is None for entry in self.entries)


Line = list[tuple[Claim, str]]  # printed PSNRs or SSIMs, and the protocol of each ("": none)


def fill_blurred(inputs: Inputs, line: Line) -> Cell:
    """Fill the blurred input's cell of a column (or row).

    The value is that on the paper's dataset where it was measured, otherwise on the stand-in.
    """
    dataset = shared(claim.dataset for claim, _ in line)
    example = next((claim for claim, _ in line if claim.value is not None), None)
    if example is None or not dataset:
        return Cell("")
    protocol = shared(name for _, name in line if name) or example.quantity
    rows = inputs.authors.set_index(KEY)
    key = (inputs.blurred, dataset, protocol)
    if key in rows.index and rows["value"].notna()[key]:
        images = part(int(rows["n"][key]), inputs.total(dataset))
        return Cell("", authors=AuthorsValue(format_like(example, float(rows["value"][key])), part=images))
    value = inputs.mean(inputs.blurred, inputs.dataset(dataset), protocol)
    if value is None:
        return Cell("")
    return Cell("", ours=format_like(example, value), stand_in=bool(inputs.profile.data))


def shared(values: Iterable[str | None]) -> str:
    """Return the value that all share, else nothing."""
    distinct = set(values)
    return (distinct.pop() or "") if len(distinct) == 1 else ""


def remark(claim: Claim, table: Table) -> str:
    """Return the claims file's note on a cell, with the cell's own hardware if it has some."""
    hardware = f"hardware: {claim.on}" if claim.on and claim.on != table.on else ""
    return "; ".join(text for text in (claim.note, hardware) if text)


def outliers(decoded: Iterable[DecodedColumn], claims: Iterable[Claim]) -> Iterable[str]:
    """Yield a remark for each number that fits another protocol than its column's."""
    columns = list(decoded)
    for claim in claims:
        for column in columns:
            name = other_protocol(column, claim)
            if name and (column.dataset, column.family) == (claim.dataset, claim.quantity):
                yield f"{claim.row}, {claim.column}: this number fits `{name}` instead (protocol decoder)"


def lay_out(table: Table, paper: Paper, inputs: Inputs, entries: Mapping[int, Entry]) -> PrintedTable:
    """Lay out a table with measured numbers, the blurred input first where it has a value."""
    decoded = [c for c in inputs.decoded if (c.paper, c.table) == (table.paper, table.name)]
    down = [[c for (_, at), c in table.claims.items() if at == j] for j in range(len(table.columns))]
    across = [[c for (at, _), c in table.claims.items() if at == i] for i in range(len(table.rows))]
    by_row = any(shared(c.run for c in claims) for claims in across)  # systems are rows, not columns
    notes = [shared(remark(claim, table) for claim in claims) for claims in down]
    heads = [
        Head(text, "" if by_row else shared(c.run for c in claims), note)
        for text, claims, note in zip(table.columns, down, notes, strict=True)
    ]
    lines: dict[int, Line] = defaultdict(list)  # by column where systems are rows, else by row
    rows, remarks = [], [f"{head.text}: {head.note}" for head in heads if head.note]
    for i, (label, texts) in enumerate(table.rows):
        row = []
        for j, text in enumerate(texts):
            claim = table.claims.get((i, j))
            entry = entries.get(id(claim))
            row.append(entry.cell if entry else Cell(text))
            if claim is None:
                continue
            own = remark(claim, table)
            if own and own != notes[j]:
                remarks.append(f"{label}, {table.columns[j]}: {own}")
            if claim.quantity in FAMILIES:
                judged = entry.judged if entry else None
                lines[j if by_row else i].append((claim, judged.protocol if judged else ""))
        rows.append((Head(label, shared(c.run for c in across[i]) if by_row else ""), row))
    first = [fill_blurred(inputs, lines[k]) for k in range(len(heads) if by_row else len(rows))]
    if any(blurred.ours or blurred.authors for blurred in first):
        head = Head(BLURRED, inputs.blurred)
        if by_row:
            rows.insert(0, (head, first))
        else:
            heads.insert(0, head)
            rows = [(label, [blurred, *row]) for blurred, (label, row) in zip(first, rows, strict=True)]
    remarks += outliers(decoded, table.claims.values())
    return PrintedTable(anchor(paper, table), table, heads, rows, list(dict.fromkeys(remarks)), decoded)


def lay_out_paper(paper: Paper, inputs: Inputs, entries: Sequence[Entry]) -> PrintedPaper:
    """Lay out a paper; `entries` are those of all papers."""
    own = [entry for entry in entries if entry.paper is paper]
    by_claim = {id(entry.claim): entry for entry in own}
    return PrintedPaper(
        paper=paper,
        short=short(paper),
        tables=[lay_out(table, paper, inputs, by_claim) for table in paper.tables],
        prose=[by_claim[id(claim)] for claim in paper.prose if id(claim) in by_claim],
        entries=own,
        dashes=sum(claim.blank for claim in paper.claims()),
    )
