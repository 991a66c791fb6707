"""Printed run times: what physics says of each, and which clock it was probably read from.

Every printed time is judged on the paper's own card, from the operations that the paper prints in the same
row and from those counted by this project; the milder verdict counts, so that nothing rests on our count
where the paper has its own. The print's rounding is taken in its favour. Ratios to the table's anchor depend
less on the card than times do: beside a network's two clocks, measured or published, they show whether a
time was read before the device had finished.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmark.claims import Claim, Paper
from benchmark.compare import paired, physics
from benchmark.compare.physics import Card, Clocked, Judgement, Load
from benchmark.results import RATIOS, TIMINGS, read_rows
from benchmark.results.ratios import PairedRatio
from benchmark.results.schema import Clock, Complexity, PrintedTime, Timing
from benchmark.timing.timings import ratio

NEAR = 2.0  # a time or ratio further than this factor from both clocks resembles neither
ALIKE = 1.5  # clocks nearer to each other than this factor cannot be distinguished
FULL_SIZE = paired.FULL_SIZE
EAGER = ("strict", "tf32")  # modes in float32


@dataclass(frozen=True)
class Sources:
    """Everything that printed times are compared with."""

    complexity: Mapping[str, Complexity]  # by run
    cards: Mapping[str, Card]
    clocked: Sequence[Clocked]
    measured: Sequence[Timing]  # sound eager float32 forward times of single images
    paired: Sequence[PairedRatio] = ()  # sound, of the same

    def card(self, claim: Claim) -> Card | None:
        """Return the paper's card; None where it names none.

        Raises:
            ValueError: the claim names a card that cards.yaml does not have.
        """
        if claim.card and claim.card not in self.cards:
            place = f"benchmark/claims/{claim.paper}.yaml, {claim.table}, {claim.row!r}"
            raise ValueError(f"{place}: card {claim.card!r}; allowed: {', '.join(sorted(self.cards))}")
        return self.cards.get(claim.card)


def all_macs(row: Complexity | None) -> float | None:
    """Return the MACs of a run at 720x1280, with deformable convolutions; None where they are not defined."""
    if row is None or row.macs_720p is None:
        return None
    return float(row.macs_720p + (row.macs_720p_deformable or 0))


def sources(complexity: Iterable[Complexity], timings: Path = TIMINGS, ratios: Path = RATIOS) -> Sources:
    """Collect cards, counts, measured times and ratios.

    Raises:
        ValueError: a file is malformed.
    """
    cards, clocked = physics.read()
    measured = [
        row
        for row in read_rows(timings, Timing, optional=True)
        if (row.kind, row.verdict, row.batch) == ("forward", "sound", 1) and row.mode in EAGER
    ]
    pairs = [
        row
        for row in read_rows(ratios, PairedRatio, optional=True)
        if (row.verdict, row.batch) == ("sound", 1) and row.mode in EAGER
    ]
    return Sources({row.run: row for row in complexity}, cards, clocked, measured, pairs)


def times(papers: Iterable[Paper], sources: Sources) -> Iterator[tuple[Claim, PrintedTime]]:
    """Judge every printed time in printed order, blank cells included.

    Raises:
        ValueError: a claim names a card that cards.yaml does not have.
    """
    for paper in papers:
        anchors = {table.name: table.anchor for table in paper.tables}
        all_claims = list(paper.claims())
        for claim in all_claims:
            if claim.quantity == "seconds":
                table = [other for other in all_claims if other.table == claim.table]
                yield claim, judge(claim, table, anchors.get(claim.table, ""), sources)


def judge(claim: Claim, table: Sequence[Claim], anchor: str, sources: Sources) -> PrintedTime:
    """Judge one printed time; `table` holds the claims of its table, `anchor` names the row of ratios."""
    card = sources.card(claim)
    printed_macs = next((c.value for c in table if c.row == claim.row and c.quantity == "macs_720p"), None)
    counts = sources.complexity.get(claim.run or "")
    anchor_claim = next((c for c in table if c.row == anchor and c.quantity == "seconds"), None)
    return PrintedTime(
        claim.paper,
        claim.table,
        claim.row,
        claim.column,
        claim.run or "",
        claim.printed,
        claim.value,
        card.name if card else "",
        **physics_cells(claim, card, printed_macs, counts),
        macs_printed=printed_macs or None,
        macs_counted=all_macs(counts),
        **ratio_cells(claim, card, anchor_claim, sources),
    )


def judge_as(claim: Claim, run: str, sources: Sources) -> PrintedTime:
    """Judge a printed time as that of another run, from its counted operations alone."""
    return judge(replace(claim, run=run), [], "", sources)


def untestable(claim: Claim, card: Card | None, has_macs: bool, counts: Complexity | None) -> str:
    """Return why physics cannot judge a printed time; empty when it can."""
    if claim.blank:
        return "the paper prints nothing here"
    if claim.value is None:
        return "printed in words, not as a number"
    if claim.quoted:
        return f"quoted, {claim.quoted}: not measured on the table's card"
    if card is None:
        return "the paper names no card"
    if not has_macs:
        absent = f"{claim.run} is not in results/complexity.csv" if claim.run else "no network to count"
        return f"operations of {claim.run} {counts.uncounted}" if counts else absent
    return ""


def physics_cells(
    claim: Claim, card: Card | None, printed_macs: float | None, counts: Complexity | None
) -> dict[str, Any]:
    """Fill the columns of physics, from the MACs that the paper prints and those counted of the run."""
    counted = all_macs(counts)
    if reason := untestable(claim, card, bool(printed_macs) or counted is not None, counts):
        return {"verdict": "untested", "reason": reason}
    assert card is not None
    assert claim.value is not None
    weights = float(counts.params) if counts else 0.0
    longest = claim.value + claim.rounding
    judged = {}
    if printed_macs:
        judged["printed"] = physics.judge(longest, card, Load(printed_macs, weights))
    if counts and counted is not None:
        load = Load(counted, weights, float(counts.traffic_720p or 0))
        judged["counted"] = physics.judge(longest, card, load)
    best = physics.milder(list(judged.values()))
    return {
        "verdict": best.verdict,
        "reason": explain(claim, longest, card, judged),
        "at_peak_s": best.bounds.at_peak,
        "lower_bound_s": best.bounds.lower_bound,
        "memory_s": best.bounds.memory,
        "eager_memory_s": judged["counted"].bounds.eager or None if "counted" in judged else None,
        "share_of_peak": best.share_of_peak,
        "possible_image_share": best.possible_share,
    }


def in_words(seconds: float, digits: int = 3) -> str:
    """Write a time in words.

    >>> in_words(0.0065), in_words(0.0325), in_words(1.135, 4), in_words(75)
    ('6.5 ms', '32.5 ms', '1.135 s', '75 s')
    """
    return f"{1e3 * seconds:.{digits}g} ms" if seconds < 1 else f"{seconds:.{digits}g} s"


def explain(claim: Claim, longest: float, card: Card, judged: Mapping[str, Judgement]) -> str:
    """Write a verdict's arithmetic in one sentence."""
    parts = [f"{claim.printed} is at most {in_words(longest, 4)}"]
    for source, each in judged.items():
        rate = each.load.flop / longest / 1e12
        part = (
            f"{each.load.macs / 1e9:,.2f} GMAC {source} need {rate:.3g} TFLOP/s, "
            f"{each.share_of_peak:.2g} times the peak of {card.name}; "
            f"they take {in_words(each.bounds.at_peak)} at that peak, "
            f"{in_words(each.bounds.lower_bound)} with Winograd everywhere or half precision"
        )
        if longest < each.bounds.eager:
            part += f"; its operators, run one by one, move data for {in_words(each.bounds.eager)}"
        parts.append(part)
    size = "720x1280" if claim.size else "720x1280 assumed, as the paper names no size"
    best = physics.milder(list(judged.values()))
    if best.verdict == "impossible":
        size += f": possible at most for {math.floor(100 * best.possible_share)} % of its pixels"
    return "; ".join([*parts, size])


