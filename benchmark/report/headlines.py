"""The six main findings, one sentence each; every number in them comes from the tables."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.compare.findings import RELATIVE, RETRAINED, VERDICTS, Finding
from benchmark.report import author_weights
from benchmark.report.ablation import SURE, Ladder
from benchmark.report.cells import like, part
from benchmark.report.inputs import Inputs
from benchmark.report.measured import QualityTable
from benchmark.report.printed import PrintedPaper, key, short
from benchmark.report.runtimes import Times, value

WAITING = "not measured yet (`dvc repro` makes it)"
SIZES = ("params", "size")


@dataclass(frozen=True)
class Headline:
    """A sentence, and the section of the page that says more."""

    text: str
    place: str

    def __str__(self) -> str:
        return self.text


def plural(count: int, one: str, many: str = "") -> str:
    """A count with its noun.

    >>> plural(1, "step"), plural(2_103, "step")
    ('1 step', '2,103 steps')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def off(finding: Finding) -> float:
    """How far a measured number is from the printed one, as a share of the printed one."""
    claimed = float(finding.claimed)
    return abs(float(finding.measured) - claimed) / abs(claimed) if claimed else 0.0


def bands(finding: Finding) -> float:
    """How many times its quantity's band for `close` a measured number is off; 1 % where there is none."""
    apart = float(finding.measured) - float(finding.claimed)
    if band := RETRAINED.get(finding.quantity):
        return abs(apart) / (band.above if apart > 0 else band.below)
    return off(finding) / RELATIVE.get(finding.quantity, 0.01)


def apart(finding: Finding) -> str:
    """The gap in words: a difference for qualities, a ratio for the rest."""
    claimed, measured = float(finding.claimed), float(finding.measured)
    if finding.quantity in RETRAINED:
        return f"{abs(measured - claimed):.3g}{' dB' if finding.quantity == 'psnr' else ''} apart"
    low, high = sorted((abs(claimed), abs(measured)))
    return f"{high / low:.2f} times apart" if low else "not zero on both sides"


def because(finding: Finding) -> str:
    """The first sentence of a finding's reason."""
    return finding.reason.split(". ")[0].split("; ")[0].rstrip(".")


def tested(inputs: Inputs) -> list[Finding]:
    """Findings with a verdict that says something, and a number on both sides."""
    return [f for f in inputs.findings if f.verdict != "untested" and f.claimed and f.measured]


def claims_tested(papers: Sequence[PrintedPaper], inputs: Inputs) -> str:
    """How many printed numbers hold."""
    counts: Counter[str] = Counter()
    for paper in papers:
        counts.update(paper.counts)
    dashes, waiting = sum(p.dashes for p in papers), sum(p.waiting for p in papers)
    printed = counts.total() + waiting - dashes
    if not inputs.findings:
        return f"{printed:,} numbers are printed in {plural(len(papers), 'paper')}; {WAITING}."
    untested = counts["untested"] - dashes + waiting
    verdicts = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS[:-1])
    return (
        f"Of {printed:,} numbers printed in {plural(len(papers), 'paper')}, {printed - untested:,} are "
        f"tested here, with the verdicts {verdicts}; {untested:,} are untested."
    )


def sizes_hold(inputs: Inputs) -> str:
    """Whether printed parameter counts and model sizes are those of the networks built here."""
    found = [f for f in tested(inputs) if f.quantity in SIZES]
    if not found:
        return f"Parameter counts and model sizes: {WAITING}."
    held, worst = sum(f.verdict in ("agrees", "close") for f in found), max(found, key=off)
    why = because(worst)
    return (
        f"{held} of {plural(len(found), 'tested size')} (parameter counts and bytes) hold to "
        f"{100 * RELATIVE['size']:g} % or the last printed digit; the furthest off is {worst.run}, by "
        f"{100 * off(worst):.2g} %{f' ({why})' if why else ''}."
    )


