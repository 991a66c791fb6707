"""Audit somebody else's paper and results: nothing of it needs to be in this repository, nothing is written.

The claims file is one as in benchmark/claims, the results a table with the columns of measurements.csv of
which `run`, `quantity` and `value` are enough (docs/audit.md). A run of benchmark/runs that the results do
not mention keeps the size and operations counted here.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from benchmark import claims, plugins, spec
from benchmark.claims import Claim, Paper
from benchmark.claims.direction import BETTER
from benchmark.compare import naming, times
from benchmark.compare.bands import AUTHORS, OWN_CARD, RETRAINED, Band, compare
from benchmark.compare.decode import FAMILIES
from benchmark.compare.evidence import KEY, Evidence, found
from benchmark.compare.findings import claimed, kinds
from benchmark.compare.units import format_like
from benchmark.compare.verdicts import verdicts
from benchmark.results import COMPLEXITY, DATASETS, read_rows
from benchmark.results.schema import OUTCOMES, Complexity, Count, DatasetSplit, Decimal, Finding, Verdict
from benchmark.spec import nearest

ROOT = Path(__file__).parents[2]  # of this project, wherever it is called from
KINDS = ("own_paper", "physics", "size", "macs", "data")  # beside what is measured
MEASURED = {
    "authors_weights": "measured",
    "retrained": "measured",
    "timed": "measured",
}  # what they are called
UNITS = {"psnr": "dB", "ssim": "1", "seconds": "s", "params": "1", "macs": "MAC", "size": "B"}  # base units
OPEN = ("setting.", "data.", "delta.", "ratio.")  # quantities whose second part is free


@dataclass(frozen=True)
class Row:
    """One row of somebody's results: as schema.Measurement, most of which may be left out."""

    run: str
    quantity: str
    value: Decimal  # in base units: dB, 1, s, MAC, B
    dataset: str
    unit: str
    n: Count | None  # images
    device: str  # of a time: the card
    profile: str  # "authors": by the paper's own weights; else trained anew
    note: str


DEFAULTS = {"dataset": "", "unit": "", "n": "", "device": "", "profile": "authors", "note": ""}
Rows = Mapping[tuple[str, str, str], Row]  # by run, dataset and quantity


def audit(paper_file: Path, results_file: Path) -> tuple[Paper, list[Finding], list[Verdict]]:
    """Judge every number of a paper by each kind of evidence that applies.

    Raises:
        ValueError: a file is not as it must be; the message names the place, the value and what is allowed.
    """
    paper = claims.read_paper(paper_file, str(paper_file))
    rows = read_results(results_file)
    printed = [claim for claim in paper.claims() if not claim.blank]
    check(printed, rows, str(paper_file))
    own_place = f"benchmark/claims/{paper.key}.yaml"
    try:
        evidence = gather(paper, rows)
        judged = [*by_kinds(printed, rows, evidence), *measured(printed, rows, evidence)]
    except ValueError as error:
        raise ValueError(str(error).replace(own_place, str(paper_file))) from None
    theirs = {run for run, _, _ in rows}
    for index, row in enumerate(judged):
        counted = row.kind in ("size", "macs", "physics") and row.run in theirs
        cards = ", cards.yaml" if row.kind == "physics" else ""
        source = f"{results_file}{cards}" if counted else row.source.replace(own_place, str(paper_file))
        judged[index] = replace(row, source=source)
    return paper, judged, verdicts(printed, judged)


def read_results(path: Path) -> Rows:
    """Read the results, checked, in base units.

    Raises:
        ValueError: a column, cell, unit or row is not allowed.
    """
    try:
        path.stat()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
    rows: dict[tuple[str, str, str], Row] = {}
    for row in read_rows(path, Row, defaults=DEFAULTS):
        place = f"{path}: {row.run}, {row.quantity}" + (f" on {row.dataset}" if row.dataset else "")
        family = row.quantity.split("_")[0]
        unit = UNITS.get(family, row.unit)
        if row.unit and row.unit != unit:
            raise ValueError(f"{place}: unit {row.unit!r}; allowed: {unit!r}, as values are in base units")
        if not math.isfinite(row.value) or (family in UNITS and family != "psnr" and row.value < 0):
            raise ValueError(
                f"{place}: value {row.value:g}; allowed: finite numbers, of counts and times >= 0"
            )
        if not row.run or not row.quantity:
            raise ValueError(f"{path}: a row without a run or a quantity ({row})")
        key = row.run, row.dataset, row.quantity
        if key in rows:
            raise ValueError(f"{place}: has two rows; allowed: one")
        rows[key] = row
    return rows


