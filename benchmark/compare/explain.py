"""Print the whole chain behind a claim: print, findings, the rows and files they rest on, verdict.

`python -m benchmark.compare --explain sgenet:"Table 1":SGENet:Runtime` prints it for one claim.
"""

import csv
import hashlib
import io
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark import spec
from benchmark.claims import Claim, Paper
from benchmark.compare import attribution, decode, naming
from benchmark.compare.decode import FAMILIES
from benchmark.compare.evidence import Evidence, place
from benchmark.compare.findings import claimed, kinds
from benchmark.compare.gate import MEASURED
from benchmark.compare.verdicts import rank
from benchmark.results import AUTHORS, COMPLEXITY, Results, read_frame, read_rows
from benchmark.results.schema import OUTCOMES, Basis, CurvePoint, Finding, Score, Verdict

FILE = re.compile(r"[\w./-]*\w\.(?:csv|yaml|py|json)\b")
# What a finding rests on beyond the files that its source names.
ALSO = {"physics": (COMPLEXITY,), "timed": (), "authors_weights": (AUTHORS.quality,)}
HIDDEN = ("paper", "table", "row", "column", "reason", "fingerprint")  # columns that repeat what is above
DIGITS = 12  # of a sha256


@dataclass(frozen=True)
class Chain:
    """Everything that explanations are written from."""

    evidence: Evidence
    claims: Sequence[Claim]
    findings: Mapping[tuple[object, ...], list[Finding]]  # by place
    verdicts: Mapping[tuple[object, ...], Verdict]
    files: Mapping[Path, bytes]
    tables: attribution.Tables
    bases: Mapping[str, Basis]  # of kinds


def chain(
    evidence: Evidence, claims: Sequence[Claim], findings: Sequence[Finding], verdicts: Sequence[Verdict]
) -> Chain:
    """Read every file that findings can name, once.

    Raises:
        ValueError: a table is malformed.
    """
    by_claim: dict[tuple[object, ...], list[Finding]] = defaultdict(list)
    for finding in findings:
        by_claim[claimed(finding)].append(finding)
    own = Results(evidence.profile.name)
    ours, theirs = (
        decode.scores_by_image(read_frame(of.quality, Score, optional=True)) for of in (own, AUTHORS)
    )
    curves: dict[str, list[CurvePoint]] = defaultdict(list)
    for point in read_rows(own.curves, CurvePoint, optional=True):
        curves[point.run].append(point)
    folders = ("results", f"results/{evidence.profile.name}", "results/authors", "results/runtime")
    code = ("benchmark/claims", "benchmark/claims/elsewhere", "benchmark/compare", "benchmark/datasets")
    named = [Path(folder).glob("*.csv") for folder in folders]
    named += [Path(folder).glob("*.[yp]*") for folder in (*code, str(spec.RUNS))]
    files = {path: path.read_bytes() for found in named for path in sorted(found)}
    return Chain(
        evidence,
        claims,
        by_claim,
        {claimed(verdict): verdict for verdict in verdicts},
        files,
        attribution.Tables(ours, theirs, curves),
        {name: kind.BASIS for name, kind in kinds().items()},
    )


def explain(claim: Claim, known: Chain) -> str:
    """Write the chain of one claim as text, one section after the other."""
    verdict = known.verdicts[place(claim)]
    found = sorted(
        known.findings.get(place(claim), []), key=lambda finding: rank(finding, known.bases[finding.kind])
    )
    paper = next(paper for paper in known.evidence.papers if paper.key == claim.paper)
    own = Path(f"benchmark/claims/{claim.paper}.yaml")
    sections = {
        "printed": printed(claim, paper),
        "findings": [line for finding in found for line in told(finding)] or ["none"],
        "rows": [line for path in sources(claim, found, known) for line in rows(path, claim, found, known)],
        "files": [
            f"{path}  sha256 {hashlib.sha256(known.files[path]).hexdigest()[:DIGITS]}"
            for path in dict.fromkeys((own, *sources(claim, found, known)))
            if path in known.files
        ],
        "verdict": decided(verdict, found),
    }
    if claim.quantity in FAMILIES and verdict.outcome in ("not reproduced", "undecided", "contested"):
        sections["attribution"] = attributed(claim, found, known)
    name = next(name for name, other in naming.names(known.claims).items() if other == claim)
    blocks = [
        "\n".join([title, *(f"  {line}" for line in lines)]) for title, lines in sections.items() if lines
    ]
    return "\n\n".join([name, *blocks])


