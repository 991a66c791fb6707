"""Printed run times: what physics says of each, and which clock it resembles.

Every printed time is judged on the paper's own card, from the operations that the paper prints in the same
row and from those counted here; the milder verdict counts, so that nothing rests on a count of ours where
the paper has its own. The print's rounding is taken in its favour. Ratios to the table's anchor depend less
on the card than times do: beside a network's two clocks, measured here or published, they show whether a
time was read before the device had finished.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.claims import Claim, Paper
from benchmark.compare import physics
from benchmark.compare.physics import Card, Clocked, Judgement, Load
from benchmark.results.legacy import read, text
from benchmark.timing import record

VERDICTS = physics.VERDICTS
TIMINGS = record.FOLDER / "timings.csv"  # rows of benchmark.timing.analyse.Timing
RESEMBLES = ("asynchronous", "true", "neither", "")  # empty: unknown
NEAR = 2.0  # a time or ratio further than this factor from both clocks resembles neither
ALIKE = 1.5  # clocks nearer to each other than this cannot be told apart
SIZE = (720, 1280)

Counts = Mapping[str, Mapping[str, str]]  # run -> its row of results/complexity.csv


@dataclass(frozen=True)
class Timed:
    """One row of times.csv: a printed run time. Empty text: there is no such number."""

    paper: str
    table: str  # or the section
    row: str  # or what the sentence says
    column: str
    run: str
    printed: str
    seconds: str
    card: str  # the paper's, by its name
    verdict: str  # one of VERDICTS
    reason: str  # one sentence, with the arithmetic
    macs_printed: str = ""  # in the same row, at 720x1280
    macs_counted: str = ""  # with deformable convolutions
    floor_s: str = ""  # at the boost clock's peak; this and what follows from the MACs that gave the verdict
    least_s: str = ""  # with all that software can do, at the highest clock
    memory_s: str = ""  # image and weights moved once
    eager_memory_s: str = ""  # the traffic of all operators, of the counted network
    of_peak: str = ""  # the rate that the printed time needs over the card's peak
    largest_share: str = ""  # of 720x1280's pixels, up to which it is not impossible
    anchor: str = ""  # the row that ratios are formed against
    claimed_ratio: str = ""  # of the printed times
    macs_ratio: str = ""  # of the counted MACs
    measured: str = ""  # device, mode and size of what is measured here
    measured_s: str = ""  # synchronised
    own_card: str = ""  # "yes" where that is the paper's card at 720x1280
    measured_ratio: str = ""  # of synchronised times
    asynchronous_ratio: str = ""  # of times until the call returns
    resembles: str = ""  # one of RESEMBLES
    resembles_reason: str = ""


@dataclass(frozen=True)
class Setting:
    """A device, a mode and a size that networks were measured in."""

    device: str
    mode: str
    height: int
    width: int


@dataclass(frozen=True)
class Clocks:
    """One network's median times in a setting, s."""

    true: float
    asynchronous: float | None  # None: a CPU, which returns when it is done


@dataclass(frozen=True)
class Sources:
    """All that printed times are held against."""

    counts: Counts
    cards: Mapping[str, Card]
    clocked: Sequence[Clocked]
    measured: Mapping[Setting, Mapping[str, Clocks]]  # by run

    def card(self, claim: Claim) -> Card | None:
        """The paper's card; None where it names none.

        Raises:
            ValueError: the claim names a card that cards.yaml does not have.
        """
        if claim.card and claim.card not in self.cards:
            place = f"benchmark/claims/{claim.paper}.yaml, {claim.table}, {claim.row!r}"
            raise ValueError(f"{place}: no card {claim.card!r}; known: {', '.join(sorted(self.cards))}")
        return self.cards.get(claim.card)


def counted(row: Mapping[str, str]) -> float:
    """All MACs of a run at 720x1280."""
    return float(row["macs_720p"]) + float(row.get("macs_720p_deformable") or 0)


def clocks(path: Path = TIMINGS) -> dict[Setting, dict[str, Clocks]]:
    """The sound eager float32 forward times of one image, by setting and run; none without the file.

    Raises:
        ValueError: a cell is no number; the message names file and row.
    """
    found: dict[Setting, dict[str, Clocks]] = defaultdict(dict)
    for number, row in enumerate(read(path) if path.exists() else [], 2):
        try:
            fits = (row["kind"], row["verdict"], row["batch"]) == ("forward", "sound", "1")
            if not fits or row["mode"] not in ("strict", "tf32"):
                continue
            setting = Setting(row["device"], row["mode"], int(row["height"]), int(row["width"]))
            early = row["asynchronous_ms"]
            found[setting][row["run"]] = Clocks(float(row["ms"]) / 1e3, float(early) / 1e3 if early else None)
        except (KeyError, ValueError) as error:
            raise ValueError(f"{path}, line {number}: no timing ({error})") from None
    return dict(found)


