"""Name the printed numbers that a recipe or layout was typed from, or searched to meet.

`built_to_fit` in a file of benchmark/runs declares them. That the built network agrees with such a number
shows that the number was read rightly, nothing else; that it does not is a mistake, or a search that failed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from benchmark.claims import Claim
from benchmark.compare.bands import RELATIVE
from benchmark.compare.evidence import Evidence, count_finding, found, setting_finding
from benchmark.results.schema import Finding

ABOUT = "a recipe or layout that was typed from the printed number or searched to meet it: proves nothing"
BASIS = "by construction"


def judge(claims: Iterable[Claim], evidence: Evidence) -> Iterator[Finding]:
    """Yield a finding for each number that shaped a system."""
    for claim in claims:
        how = evidence.shaped(claim)
        if not how:
            continue
        if claim.quantity in RELATIVE:
            finding = count_finding(claim, "by_construction", evidence)
        elif claim.quantity.startswith("setting."):
            finding = setting_finding(claim, "by_construction", evidence)
        else:  # a time that a layout was narrowed or chosen for; physics judges it where it refutes
            timed = evidence.times.get(claim)
            if timed is None or timed.verdict != "possible":
                continue
            reason = f"possible on its card, which says nothing: {how}"
            finding = found(claim, "by_construction", "undecided", reason, "times.csv")
            yield finding
            continue
        reason = "; ".join(filter(None, (finding.reason, how)))
        yield replace(finding, reason=reason) if finding.outcome != "undecided" else finding
