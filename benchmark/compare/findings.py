"""Judge every claim by every kind of evidence, and apply what the claims files explain."""

from dataclasses import replace
from typing import Any

from benchmark import plugins
from benchmark.claims import Claim
from benchmark.compare.evidence import Evidence, place
from benchmark.compare.formula import evaluate
from benchmark.results.schema import Finding, Verdict


def kinds() -> dict[str, Any]:
    """Import every kind of evidence, by name."""
    return {name: plugins.load("compare.kinds", name) for name in plugins.names("compare.kinds")}


def claims(evidence: Evidence) -> list[Claim]:
    """List every printed number; cells that the paper leaves blank are none."""
    return [claim for paper in evidence.papers for claim in paper.claims() if not claim.blank]


def findings(evidence: Evidence) -> list[Finding]:
    """Judge every claim, kind by kind, in printed order.

    Raises:
        ValueError: the formula of an explanation is not allowed.
    """
    printed = claims(evidence)
    order = {place(claim): index for index, claim in enumerate(printed)}
    rows: list[list[Finding]] = [[] for _ in printed]
    for kind in kinds().values():
        for row in kind.judge(printed, evidence):
            rows[order[claimed(row)]].append(row)
    return [row for claim, own in zip(printed, rows, strict=True) for row in explained(claim, own, evidence)]


def claimed(row: Finding | Verdict) -> tuple[Any, ...]:
    """Return the columns that a finding or verdict shares with its claim."""
    where = (row.paper, row.table, row.row, row.column, row.run, row.dataset)
    return (*where, row.quantity, row.printed, row.claimed)


def explained(claim: Claim, rows: list[Finding], evidence: Evidence) -> list[Finding]:
    """Attach a claims file's explanation to what was not reproduced, or say why it does not hold.

    It holds for the one measured value that it states, and only if its formula gives the printed number.
    Without a formula the difference stays unexplained, but is known.
    """
    known = claim.explain
    failed = [row for row in rows if row.outcome == "not reproduced"]
    if known is None:
        return [replace(row, explanation="unexplained") if row in failed else row for row in rows]
    needed = [row for row in failed if stated(claim, row)]
    if not needed:
        values = ", ".join(f"{row.measured:.10g}" for row in rows if row.measured is not None)
        stale = f"the claims file explains {known.measured:.10g}, but measured are {values or 'none'}"
        about = [row for row in rows if row.measured is not None] or rows
        return [stale_one(row, stale) if row in about else row for row in rows]
    return [attach(claim, row, evidence) if row in needed else row for row in rows]


def stated(claim: Claim, row: Finding) -> bool:
    """Decide whether the claims file explains this measured value: a count exactly, others as printed."""
    assert claim.explain is not None
    within = claim.rounding if row.protocol else 0.0
    return row.measured is not None and abs(row.measured - claim.explain.measured) <= within


def stale_one(row: Finding, reason: str) -> Finding:
    """Mark an explanation that nothing needs, or that is about another value."""
    return replace(row, explanation="stale", reason="; ".join(filter(None, (row.reason, reason))))


def attach(claim: Claim, row: Finding, evidence: Evidence) -> Finding:
    """Explain one finding by a cause whose formula gives the printed number."""
    assert claim.explain is not None
    assert claim.value is not None
    formula, says = claim.explain.formula, claim.explain.says
    reason = "; ".join(filter(None, (row.reason, says)))
    if not formula:
        return replace(row, explanation="known", reason=reason)
    value = evaluate(formula, claim.run or "", evidence.counts)
    if abs(value - claim.value) > claim.rounding * (1 + 1e-9):
        return stale_one(row, f"{formula} is {value:.10g}, not the printed {claim.value:.10g}")
    return replace(
        row, explanation="explained", reason=reason, source=f"{row.source}; {formula} = {value:.10g}"
    )
