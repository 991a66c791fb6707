"""Decide each claim: of its findings one gives the overall outcome.

The first of schema.OUTCOMES that any finding has decides. The order is that of how much a finding proves,
and a refutation comes before any agreement, since a number that is impossible stays so however often it is
printed, and a formula that fails is not mended by a network that happens to fit:

impossible       no network, software or reading of ours saves it: the card's limits and arithmetic
contradicted     by the paper itself, arithmetic or the data set: needs no training, and no mapping
not credible     needs software that nobody has measured
not reproduced   the network here gives another number; the fault may be the paper's or ours
contested        papers disagree: one is wrong or of something else than it says, but which is open
holds            by a measurement that the number did not shape; then
close            likewise, within the spread of tools; then
holds, close     by another print, which may have been copied; then
holds, close     by construction, which says nothing about the paper
undecided        no finding decides

Of equal ones that by more independent evidence decides.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import get_args

from benchmark.claims import Claim
from benchmark.compare.evidence import columns, place
from benchmark.compare.findings import claimed, kinds
from benchmark.results.schema import OUTCOMES, Basis, Finding, Verdict

BASES: tuple[Basis, ...] = get_args(Basis)
AGREE = ("holds", "close")
NOTHING = "no kind of evidence says anything about it yet"


def rank(finding: Finding, basis: Basis) -> tuple[int, int, int]:
    """Return the place of a finding in the precedence; the least decides."""
    outcome, rest = OUTCOMES.index(finding.outcome), BASES.index(basis)
    if finding.outcome in AGREE:  # what an agreement rests on counts more than how near it is
        return OUTCOMES.index("holds"), rest, outcome
    return outcome, int(finding.measured is None), rest


def verdicts(claims: Sequence[Claim], findings: Sequence[Finding]) -> list[Verdict]:
    """Decide every claim, in printed order."""
    bases: dict[str, Basis] = {name: kind.BASIS for name, kind in kinds().items()}
    by_claim = defaultdict(list)
    for finding in findings:
        by_claim[claimed(finding)].append(finding)
    return [decide(claim, by_claim[place(claim)], bases) for claim in claims]


def decide(claim: Claim, findings: Sequence[Finding], bases: dict[str, Basis]) -> Verdict:
    """Choose the finding that decides a claim."""
    if not findings:
        return Verdict(**columns(claim), outcome="undecided", kind="", basis="", reason=NOTHING)
    best = min(findings, key=lambda finding: rank(finding, bases[finding.kind]))
    basis: Basis = "mapping" if best.mapping else bases[best.kind]
    if best.outcome == "undecided":
        basis = ""
    return Verdict(
        **columns(claim),
        outcome=best.outcome,
        kind=best.kind,
        basis=basis,
        reason=best.reason,
        explanation=best.explanation,
    )
