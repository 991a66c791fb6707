"""Write the six main findings, one sentence each; every number in them comes from the tables."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from benchmark.compare.bands import RELATIVE, RETRAINED
from benchmark.compare.times import in_words
from benchmark.compare.units import format_like
from benchmark.report.ablation import AblationTable
from benchmark.report.cells import part
from benchmark.report.entries import short
from benchmark.report.inputs import OURS, Inputs, place
from benchmark.report.measured import QualityTable
from benchmark.report.printed import PrintedPaper
from benchmark.report.runtimes import Times
from benchmark.results.schema import OUTCOMES, Finding, PrintedTime

WAITING = "not measured yet (`dvc repro` does it)"


class Headline(NamedTuple):
    """A sentence, and the section of the page that says more."""

    text: str
    section: str


@dataclass(frozen=True)
class Tested:
    """A finding of ours that decides, with a number on both sides."""

    finding: Finding
    claimed: float
    measured: float

    @property
    def relative_gap(self) -> float:
        """Return how far the measured number is from the printed one, as a share of the printed one."""
        return abs(self.measured - self.claimed) / abs(self.claimed) if self.claimed else 0.0

    @property
    def bands(self) -> float:
        """Return the gap in units of the quantity's band for `close`, or of 1 % where there is no band.

        A ratio counts alike in both directions: half as much is as far off as twice as much.
        """
        gap = self.measured - self.claimed
        if band := RETRAINED.get(self.finding.quantity):
            return abs(gap) / (band.above if gap > 0 else band.below)
        low, high = sorted((abs(self.claimed), abs(self.measured)))
        return (high / low - 1 if low else 0.0) / RELATIVE.get(self.finding.quantity, 0.01)

    @property
    def gap(self) -> str:
        """Write the gap: a difference for qualities, a ratio for the rest."""
        if self.finding.quantity in RETRAINED:
            unit = " dB" if self.finding.quantity == "psnr" else ""
            return f"{abs(self.measured - self.claimed):.3g}{unit} apart"
        low, high = sorted((abs(self.claimed), abs(self.measured)))
        return f"{high / low:.2f} times apart" if low else "not zero on both sides"

    @property
    def reason(self) -> str:
        """Return the first sentence of the reason, in parentheses after a space; empty without one."""
        reason = self.finding.reason.split(". ")[0].split("; ")[0].rstrip(".")
        return f" ({reason})" if reason else ""


def tested(inputs: Inputs) -> list[Tested]:
    """Select what was measured here and decides something about a claim."""
    return [
        Tested(finding, finding.claimed, finding.measured)
        for finding in inputs.findings
        if finding.kind in OURS
        and finding.outcome != "undecided"
        and finding.claimed is not None
        and finding.measured is not None
    ]


def plural(count: int, noun: str) -> str:
    """Write a count with its noun.

    >>> plural(1, "step"), plural(2_103, "step")
    ('1 step', '2,103 steps')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def claims_decided(papers: Sequence[PrintedPaper], inputs: Inputs) -> str:
    """Say how many printed numbers hold, and what that rests on."""
    verdicts = [verdict for paper in papers for verdict in paper.verdicts]
    printed = len(verdicts) + sum(paper.waiting for paper in papers)
    if not inputs.verdicts:
        return f"{printed:,} numbers are printed in {plural(len(papers), 'paper')}; {WAITING}."
    counts = Counter(verdict.outcome for verdict in verdicts)
    agree = Counter(verdict.basis for verdict in verdicts if verdict.outcome in ("holds", "close"))
    others = ", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES[:5])
    undecided = counts["undecided"] + printed - len(verdicts)
    return (
        f"Of {printed:,} numbers printed in {plural(len(papers), 'paper')} (words such as “fastest” "
        f"included), {agree['independent']} agree with independent evidence, {agree['print']} only "
        f"with another printed number, {agree['by construction']} only because a recipe or layout here was "
        f"made from them, which proves nothing; {others}; {undecided:,} are undecided."
    )