def gather(paper: Paper, rows: Rows) -> Evidence:
    """Collect what the kinds of evidence look at: their counts and, of runs that they do not have, ours.

    Raises:
        ValueError: a file of this project is malformed.
    """
    theirs = {run for run, _, _ in rows}
    ours = {row.run: row for row in read_rows(ROOT / COMPLEXITY, Complexity, optional=True)}
    counts = {name: row for name, row in ours.items() if name not in theirs}
    for run in theirs:
        numbers = {name: whole(rows.get((run, "", name))) for name in ("params", "macs_256", "macs_720p")}
        counts[run] = Complexity(
            run, numbers["params"], numbers["macs_256"], numbers["macs_720p"], "", numbers["macs_720p"], 0, 0
        )
    runs = {name: replace(run, built_to_fit=None) for name, run in spec.load_runs(ROOT / spec.RUNS).items()}
    runs |= {name: spec.Run(name, "", "of the results") for name in theirs}
    splits = read_rows(ROOT / DATASETS, DatasetSplit, optional=True)
    sources = replace(times.sources(counts.values(), ROOT / "none"), measured=())
    timed = replace(sources, complexity={name: row for name, row in counts.items() if row.macs_720p})
    empty = pd.DataFrame(columns=[*KEY, "value", "n", "note"])
    totals = {row.dataset: row.expected for row in splits if row.split == "test"}
    known = Evidence([paper], spec.Profile("results", ""), runs, empty, empty, totals, [], sources)
    return replace(known, times=dict(times.times([paper], timed)))


def whole(row: Row | None) -> int:
    """Return a count; 0 where there is none."""
    return round(row.value) if row else 0


def check(printed: Sequence[Claim], rows: Rows, file: str) -> None:
    """Refuse a quantity that nothing can judge, which is a mistyped one.

    Raises:
        ValueError: the message names the claim and the nearest quantity.
    """
    known = [*BETTER, *plugins.names("metrics"), *{quantity for _, _, quantity in rows}]
    for claim in printed:
        if claim.quantity not in known and not claim.quantity.startswith(OPEN):
            place = f"{file}: {claim.table}[{claim.row}]{f'.{claim.column}' if claim.column else ''}"
            allowed = f"allowed: {', '.join(BETTER)}, {', '.join(f'{start}*' for start in OPEN)}, a metric"
            raise ValueError(
                f"{place}: quantity {claim.quantity!r}; {nearest(claim.quantity, known)}; {allowed}"
            )


def by_kinds(printed: Sequence[Claim], rows: Rows, evidence: Evidence) -> Iterator[Finding]:
    """Yield what each kind of evidence says of the claims that it can say something about."""
    applicable = {
        "own_paper": printed,
        "physics": printed,
        "size": [
            c
            for c in printed
            if evidence.counts.get(c.run or "")
            and counted(c, "params", rows)
            and not (c.quantity == "size" and (c.run or "", "", "size") in rows)
        ],
        "macs": [c for c in printed if evidence.counts.get(c.run or "") and counted(c, c.quantity, rows)],
        "data": [c for c in printed if c.dataset and has_facts(c.dataset)],
    }
    for name in KINDS:
        yield from kinds()[name].judge(applicable[name], evidence)


def counted(claim: Claim, quantity: str, rows: Rows) -> bool:
    """Decide whether a run has a count: in the results, or here where they do not have the run."""
    own = any(run == claim.run for run, _, _ in rows)
    return not own or (claim.run or "", "", quantity) in rows


