"""Hold printed parameter counts and model sizes against the network as built."""

from collections.abc import Iterable, Iterator

from benchmark.claims import Claim
from benchmark.compare.evidence import Evidence, count_finding
from benchmark.results.schema import Finding

ABOUT = "the weights of a network that was built without any printed size"
BASIS = "independent"


def judge(claims: Iterable[Claim], evidence: Evidence) -> Iterator[Finding]:
    """Yield a finding for each printed size."""
    for claim in claims:
        if claim.quantity in ("params", "size") and not evidence.shaped(claim):
            yield count_finding(claim, "size", evidence)
