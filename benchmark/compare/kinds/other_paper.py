"""Hold a printed number against what other papers, and its authors elsewhere, print for the same thing."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from benchmark.claims import Claim
from benchmark.compare import prints
from benchmark.compare.decode import FAMILIES
from benchmark.compare.evidence import Evidence, found
from benchmark.compare.prints import Published, agreement, subject, where
from benchmark.results.schema import Finding, Outcome

ABOUT = "the same system, set and quantity in another paper, or as its authors publish it"
BASIS = "print"


def judge(claims: Iterable[Claim], evidence: Evidence) -> Iterator[Finding]:
    """Yield a finding for each quality or run time that is printed elsewhere too.

    What its authors publish decides; else all papers must print the same. Of a time, the card must be the
    same, and it must have been measured there.
    """
    published = prints.read()
    groups: dict[tuple[str, ...], list[Claim]] = defaultdict(list)
    for claim in claims:
        named = claim.dataset if claim.quantity in FAMILIES else claim.quantity == "seconds" and claim.card
        if named and claim.value is not None and not claim.quoted:
            groups[subject(claim)].append(claim)
    for key, group in groups.items():
        authors = [entry for entry in published if subject(entry.claim) == key]
        for claim in group:
            others = [other for other in group if other.paper != claim.paper]
            if authors or others:
                yield judge_one(claim, others, authors, causes(claim, published, evidence))


def judge_one(
    claim: Claim, others: Sequence[Claim], authors: Sequence[Published], others_of_system: list[str]
) -> Finding:
    """Compare a number with the authors' own, or with those of the other papers."""
    own = [entry.claim for entry in authors if not entry.other]
    apart = [entry for entry in authors if entry.other and agreement(claim, entry.claim) == "holds"]
    best = min((agreement(claim, entry) for entry in own), key=order, default=None)
    outcome = best or max((agreement(claim, other) for other in others), key=order)
    against = own or list(others)
    if apart and outcome != "holds":
        outcome = "contested"
    words = [f"{where(other)} prints {other.printed}" for other in (*own, *others)]
    values = [other.value for other in (claim, *others) if other.value]
    if outcome == "contested" and len(values) > 1:
        words.append(spread(claim, values))
        words += [f"{entry.printed} is that of {entry.other}" for entry in apart]
        words += others_of_system
    source = "; ".join(dict.fromkeys(where(other) for other in (*own, *others)))
    nearest = min(against or others, key=lambda other: abs((other.value or 0.0) - (claim.value or 0.0)))
    return found(claim, "other_paper", outcome, "; ".join(words), source, measured=nearest.value)


def order(outcome: Outcome) -> int:
    """Rank agreement: the best first."""
    return ("holds", "close", "contested").index(outcome)


def spread(claim: Claim, values: Sequence[float]) -> str:
    """Write how far apart the prints of the papers are."""
    if claim.quantity in FAMILIES:
        return f"{max(values) - min(values):.3g}{FAMILIES[claim.quantity]} apart"
    return f"{max(values) / min(values):.3g} times apart"


def causes(claim: Claim, published: Iterable[Published], evidence: Evidence) -> list[str]:
    """Name what the evidence says a differing number may be: that of another run of the same model."""
    run = evidence.runs.get(claim.run or "")
    return [
        f"it is that of {entry.run} ({entry.source})"
        for entry in published
        if run
        and entry.run != run.name
        and entry.run in evidence.runs
        and evidence.runs[entry.run].model == run.model
        and (entry.dataset, entry.quantity) == (claim.dataset, claim.quantity)
        and agreement(claim, entry.claim) == "holds"
    ]
