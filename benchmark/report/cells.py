"""Fill one cell of a printed table: the printed number, the authors' weights' value and ours."""

from dataclasses import dataclass, replace

from benchmark.claims import Claim
from benchmark.compare.bands import RELATIVE
from benchmark.compare.decode import FAMILIES
from benchmark.compare.units import format_like
from benchmark.report.inputs import Inputs, Judged
from benchmark.results.schema import OUTCOMES, Verdict

NOT_COMPARED = "not compared yet: `python -m benchmark.compare` does it"
UNEXPLAINED = "nothing explains this difference yet"
OTHER_CARD = "our value tests nothing"

# What a verdict looks like: a mark that tells verdicts apart without colour, and a tone.
MARKS = {
    "holds": ("✓", "good"),
    "holds (print)": ("=", "weak"),
    "holds (by construction)": ("∘", "none"),
    "close": ("≈", "near"),
    "close (print)": ("=", "weak"),
    "close (by construction)": ("∘", "none"),
    "contested": ("≠", "doubt"),
    "not reproduced": ("≉", "bad"),
    "contradicted": ("✗", "bad"),
    "not credible": ("?", "doubt"),
    "impossible": ("!", "bad"),
    "undecided": ("·", "none"),
}


@dataclass(frozen=True)
class AuthorsValue:
    """The value of published weights, or of the blurred input itself, on the real test set."""

    text: str  # in the printed unit and precision
    gap: str = ""
    verdict: str = ""  # schema.Outcome; empty where nothing is printed
    part: str = ""  # "10 of 1,111"; empty for the whole set


@dataclass(frozen=True)
class Cell:
    """One printed cell. Text, dashes and the blurred input have no claim, and no verdict."""

    text: str
    claim: str = ""  # its id on the page
    verdict: str = ""  # schema.Outcome
    basis: str = ""  # schema.Basis where it is not an independent measurement
    ours: str = ""  # in the printed unit and precision
    gap: str = ""
    stand_in: bool = False  # ours tests nothing: measured on other images, or after a cut training
    authors: AuthorsValue | None = None
    reason: str = ""  # of the verdict
    authors_reason: str = ""  # of the outcome of the authors' weights

    @property
    def outcome(self) -> str:
        """Name the verdict with what an agreement rests on; a claim that was never compared is undecided."""
        return named(self.verdict or "undecided", self.basis) if self.claim else ""

    @property
    def tone(self) -> str:
        """Return how the verdict looks: good, weak, near, doubt, bad or none."""
        return MARKS[self.outcome][1] if self.claim else ""


def named(verdict: str, basis: str) -> str:
    """Name an outcome with what an agreement rests on.

    >>> named("holds", "print"), named("holds", "independent"), named("contested", "print")
    ('holds (print)', 'holds', 'contested')
    """
    agrees = verdict in ("holds", "close") and basis not in ("", "independent")
    return f"{verdict} ({basis})" if agrees else verdict


def outcome(verdict: Verdict) -> str:
    """Name a claim's outcome with what an agreement rests on.

    >>> from benchmark.results.schema import Verdict
    >>> outcome(Verdict("p", "t", "r", "c", "", "", "psnr", "30", 30.0, "close", "size", "print", ""))
    'close (print)'
    """
    return named(verdict.outcome, verdict.basis)


# All of them in order of precedence. Agreement by construction is none, and agreement of prints is weak.
COLUMNS = tuple(
    f"{name}{basis}"
    for name in OUTCOMES
    for basis in (("", " (print)", " (by construction)") if name in ("holds", "close") else ("",))
)


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
    measured, verdict = finding.measured, finding.outcome
    exact = verdict in ("holds", "undecided")  # these show no gap
    gap = "" if exact else distance(claim, measured)
    images = part(finding.images or 0, total)
    value = AuthorsValue(format_like(claim, measured, exact), gap, verdict, images)
    return value, finding.reason or (UNEXPLAINED if verdict == "not reproduced" else "")


def stand_in(inputs: Inputs, claim: Claim) -> str:
    """Say why a value of ours tests nothing in this profile."""
    if claim.quantity == "seconds":  # times depend on no images
        return OTHER_CARD
    basis = f"on {inputs.profile.data} images" if inputs.profile.data else "after a cut training"
    return f"our value is measured {basis} and tests nothing"


def fill(inputs: Inputs, claim: Claim, judged: Judged | None, key: str) -> Cell:
    """Fill a claim's cell.

    Args:
        inputs: all tables.
        claim: a claim with a number or words.
        judged: its verdict and findings; None when it is newer than they are.
        key: its id on the page.
    """
    theirs, authors_reason = authors(claim, judged, inputs.total(claim.dataset or ""))
    if judged is None:
        return Cell(claim.printed, key, authors=theirs, reason=NOT_COMPARED)
    verdict, ours = judged.verdict, judged.ours
    cell = Cell(
        text=claim.printed,
        claim=key,
        verdict=verdict.outcome,
        basis=verdict.basis if verdict.basis != "independent" else "",
        authors=theirs,
        reason=verdict.reason or (UNEXPLAINED if verdict.outcome == "not reproduced" else ""),
        authors_reason=authors_reason,
    )
    if ours is None or ours.measured is None or claim.value is None:
        return cell
    if ours.outcome == "undecided":
        why = f"{stand_in(inputs, claim)}: {ours.reason}"
        more = verdict.reason if verdict.kind != ours.kind else ""
        reason = "; ".join(filter(None, (why, more)))
        return replace(cell, ours=format_like(claim, ours.measured), stand_in=True, reason=reason)
    exact = ours.outcome == "holds"
    gap = "" if exact else distance(claim, ours.measured)
    return replace(cell, ours=format_like(claim, ours.measured, exact), gap=gap)
