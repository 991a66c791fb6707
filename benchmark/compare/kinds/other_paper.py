"""Hold a printed number against what other papers, and authors elsewhere, print for the same thing.

benchmark/claims/elsewhere has the values, and what the evidence says where they differ.
"""

from collections.abc import Iterable, Iterator

from benchmark.claims import Claim, elsewhere
from benchmark.compare.evidence import Evidence, found
from benchmark.results.schema import Finding

ABOUT = "the same system, set and quantity in another paper, or as its authors publish it"
BASIS = "print"


def judge(claims: Iterable[Claim], evidence: Evidence) -> Iterator[Finding]:
    """Yield a finding for each number that is printed elsewhere too; one whose judgement is stale says so."""
    for group in elsewhere.groups(evidence.papers):
        for comparison in group.comparisons:
            claim, outcome = comparison.claim, comparison.outcome
            if claim.value is None or (claim.quoted and claim.quantity == "seconds"):
                continue
            if outcome == "contested" and claim.quantity == "seconds" and not rivals(comparison):
                outcome = "undecided"  # nobody else measured it on this card
            reason = "; ".join(filter(None, (comparison.cause, comparison.reason, comparison.stale)))
            printed, values = claim.value, [other.value for other in comparison.others]
            nearest = min(values, key=lambda value: abs(value - printed), default=None)
            source = "; ".join(dict.fromkeys(other.where for other in comparison.others))
            stale = "stale" if comparison.stale else ""
            yield found(claim, "other_paper", outcome, reason, source, measured=nearest, explanation=stale)


def rivals(comparison: elsewhere.Comparison) -> bool:
    """Decide whether a time is measured otherwise on the same card."""
    measured = (o for o in comparison.others if not (o.claim and o.claim.quoted))
    return any(o.card == comparison.claim.card for o in measured)