def printed(claim: Claim, paper: Paper) -> Iterator[str]:
    """Quote a claim with its place, what it means, and its formula."""
    table = next((table for table in paper.tables if table.name == claim.table), None)
    yield f"{paper.title} ({paper.cite})"
    if table:
        yield f"{claim.table}{f' ({table.about})' if table.about else ''}"
        yield f"row “{claim.row}”, column “{claim.column}”: “{claim.printed}”"
    else:
        yield f"{claim.table}: {claim.row}{f', in {claim.column}' if claim.column else ''}: “{claim.printed}”"
    if claim.value is not None:
        low, high = claim.value - claim.rounding, claim.value + claim.rounding
        span = f", by its last digit {low:.10g} to {high:.10g}" if claim.rounding else ""
        yield f"as {claim.quantity}: {claim.value:.10g} in base units{span}"
    meant = {"run": claim.run, "dataset": claim.dataset, "card": claim.card, "or run": claim.or_run}
    meant |= {"image size": claim.size, "hardware": claim.on, "quoted": claim.quoted}
    yield "; ".join(f"{key} {value}" for key, value in meant.items() if value) or "of no run and no dataset"
    if claim.note:
        yield f"note: {claim.note}"
    if claim.formula:
        yield f"formula: {claim.formula}"
    if claim.explain:
        formula = f"formula {claim.explain.formula}; " if claim.explain.formula else ""
        yield f"known for {claim.explain.measured:.10g} measured: {formula}{claim.explain.says}"


def told(finding: Finding) -> Iterator[str]:
    """Write one finding."""
    word = "measured" if finding.kind in MEASURED else "compared with"
    more = [f"{word} {finding.measured:.10g}"] if finding.measured is not None else []
    more += [f"protocol {finding.protocol}"] if finding.protocol else []
    more += [f"{finding.images:,} images"] if finding.images else []
    more += [finding.explanation] if finding.explanation else []
    yield f"{finding.kind}: {finding.outcome}" + (f" ({', '.join(more)})" if more else "")
    yield f"  because {finding.reason or 'within its tolerance'}"
    yield f"  from {finding.source or 'the claims file'}"


def sources(claim: Claim, findings: Sequence[Finding], known: Chain) -> list[Path]:
    """List the files that findings were computed from."""
    profile = f"results/{known.evidence.profile.name}"
    folders = ("", f"{profile}/", "benchmark/compare/", "benchmark/claims/")
    found: list[Path] = []
    for finding in findings:
        named = [Path(folder + text) for text in FILE.findall(finding.source) for folder in folders]
        if "benchmark/runs" in finding.source:
            named += [
                path for path in known.files if path.parent == spec.RUNS and defines(known.files[path], claim)
            ]
        named += ALSO.get(finding.kind, ())
        found += [path for path in named if path in known.files and path not in found]
    return found


def defines(text: bytes, claim: Claim) -> bool:
    """Decide whether a file of benchmark/runs declares the run of a claim."""
    return bool(claim.run) and re.search(rf"^  {claim.run}:".encode(), text, re.MULTILINE) is not None


def rows(path: Path, claim: Claim, findings: Sequence[Finding], known: Chain) -> Iterator[str]:
    """Write the rows of a table that are about a claim: their line and the cells that are not empty."""
    if path.suffix != ".csv":
        return
    quantities = {claim.quantity, *(finding.protocol for finding in findings)}
    wanted = {
        "paper": {claim.paper},
        "table": {claim.table},
        "row": {claim.row},
        "column": {claim.column},
        "run": {claim.run or "", claim.or_run} - {""},
        "dataset": {claim.dataset or "", known.evidence.profile.data},
        "quantity": quantities | ({"params"} if claim.quantity == "size" else set()),
        "kind": {"forward"},  # of timings.csv
        "says": {claim.row},  # of structure.csv
    }
    lines = csv.DictReader(io.StringIO(known.files[path].decode("utf-8-sig"), newline=""))
    keys = [key for key in wanted if key in (lines.fieldnames or ())]
    matching = [(lines.line_num, row) for row in lines if all(row[key] in wanted[key] for key in keys)]
    if len(matching) > 5:
        first, last = matching[0][0], matching[-1][0]
        yield f"{path}, {len(matching)} rows in lines {first} to {last}"
        return
    for number, row in matching:
        cells = "; ".join(f"{key} {value}" for key, value in row.items() if value and key not in HIDDEN)
        yield f"{path}, line {number}: {cells}"


def decided(verdict: Verdict, findings: Sequence[Finding]) -> Iterator[str]:
    """Write the verdict and why its finding, the first, has precedence."""
    basis = f", {verdict.basis}" if verdict.basis else ""
    by = f" by {verdict.kind}" if verdict.kind else ""
    yield f"{verdict.outcome}{by}{basis}{f', {verdict.explanation}' if verdict.explanation else ''}"
    if verdict.reason:
        yield f"because {verdict.reason}"
    others = findings[1:]
    if not others:
        yield "no other finding competes with it" if findings else "no kind of evidence has a finding"
        return
    words = ", ".join(f"{other.outcome} ({other.kind})" for other in others)
    yield f"it comes before {words} in the order of outcomes: {', '.join(OUTCOMES)}"
    if {other.outcome for other in others} & {verdict.outcome}:
        yield "among equal outcomes the more independent evidence decides, and one with a measured value"


def attributed(claim: Claim, findings: Sequence[Finding], known: Chain) -> Iterator[str]:
    """Rank what could be behind a quality that is not reproduced or undecided."""
    measured = False
    for finding in findings:
        if result := attribution.attribute(claim, finding, known.evidence, known.tables):
            measured = True
            yield from attribution.lines(result, claim)
    if not measured:
        yield f"nothing of it is measured, so none of {', '.join(attribution.CAUSES)} has a measured effect"
