"""Hold printed operations against the arithmetic of the network as built."""

from collections.abc import Iterable, Iterator

from benchmark.claims import Claim
from benchmark.compare.evidence import Evidence, count_finding
from benchmark.results.schema import Finding

ABOUT = "the multiply-accumulates of a network that was built without any printed number of them"
BASIS = "independent"


def judge(claims: Iterable[Claim], evidence: Evidence) -> Iterator[Finding]:
    """Yield a finding for each printed number of operations."""
    for claim in claims:
        if claim.quantity in ("macs_256", "macs_720p") and not evidence.shaped(claim):
            yield count_finding(claim, "macs", evidence)
