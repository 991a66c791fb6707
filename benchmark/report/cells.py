"""Fill one cell of a printed table: the printed number, the authors' weights' value and ours."""

from dataclasses import dataclass

from benchmark.claims import Claim
from benchmark.compare.bands import RELATIVE
from benchmark.compare.decode import FAMILIES
from benchmark.compare.units import format_like
from benchmark.report.inputs import Judged

NOT_COMPARED = "not compared yet: `python -m benchmark.compare` does it"
UNEXPLAINED = "nothing explains this difference yet"


@dataclass(frozen=True)
class AuthorsValue:
    """The value of published weights, or of the blurred input itself, on the real test set."""

    text: str  # in the printed unit and precision
    gap: str = ""
    verdict: str = ""  # schema.Outcome; empty where nothing is printed
    part: str = ""  # "10 of 1,111"; empty for the whole set


@dataclass(frozen=True)
class Cell:
    """One printed cell. Text and dashes have no verdict; a claim without a finding has `waiting`."""

    text: str
    verdict: str = ""  # schema.Outcome
    ours: str = ""  # in the printed unit and precision
    gap: str = ""
    stand_in: bool = False  # ours tests nothing: measured on other images, or after a cut training
    waiting: bool = False
    authors: AuthorsValue | None = None
    basis: str = ""  # schema.Basis where it is not an independent measurement
    notes: tuple[int, ...] = ()  # footnotes, from 1


def distance(claim: Claim, measured: float) -> str:
    """Write how far off a measurement is: per cent for counts, the unit for qualities, nothing for the rest.

    >>> distance(Claim("", "", "", "", None, None, "params", "20", scale=1e6), 20.2e6)
    '+1 %'
    """
    if claim.quantity in RELATIVE and claim.value:
        percent = 100 * (measured - claim.value) / claim.value
        return f"{percent:+.0f} %" if abs(percent) >= 10 else f"{percent:+.2g} %"
    if claim.quantity in FAMILIES and claim.value is not None:
        return f"{measured - claim.value:+.3g}"
    return ""


def part(images: int, total: int) -> str:
    """Write how much of a test set was measured; empty for all of it, or when its size is unknown.

    >>> part(10, 1111), part(1111, 1111)
    ('10 of 1,111', '')
    """
    return f"{images:,} of {total:,}" if images < total else ""


def authors(claim: Claim, judged: Judged | None, total: int) -> tuple[AuthorsValue | None, str]:
    """Return the authors' weights' value for a claim, and the reason for its outcome."""
    finding = judged.authors if judged else None
    if finding is None or finding.measured is None or claim.value is None:
        return None, ""
    measured, outcome = finding.measured, finding.outcome
    exact = outcome in ("holds", "undecided")  # these show no gap
    gap = "" if exact else distance(claim, measured)
    images = part(finding.images or 0, total)
    value = AuthorsValue(format_like(claim, measured, exact), gap, outcome, images)
    reason = finding.reason or (UNEXPLAINED if outcome == "not reproduced" else "")
    if not reason or reason == f"{images} images":  # the cell says so already
        return value, ""
    return value, f"authors’ weights: {reason}"


def cell(claim: Claim, judged: Judged | None, stand_in: str) -> tuple[Cell, str]:
    """Fill a claim's cell, without footnotes and authors' value, and return the reason of its outcome.

    `stand_in` is the reason why a measured value decides nothing in this profile.
    """
    if claim.blank:
        return Cell(claim.printed), ""
    if judged is None:
        return Cell(claim.printed, waiting=True), NOT_COMPARED
    outcome, ours, reason = judged.verdict.outcome, judged.ours, judged.verdict.reason
    basis = judged.verdict.basis if judged.verdict.basis not in ("", "independent") else ""
    if ours is None or ours.measured is None or claim.value is None:
        return Cell(claim.printed, outcome, basis=basis), reason
    if ours.outcome == "undecided":
        text = format_like(claim, ours.measured)
        reason = "; ".join(dict.fromkeys(filter(None, (f"{stand_in}: {ours.reason}", reason))))
        reason = f"{stand_in}: {ours.reason}" if judged.verdict.kind == ours.kind else reason
        return Cell(claim.printed, outcome, text, stand_in=True, basis=basis), reason
    exact = ours.outcome == "holds"
    gap = "" if exact else distance(claim, ours.measured)
    reason = reason or (UNEXPLAINED if outcome == "not reproduced" else "")
    return Cell(claim.printed, outcome, format_like(claim, ours.measured, exact), gap, basis=basis), reason
