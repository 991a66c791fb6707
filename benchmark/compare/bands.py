"""How near a measurement must be to a printed number; docs/protocols.md argues for each band."""

from dataclasses import dataclass

from benchmark.claims import Claim
from benchmark.compare.decode import TOLERANCE
from benchmark.results.schema import Outcome


@dataclass(frozen=True)
class Band:
    """How far a measured number may be from the printed one, in its unit."""

    holds: float  # beyond the print's rounding
    below: float  # still close when it is lower
    above: float  # still close when it is higher


# Those of counts are relative, and say what is close.
RELATIVE = {"params": 0.005, "size": 0.005, "macs_256": 0.01, "macs_720p": 0.01}
AUTHORS = {
    "psnr": Band(TOLERANCE["psnr"], 0.10, 0.10),
    "ssim": Band(TOLERANCE["ssim"], 0.003, 0.003),
}
RETRAINED = {"psnr": Band(0.30, 0.60, 0.30), "ssim": Band(0.004, 0.008, 0.004)}
OWN_CARD = 0.15  # a time on the paper's own card, relative: drivers, libraries and cooling differ


def in_words(claim: Claim) -> str:
    """Say why a claim is not compared with a number: it is none; empty for one that is."""
    return f"printed in words, “{claim.printed}”" if claim.value is None else ""


def compare(claim: Claim, measured: float, bands: dict[str, Band]) -> Outcome:
    """Compare two numbers alone: "holds", "close" or "not reproduced"."""
    assert claim.value is not None
    difference = measured - claim.value
    relative = RELATIVE.get(claim.quantity, 0.0) * abs(claim.value)
    band = bands.get(claim.quantity, Band(0.0, relative, relative))
    if abs(difference) <= (claim.rounding + band.holds) * (1 + 1e-9):
        return "holds"
    return "close" if -band.below <= difference <= band.above else "not reproduced"