def contradiction(papers: Sequence[PrintedPaper], inputs: Inputs) -> str:
    """The tested claim that is furthest from its measurement; an unexplained one before any explained one."""
    known = tested(inputs)
    if not known:
        return f"Contradictions between papers and measurements: {WAITING}."
    found = [f for f in known if f.verdict in ("explained", "differs")]
    if not found:
        worst = max(known, key=off)
        return (
            f"No tested number contradicts its paper; the furthest off is {worst.quantity} of {worst.run}, "
            f"by {100 * off(worst):.2g} %."
        )
    worst = max(found, key=lambda f: (f.verdict == "differs", bands(f)))
    paper = next((paper.short for paper in papers if paper.key == worst.paper), worst.paper)
    claim = next(
        (c for p in inputs.papers for c in p.claims() if key(worst) == key(c) and c.value is not None), None
    )
    ours = like(claim, float(worst.measured), exact=False) if claim else worst.measured
    place = ", ".join(part for part in (paper, worst.table, f"“{worst.row}”", worst.column) if part)
    why = f" ({because(worst)})" if because(worst) else ""
    return (
        f"The widest {'explained' if worst.verdict == 'explained' else 'unexplained'} gap is in {place}: "
        f"printed {worst.printed}, measured {ours}, {apart(worst)}{why}."
    )


def named(ladders: Sequence[Ladder]) -> str:
    """The tables, in words."""
    by_paper: dict[str, list[str]] = {}
    for ladder in ladders:
        by_paper.setdefault(ladder.paper, []).append(ladder.table)
    return "; ".join(f"{paper} {' and '.join(tables)}" for paper, tables in by_paper.items())


def ablations(ladders: Sequence[Ladder], inputs: Inputs) -> str:
    """Whether the ablation tables' steps go the printed way."""
    steps = [step for ladder in ladders for step in ladder.steps if step.sign]
    if not steps:
        left_out = inputs.measurements and len(inputs.chosen) < len(inputs.runs)
        why = f"profile {inputs.profile.name} leaves their runs out" if left_out else WAITING
        return f"Ablation steps: {why}."
    same = [step for step in steps if step.sign == "same"]
    clear = [step.sign for step in steps if step.measured and step.measured.clear]
    whole = max(ladders, key=lambda ladder: len(ladder.steps)).whole
    gain = ""
    if whole.printed is not None and whole.measured is not None:
        gain = (
            f"; from {whole.before} to {whole.after} the paper prints {whole.printed:+} dB, "
            f"here it is {whole.measured.value:+.2f} dB"
        )
    training = "After short training" if inputs.cut() else "After full training"
    return (
        f"{training}, {len(same)} of {plural(len(steps), 'ablation step')} ({named(ladders)}) change PSNR in "
        f"the printed direction; beyond {SURE:g} standard errors {clear.count('same')} do and "
        f"{clear.count('opposite')} go against it{gain}."
    )


def restoration(quality: Sequence[QualityTable], inputs: Inputs) -> str:
    """How many networks restore more than the blurred input has."""
    table = next((t for t in quality if any(one.name == "psnr" for one in t.main)), None)
    if table is None:
        return f"Restoration quality: {WAITING}."
    at = [one.name for one in table.main].index("psnr")
    found = [(row, row.cells[at]) for row in table.rows]
    floor = next((cell.mean for row, cell in found if cell and row.run == inputs.blurred), None)
    trained = [(row, cell, cell.gain) for row, cell in found if cell and cell.gain is not None]
    if floor is None or not trained:
        return f"Restoration quality beside the blurred input: {WAITING}."
    row, best, gain = max(trained, key=lambda entry: entry[2])
    beat = sum(one > 0 for _, _, one in trained)
    stand_in = ", a stand-in set" if inputs.profile.data else ""
    return (
        f"{beat} of {plural(len(trained), 'trained run')} {'has' if beat == 1 else 'have'} a PSNR above the "
        f"blurred input's {floor:.2f} dB ({plural(row.images, 'image')} of {table.dataset}{stand_in}); the "
        f"best, {row.run}, has {best.mean:.2f} dB ({gain:+.2f} dB)."
    )


