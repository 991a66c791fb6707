"""Export every printed table, claimed beside reproduced with the verdict: CSV, JSON, Markdown and LaTeX.

CSV and JSON have a row per printed number with everything that is known of it. Markdown and LaTeX keep the
paper's layout, each number as "printed / reproduced" with a mark for the verdict; a reproduced number that
decides nothing (stand-in images, cut training, part of a set) is in italics. Of the systems compared in a
table the best value is bold and the second underlined: printed ones among each other, and reproduced ones
that decide.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmark.claims import Paper, Table
from benchmark.claims.direction import BETTER
from benchmark.compare import latex
from benchmark.compare.evidence import columns, place
from benchmark.compare.findings import claimed
from benchmark.compare.gate import MEASURED
from benchmark.compare.units import format_like
from benchmark.results import write
from benchmark.results.schema import Basis, ByQuantity, Explanation, Finding, Outcome, Place, Verdict

OURS = (*MEASURED, "by_construction")  # kinds whose measured value is a number of this project
# Of verdicts, explained under every table: by outcome, and of agreement by what it rests on.
MARKS = {
    "impossible": "x",
    "contradicted": "c",
    "not credible": "n",
    "not reproduced": "r",
    "contested": "d",
    "holds": "h",
    "close": "s",
    "undecided": "u",
    "holds, print": "p",
    "close, print": "q",
    "holds, by construction": "b",
    "close, by construction": "f",
}


@dataclass(frozen=True)
class Row(Place):
    """One row of an exported CSV or JSON: a printed number beside the reproduced one."""

    reproduced: ByQuantity | None  # in base units
    shown: str  # the same in the printed unit and precision
    decides: str  # "yes" where the reproduced number decides anything
    reproduced_by: str  # kind of evidence
    protocol: str  # the metric behind a reproduced PSNR or SSIM
    images: str  # on so many
    outcome: Outcome
    kind: str  # of evidence, that decides
    basis: Basis
    explanation: Explanation
    reason: str
    better: str  # "higher", "lower", or empty
    place_printed: str  # "1" for the best of its table, "2" for the second, else empty
    place_reproduced: str


def of_table(
    table: Table,
    verdicts: dict[tuple[object, ...], Verdict],
    findings: dict[tuple[object, ...], list[Finding]],
) -> dict[tuple[int, int], Row]:
    """Join each number of a table with its verdict and what is reproduced."""
    ours = {
        where: mine
        for where, claim in table.claims.items()
        if claim.value is not None and (mine := reproduced(findings.get(place(claim), [])))
    }
    first = places(
        table, {where: claim.value for where, claim in table.claims.items() if claim.value is not None}
    )
    deciding = {where: row.measured for where, row in ours.items() if row.outcome != "undecided"}
    second = places(table, {where: value for where, value in deciding.items() if value is not None})
    rows = {}
    for where, claim in table.claims.items():
        verdict, mine = verdicts.get(place(claim)), ours.get(where)
        if verdict is None:
            continue
        measured = mine.measured if mine else None
        rows[where] = Row(
            **columns(claim),
            reproduced=measured,
            shown=format_like(claim, measured) if measured is not None else "",
            decides="yes" if mine and mine.outcome != "undecided" else "",
            reproduced_by=mine.kind if mine else "",
            protocol=mine.protocol if mine else "",
            images=str(mine.images) if mine and mine.images else "",
            outcome=verdict.outcome,
            kind=verdict.kind,
            basis=verdict.basis,
            explanation=verdict.explanation,
            reason=verdict.reason,
            better=BETTER.get(claim.quantity, ""),
            place_printed=first.get(where, ""),
            place_reproduced=second.get(where, ""),
        )
    return rows


def reproduced(findings: Iterable[Finding]) -> Finding | None:
    """Choose the finding with a number of this project: one that decides, then the authors' weights'."""
    found = [row for row in findings if row.kind in OURS and row.measured is not None]
    return min(found, key=lambda row: (row.outcome == "undecided", OURS.index(row.kind)), default=None)


def groups(table: Table) -> dict[tuple[int, str, str | None], list[tuple[int, int]]]:
    """Group the cells of compared systems: a column of a quantity, or a row where systems are columns."""
    heads: dict[int, set[tuple[str, str | None]]] = defaultdict(set)
    for (_, j), claim in table.claims.items():
        heads[j].add((claim.quantity, claim.dataset))
    across = any(len(head) > 1 for head in heads.values())
    across |= len(heads) > 1 and len(set.union(*heads.values())) == 1
    found: dict[tuple[int, str, str | None], list[tuple[int, int]]] = defaultdict(list)
    for (i, j), claim in table.claims.items():
        if claim.quantity in BETTER:
            found[i if across else j, claim.quantity, claim.dataset].append((i, j))
    return found


def places(table: Table, values: dict[tuple[int, int], float]) -> dict[tuple[int, int], str]:
    """Return "1" for the best and "2" for the second value of each group; equal values share a place."""
    found: dict[tuple[int, int], str] = {}
    for (_, quantity, _), cells in groups(table).items():
        present = [cell for cell in cells if cell in values]
        ranked = sorted({values[cell] for cell in present}, reverse=BETTER[quantity] == "higher")
        if len(ranked) > 1:
            found |= {
                cell: str(1 + ranked.index(values[cell])) for cell in present if values[cell] in ranked[:2]
            }
    return found


def slug(text: str) -> str:
    """Turn a label into a part of a file name.

    >>> slug("Table 1")
    'table-1'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def markdown(table: Table, rows: dict[tuple[int, int], Row]) -> str:
    """Lay a table out in Markdown."""

    def marked(text: str, rank: str) -> str:
        text = re.sub(r"([\\|*_`<\[\]])", r"\\\1", text)
        return f"**{text}**" if rank == "1" else f"<u>{text}</u>" if rank == "2" else text

    def cell(i: int, j: int, text: str) -> str:
        row = rows.get((i, j))
        if row is None:
            return marked(text, "")
        shown = marked(row.shown, row.place_reproduced) if row.shown else "–"
        shown = shown if row.decides or not row.shown else f"*{shown}*"
        return f"{marked(text, row.place_printed)} / {shown} {MARKS[verdict_of(row)]}"

    lines = [f"**{table.paper}, {table.name}**: {marked(table.about, '')}", ""]
    lines += ["| | " + " | ".join(marked(column, "") for column in table.columns) + " |"]
    lines += ["|---" * (len(table.columns) + 1) + "|"]
    for i, (label, cells) in enumerate(table.rows):
        texts = [cell(i, j, text) for j, text in enumerate(cells)]
        lines.append(f"| {marked(label, '')} | {' | '.join(texts)} |")
    return "\n".join([*lines, "", legend(rows.values()), ""])


