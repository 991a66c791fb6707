"""Choose the findings that the first screen shows: impossible times, and arithmetic that fails."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.report.entries import Entry, short
from benchmark.report.headlines import plural
from benchmark.report.inputs import Inputs, place
from benchmark.results.schema import PrintedTime

BARS = 4  # times shown


@dataclass(frozen=True)
class Bar:
    """A printed time beside the least time that its card needs, in seconds."""

    label: str
    entry: Entry
    printed: float
    floor: float

    @property
    def factor(self) -> float:
        """Return how many times too fast the printed time is."""
        return self.floor / self.printed


@dataclass(frozen=True)
class ImpossibleTimes:
    """Printed times below what their card needs at its highest clock with ideal algorithms."""

    count: int  # of claims
    bars: list[Bar]  # the boldest first, each time once

    @property
    def longest(self) -> float:
        """Return the longest time of the bars."""
        return max(bar.floor for bar in self.bars)


@dataclass(frozen=True)
class Arithmetic:
    """A printed number or sentence that the same paper's other numbers contradict."""

    count: int  # of claims that their own paper contradicts
    entry: Entry


def bar(row: PrintedTime, entry: Entry) -> Bar:
    """Make the bar of a printed time."""
    assert row.seconds is not None
    assert row.lower_bound_s is not None
    return Bar(f"{entry.short}: {row.row}", entry, row.seconds, row.lower_bound_s)


def impossible(inputs: Inputs, entries: Sequence[Entry]) -> ImpossibleTimes | None:
    """Collect the impossible times; None when there are none."""
    by_place = {place(entry.claim): entry for entry in entries}
    shorts = {paper.key: short(paper) for paper in inputs.papers}
    bars: dict[tuple[str, str, float], Bar] = {}
    for row in inputs.times:
        claims = [
            entry
            for entry in by_place.values()
            if entry.outcome == "impossible"
            and (entry.claim.paper, entry.claim.table, entry.claim.row) == (row.paper, row.table, row.row)
            and entry.claim.printed == row.printed
        ]
        if claims and row.seconds and row.lower_bound_s and row.paper in shorts:
            bars.setdefault((row.paper, row.run, row.seconds), bar(row, claims[0]))
    if not bars:
        return None
    boldest = sorted(bars.values(), key=lambda b: -b.factor)[:BARS]
    return ImpossibleTimes(sum(entry.outcome == "impossible" for entry in entries), boldest)


def arithmetic(entries: Sequence[Entry]) -> Arithmetic | None:
    """Choose what a paper's own numbers contradict most plainly: a number first, by how far it is off."""
    own = [
        e
        for e in entries
        if e.outcome == "contradicted" and e.judged and e.judged.verdict.kind == "own_paper"
    ]

    def plainness(entry: Entry) -> tuple[bool, float]:
        """Rank by the ratio of the printed number to the computed one."""
        finding = entry.judged.findings.get("own_paper") if entry.judged else None
        computed, printed = finding.measured if finding else None, entry.claim.value
        if not computed or not printed:
            return False, 0.0
        ratio = abs(printed / computed)
        return True, max(ratio, 1 / ratio)

    return Arithmetic(len(own), max(own, key=plainness)) if own else None


def conclusion(entries: Sequence[Entry], papers: int) -> str:
    """Say in one sentence how the printed numbers fare."""
    outcomes = [entry.outcome for entry in entries]
    independent = sum(outcome in ("holds", "close") for outcome in outcomes)
    refuted = sum(entry.cell.tone == "bad" for entry in entries)
    doubtful = sum(entry.cell.tone == "doubt" for entry in entries)
    undecided = outcomes.count("undecided")
    rest = len(outcomes) - independent - refuted - doubtful - undecided
    return (
        f"Of {plural(len(outcomes), 'claim')} printed in {plural(papers, 'paper')}, {independent} hold by "
        f"independent evidence and {refuted} fail; {doubtful} are in doubt, {rest} rest on no more than "
        f"another printed number or on being an input of ours, and {undecided} are open."
    )