def ratio_cells(claim: Claim, card: Card | None, anchor: Claim | None, sources: Sources) -> dict[str, Any]:
    """Fill the columns of ratios and measurements."""
    run, anchor_run = claim.run or "", (anchor.run or "") if anchor else ""
    claimed = ratio(claim.value, anchor.value) if anchor else None
    macs, anchor_macs = (all_macs(sources.complexity.get(name)) for name in (run, anchor_run))
    macs_ratio = ratio(macs, anchor_macs) if macs is not None and anchor_macs is not None else None
    cells: dict[str, Any] = {}
    synchronised = asynchronous = None
    if best := best_measurement(run, anchor_run, card, sources.measured):
        own = bool(card and card.has_name(best.device) and (best.height, best.width) == FULL_SIZE)
        measured_on = f"{best.device} ({best.mode}, {best.height}x{best.width})"
        cells = {"measured_on": measured_on, "own_card": "yes" if own else ""}
        cells["measured_s"] = ratio(best.median_ms, 1e3)
        for row in sources.measured:
            if row.run == anchor_run and setting(row) == setting(best):
                synchronised = ratio(best.median_ms, row.median_ms)
                asynchronous = ratio(best.async_ms, row.async_ms)
    ratios = claimed, asynchronous, synchronised
    clock, reason = likely_clock(claim, anchor, ratios, cells.get("measured_on", ""), sources.clocked)
    cells |= paired.cells(run, anchor_run, card, sources.paired)
    return cells | {
        "anchor": anchor.row if anchor else "",
        "claimed_ratio": claimed,
        "macs_ratio": macs_ratio,
        "measured_ratio": synchronised,
        "async_ratio": asynchronous,
        "likely_clock": clock,
        "likely_clock_reason": reason,
    }