def verdict_of(row: Row) -> str:
    """Return a verdict as a key of MARKS."""
    named = f"{row.outcome}, {row.basis}"
    return named if named in MARKS else row.outcome


def legend(rows: Iterable[Row]) -> str:
    """Explain the marks that a table uses."""
    used = {verdict_of(row) for row in rows}
    marks = ", ".join(f"{mark} {verdict}" for verdict, mark in MARKS.items() if verdict in used)
    decides = "In italics: decides nothing (stand-in images, cut training, or part of a set)."
    return f"Printed / reproduced. {marks}. {decides}"


def tabular(table: Table, rows: dict[tuple[int, int], Row]) -> str:
    """Lay a table out in LaTeX."""
    body = []
    for i, (label, cells) in enumerate(table.rows):
        line = []
        for j, text in enumerate(cells):
            row = rows.get((i, j))
            if row is None:
                line.append(latex.escape(text))
                continue
            shown = latex.ranked(row.shown, row.place_reproduced) if row.shown else "--"
            shown = shown if row.decides or not row.shown else latex.grey(shown)
            mark = latex.superscript(MARKS[verdict_of(row)])
            line.append(f"{latex.ranked(text, row.place_printed)} / {shown}{mark}")
        body.append((latex.escape(label), line))
    caption = f"{table.paper}, {table.name}: {table.about}. {legend(rows.values())}"
    return latex.table(table.columns, body, caption, f"tab:{slug(table.paper)}-{slug(table.name)}")


def export(
    folder: Path, papers: Sequence[Paper], findings: Sequence[Finding], verdicts: Sequence[Verdict]
) -> list[Path]:
    """Write four files for each table, and tables.tex, which shows them all; return what was written.

    Raises:
        ValueError: a file cannot be written; the message names it.
    """
    by_claim: dict[tuple[object, ...], list[Finding]] = defaultdict(list)
    for finding in findings:
        by_claim[claimed(finding)].append(finding)
    decided = {claimed(verdict): verdict for verdict in verdicts}
    written: list[Path] = []
    stems: dict[str, str] = {}
    for paper in papers:
        for table in paper.tables:
            stem = f"{slug(paper.key)}-{slug(table.name)}"
            if not slug(paper.key) or not slug(table.name) or stem in stems:
                other = f", as {stems[stem]!r}" if stem in stems else ""
                allowed = "names that differ in their letters a-z and digits"
                raise ValueError(
                    f"{table.name!r} of {paper.key!r} would be {stem}.csv{other}; allowed: {allowed}"
                )
            stems[stem] = table.name
    for paper in papers:
        for table in paper.tables:
            rows, stem = of_table(table, decided, by_claim), f"{slug(paper.key)}-{slug(table.name)}"
            path = folder / f"{stem}.csv"
            write(path, Row, rows.values())
            entries = [asdict(row) for row in rows.values()]
            content = {"paper": paper.key, "table": table.name, "about": table.about, "rows": entries}
            texts = {
                "json": json.dumps(content, ensure_ascii=False, indent=1) + "\n",
                "md": markdown(table, rows),
                "tex": tabular(table, rows),
            }
            for suffix, text in texts.items():
                save(folder / f"{stem}.{suffix}", text)
            written += [path, *(folder / f"{stem}.{suffix}" for suffix in texts)]
    save(folder / "tables.tex", latex.document([path.name for path in written if path.suffix == ".tex"]))
    return [*written, folder / "tables.tex"]


def save(path: Path, text: str) -> None:
    """Write a text file.

    Raises:
        ValueError: it cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{path}: cannot be written ({error.strerror})") from None
