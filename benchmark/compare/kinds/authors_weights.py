"""Hold printed qualities against what the authors' published weights give on the real test set."""

from collections.abc import Iterable, Iterator
from typing import Any

from benchmark.claims import Claim
from benchmark.compare.bands import AUTHORS, compare, in_words
from benchmark.compare.decode import FAMILIES
from benchmark.compare.evidence import Evidence, found
from benchmark.results import AUTHORS as TABLES
from benchmark.results.schema import Finding

ABOUT = "the authors' published weights on the whole real test set"
BASIS = "independent"


def judge(claims: Iterable[Claim], evidence: Evidence) -> Iterator[Finding]:
    """Yield a finding for each printed quality of a system that has a run."""
    for claim in claims:
        if claim.quantity in FAMILIES and not claim.blank and not evidence.no_run(claim):
            yield judge_one(claim, evidence)


def judge_one(claim: Claim, evidence: Evidence) -> Finding:
    """Judge a quality by the authors' weights, only on the whole test set."""
    protocol, remark = evidence.protocol(claim)
    name, dataset = claim.run or "", claim.dataset or ""
    source = str(TABLES.measurements)
    more: dict[str, Any] = {"protocol": protocol}
    if reason := in_words(claim):
        return found(claim, "authors_weights", "undecided", reason, source, **more)
    measured = evidence.theirs(name, dataset, protocol)
    family = evidence.theirs(name, dataset, claim.quantity)
    measured = family if family and family.value is None else measured  # it has the reason for no value
    if measured is None or measured.value is None:
        run = evidence.runs[name]
        absent = f"{protocol} on {dataset or 'no named dataset'} is not measured"
        if not run.weights and run.train is not None:
            absent = "no weights of its authors are known"
        reason = measured.note if measured else absent
        return found(claim, "authors_weights", "undecided", reason, source, **more)
    more |= {"measured": measured.value, "images": measured.n}
    if evidence.runs[name].train and not evidence.runs[name].weights:  # of no authors: trained here
        return found(claim, "authors_weights", "undecided", measured.note, source, **more)
    if part := evidence.part(dataset, measured.n):
        return found(claim, "authors_weights", "undecided", part, source, **more)
    outcome = compare(claim, measured.value, AUTHORS)
    return found(claim, "authors_weights", outcome, remark, source, **more)