def decoding(inputs: Inputs) -> str:
    """How many printed columns have told their protocol."""
    if not inputs.decoded:
        return f"the protocols of the printed columns: {WAITING}"
    shorts = {paper.key: short(paper) for paper in inputs.papers}
    known = [one for one in inputs.decoded if one.verdict == "decided"]
    places = "; ".join(f"{shorts[d.paper]} {d.table} {d.column}: `{d.protocol}`" for d in known)
    counts = Counter(one.verdict for one in inputs.decoded)
    return (
        f"of {plural(len(inputs.decoded), 'printed PSNR or SSIM column')}, the protocol is decided for "
        f"{len(known) or 'none'}{f' ({places})' if places else ''}, inconclusive for "
        f"{counts['inconclusive']} and untested for {counts['untested']}"
    )


def published(tables: Sequence[author_weights.Table], inputs: Inputs) -> str:
    """What published weights gain on real images, and what they say about protocols; empty without any."""
    scores = {
        (table, row.run): value
        for table in tables
        for row in table.rows
        for one, value in zip(table.quantities, row.values, strict=True)
        if one.name == "psnr" and value is not None
    }
    gains = {
        (table, run): value - scores[table, inputs.blurred]
        for (table, run), value in scores.items()
        if run != inputs.blurred and (table, inputs.blurred) in scores
    }
    if not gains:
        return ""
    table, run = max(gains, key=lambda place: gains[place])
    images = next(row.images for row in table.rows if row.run == run)
    runs = len({run for _, run in gains})
    return (
        f"With the authors’ weights, {plural(runs, 'run')} "
        f"{'is' if runs == 1 else 'are'} measured on real images; the best gain is that of {run}, to "
        f"{scores[table, run]:.2f} dB from the blurred input’s {scores[table, inputs.blurred]:.2f} dB "
        f"({part(images, table.total) or f'all {images:,}'} images of {table.dataset}); {decoding(inputs)}."
    )


def physics(times: Times) -> str:
    """How many printed run times their cards could have."""
    if not times.papers:
        return f"Printed run times beside the laws of physics: {WAITING}."
    counts = times.totals
    found = [(paper.short, row) for paper in times.papers for row in paper.rows if value(row.of_peak)]
    worst = ""
    if found:
        paper, row = max(found, key=lambda pair: float(pair[1].of_peak))
        worst = (
            f"; the boldest is {paper}, {row.table}, “{row.row}”: {row.printed} needs "
            f"{float(row.of_peak):.3g} times the peak of its card ({row.card})"
        )
    return (
        f"Printed run times: of {sum(counts.values())}, {counts['impossible']} are impossible, "
        f"{counts['not credible']} not credible, {counts['possible']} possible (laws of physics) and "
        f"{counts['untested']} untested{worst}."
    )


def six(
    inputs: Inputs,
    papers: Sequence[PrintedPaper],
    ladders: Sequence[Ladder],
    quality: Sequence[QualityTable],
    weights: Sequence[author_weights.Table],
    times: Times,
) -> tuple[Headline, ...]:
    """Claims, sizes, the widest gap, ablations, restoration, run times: always these, to compare pages.

    Restoration is that of published weights on real images where there is some.
    """
    real = published(weights, inputs)
    return (
        Headline(claims_tested(papers, inputs), "verdicts"),
        Headline(sizes_hold(inputs), "sizes"),
        Headline(contradiction(papers, inputs), "verdicts"),
        Headline(ablations(ladders, inputs), "ablations"),
        Headline(real, "authors") if real else Headline(restoration(quality, inputs), "quality"),
        Headline(physics(times), "times"),
    )
