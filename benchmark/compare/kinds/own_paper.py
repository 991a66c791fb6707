"""Hold a printed number against the same number elsewhere in the same paper."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from benchmark.claims import Claim
from benchmark.compare.decode import FAMILIES
from benchmark.compare.evidence import Evidence, found
from benchmark.compare.prints import subject, where
from benchmark.results.schema import Finding

ABOUT = "another cell or sentence of the same paper"
BASIS = "print"
REPEATED = (*FAMILIES, "seconds", "params", "size", "macs_256", "macs_720p")


def judge(claims: Iterable[Claim], evidence: Evidence) -> Iterator[Finding]:
    """Yield a finding for each number that its paper prints twice or more; digits may differ, not values."""
    groups = defaultdict(list)
    for claim in claims:
        named = claim.dataset or claim.quantity not in FAMILIES
        if claim.quantity in REPEATED and claim.value is not None and claim.run and named:
            groups[claim.paper, *subject(claim)].append(claim)
    for group in groups.values():
        for claim in group:
            others = [other for other in group if other is not claim]
            if others:
                yield judge_one(claim, others)


def judge_one(claim: Claim, others: list[Claim]) -> Finding:
    """Compare a number with its repetitions."""
    off = [other for other in others if not same(claim, other)]
    first = (off or others)[0]
    reason = f"{where(first)} prints {first.printed}"
    outcome = "contradicted" if off else "holds"
    source = "; ".join(where(other) for other in others)
    return found(claim, "own_paper", outcome, reason, source, measured=first.value)


def same(claim: Claim, other: Claim) -> bool:
    """Decide whether one value can have both prints."""
    assert claim.value is not None
    assert other.value is not None
    return abs(claim.value - other.value) <= (claim.rounding + other.rounding) * (1 + 1e-9)
