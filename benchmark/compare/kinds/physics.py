"""Hold printed run times against what their graphics card can do at all (benchmark/compare/physics.py)."""

from collections.abc import Iterable, Iterator

from benchmark.claims import Claim
from benchmark.compare import times
from benchmark.compare.evidence import Evidence, found
from benchmark.results.schema import Finding, Outcome, PhysicsVerdict

ABOUT = "the limits of the graphics card: they can refute a time, not confirm it"
BASIS = "independent"
OUTCOMES: dict[PhysicsVerdict, Outcome] = {
    "impossible": "impossible",
    "not credible": "not credible",
    "possible": "undecided",
    "untested": "undecided",
}
SLOW = 0.02  # of the card's peak: a time that needs less is far above what the work needs


def judge(claims: Iterable[Claim], evidence: Evidence) -> Iterator[Finding]:
    """Yield a finding for each printed time; one that holds for another reading of the row says so."""
    for claim in claims:
        timed = evidence.times.get(claim)
        if timed is None or claim.blank:
            continue
        outcome, reason = OUTCOMES[timed.verdict], timed.reason
        if outcome == "undecided" and evidence.shaped(claim):
            continue  # by construction
        if timed.verdict == "possible":
            reason = f"possible, which does not make it true: {reason}"
            if (timed.share_of_peak or 1.0) < SLOW:
                reason = (
                    f"far above what the work needs, {100 * (timed.share_of_peak or 0):.2g} % of the card's "
                    f"peak; {reason}"
                )
        mapping = ""
        if claim.or_run:
            other = times.judge_as(claim, claim.or_run, evidence.sources)
            if OUTCOMES[other.verdict] != outcome:
                mapping = f"{OUTCOMES[other.verdict]} as {claim.or_run}"
                reason = f"as {claim.run}: {reason}; {mapping}"
        yield found(claim, "physics", outcome, reason, "times.csv, cards.yaml", mapping=mapping)
