"""Hold printed settings against a recipe or network that comes from its authors' code."""

from collections.abc import Iterable, Iterator

from benchmark.claims import Claim
from benchmark.compare.evidence import Evidence, setting_finding
from benchmark.results.schema import Finding

ABOUT = "a recipe or layout that comes from its authors' code and not from the paper"
BASIS = "independent"


def judge(claims: Iterable[Claim], evidence: Evidence) -> Iterator[Finding]:
    """Yield a finding for each printed setting."""
    for claim in claims:
        if claim.quantity.startswith("setting.") and not evidence.shaped(claim):
            yield setting_finding(claim, "setting", evidence)
