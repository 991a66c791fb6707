"""Compare every claim with what was measured: one finding per claim, with a verdict and a reason.

`findings` merges the claims with two tables of measurements on (run, dataset, quantity): what this project
measured, and what the authors' weights give. `judge` judges one claim by both.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

from benchmark import spec
from benchmark.claims import Claim, Paper
from benchmark.compare import decode, times
from benchmark.compare.decode import FAMILIES, TOLERANCE
from benchmark.compare.evidence import SETTINGS, Evidence, Match, merge
from benchmark.results import COMPLEXITY
from benchmark.results.schema import VERDICTS as VERDICTS
from benchmark.results.schema import DecodedColumn, Finding, PhysicsVerdict, PrintedTime, Verdict


@dataclass(frozen=True)
class Band:
    """How far a measured number may be from the printed one, in its unit."""

    agrees: float  # beyond the print's rounding
    below: float  # still close when it is lower
    above: float  # still close when it is higher


# docs/protocols.md argues for each. Those of counts are relative, and say what is close.
RELATIVE = {"params": 0.005, "size": 0.005, "macs_256": 0.01, "macs_720p": 0.01}
AUTHORS = {
    "psnr": Band(TOLERANCE["psnr"], 0.10, 0.10),
    "ssim": Band(TOLERANCE["ssim"], 0.003, 0.003),
}
RETRAINED = {"psnr": Band(0.30, 0.60, 0.30), "ssim": Band(0.004, 0.008, 0.004)}
OWN_CARD = 0.15  # a time on the paper's own card, relative: drivers, libraries and cooling differ

# Claims that no measurement of a run can decide, by the first part of their quantity.
UNTESTABLE = {
    "setting": "a choice inside the architecture or protocol; no recipe entry holds it",
    "data": "a fact about a dataset that this profile does not read",
    "delta": "a difference between two cells; see those cells",
    "ratio": "a ratio of two cells; see those cells",
}


@dataclass(frozen=True)
class Case:
    """A claim beside its measurements; None where there is none."""

    claim: Claim
    quantity: str  # that of the claim, or the protocol of a printed PSNR or SSIM
    remark: str  # about that protocol
    measured: Match | None  # by this project
    authors: Match | None  # with the authors' weights


@dataclass(frozen=True)
class Judgement:
    """One side of a finding: measured by this project, or with the authors' weights."""

    measured: float | None = None
    verdict: Verdict | Literal[""] = "untested"
    reason: str = ""
    images: int | None = None


NOT_APPLICABLE = Judgement(verdict="")  # weights do not decide a size or a setting


def protocol(claim: Claim, decoded: list[DecodedColumn]) -> tuple[str, str]:
    """Return the metric that a printed PSNR or SSIM is compared with, and a remark where that is uncertain.

    A table has its decoded protocol. A sentence has that of its paper's tables, where they have only one.
    """
    if claim.quantity not in FAMILIES:
        return claim.quantity, ""
    key = (claim.paper, claim.dataset, claim.quantity)
    columns = [c for c in decoded if (c.paper, c.dataset, c.family) == key]
    own = [c for c in columns if c.table == claim.table]
    protocols = {c.protocol for c in own or columns if c.verdict == "decided"}
    decided = protocols.pop() if len(protocols) == 1 else ""
    remarks = [] if decided else [f"held against {claim.quantity}, as the protocol is not decided"]
    remarks += [f"fits {other} instead" for c in own if (other := decode.other_protocol(c, claim))][:1]
    return decided or claim.quantity, "; ".join(remarks)