def sources(complexity: Iterable[Mapping[str, str]], timings: Path = TIMINGS) -> Sources:
    """Cards, counts and what is measured.

    Raises:
        ValueError: a file says something that is not allowed.
    """
    cards, clocked = physics.read()
    return Sources({row["run"]: row for row in complexity}, cards, clocked, clocks(timings))


def times(papers: Iterable[Paper], known: Sources) -> Iterator[tuple[Claim, Timed]]:
    """Every printed time in printed order, blank ones included.

    Raises:
        ValueError: a claim names a card that cards.yaml does not have.
    """
    for paper in papers:
        anchors = {table.name: table.anchor for table in paper.tables}
        everything = list(paper.claims())
        for claim in everything:
            if claim.quantity == "seconds":
                table = [other for other in everything if other.table == claim.table]
                yield claim, timed(claim, table, anchors.get(claim.table, ""), known)


def timed(claim: Claim, table: Sequence[Claim], anchor: str, known: Sources) -> Timed:
    """One printed time; `table` holds the claims of its table, `anchor` names the row of ratios."""
    card = known.card(claim)
    entry = {
        "paper": claim.paper,
        "table": claim.table,
        "row": claim.row,
        "column": claim.column,
        "run": claim.run or "",
        "printed": claim.printed,
        "seconds": "" if claim.value is None else text(claim.value),
        "card": card.name if card else "",
    }
    printed = next((c.value for c in table if c.row == claim.row and c.quantity == "macs_720p"), None)
    row = known.counts.get(claim.run or "")
    entry |= {
        "macs_printed": f"{printed:.0f}" if printed else "",
        "macs_counted": f"{counted(row):.0f}" if row else "",
    }
    other = next((c for c in table if c.row == anchor and c.quantity == "seconds"), None)
    return Timed(**entry, **physical(claim, card, printed, row), **compared(claim, card, other, known))


def untestable(claim: Claim, card: Card | None, macs: bool) -> str:
    """Why physics says nothing of a printed time; empty when it does."""
    if claim.blank:
        return "the paper prints nothing here"
    if claim.value is None:
        return "printed in words, not as a number"
    if card is None:
        return "the paper names no card"
    if not macs:
        return f"{claim.run} is not in results/complexity.csv" if claim.run else "no network to count"
    return ""


def physical(
    claim: Claim, card: Card | None, printed: float | None, row: Mapping[str, str] | None
) -> dict[str, str]:
    """The columns of `Timed` that physics fills, from the MACs the paper prints and the counts of the run."""
    if reason := untestable(claim, card, bool(printed or row)):
        return {"verdict": "untested", "reason": reason}
    assert card is not None
    assert claim.value is not None
    weights = float(row["params"]) if row else 0.0
    longest = claim.value + claim.rounding
    judged = {}
    if printed:
        judged["printed"] = physics.judge(longest, card, Load(printed, weights))
    if row:
        load = Load(counted(row), weights, float(row.get("traffic_720p") or 0))
        judged["counted"] = physics.judge(longest, card, load)
    best = physics.milder(list(judged.values()))
    eager = judged["counted"].floors.eager if row else 0.0
    return {
        "verdict": best.verdict,
        "reason": say(claim, longest, card, judged),
        "floor_s": text(best.floors.usual),
        "least_s": text(best.floors.least),
        "memory_s": text(best.floors.memory),
        "eager_memory_s": text(eager) if eager else "",
        "of_peak": text(best.of_peak),
        "largest_share": text(best.largest),
    }


def span(seconds: float, digits: int = 3) -> str:
    """A time in words.

    >>> span(0.0065), span(0.0325), span(1.135, 4), span(75)
    ('6.5 ms', '32.5 ms', '1.135 s', '75 s')
    """
    return f"{1e3 * seconds:.{digits}g} ms" if seconds < 1 else f"{seconds:.{digits}g} s"


def say(claim: Claim, longest: float, card: Card, judged: Mapping[str, Judgement]) -> str:
    """A verdict's arithmetic in one sentence."""
    parts = [f"{claim.printed} is at most {span(longest, 4)}"]
    for source, one in judged.items():
        rate = one.load.flop / longest / 1e12
        part = (
            f"{one.load.macs / 1e9:,.2f} GMAC {source} need {rate:.3g} TFLOP/s, {one.of_peak:.2g} times the "
            f"peak of {card.name}; they take {span(one.floors.usual)} at that peak, {span(one.floors.least)} "
            "with all that software can do"
        )
        if longest < one.floors.eager:
            part += f"; run eagerly as here, its operators move data for {span(one.floors.eager)}"
        parts.append(part)
    size = "720x1280" if claim.size else "720x1280 assumed, as the paper names no size"
    best = physics.milder(list(judged.values()))
    if best.verdict == "impossible":
        size += f": not impossible on {math.floor(100 * best.largest)} % of its pixels or fewer"
    return "; ".join([*parts, size])


