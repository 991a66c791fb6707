"""Write what the panel beside a claim shows: quote, verdict, findings, rows, files, a command to check it."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import pandas as pd

from benchmark.compare.explain import FILE
from benchmark.compare.findings import kinds
from benchmark.compare.gate import MEASURED
from benchmark.compare.units import format_like
from benchmark.compare.verdicts import rank
from benchmark.report.cells import MARKS, UNEXPLAINED, named
from benchmark.report.entries import Entry
from benchmark.report.inputs import Inputs
from benchmark.results.schema import Finding

COUNTED = ("params", "macs_720p")  # columns of complexity.csv behind sizes and MACs


class Row(NamedTuple):
    """A row of a table of results, in words."""

    run: str
    quantity: str
    name: str  # its file and what tells it from others
    text: str


RowsByKey = Mapping[tuple[str, str], Sequence[Row]]  # by run and quantity


def sentence(text: str) -> str:
    """Write a run name or kind with blanks.

    >>> sentence("authors_weights")
    'authors weights'
    """
    return text.replace("_", " ")


def told(entry: Entry, finding: Finding, about: str) -> dict[str, str]:
    """Write one finding."""
    shown = named(finding.outcome, "")
    if finding.kind == "by_construction":
        shown = named(finding.outcome, "by construction")
    mark, tone = MARKS[shown]
    measured = ""
    if finding.measured is not None:
        word = "measured" if finding.kind in MEASURED else "compared with"
        number = format_like(entry.claim, finding.measured, exact=False)
        more = [f"{word} {number} (printed {entry.claim.printed})"]
        more += [f"protocol {finding.protocol}"] if finding.protocol else []
        more += [f"{finding.images:,} images"] if finding.images else []
        measured = ", ".join(more)
    reason = finding.reason or (UNEXPLAINED if finding.outcome == "not reproduced" else "")
    return {
        "kind": sentence(finding.kind),
        "about": about,
        "outcome": shown + (f", {finding.explanation}" if finding.explanation else ""),
        "mark": mark,
        "tone": tone,
        "measured": measured,
        "reason": reason,
        "source": finding.source,
    }


def facts(entry: Entry) -> list[list[str]]:
    """Say what a claim means."""
    claim = entry.claim
    known = {"quantity": claim.quantity, "run": claim.run, "another reading": claim.or_run}
    known |= {
        "data set": claim.dataset,
        "image size": claim.size,
        "hardware": claim.on,
        "quoted": claim.quoted,
    }
    if claim.value is not None:
        low, high = claim.value - claim.rounding, claim.value + claim.rounding
        known["in base units"] = f"{claim.value:.10g}" + (
            f", by its last digit {low:.10g} to {high:.10g}" if claim.rounding else ""
        )
    known |= {"note": claim.note, "formula": claim.formula}
    if claim.explain:
        known["known difference"] = claim.explain.says
    return [[key, value] for key, value in known.items() if value]


def measured_rows(frame: pd.DataFrame, file: str) -> Iterator[Row]:
    """Write the rows of a table of measurements."""
    for row in frame.to_dict("records"):
        value = (
            "no value" if pd.isna(row["value"]) else f"{row['value']:.10g} {row['unit']}".removesuffix(" 1")
        )
        words = (value, f"n {row['n']}", str(row["device"]), str(row["note"]))
        where = " ".join(filter(None, (str(row["run"]), str(row["dataset"]), str(row["quantity"]))))
        yield Row(str(row["run"]), str(row["quantity"]), f"{file}: {where}", "; ".join(filter(None, words)))


def counted_rows(inputs: Inputs) -> Iterator[Row]:
    """Write the counts of every run, once for each of the quantities that rest on them."""
    for run, row in inputs.complexity.items():
        counts = {name: getattr(row, name) for name in COUNTED}
        text = ", ".join(f"{name} {value:,}" for name, value in counts.items() if value is not None)
        for quantity in ("size", *COUNTED):
            yield Row(run, quantity, f"results/complexity.csv: {run}", text)


def rows_by_key(inputs: Inputs) -> dict[tuple[str, str], list[Row]]:
    """Index everything measured by run and quantity."""
    by_key: dict[tuple[str, str], list[Row]] = {}
    own, authors = f"results/{inputs.profile.name}/measurements.csv", "results/authors/measurements.csv"
    measured = measured_rows(inputs.measurements, own)
    for row in chain(measured, measured_rows(inputs.authors, authors), counted_rows(inputs)):
        by_key.setdefault((row.run, row.quantity), []).append(row)
    return by_key


def panel(inputs: Inputs, entry: Entry, about: Mapping[str, str], rows: RowsByKey) -> dict[str, Any]:
    """Write everything behind one claim."""
    judged, claim = entry.judged, entry.claim
    bases = {name: kind.BASIS for name, kind in kinds().items()}
    known = [f for f in judged.findings.values() if f.kind in bases] if judged else []
    found = sorted(known, key=lambda finding: rank(finding, bases[finding.kind]))
    mark, tone = MARKS[entry.outcome]
    by = f", by the evidence “{sentence(judged.verdict.kind)}”" if judged and judged.verdict.kind else ""
    named_files = [name for finding in found for name in FILE.findall(finding.source)]
    folders = ("", f"results/{inputs.profile.name}/")
    files = [f"benchmark/claims/{entry.paper.key}.yaml"]
    files += [folder + name for name in named_files for folder in folders if folder + name in inputs.sources]
    quantities = dict.fromkeys((claim.quantity, *(f.protocol for f in found if f.protocol)))
    runs = [run for run in (claim.run, claim.or_run) if run]
    return {
        "title": f"{entry.short}, {claim.table}",
        "place": " · ".join(filter(None, (claim.row, claim.column))),
        "quote": claim.printed,
        "verdict": f"{entry.outcome}{by}",
        "mark": mark,
        "tone": tone,
        "reason": entry.cell.reason,
        "facts": facts(entry),
        "findings": [told(entry, finding, about.get(finding.kind, "")) for finding in found],
        "rows": [[row.name, row.text] for run in runs for q in quantities for row in rows.get((run, q), ())],
        "files": [[path, inputs.sources.get(path, ""), True] for path in dict.fromkeys(files)],
        "command": f"python -m benchmark.compare --explain {shlex.quote(entry.name)}",
    }


def panels(inputs: Inputs, entries: Sequence[Entry]) -> dict[str, dict[str, Any]]:
    """Write the panels of all claims, by their ids."""
    about = {name: kind.ABOUT for name, kind in kinds().items()}
    rows = rows_by_key(inputs)
    return {entry.id: panel(inputs, entry, about, rows) for entry in entries}