def findings(papers: list[Paper], evidence: Evidence) -> list[Finding]:
    """Compare every claim with its measurements, in printed order."""
    claims = [claim for paper in papers for claim in paper.claims()]
    protocols = [protocol(claim, evidence.decoded) for claim in claims]
    keys, authors_keys, family_keys = [], [], []
    for claim, (quantity, _) in zip(claims, protocols, strict=True):
        run, dataset = claim.run or "", claim.dataset or ""
        in_profile = "" if quantity in (*RELATIVE, *SETTINGS) else evidence.profile.data or dataset
        keys.append((run, in_profile, quantity))
        authors_keys.append((run, dataset, quantity))
        family_keys.append((run, dataset, claim.quantity))
    measured = merge(keys, evidence.measured)
    authors, families = merge(authors_keys, evidence.authors), merge(family_keys, evidence.authors)
    rows = []
    for claim, (quantity, remark), ours, theirs, family in zip(
        claims, protocols, measured, authors, families, strict=True
    ):
        theirs = family if family and family.value is None else theirs  # it has the reason for no value
        rows.append(finding(Case(claim, quantity, remark, ours, theirs), evidence))
    return rows


def finding(case: Case, evidence: Evidence) -> Finding:
    """Judge one claim and write its row."""
    claim, timed = case.claim, evidence.times.get(case.claim)
    ours, theirs = judge(case, evidence)
    place = (claim.paper, claim.table, claim.row, claim.column, claim.run or "", claim.dataset or "")
    printed = (claim.quantity, claim.printed, claim.value)
    retrained = (
        ours.measured,
        ours.verdict or "untested",
        ours.reason,
        case.quantity if theirs.verdict else "",
    )
    authors = (theirs.measured, theirs.images, theirs.verdict, theirs.reason)
    physics: tuple[PhysicsVerdict | Literal[""], str] = (timed.verdict, timed.reason) if timed else ("", "")
    cells = (*place, *printed, *retrained, *authors, *physics)
    return Finding(*cells)


def judge(case: Case, evidence: Evidence) -> tuple[Judgement, Judgement]:
    """Judge a claim by what this project measured, and by what the authors' weights give."""
    claim = case.claim
    if reason := untestable(claim, evidence.runs):
        return Judgement(reason=reason), NOT_APPLICABLE
    if claim.quantity in (*SETTINGS, *RELATIVE):
        return explain(claim, judge_count(case), NOT_APPLICABLE)
    if claim.quantity == "seconds":
        return explain(claim, judge_time(claim, evidence.times.get(claim)), NOT_APPLICABLE)
    authors = judge_authors(case, evidence) if claim.quantity in FAMILIES else NOT_APPLICABLE
    return explain(claim, judge_retrained(case, evidence), authors)


def untestable(claim: Claim, runs: dict[str, spec.Run]) -> str:
    """Return the reason why no measurement can decide a claim; empty when one can."""
    if claim.blank:
        return "the paper prints nothing here"
    if claim.run is not None and claim.run not in runs:
        return f"benchmark/runs has no run {claim.run!r}"
    if claim.value is None:
        return "printed in words, not as a number"
    kind = claim.quantity.split(".")[0]
    if kind in UNTESTABLE and (claim.run is None or claim.quantity not in SETTINGS):
        return UNTESTABLE[kind]
    return "no run for this system" if claim.run is None else ""


def compare(claim: Claim, measured: float, bands: dict[str, Band]) -> Verdict:
    """Compare two numbers alone: "agrees", "close" or "differs"."""
    assert claim.value is not None
    difference = measured - claim.value
    relative = RELATIVE.get(claim.quantity, 0.0) * abs(claim.value)
    band = bands.get(claim.quantity, Band(0.0, relative, relative))
    if abs(difference) <= (claim.rounding + band.agrees) * (1 + 1e-9):
        return "agrees"
    return "close" if -band.below <= difference <= band.above else "differs"


def explain(claim: Claim, ours: Judgement, theirs: Judgement) -> tuple[Judgement, Judgement]:
    """Apply a claims file's explanation to both verdicts.

    An explanation that no difference needs makes the verdict "differs", so that it is removed.
    """
    if not claim.explain:
        return ours, theirs
    needless = {ours.verdict, theirs.verdict} - {"untested", ""} == {"agrees"}

    def explained(side: Judgement) -> Judgement:
        if needless and side.verdict == "agrees":
            reason = f"agrees, but the claims file explains a difference: {claim.explain}"
            return replace(side, verdict="differs", reason=reason)
        if side.verdict == "differs":
            return replace(side, verdict="explained", reason=claim.explain)
        return replace(side, reason=claim.explain) if side.verdict == "close" else side

    return explained(ours), explained(theirs)