def full_size(timed: PrintedTime) -> bool:
    """Decide whether the measured time is of the images that papers time."""
    return timed.measured_on.endswith(f"{FULL_SIZE[0]}x{FULL_SIZE[1]})")


def setting(row: Timing) -> tuple[str, str, int, int]:
    """Return what the times of different runs must share to be compared: device, mode and size."""
    return row.device, row.mode, row.height, row.width


def best_measurement(run: str, anchor: str, card: Card | None, measured: Iterable[Timing]) -> Timing | None:
    """Choose the most informative timing: with an anchor in the same setting, on the paper's card, on a GPU.

    Of the modes, that which PyTorch chooses by default on the paper's card; of sizes the largest.
    """
    default_mode = "tf32" if card is not None and card.tf32 else "strict"
    anchored = {setting(row) for row in measured if row.run == anchor}

    def rank(row: Timing) -> tuple[bool, bool, bool, bool, int, str]:
        own = card is not None and card.has_name(row.device)
        gpu = row.async_ms is not None  # a CPU's calls return when they are done
        default = row.mode == default_mode
        return setting(row) in anchored, own, gpu, default, row.height * row.width, row.device

    return max((row for row in measured if row.run == run), key=rank, default=None)


def likely_clock(
    claim: Claim,
    anchor: Claim | None,
    ratios: tuple[float | None, float | None, float | None],
    measured_on: str,
    clocked: Iterable[Clocked],
) -> tuple[Clock, str]:
    """Return which clock a printed time was probably read from, with the evidence; "" without evidence.

    Published times of the same network on the same card decide, else the printed ratio to the anchor beside
    the asynchronous and the synchronised one, in this order in `ratios`.
    """
    if not claim.value:
        return "", ""
    printed = claim.value
    pairs = [p for p in clocked if p.run and (p.run, p.card) == (claim.run, claim.card)]
    if pairs:
        # Of several publications the one nearest to the print, by either clock.
        pair = min(pairs, key=lambda p: min(factor(printed, t) for t in (p.asynchronous, p.synchronised)))
        return nearest(printed, pair.asynchronous, pair.synchronised), (
            f"on this card {pair.source} has {in_words(pair.asynchronous)} asynchronous and "
            f"{in_words(pair.synchronised)} synchronised; printed {in_words(printed)}"
        )
    claimed, early, synchronised = ratios
    if not (claimed and anchor and early and synchronised) or anchor.row == claim.row:
        return "", ""
    return nearest(claimed, early, synchronised), (
        f"printed {claimed:.2g} times the time of {anchor.row}; measured {early:.2g} times asynchronous, "
        f"{synchronised:.2g} times synchronised, on {measured_on}"
    )


def factor(value: float, other: float) -> float:
    """Return how many times larger the larger number is.

    >>> factor(2.0, 1.0), factor(1.0, 2.0)
    (2.0, 2.0)
    """
    return max(value / other, other / value)


def nearest(value: float, asynchronous: float, synchronised: float) -> Clock:
    """Return the clock that a time or ratio resembles; "" where both clocks are alike.

    >>> nearest(0.018, 0.025, 0.282), nearest(0.208, 0.075, 1.474), nearest(1.0, 1.0, 1.2)
    ('asynchronous', 'neither', '')
    """
    if factor(asynchronous, synchronised) < ALIKE:
        return ""
    early, late = factor(value, asynchronous), factor(value, synchronised)
    if min(early, late) > NEAR:
        return "neither"
    return "asynchronous" if early <= late else "true"