def has_facts(dataset: str) -> bool:
    """Decide whether a dataset has official counts here."""
    return dataset in plugins.names("datasets") and hasattr(plugins.load("datasets", dataset), "SET")


def measured(printed: Sequence[Claim], rows: Rows, evidence: Evidence) -> Iterator[Finding]:
    """Yield a finding for each quality or time of a run: beside its row, or undecided for want of it."""
    for claim in printed:
        quality = claim.quantity.split("_")[0] in FAMILIES
        if claim.quantity == "size" and claim.value is not None:
            if size := rows.get((claim.run or "", "", "size")):
                outcome = compare(claim, size.value, {})
                yield found(claim, "size", outcome, size.note, "the results", measured=size.value)
            continue
        if not quality and claim.quantity != "seconds":
            continue
        row = rows.get((claim.run or "", claim.dataset or "", claim.quantity))
        row = row or (rows.get((claim.run or "", "", "seconds")) if claim.quantity == "seconds" else None)
        kind = (
            "timed"
            if not quality
            else "authors_weights"
            if not row or row.profile == "authors"
            else "retrained"
        )
        if row is None or claim.value is None:
            reason = f"no row for run {claim.run}, {claim.quantity}" + (
                f" on {claim.dataset}" if quality else ""
            )
            yield found(claim, kind, "undecided", reason if claim.value is not None else "in words", "")
        elif not quality:
            yield timed(claim, row, evidence)
        else:
            yield scored(claim, row, kind, evidence)


def scored(claim: Claim, row: Row, kind: str, evidence: Evidence) -> Finding:
    """Compare a printed PSNR or SSIM with a measured one."""
    more = {"measured": row.value, "protocol": claim.quantity, "images": row.n}
    total = evidence.totals.get(claim.dataset or "", 0)
    if row.n is not None and total and row.n < total:
        return found(claim, kind, "undecided", f"{row.n:,} of {total:,} images", row.note, **more)
    family = claim.quantity.split("_")[0]
    band = (AUTHORS if kind == "authors_weights" else RETRAINED)[family]
    outcome = compare(claim, row.value, {claim.quantity: band})
    return found(claim, kind, outcome, row.note, "the results", **more)


def timed(claim: Claim, row: Row, evidence: Evidence) -> Finding:
    """Compare a printed time with a measured one, where both are of the same card."""
    assert claim.value is not None
    card = evidence.sources.card(claim)
    if card is None or not card.has_name(row.device):
        place = f"measured on {row.device or 'a device that the results do not name'}"
        reason = f"{place}, printed of {card.name if card else 'no known card'}"
        return found(claim, "timed", "undecided", reason, "the results", measured=row.value)
    within = OWN_CARD * claim.value
    outcome = compare(claim, row.value, {"seconds": Band(within, within, within)})
    return found(claim, "timed", outcome, f"on {row.device}", "the results", measured=row.value)


def text(paper: Paper, findings: Sequence[Finding], decided: Sequence[Verdict]) -> str:
    """Write the verdict of each claim with its findings, then counts by outcome and kind."""
    printed = [claim for claim in paper.claims() if not claim.blank]
    by_claim = defaultdict(list)
    for row in findings:
        by_claim[claimed(row)].append(row)
    names = {claim: name for name, claim in naming.names(printed).items()}
    lines = []
    for claim, verdict in zip(printed, decided, strict=True):
        lines.append(f"{verdict.outcome}  {names[claim]}: printed {claim.printed}")
        for row in by_claim[claimed(verdict)]:
            shown = (
                f", measured {format_like(claim, row.measured, exact=False)}"
                if row.measured is not None
                else ""
            )
            because = f": {row.reason}" if row.reason else ""
            lines.append(f"    {MEASURED.get(row.kind, row.kind)} {row.outcome}{shown}{because}")
    counts = Counter(verdict.outcome for verdict in decided)
    words = ", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES if counts[outcome])
    return "\n".join([*lines, f"{len(decided)} claims of {paper.title}: {words}"])