def sizes_hold(inputs: Inputs) -> str:
    """Say whether printed sizes are those of rebuilt networks that they did not shape."""
    sizes = [entry for entry in tested(inputs) if entry.finding.kind == "size"]
    if not sizes:
        return f"Parameter counts and model sizes: {WAITING}."
    held = sum(entry.finding.outcome in ("holds", "close") for entry in sizes)
    return (
        f"{held} of {plural(len(sizes), 'printed size')} (parameter counts and bytes) of networks that "
        f"were rebuilt without any printed size hold to {100 * RELATIVE['size']:g} % or the last printed "
        "digit."
    )


def widest(papers: Sequence[PrintedPaper], inputs: Inputs) -> str:
    """Name the worst of what is not reproduced; an unexplained one before any explained one."""
    entries = tested(inputs)
    if not entries:
        return f"Numbers that are not reproduced: {WAITING}."
    off = [entry for entry in entries if entry.finding.outcome == "not reproduced"]
    if not off:
        worst = max(entries, key=lambda entry: entry.relative_gap)
        return (
            f"Every measured number is reproduced; the furthest off is {worst.finding.quantity} of "
            f"{worst.finding.run}, by {100 * worst.relative_gap:.2g} %."
        )
    worst = max(off, key=lambda entry: (entry.finding.explanation != "explained", entry.bands))
    finding = worst.finding
    counts = Counter(entry.finding.explanation == "explained" for entry in off)
    paper = next((paper.short for paper in papers if paper.paper.key == finding.paper), finding.paper)
    claims = {place(claim): claim for paper in inputs.papers for claim in paper.claims()}
    claim = claims.get(place(finding))
    ours = format_like(claim, worst.measured, exact=False) if claim else f"{worst.measured:g}"
    where = ", ".join(text for text in (paper, finding.table, f"“{finding.row}”", finding.column) if text)
    return (
        f"{plural(len(off), 'number')} {'is' if len(off) == 1 else 'are'} not reproduced, {counts[True]} of "
        f"them explained by a formula and {counts[False]} unexplained; the furthest off is in {where}: "
        f"printed {finding.printed}, measured {ours}, {worst.gap}{worst.reason}."
    )


def ablations(tables: Sequence[AblationTable], inputs: Inputs) -> str:
    """Say whether the ablation tables' steps go the printed way."""
    steps = [step for table in tables for step in table.steps if step.measured is not None]
    if not steps:
        left_out = len(inputs.measurements) and len(inputs.chosen) < len(inputs.runs)
        reason = f"profile {inputs.profile.name} leaves their runs out" if left_out else WAITING
        return f"Ablation steps: {reason}."
    names: dict[str, list[str]] = {}
    for table in tables:
        names.setdefault(table.paper, []).append(table.printed.name)
    places = "; ".join(f"{paper} {' and '.join(tables_)}" for paper, tables_ in names.items())
    counts = Counter(step.outcome for step in steps)
    whole = max(tables, key=lambda table: len(table.steps)).whole
    gain = ""
    if whole.printed is not None and whole.measured is not None:
        gain = (
            f"; from {whole.before} to {whole.after} the paper prints {whole.printed:+g} dB and "
            f"we measure {whole.measured:+.2f} dB"
        )
    return (
        f"After {'short' if inputs.cut() else 'full'} training, {counts['same']} of "
        f"{plural(len(steps), 'ablation step')} ({places}) change PSNR in the printed direction, "
        f"{counts['against']} go against it and {counts['undecided']} are undecided (95 % intervals over "
        f"{steps[0].clusters} sequences or photographs, one seed){gain}."
    )


def restoration(quality: Sequence[QualityTable], inputs: Inputs) -> str:
    """Say how many networks restore more than the blurred input has."""
    table = next((table for table in quality if "psnr" in table.gain), None)
    if table is None:
        return f"Restoration quality: {WAITING}."
    gains = table.gain["psnr"].dropna()
    if gains.empty:
        return f"Restoration quality beside the blurred input: {WAITING}."
    run, better = str(gains.idxmax()), int((gains > 0).sum())
    stand_in = ", a stand-in set" if inputs.profile.data else ""
    return (
        f"{better} of {plural(len(gains), 'run')} {'has' if better == 1 else 'have'} a PSNR above "
        f"the blurred input's {table.mean['psnr'][inputs.blurred]:.2f} dB "
        f"({plural(int(table.runs['images'][run]), 'image')} of {table.dataset}{stand_in}); the "
        f"best, {run}, has {table.mean['psnr'][run]:.2f} dB ({gains[run]:+.2f} dB)."
    )


