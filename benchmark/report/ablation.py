"""What a change to a network gains: as the paper prints it, and as measured."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from benchmark.claims import Claim, Paper
from benchmark.report.inputs import Inputs
from benchmark.report.printed import short

QUANTITY = "psnr"
SURE = 2.0  # standard errors from zero that a measured difference needs to count as clear


@dataclass(frozen=True)
class Difference:
    """A measured PSNR difference over the same images, with the standard error of its mean."""

    value: float
    error: float | None  # None without per-image values, or with one image
    images: int

    @property
    def clear(self) -> bool:
        """Whether it is more than `SURE` standard errors from zero."""
        return self.error is not None and abs(self.value) > SURE * self.error


@dataclass(frozen=True)
class Step:
    """From one printed row to the next, or from a network to its variant."""

    before: str  # label
    after: str
    runs: tuple[str, str]
    printed: Decimal | None  # dB; None when the paper does not print both numbers
    measured: Difference | None

    @property
    def sign(self) -> str:
        """Whether paper and measurement agree on the direction: "same", "opposite" or empty."""
        if self.printed is None or not self.printed or self.measured is None or not self.measured.value:
            return ""
        return "same" if (self.printed > 0) == (self.measured.value > 0) else "opposite"


@dataclass(frozen=True)
class Ladder:
    """A printed ablation table, row by row; `whole` goes from its first row to its last."""

    paper: str
    table: str
    about: str
    steps: tuple[Step, ...]
    whole: Step


@dataclass(frozen=True)
class Variant:
    """One run beside the run it is a variant of; the step goes from that run to this one."""

    run: str
    about: str
    place: str  # where a paper prints both numbers
    step: Step
    mean: float | None
    note: str


@dataclass(frozen=True)
class Group:
    """All variants of one run."""

    run: str
    about: str
    mean: float | None
    variants: tuple[Variant, ...]


def difference(inputs: Inputs, before: str, after: str, dataset: str) -> Difference | None:
    """What is gained from one run to another, by their means; the error is that of the paired images."""
    means = [inputs.mean(run, dataset, QUANTITY) for run in (before, after)]
    if means[0] is None or means[1] is None:
        return None
    values = [inputs.images.get((run, dataset, QUANTITY), {}) for run in (before, after)]
    gains = [values[1][image] - value for image, value in values[0].items() if image in values[1]]
    error = None
    if len(gains) > 1:
        mean = sum(gains) / len(gains)
        error = math.sqrt(sum((x - mean) ** 2 for x in gains) / (len(gains) - 1) / len(gains))
    return Difference(means[1] - means[0], error, len(gains))


def step(inputs: Inputs, before: Claim, after: Claim) -> Step:
    """From one claim to another; in a table with networks across, they are named by their columns."""
    named = [claim.column if before.row == after.row else claim.row for claim in (before, after)]
    printed = after.number[0] - before.number[0] if before.number and after.number else None
    runs = before.run or "", after.run or ""
    measured = difference(inputs, *runs, inputs.dataset(before.dataset)) if all(runs) else None
    return Step(named[0], named[1], runs, printed, measured)


def ladders(inputs: Inputs) -> Iterator[Ladder]:
    """Every table of one network's variants: those where most runs have `ablates`, down or across."""
    variants = {name for name, run in inputs.runs.items() if run.ablates}
    for paper in inputs.papers:
        for table in paper.tables:
            column = [claim for claim in table.claims.values() if claim.quantity == QUANTITY and claim.run]
            rungs = list({claim.run: claim for claim in column}.values())
            if len(rungs) < 2 or 2 * len(variants & {claim.run for claim in rungs}) < len(rungs):
                continue
            steps = tuple(step(inputs, a, b) for a, b in pairwise(rungs))
            yield Ladder(short(paper), table.name, table.about, steps, step(inputs, rungs[0], rungs[-1]))


def claimed(papers: list[Paper], parent: str, variant: str) -> tuple[Claim, Claim, str] | None:
    """The first place where one paper prints both runs on one dataset: parent, variant, place."""
    for paper in papers:
        by_run: dict[str, list[Claim]] = {parent: [], variant: []}
        for claim in paper.claims():
            if claim.quantity == QUANTITY and claim.run in by_run and claim.number:
                by_run[claim.run].append(claim)
        # The same table comes first: there both are printed to the same precision, for the same thing.
        pairs = [(p, v) for v in by_run[variant] for p in by_run[parent] if p.dataset == v.dataset]
        for p, v in sorted(pairs, key=lambda pair: pair[0].table != pair[1].table):
            return p, v, f"{short(paper)}, {v.table}"
    return None


def groups(inputs: Inputs) -> Iterator[Group]:
    """Variants grouped by the run they ablate, in the order of params.yaml."""
    for parent in inputs.runs.values():
        variants = []
        dataset = inputs.dataset(parent.test_on[0])
        for run in inputs.runs.values():
            if run.ablates != parent.name:
                continue
            pair = claimed(inputs.papers, parent.name, run.name)
            made = Step(
                parent.name,
                run.name,
                (parent.name, run.name),
                step(inputs, pair[0], pair[1]).printed if pair else None,
                difference(inputs, parent.name, run.name, dataset),
            )
            note = "" if run.name in inputs.chosen else f"left out by profile {inputs.profile.name}"
            variants.append(
                Variant(
                    run.name,
                    run.about,
                    pair[2] if pair else "",
                    made,
                    inputs.mean(run.name, dataset, QUANTITY),
                    note,
                )
            )
        if variants:
            mean = inputs.mean(parent.name, dataset, QUANTITY)
            yield Group(parent.name, parent.about, mean, tuple(variants))
