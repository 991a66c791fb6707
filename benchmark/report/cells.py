"""Fill one cell of a printed table: the printed number, the authors' weights' value and ours."""

from dataclasses import dataclass

from benchmark.claims import NUMBER, SCALES, Claim
from benchmark.compare.decode import FAMILIES
from benchmark.compare.findings import RELATIVE
from benchmark.results.schema import Finding

NOT_COMPARED = "not compared yet: `python -m benchmark.compare` does it"
UNEXPLAINED = "nothing explains this difference yet"


@dataclass(frozen=True)
class AuthorsValue:
    """The value of published weights, or of the blurred input itself, on the real test set."""

    text: str  # in the printed unit and precision
    gap: str = ""
    verdict: str = ""  # schema.Verdict; empty where nothing is printed
    part: str = ""  # "10 of 1,111"; empty for the whole set


@dataclass(frozen=True)
class Cell:
    """One printed cell. Text and dashes have no verdict; a claim without a finding has `waiting`."""

    text: str
    verdict: str = ""  # schema.Verdict
    ours: str = ""  # in the printed unit and precision
    gap: str = ""
    stand_in: bool = False  # ours tests nothing: measured on other images, or after a cut training
    waiting: bool = False
    authors: AuthorsValue | None = None
    physics: str = ""  # schema.PhysicsVerdict of a printed time; empty: not decided
    notes: tuple[int, ...] = ()  # footnotes, from 1


def format_like(claim: Claim, measured: float, exact: bool = True) -> str:
    """Write a measured number, in base units, in the printed unit and precision.

    Without `exact` it has as many decimals more as show a difference.

    >>> claim = Claim("", "", "", "", None, None, "macs_720p", "689.20", scale=1e9)
    >>> format_like(claim, 687.086e9), format_like(claim, 689.204e9)
    ('687.09', '689.20')
    >>> format_like(claim, 689.204e9, exact=False)
    '689.204'
    """
    match = NUMBER.fullmatch(claim.printed.strip())
    assert match
    assert claim.value is not None
    unit, digits = match["unit"] or "", match["mantissa"] or ""
    if abs(measured - claim.value) <= 1e-9 * abs(claim.value):
        return claim.printed
    value = measured / claim.scale / SCALES.get(unit, 1)
    if match["ten"]:
        return f"{value:g} {unit}".strip()
    decimals = len(digits.partition(".")[2])
    comma = "," if "," in digits else ""
    while not exact and decimals < 9 and f"{value:{comma}.{decimals}f}" == digits:
        decimals += 1
    return f"{value:{comma}.{decimals}f} {unit}".strip()


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


def authors(claim: Claim, finding: Finding | None, total: int) -> tuple[AuthorsValue | None, str]:
    """Return the authors' weights' value for a claim, and the reason for its verdict."""
    if finding is None or finding.authors_measured is None or claim.value is None:
        return None, ""
    measured, verdict = finding.authors_measured, finding.authors_verdict
    exact = verdict in ("agrees", "untested")  # these show no gap
    gap = "" if exact else distance(claim, measured)
    images = part(finding.authors_images or 0, total)
    value = AuthorsValue(format_like(claim, measured, exact), gap, verdict, images)
    reason = finding.authors_reason or (UNEXPLAINED if verdict == "differs" else "")
    if not reason or reason == f"{images} images":  # the cell says so already
        return value, ""
    return value, f"authors’ weights: {reason}"


def physics(finding: Finding | None) -> tuple[str, str]:
    """Return whether a printed time is possible on its card, and the arithmetic; nothing while undecided."""
    if finding is None or finding.physics in ("", "untested"):
        return "", ""
    return finding.physics, f"laws of physics: {finding.physics_reason}" if finding.physics_reason else ""


def cell(claim: Claim, finding: Finding | None, stand_in: str) -> tuple[Cell, str]:
    """Fill a claim's cell, without footnotes and authors' value, and return the reason of its verdict.

    `stand_in` is the reason why a measured value tests nothing in this profile.
    """
    if claim.blank:
        return Cell(claim.printed), ""
    if finding is None:
        return Cell(claim.printed, waiting=True), NOT_COMPARED
    verdict, measured, reason = finding.verdict, finding.measured, finding.reason
    if measured is None or claim.value is None:
        return Cell(claim.printed, verdict), reason
    if verdict == "untested":
        ours = format_like(claim, measured)
        return Cell(claim.printed, verdict, ours, stand_in=True), f"{stand_in}: {reason}"
    agrees = verdict == "agrees"
    gap = "" if agrees else distance(claim, measured)
    reason = reason or (UNEXPLAINED if verdict == "differs" else "")
    return Cell(claim.printed, verdict, format_like(claim, measured, exact=agrees), gap), reason
