"""Hold printed qualities against networks that this project trained by the full recipe, on the real set."""

from collections.abc import Iterable, Iterator

from benchmark.claims import Claim
from benchmark.compare.bands import AUTHORS, RETRAINED, compare, in_words
from benchmark.compare.decode import FAMILIES
from benchmark.compare.evidence import Evidence, found
from benchmark.results.schema import Finding

ABOUT = "the network trained here, where nothing is cut and the whole test set is measured"
BASIS = "independent"


def judge(claims: Iterable[Claim], evidence: Evidence) -> Iterator[Finding]:
    """Yield a finding for each printed quality."""
    for claim in claims:
        if claim.quantity in FAMILIES and not claim.blank:
            yield judge_one(claim, evidence)


def judge_one(claim: Claim, evidence: Evidence) -> Finding:
    """Judge a quality, only where nothing was cut and the images are the paper's, all of them."""
    profile, (protocol, remark) = evidence.profile, evidence.protocol(claim)
    source = f"results/{profile.name}/measurements.csv"
    if reason := evidence.no_run(claim) or in_words(claim):
        return found(claim, "retrained", "undecided", reason, source, protocol=protocol)
    run = evidence.runs[claim.run or ""]
    measured = evidence.own(run.name, profile.data or claim.dataset or "", protocol)
    reason = "" if run.name in profile.of(evidence.runs) else f"profile {profile.name} leaves this run out"
    if not reason and (measured is None or measured.value is None):
        absent = f"{protocol} on {claim.dataset or 'no named dataset'} is not measured in this profile"
        reason = (measured.note if measured else "") or absent
    if reason or measured is None or measured.value is None:
        return found(claim, "retrained", "undecided", reason, source, protocol=protocol)
    cuts = profile.at(run).cuts(run.train)
    if profile.data:
        cuts = [*cuts, f"{profile.data} data in place of the real set"] if not run.train else cuts
    elif part := evidence.part(claim.dataset or "", measured.n):
        cuts = [*cuts, part]
    more = {"measured": measured.value, "protocol": protocol, "images": measured.n}
    if cuts:
        return found(claim, "retrained", "undecided", "; ".join(cuts), source, **more)
    outcome, remarks = compare(claim, measured.value, RETRAINED if run.train else AUTHORS), [remark]
    if outcome == "not reproduced" and measured.value > (claim.value or 0.0):
        remarks.append("better than printed by more than retraining explains")
    return found(claim, "retrained", outcome, "; ".join(filter(None, remarks)), source, **more)
