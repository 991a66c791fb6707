"""Printed numbers beside other printed numbers of the same thing."""

from dataclasses import dataclass
from pathlib import Path

from benchmark.claims import Claim
from benchmark.compare.bands import AUTHORS, Band
from benchmark.results.schema import Outcome
from benchmark.spec import build, read_yaml

ELSEWHERE = Path(__file__).with_name("elsewhere.yaml")
NAMELESS = Band(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Published:
    """One entry of elsewhere.yaml, where the fields are explained."""

    run: str
    dataset: str
    quantity: str
    printed: str
    source: str
    other: str = ""

    @property
    def claim(self) -> Claim:
        """Return it as a claim, for its value and rounding."""
        place = (self.source, "", "", "")
        return Claim(*place, run=self.run, dataset=self.dataset, quantity=self.quantity, printed=self.printed)


def read(path: Path = ELSEWHERE) -> tuple[Published, ...]:
    """Read what authors publish of their own systems.

    Raises:
        ValueError: the file has a mistake; the message names its place.
    """
    return build(tuple[Published, ...], f"benchmark/compare/{path.name}", read_yaml(path))


def system(claim: Claim) -> str:
    """Name the system of a claim: its run, or without one the first word of its row, an author."""
    return claim.run or claim.row.split()[0]


def subject(claim: Claim) -> tuple[str, ...]:
    """Return what two prints must share to be of the same thing; a time is one of a card."""
    place = claim.card if claim.quantity == "seconds" else claim.dataset if claim.quantity in AUTHORS else ""
    return system(claim), claim.quantity, place or ""


def agreement(claim: Claim, other: Claim) -> Outcome:
    """Compare two prints: "holds" and "close" as for authors' weights, else "contested"."""
    assert claim.value is not None
    assert other.value is not None
    band = AUTHORS.get(claim.quantity, NAMELESS)
    rounding = claim.rounding + other.rounding
    distance = abs(claim.value - other.value)
    if distance <= (rounding + band.holds) * (1 + 1e-9):
        return "holds"
    return "close" if distance <= (rounding + band.below) * (1 + 1e-9) else "contested"


def where(claim: Claim) -> str:
    """Name the place of a print."""
    return ", ".join(filter(None, (claim.paper, claim.table, claim.row)))
