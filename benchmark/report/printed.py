"""Lay out the papers' own tables and sentences, each number with its measurement, verdict and reason."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from benchmark.claims import Claim, Paper, Table
from benchmark.compare.decode import FAMILIES, other_protocol
from benchmark.compare.units import format_like
from benchmark.report.cells import AuthorsValue, Cell, authors, cell, part
from benchmark.report.inputs import KEY, Inputs, Judged, place
from benchmark.results.schema import DecodedColumn, Verdict

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
    printed: Table
    columns: list[Head]
    rows: list[tuple[Head, list[Cell]]]
    footnotes: list[str]
    decoded: list[DecodedColumn]


@dataclass(frozen=True)
class PrintedPaper:
    """A paper: its tables, its prose numbers, and its verdicts."""

    paper: Paper
    short: str
    tables: list[PrintedTable]
    prose: list[tuple[Claim, Cell, str]]  # with the reasons of the verdicts
    verdicts: list[Verdict]
    authors: Counter[str]  # outcomes of the authors' weights
    dashes: int  # cells where the paper prints nothing
    waiting: int  # claims without a finding on their present text


Line = list[tuple[Claim, str]]  # printed PSNRs or SSIMs, and the protocol of each ("": none)


def number(footnotes: list[str], *texts: str) -> tuple[int, ...]:
    """Return the numbers, from 1, of the texts that are not empty, after adding new ones to the footnotes."""
    present = [text for text in texts if text]
    footnotes += [text for text in dict.fromkeys(present) if text not in footnotes]
    return tuple(footnotes.index(text) + 1 for text in present)


def short(paper: Paper) -> str:
    """Return a paper's short name: what its title has in parentheses at the end, else the title.

    >>> short(Paper("cdgnet", "Non-uniform Motion Deblurring (CDGNet)", "", None, [], []))
    'CDGNet'
    """
    before, _, last = paper.title.rpartition("(")
    return last.rstrip(")") if before else paper.title


def stand_in(inputs: Inputs) -> str:
    """Say why a measured quality tests nothing in this profile."""
    basis = f"on {inputs.profile.data} images" if inputs.profile.data else "after a cut training"
    return f"our value is measured {basis} and tests nothing"


def fill(inputs: Inputs, claim: Claim, judged: Judged | None) -> tuple[Cell, tuple[str, ...]]:
    """Fill a claim's cell, without footnotes, and return the reasons of its outcomes."""
    basis = OTHER_CARD if claim.quantity == "seconds" else stand_in(inputs)  # times depend on no images
    filled, reason = cell(claim, judged, basis)
    value, authors_reason = authors(claim, judged, inputs.total(claim.dataset or ""))
    return replace(filled, authors=value), (authors_reason, reason)


def fill_blurred(inputs: Inputs, line: Line, footnotes: list[str]) -> Cell:
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
    replaced = bool(inputs.profile.data)
    notes = number(footnotes, stand_in(inputs) if replaced else "")
    return Cell("", ours=format_like(example, value), stand_in=replaced, notes=notes)


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


def lay_out(table: Table, anchor: str, inputs: Inputs) -> PrintedTable:
    """Lay out a table with measured numbers and footnotes, the blurred input first where it has a value."""
    notes: list[str] = []
    decoded = [c for c in inputs.decoded if (c.paper, c.table) == (table.paper, table.name)]
    down = [[c for (_, at), c in table.claims.items() if at == j] for j in range(len(table.columns))]
    across = [[c for (at, _), c in table.claims.items() if at == i] for i in range(len(table.rows))]
    by_row = any(shared(c.run for c in claims) for claims in across)  # systems are rows, not columns
    remarks = [shared(remark(claim, table) for claim in claims) for claims in down]
    heads = [
        Head(text, "" if by_row else shared(c.run for c in claims), number(notes, text_below))
        for text, claims, text_below in zip(table.columns, down, remarks, strict=True)
    ]
    lines: dict[int, Line] = defaultdict(list)  # by column where systems are rows, else by row
    rows = []
    for i, (label, texts) in enumerate(table.rows):
        row = []
        for j, text in enumerate(texts):
            claim = table.claims.get((i, j))
            if claim is None:
                row.append(Cell(text))
                continue
            judged = inputs.judged_by_place.get(place(claim))
            filled, reasons = fill(inputs, claim, judged)
            own = remark(claim, table)
            outlier = outlier_note(claim, decoded, reasons)
            row.append(
                replace(filled, notes=number(notes, *reasons, outlier, "" if own == remarks[j] else own))
            )
            if claim.quantity in FAMILIES:
                lines[j if by_row else i].append((claim, judged.protocol if judged else ""))
        rows.append((Head(label, shared(c.run for c in across[i]) if by_row else ""), row))
    first = [fill_blurred(inputs, lines[k], notes) for k in range(len(heads) if by_row else len(rows))]
    if any(blurred.ours or blurred.authors for blurred in first):
        head = Head(BLURRED, inputs.blurred)
        if by_row:
            rows.insert(0, (head, first))
        else:
            heads.insert(0, head)
            rows = [(label, [blurred, *row]) for blurred, (label, row) in zip(first, rows, strict=True)]
    return PrintedTable(anchor, table, heads, rows, notes, decoded)


def lay_out_paper(paper: Paper, inputs: Inputs) -> PrintedPaper:
    """Lay out a paper and collect its verdicts."""
    judged = [(c, inputs.judged_by_place.get(place(c))) for c in paper.claims() if not c.blank]
    weighed = [value for claim, found in judged if (value := authors(claim, found, 0)[0])]
    prose = []
    for claim in paper.prose:
        filled, reasons = fill(inputs, claim, inputs.judged_by_place.get(place(claim)))
        prose.append((claim, filled, "; ".join(filter(None, reasons))))
    return PrintedPaper(
        paper=paper,
        short=short(paper),
        tables=[lay_out(table, f"{paper.key}-{k}", inputs) for k, table in enumerate(paper.tables, 1)],
        prose=prose,
        verdicts=[found.verdict for _, found in judged if found],
        authors=Counter(value.verdict for value in weighed),
        dashes=sum(claim.blank for claim in paper.claims()),
        waiting=sum(found is None for _, found in judged),
    )