def judge_count(case: Case) -> Judgement:
    """Judge a printed size, number of MACs or setting by the full network and its recipe."""
    claim, measured = case.claim, case.measured
    setting = claim.quantity in SETTINGS
    if measured is None or measured.value is None:
        absent = f"{claim.quantity} of {claim.run} is not in {COMPLEXITY}"
        return Judgement(reason="the recipe has no such entry" if setting else absent)
    if setting:
        equal = math.isclose(measured.value, claim.value or 0.0, rel_tol=1e-9)
        return Judgement(measured.value, "agrees" if equal else "differs")
    return Judgement(measured.value, compare(claim, measured.value, {}))


def judge_time(claim: Claim, timed: PrintedTime | None) -> Judgement:
    """Judge a run time, on the paper's own card only; its ratios are in times.csv."""
    if timed is None or timed.measured_s is None:
        physics = f"; physics says {timed.verdict}" if timed else ""
        return Judgement(reason=f"no sound measurement on any device{physics}")
    place = f"{timed.measured_s:.3g} s on {timed.measured_on}"
    if not timed.own_card:
        card = timed.card or "card, which it does not name"
        # The time of a smaller image beside a printed one would mislead.
        measured = timed.measured_s if times.full_size(timed) else None
        return Judgement(measured, reason=f"{place}, not on the paper's {card}; see its ratios")
    within = OWN_CARD * (claim.value or 0.0)
    size = "" if claim.size else "; the paper names no image size"
    bands = {"seconds": Band(within, within, within)}
    return Judgement(timed.measured_s, compare(claim, timed.measured_s, bands), f"{place}{size}")


def judge_retrained(case: Case, evidence: Evidence) -> Judgement:
    """Judge a quality, only where nothing was cut and the images are the paper's, all of them."""
    claim, measured = case.claim, case.measured
    profile, run = evidence.profile, evidence.runs[claim.run or ""]
    if run.name not in profile.of(evidence.runs):
        return Judgement(reason=f"profile {profile.name} leaves this run out")
    if measured is None or measured.value is None:
        dataset = claim.dataset or "no named dataset"
        reason = f"{case.quantity} on {dataset} is not measured in this profile"
        return Judgement(reason=(measured.note if measured else "") or reason)
    cuts = profile.at(run).cuts(run.train) if run.train else []
    if profile.data:
        cuts = cuts or [f"{profile.data} data in place of the real set"]
    elif part := evidence.part(claim.dataset or "", measured.n):
        cuts = [*cuts, part]
    if cuts:
        return Judgement(measured.value, "untested", "; ".join(cuts))
    verdict, remarks = compare(claim, measured.value, RETRAINED if run.train else AUTHORS), [case.remark]
    if verdict == "differs" and measured.value > (claim.value or 0.0):
        remarks.append("better than printed by more than retraining explains")
    return Judgement(measured.value, verdict, "; ".join(filter(None, remarks)))


def judge_authors(case: Case, evidence: Evidence) -> Judgement:
    """Judge a quality by the authors' weights, only on the whole test set."""
    claim, measured = case.claim, case.authors
    dataset = claim.dataset or "no named dataset"
    if measured is None:
        run = evidence.runs[claim.run or ""]
        if run.weights or run.train is None:
            return Judgement(reason=f"{case.quantity} on {dataset} is not measured")
        return Judgement(reason="no weights of its authors are known")
    if measured.value is None:
        return Judgement(reason=measured.note)
    if part := evidence.part(dataset, measured.n):
        return Judgement(measured.value, "untested", part, measured.n)
    return Judgement(measured.value, compare(claim, measured.value, AUTHORS), case.remark, measured.n)
