"""One printed cell: the number as printed, what the authors' weights give, what is measured here."""

from dataclasses import dataclass

from benchmark.claims import NUMBER, SCALES, Claim
from benchmark.compare.decode import FAMILIES
from benchmark.compare.findings import RELATIVE, Finding

NOT_COMPARED = "not compared yet: `python -m benchmark.compare` does it"
UNEXPLAINED = "nothing explains this difference yet"


@dataclass(frozen=True)
class Real:
    """What published weights, or the blurred input itself, have on the real test set."""

    text: str  # in the printed unit and precision
    gap: str = ""
    verdict: str = ""  # one of compare.VERDICTS; empty where nothing is printed
    part: str = ""  # as "10 of 1,111", empty for the whole set


@dataclass(frozen=True)
class Cell:
    """One printed cell. Text and dashes have no verdict; a claim without a finding has `waiting`."""

    text: str
    verdict: str = ""  # one of compare.VERDICTS
    ours: str = ""  # in the printed unit and precision
    gap: str = ""
    stand_in: bool = False  # ours is no test of the claim: other images, or a cut training
    waiting: bool = False
    authors: Real | None = None
    physics: str = ""  # of a printed time: one of compare.times.VERDICTS; empty: nothing decided
    notes: tuple[int, ...] = ()  # footnotes, from 1


def like(claim: Claim, measured: float, exact: bool = True) -> str:
    """A measured number in the printed unit and precision; more digits where a difference would vanish.

    >>> claim = Claim("", "", "", "", None, None, "macs_720p", "689.20", scale=1e9)
    >>> like(claim, 687.086e9), like(claim, 689.204e9), like(claim, 689.204e9, exact=False)
    ('687.09', '689.20', '689.204')
    """
    found = NUMBER.fullmatch(claim.printed.strip())
    assert found
    assert claim.value is not None
    unit, digits = found["unit"] or "", found["mantissa"] or ""
    if abs(measured - claim.value) <= 1e-9 * abs(claim.value):
        return claim.printed
    value = measured / claim.scale / SCALES.get(unit, 1)
    if found["ten"]:
        return f"{value:g} {unit}".strip()
    decimals = len(digits.partition(".")[2])
    comma = "," if "," in digits else ""
    while not exact and decimals < 9 and f"{value:{comma}.{decimals}f}" == digits:
        decimals += 1
    return f"{value:{comma}.{decimals}f} {unit}".strip()


def distance(claim: Claim, measured: float) -> str:
    """How far off, in per cent for counts and in the unit for qualities; empty for the rest.

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
    """How much of a test set was measured; empty for all of it, or when its size is not known.

    >>> part(10, 1111), part(1111, 1111)
    ('10 of 1,111', '')
    """
    return f"{images:,} of {total:,}" if images < total else ""


def authors(claim: Claim, finding: Finding | None, total: int) -> tuple[Real | None, str]:
    """What the authors' weights give for a claim, and the reason for its verdict."""
    if finding is None or not finding.authors or claim.value is None:
        return None, ""
    value, verdict = float(finding.authors), finding.authors_verdict
    exact = verdict in ("agrees", "untested")  # then there is no gap to show
    made = Real(
        like(claim, value, exact),
        "" if exact else distance(claim, value),
        verdict,
        part(int(finding.authors_n or 0), total),
    )
    reason = finding.authors_reason or (UNEXPLAINED if verdict == "differs" else "")
    if not reason or reason == f"{made.part} images":  # the cell itself says so
        return made, ""
    return made, f"authors’ weights: {reason}"


def physics(finding: Finding | None) -> tuple[str, str]:
    """Whether a printed time is possible on its card, and the arithmetic; nothing for what is undecided."""
    if finding is None or finding.physics in ("", "untested"):
        return "", ""
    return finding.physics, f"laws of physics: {finding.physics_reason}" if finding.physics_reason else ""


def cell(claim: Claim, finding: Finding | None, stand_in: str) -> tuple[Cell, str]:
    """A claim's cell without footnotes and authors, and its reason."""
    if claim.blank:
        return Cell(claim.printed), ""
    if finding is None:
        return Cell(claim.printed, waiting=True), NOT_COMPARED
    if not finding.measured or claim.value is None:
        return Cell(claim.printed, finding.verdict), finding.reason
    measured, agrees = float(finding.measured), finding.verdict == "agrees"
    if finding.verdict == "untested":
        ours = like(claim, measured)
        return Cell(claim.printed, "untested", ours, stand_in=True), f"{stand_in}: {finding.reason}"
    gap = "" if agrees else distance(claim, measured)
    reason = finding.reason or (UNEXPLAINED if finding.verdict == "differs" else "")
    return Cell(claim.printed, finding.verdict, like(claim, measured, exact=agrees), gap), reason
