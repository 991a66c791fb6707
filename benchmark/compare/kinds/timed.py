"""Hold printed run times, and sentences about them, against networks timed on the paper's own card."""

from collections.abc import Iterable, Iterator

from benchmark.claims import Claim
from benchmark.compare import paired, times
from benchmark.compare.bands import OWN_CARD, Band, compare
from benchmark.compare.evidence import Evidence, found
from benchmark.results import RATIOS, TIMINGS
from benchmark.results.schema import Finding

ABOUT = "the network as built, timed on the paper's own card"
BASIS = "independent"


def judge(claims: Iterable[Claim], evidence: Evidence) -> Iterator[Finding]:
    """Yield a finding for each printed time and sentence whose networks are timed on any device."""
    for claim in claims:
        timed = evidence.times.get(claim)
        if timed is None or timed.measured_s is None or claim.value is None:
            continue
        place = f"{timed.measured_s:.3g} s on {timed.measured_on}"
        if not timed.own_card:
            card = timed.card or "card, which it does not name"
            # The time of a smaller image beside a printed one would mislead.
            measured = timed.measured_s if times.full_size(timed) else None
            reason = f"{place}, not on the paper's {card}; see its ratios"
            yield found(claim, "timed", "undecided", reason, str(TIMINGS), measured=measured)
            continue
        within = OWN_CARD * claim.value
        size = "" if claim.size else "; the paper names no image size"
        outcome = compare(claim, timed.measured_s, {"seconds": Band(within, within, within)})
        yield found(claim, "timed", outcome, f"{place}{size}", str(TIMINGS), measured=timed.measured_s)
    for each in paired.statements(evidence.papers, evidence.sources.cards, evidence.sources.paired):
        yield found(each.claim, "timed", each.outcome, each.reason, str(RATIOS), measured=each.measured)