def decoding(inputs: Inputs) -> str:
    """Say of how many printed columns the protocol is decided."""
    if not inputs.decoded:
        return f"the protocols of the printed columns: {WAITING}"
    shorts = {paper.key: short(paper) for paper in inputs.papers}
    decided = [column for column in inputs.decoded if column.verdict == "decided"]
    places = "; ".join(f"{shorts[c.paper]} {c.table} {c.column}: `{c.protocol}`" for c in decided)
    counts = Counter(column.verdict for column in inputs.decoded)
    return (
        f"of {plural(len(inputs.decoded), 'printed PSNR or SSIM column')}, the protocol is decided for "
        f"{len(decided) or 'none'}{f' ({places})' if places else ''}, inconclusive for "
        f"{counts['inconclusive']} and untested for {counts['untested']}"
    )


def published(tables: Sequence[QualityTable], inputs: Inputs) -> str:
    """Say what published weights gain on real images and decide about protocols; empty without any."""
    gains = [
        (value, str(run), table)
        for table in tables
        if "psnr" in table.gain
        for run, value in table.gain["psnr"].dropna().items()
        if inputs.runs[str(run)].weights
    ]
    if not gains:
        return ""
    _, run, table = max(gains, key=lambda entry: entry[0])
    runs = {run for _, run, _ in gains}
    psnr = table.mean["psnr"]
    images = int(table.runs["images"][run])
    share = part(images, inputs.total(table.dataset)) or f"all {images:,}"
    return (
        f"With the authors’ weights, {plural(len(runs), 'run')} "
        f"{'is' if len(runs) == 1 else 'are'} measured on real images; the best gain is that of {run}, to "
        f"{psnr[run]:.2f} dB from the blurred input’s {psnr[inputs.blurred]:.2f} dB "
        f"({share} images of {table.dataset}); {decoding(inputs)}."
    )


def physics(times: Times, inputs: Inputs) -> str:
    """Say how many printed run times their cards could have, each once however often it is printed."""
    if not times.papers:
        return f"Printed run times beside the laws of physics: {WAITING}."
    counts = times.totals
    rows = [(name, row) for name, rows in times.papers.items() for row in rows if row.share_of_peak]

    def boldness(entry: tuple[str, PrintedTime]) -> tuple[bool, float]:
        """Rank first what a paper's own printed operations of its own network refute."""
        run = inputs.runs.get(entry[1].run)
        own = bool(run and run.built_to_fit and run.built_to_fit.paper == entry[1].paper)
        refuted = entry[1].verdict in ("impossible", "not credible")
        return own and refuted and entry[1].macs_printed is not None, entry[1].share_of_peak or 0.0

    boldest = ""
    if rows:
        paper, row = max(rows, key=boldness)
        by = ", by its own printed operations," if boldness((paper, row))[0] else ""
        boldest = (
            f"; the boldest is {paper}, {row.table}, “{row.row}”: {in_words(row.seconds or 0)} need{by} "
            f"{row.share_of_peak:.2g} times the peak of its card ({row.card})"
        )
    return (
        f"Run times, each counted once: of {sum(counts.values())}, {counts['impossible']} are impossible, "
        f"{counts['not credible']} not credible, {counts['possible']} possible (laws of physics) and "
        f"{counts['untested']} untested{boldest}."
    )


def six(
    inputs: Inputs,
    papers: Sequence[PrintedPaper],
    ablation_tables: Sequence[AblationTable],
    quality: Sequence[QualityTable],
    weights: Sequence[QualityTable],
    times: Times,
) -> list[Headline]:
    """Write on claims, sizes, the widest gap, ablations, restoration and run times, always in this order.

    Restoration is that of published weights on real images where they were measured.
    """
    real = published(weights, inputs)
    return [
        Headline(claims_decided(papers, inputs), "verdicts"),
        Headline(sizes_hold(inputs), "sizes"),
        Headline(widest(papers, inputs), "verdicts"),
        Headline(ablations(ablation_tables, inputs), "ablations"),
        Headline(real, "authors") if real else Headline(restoration(quality, inputs), "quality"),
        Headline(physics(times, inputs), "times"),
    ]
