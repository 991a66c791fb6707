"""Write the six main findings, one sentence each; every number in them comes from the tables."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from benchmark.compare.findings import RELATIVE, RETRAINED, VERDICTS
from benchmark.report.ablation import AblationTable
from benchmark.report.cells import format_like, part
from benchmark.report.inputs import Inputs, place
from benchmark.report.measured import QualityTable
from benchmark.report.printed import PrintedPaper, short
from benchmark.report.runtimes import Times
from benchmark.results.schema import Finding

WAITING = "not measured yet (`dvc repro` does it)"
SIZES = ("params", "size")


class Headline(NamedTuple):
    """A sentence, and the section of the page that says more."""

    text: str
    section: str


@dataclass(frozen=True)
class Tested:
    """A finding with a number on both sides and a verdict other than `untested`."""

    finding: Finding
    claimed: float
    measured: float

    @property
    def relative_gap(self) -> float:
        """Return how far the measured number is from the printed one, as a share of the printed one."""
        return abs(self.measured - self.claimed) / abs(self.claimed) if self.claimed else 0.0

    @property
    def bands(self) -> float:
        """Return the gap in units of the quantity's band for `close`, or of 1 % where there is no band."""
        gap = self.measured - self.claimed
        if band := RETRAINED.get(self.finding.quantity):
            return abs(gap) / (band.above if gap > 0 else band.below)
        return self.relative_gap / RELATIVE.get(self.finding.quantity, 0.01)

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
    """Select the findings that say something about a claim."""
    return [
        Tested(finding, finding.claimed, finding.measured)
        for finding in inputs.findings
        if finding.verdict != "untested" and finding.claimed is not None and finding.measured is not None
    ]


def plural(count: int, noun: str) -> str:
    """Write a count with its noun.

    >>> plural(1, "step"), plural(2_103, "step")
    ('1 step', '2,103 steps')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def claims_tested(papers: Sequence[PrintedPaper], inputs: Inputs) -> str:
    """Say how many printed numbers hold."""
    counts = sum((paper.counts for paper in papers), Counter[str]())
    dashes, waiting = sum(p.dashes for p in papers), sum(p.waiting for p in papers)
    printed = counts.total() + waiting - dashes
    if not inputs.findings:
        return f"{printed:,} numbers are printed in {plural(len(papers), 'paper')}; {WAITING}."
    untested = counts["untested"] - dashes + waiting
    verdicts = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS[:-1])
    return (
        f"Of {printed:,} numbers printed in {plural(len(papers), 'paper')}, {printed - untested:,} are "
        f"tested, with the verdicts {verdicts}; {untested:,} are untested."
    )


def sizes_hold(inputs: Inputs) -> str:
    """Say whether printed parameter counts and model sizes are those of the rebuilt networks."""
    sizes = [entry for entry in tested(inputs) if entry.finding.quantity in SIZES]
    if not sizes:
        return f"Parameter counts and model sizes: {WAITING}."
    held = sum(entry.finding.verdict in ("agrees", "close") for entry in sizes)
    worst = max(sizes, key=lambda entry: entry.relative_gap)
    return (
        f"{held} of {plural(len(sizes), 'tested size')} (parameter counts and bytes) hold to "
        f"{100 * RELATIVE['size']:g} % or the last printed digit; the furthest off is "
        f"{worst.finding.run}, by {100 * worst.relative_gap:.2g} %{worst.reason}."
    )


def contradiction(papers: Sequence[PrintedPaper], inputs: Inputs) -> str:
    """Name the tested claim furthest from its measurement; an unexplained one before any explained one."""
    entries = tested(inputs)
    if not entries:
        return f"Contradictions between papers and measurements: {WAITING}."
    off = [entry for entry in entries if entry.finding.verdict in ("explained", "differs")]
    if not off:
        worst = max(entries, key=lambda entry: entry.relative_gap)
        return (
            f"No tested number contradicts its paper; the furthest off is {worst.finding.quantity} of "
            f"{worst.finding.run}, by {100 * worst.relative_gap:.2g} %."
        )
    worst = max(off, key=lambda entry: (entry.finding.verdict == "differs", entry.bands))
    finding = worst.finding
    paper = next((paper.short for paper in papers if paper.paper.key == finding.paper), finding.paper)
    claims = {place(claim): claim for paper in inputs.papers for claim in paper.claims()}
    claim = claims.get(place(finding))
    ours = format_like(claim, worst.measured, exact=False) if claim else f"{worst.measured:g}"
    where = ", ".join(text for text in (paper, finding.table, f"“{finding.row}”", finding.column) if text)
    return (
        f"The widest {'explained' if finding.verdict == 'explained' else 'unexplained'} gap is in {where}: "
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
        f"{better} of {plural(len(gains), 'trained run')} {'has' if better == 1 else 'have'} a PSNR above "
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


def physics(times: Times) -> str:
    """Say how many printed run times their cards could have."""
    if not times.papers:
        return f"Printed run times beside the laws of physics: {WAITING}."
    counts = times.totals
    rows = [(row.share_of_peak, name, row) for name, rows in times.papers.items() for row in rows]
    share, paper, row = max(rows, key=lambda entry: entry[0] or 0.0)
    worst = (
        f"; the boldest is {paper}, {row.table}, “{row.row}”: {row.printed} needs "
        f"{share:.3g} times the peak of its card ({row.card})"
    )
    return (
        f"Printed run times: of {sum(counts.values())}, {counts['impossible']} are impossible, "
        f"{counts['not credible']} not credible, {counts['possible']} possible (laws of physics) and "
        f"{counts['untested']} untested{worst if share else ''}."
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
        Headline(claims_tested(papers, inputs), "verdicts"),
        Headline(sizes_hold(inputs), "sizes"),
        Headline(contradiction(papers, inputs), "verdicts"),
        Headline(ablations(ablation_tables, inputs), "ablations"),
        Headline(real, "authors") if real else Headline(restoration(quality, inputs), "quality"),
        Headline(physics(times), "times"),
    ]
