"""Hold a printed number, or a claim about order, against other cells and sentences of the same paper.

Claims with a `formula` are held against its value (benchmark/claims/relations.py), others against the same
number elsewhere in the paper, if it is printed twice.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from benchmark.claims import Claim, relations
from benchmark.compare.decode import FAMILIES
from benchmark.compare.evidence import Evidence, found
from benchmark.results.schema import Finding, Outcome

ABOUT = "other cells and sentences of the same paper, by the formula that the words state"
BASIS = "print"
REPEATED = (*FAMILIES, "seconds", "params", "size", "macs_256", "macs_720p")


def judge(claims: Iterable[Claim], evidence: Evidence) -> Iterator[Finding]:
    """Yield a finding for each formula, and for each other number that its paper prints twice or more."""
    for relation in relations.relations(evidence.papers):
        claim = relation.claim
        source = f"benchmark/claims/{claim.paper}.yaml, {relation.formula}"
        middle = None if relation.low is None or relation.high is None else (relation.low + relation.high) / 2
        yield found(claim, "own_paper", relation.outcome, relation.reason, source, measured=middle)
    groups = defaultdict(list)
    for claim in claims:
        named = claim.dataset or claim.quantity not in FAMILIES
        if claim.quantity in REPEATED and claim.value is not None and claim.run and named:
            dataset = claim.dataset if claim.quantity in FAMILIES else ""
            groups[claim.paper, claim.run, claim.quantity, dataset].append(claim)
    for group in groups.values():
        for claim in group:
            others = [other for other in group if other is not claim]
            if others and not claim.formula:
                yield repeated(claim, others)


def repeated(claim: Claim, others: list[Claim]) -> Finding:
    """Compare a number with its repetitions: digits may differ, not values."""
    first = next((other for other in others if not same(claim, other)), None)
    outcome: Outcome = "contradicted" if first else "holds"
    first = first or others[0]
    reason = f"{first.table} ({first.row}) prints {first.printed}"
    source = "; ".join(f"{other.table} ({other.row})" for other in others)
    return found(claim, "own_paper", outcome, reason, source, measured=first.value)


def same(claim: Claim, other: Claim) -> bool:
    """Decide whether one value can have both prints."""
    assert claim.value is not None
    assert other.value is not None
    return abs(claim.value - other.value) <= (claim.rounding + other.rounding) * (1 + 1e-9)