def compared(claim: Claim, card: Card | None, anchor: Claim | None, known: Sources) -> dict[str, str]:
    """The columns of `Timed` that ratios and measurements fill."""
    run, other = claim.run or "", anchor.run or "" if anchor else ""
    entry = {"anchor": anchor.row if anchor else ""}
    claimed = claim.value / anchor.value if anchor and claim.value and anchor.value else None
    if claimed:
        entry["claimed_ratio"] = text(claimed)
    if run in known.counts and other in known.counts and counted(known.counts[other]):
        entry["macs_ratio"] = text(counted(known.counts[run]) / counted(known.counts[other]))
    ratios: tuple[float | None, float | None] = (None, None)
    where = ""
    if setting := best(run, other, card, known.measured):
        at = known.measured[setting]
        where = f"{setting.device} ({setting.mode}, {setting.height}x{setting.width})"
        own = card is not None and card.named(setting.device) and (setting.height, setting.width) == SIZE
        entry |= {"measured": where, "measured_s": text(at[run].true), "own_card": "yes" if own else ""}
        if other in at:
            ratios = against(at[run], at[other])
    for name, ratio in zip(("asynchronous_ratio", "measured_ratio"), ratios, strict=True):
        entry[name] = text(ratio) if ratio else ""
    found, why = resembles(claim, claimed, anchor, ratios, where, known.clocked)
    return {**entry, "resembles": found, "resembles_reason": why}


def full_size(timed: Timed) -> bool:
    """Whether what is measured here is of the images that papers time."""
    return timed.measured.endswith(f"{SIZE[0]}x{SIZE[1]})")


def against(clock: Clocks, anchor: Clocks) -> tuple[float | None, float]:
    """Ratios of asynchronous and of true times."""
    early = None
    if clock.asynchronous and anchor.asynchronous:
        early = clock.asynchronous / anchor.asynchronous
    return early, clock.true / anchor.true


def best(
    run: str, anchor: str, card: Card | None, measured: Mapping[Setting, Mapping[str, Clocks]]
) -> Setting | None:
    """The setting that says most of a run: one that has its anchor too, then the card's own, then a GPU's.

    Of the modes, that which PyTorch chooses by default on the paper's card; of sizes the largest.
    """
    usual = "tf32" if card is not None and card.tf32 else "strict"

    def rank(setting: Setting) -> tuple[bool, bool, bool, bool, int, str]:
        at = measured[setting]
        own = card is not None and card.named(setting.device)
        gpu = at[run].asynchronous is not None
        size = setting.height * setting.width
        return (anchor in at, own, gpu, setting.mode == usual, size, setting.device)

    return max((setting for setting, at in measured.items() if run in at), key=rank, default=None)


def resembles(
    claim: Claim,
    claimed: float | None,
    anchor: Claim | None,
    ratios: tuple[float | None, float | None],
    where: str,
    clocked: Iterable[Clocked],
) -> tuple[str, str]:
    """Which clock a printed time was read from, with the evidence; "" where there is none.

    Published times of the same network on the same card speak first, then the ratio to the anchor beside the
    two ratios measured here.
    """
    if not claim.value:
        return "", ""
    pairs = [p for p in clocked if p.run and (p.run, p.card) == (claim.run, claim.card)]
    if pairs:
        # Of several publications the one nearest to the print, by either clock.
        pair = min(pairs, key=lambda p: min(apart(claim.value, t) for t in (p.asynchronous, p.synchronised)))
        found = nearest(claim.value, pair.asynchronous, pair.synchronised)
        return found, (
            f"on this card {pair.source} has {span(pair.asynchronous)} asynchronous and "
            f"{span(pair.synchronised)} synchronised; printed {span(claim.value)}"
        )
    early, true = ratios
    if not (claimed and anchor and early and true) or anchor.row == claim.row:
        return "", ""
    return nearest(claimed, early, true), (
        f"printed {claimed:.2g} times the time of {anchor.row}; measured {early:.2g} times asynchronous, "
        f"{true:.2g} times synchronised, on {where}"
    )


def apart(one: float | None, other: float) -> float:
    """How many times two numbers are from each other, in logarithms."""
    return abs(math.log(one / other)) if one else math.inf


def nearest(value: float, asynchronous: float, true: float) -> str:
    """One of RESEMBLES.

    >>> nearest(0.018, 0.025, 0.282), nearest(0.208, 0.075, 1.474), nearest(1.0, 1.0, 1.2)
    ('asynchronous', 'neither', '')
    """
    if apart(asynchronous, true) < math.log(ALIKE):
        return ""
    near = {"asynchronous": apart(value, asynchronous), "true": apart(value, true)}
    found = min(near, key=lambda clock: near[clock])
    return found if near[found] <= math.log(NEAR) else "neither"
