"""Compare the gain of a change to a network as its paper prints it with the measured gain."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from benchmark.claims import Claim, Paper, Table
from benchmark.report.inputs import Inputs
from benchmark.report.printed import short

QUANTITY = "psnr"
CLEAR = 2.0  # a measured difference counts as clear beyond so many standard errors from zero


@dataclass(frozen=True)
class Difference:
    """A measured PSNR difference over the same images, with the standard error of its mean."""

    value: float
    error: float | None  # None without per-image values, or with one image

    @property
    def clear(self) -> bool:
        """Tell whether it is more than `CLEAR` standard errors from zero."""
        return self.error is not None and abs(self.value) > CLEAR * self.error


@dataclass(frozen=True)
class Step:
    """A step from one printed row to the next, or from a network to its variant."""

    before: str  # label
    after: str
    runs: tuple[str, str]
    printed: Decimal | None  # dB; None when the paper does not print both numbers
    measured: Difference | None

    @property
    def sign(self) -> str:
        """Say whether paper and measurement agree on the direction: "same", "opposite" or empty."""
        if self.printed is None or not self.printed or self.measured is None or not self.measured.value:
            return ""
        return "same" if (self.printed > 0) == (self.measured.value > 0) else "opposite"


@dataclass(frozen=True)
class AblationTable:
    """A printed ablation table, row by row; `whole` goes from its first row to its last."""

    paper: str
    printed: Table
    steps: list[Step]
    whole: Step


def difference(inputs: Inputs, before: str, after: str, dataset: str) -> Difference | None:
    """Subtract two runs' mean PSNRs; the standard error is that of differences paired by image."""
    first, last = (inputs.mean(run, dataset, QUANTITY) for run in (before, after))
    if first is None or last is None:
        return None
    scores = [inputs.per_image(run, dataset, QUANTITY) for run in (before, after)]
    gains = (scores[1] - scores[0]).dropna()
    return Difference(last - first, gains.std() / len(gains) ** 0.5 if len(gains) > 1 else None)


def step(inputs: Inputs, before: Claim, after: Claim) -> Step:
    """Compare two printed cells; in a table whose columns are networks, the columns name them."""
    labels = [claim.column if before.row == after.row else claim.row for claim in (before, after)]
    printed = after.number[0] - before.number[0] if before.number and after.number else None
    runs = before.run or "", after.run or ""
    measured = difference(inputs, *runs, inputs.dataset(before.dataset)) if all(runs) else None
    return Step(labels[0], labels[1], runs, printed, measured)


def tables(inputs: Inputs) -> Iterator[AblationTable]:
    """Select the tables about one network's variants: most of their runs are a variant of another run."""
    variants = {name for name, run in inputs.runs.items() if run.ablates}
    for paper in inputs.papers:
        for table in paper.tables:
            claims = [claim for claim in table.claims.values() if claim.quantity == QUANTITY and claim.run]
            by_run = {claim.run: claim for claim in claims}
            if len(by_run) < 2 or 2 * len(variants & by_run.keys()) < len(by_run):
                continue
            cells = list(by_run.values())
            steps = [step(inputs, before, after) for before, after in pairwise(cells)]
            yield AblationTable(short(paper), table, steps, step(inputs, cells[0], cells[-1]))


def printed_pair(papers: list[Paper], parent: str, variant: str) -> tuple[Claim, Claim, str] | None:
    """Select two claims of a paper on both runs and one dataset, with the place in words."""
    for paper in papers:
        by_run: dict[str, list[Claim]] = {parent: [], variant: []}
        for claim in paper.claims():
            if claim.quantity == QUANTITY and claim.run in by_run and claim.number:
                by_run[claim.run].append(claim)
        pairs = [(p, v) for v in by_run[variant] for p in by_run[parent] if p.dataset == v.dataset]
        if pairs:
            # Prefer two cells of one table: they have the same precision and mean the same thing.
            pair = min(pairs, key=lambda pair: pair[0].table != pair[1].table)
            return *pair, f"{short(paper)}, {pair[1].table}"
    return None


def groups(inputs: Inputs) -> dict[str, list[tuple[Step, str]]]:
    """Compare variants with their parents: by parent, the steps from it, and where a paper prints both."""
    steps: dict[str, list[tuple[Step, str]]] = {}
    for parent in inputs.runs.values():
        dataset = inputs.dataset(parent.test_on[0])
        for run in (run.name for run in inputs.runs.values() if run.ablates == parent.name):
            pair = printed_pair(inputs.papers, parent.name, run)
            printed = step(inputs, pair[0], pair[1]).printed if pair else None
            measured = difference(inputs, parent.name, run, dataset)
            compared = Step(parent.name, run, (parent.name, run), printed, measured)
            steps.setdefault(parent.name, []).append((compared, pair[2] if pair else ""))
    return steps
