"""Compare differences between systems, as papers print them, with measured ones: steps, orders, test sets.

A step is a change to a network: from one row of an ablation table to the next, or from a network to a
variant. An order is that of all systems of a table. `write_tables` is all that others call.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from benchmark import spec
from benchmark.claims import Claim, Paper, Table
from benchmark.compare import statistics
from benchmark.compare.decode import POOLED, published
from benchmark.results import Results, finished, read_frame, write
from benchmark.results.schema import AblationStep, Detectable, Direction, Order, Score
from benchmark.results.tables import finite

QUANTITY = "psnr"
Kind = Literal["step", "whole", "variant"]
By = Literal["retrained", "authors' weights"]
RETRAINED: By = "retrained"
AUTHORS: By = "authors' weights"

Frames = Mapping[str, pd.DataFrame]  # by dataset: images down, runs across, or (run, seed)


def frames(scores: pd.DataFrame, quantity: str = QUANTITY) -> dict[str, pd.DataFrame]:
    """Turn rows of schema.Score of one quantity into one frame per dataset."""
    rows = scores[scores["quantity"] == quantity]
    return {
        str(dataset): group.pivot_table("value", "image", "run", aggfunc="last", sort=False)
        for dataset, group in rows.groupby("dataset", sort=False)
    }


def difference(values: Frames, dataset: str, first: str, second: str) -> statistics.Difference | None:
    """Subtract two runs image by image, each seed from the same seed; None where nothing is in common."""
    frame = values.get(dataset, pd.DataFrame())
    if first not in frame or second not in frame:
        return None
    gains = pd.DataFrame(frame[second] - frame[first]).dropna(axis="columns", how="all").dropna()
    return None if gains.empty else statistics.difference(gains)


def judge(
    printed: Decimal | None, rounding: Decimal, measured: statistics.Difference | None
) -> tuple[Direction, str]:
    """Say whether a measured difference has the printed direction, and why that may be undecided.

    `same` and `against` are wrong in at most 5 % of steps, whatever the true difference; a test simulates it.

    Args:
        printed: difference in dB; None where no paper prints both numbers.
        rounding: by which the true difference may be off from the printed one.
        measured: the same difference as measured; None where it is not.
    """
    if printed is None:
        return "undecided", "no paper prints both"
    if measured is None:
        return "undecided", "not measured"
    if not measured.method:
        return "undecided", f"{measured.images} images of {measured.clusters} sequence tell no error"
    if abs(printed) <= rounding:
        return "undecided", f"printed numbers {abs(printed)} dB apart may be equal before rounding"
    interval = f"{measured.value:+.2f} dB, 95 % interval {measured.low:+.2f} to {measured.high:+.2f}"
    if measured.detectable > abs(printed):
        needed = measured.images_needed(float(printed))
        need = "no number of images would do" if needed is None else f"that takes about {needed:,} images"
        return "undecided", (
            f"{measured.images} images of {measured.clusters} sequences detect {measured.detectable:.2f} dB, "
            f"not the printed {abs(printed)} dB ({need}); measured {interval}"
        )
    if not measured.clear:
        return "undecided", f"{interval} includes 0"
    return ("same" if (printed > 0) == (measured.value > 0) else "against"), interval


@dataclass(frozen=True)
class Measured:
    """What a profile measured, image by image."""

    profile: spec.Profile
    runs: dict[str, spec.Run]  # every run
    values: Frames  # of QUANTITY

    def dataset(self, claimed: str | None) -> str:
        """Name the dataset on which the profile measures what a paper claims on `claimed`."""
        return self.profile.data or claimed or ""

    def step(
        self,
        kind: Kind,
        runs: tuple[str, str],
        dataset: str,
        claims: tuple[Claim, Claim] | None,
    ) -> AblationStep:
        """Compare one change as printed in two cells, if it is, with the same change as measured."""
        place, labels, printed, rounding = ("", ""), runs, None, Decimal(0)
        if claims:
            before, after = claims
            place = (after.paper, after.table)
            if kind != "variant":  # in a table whose columns are networks, the columns name them
                labels = (before.column, after.column) if before.row == after.row else (before.row, after.row)
            if before.number and after.number:
                printed, rounding = after.number[0] - before.number[0], after.number[1] + before.number[1]
        found = difference(self.values, dataset, *runs)
        outcome, reason = judge(printed, rounding, found)
        left_out = [run for run in runs if run not in self.profile.of(self.runs)]
        if found is None and left_out:
            reason = f"profile {self.profile.name} leaves {' and '.join(left_out)} out"
        value = None if printed is None else float(printed)
        where = (*place, kind, *labels, *runs, dataset, value)
        if found is None:
            return AblationStep(*where, None, None, None, "", 0, 0, None, None, outcome, reason)
        needed = found.images_needed(value) if value and found.method else None
        return AblationStep(
            *where,
            measured=finite(found.value),
            low=finite(found.low),
            high=finite(found.high),
            interval=found.method,
            images=found.images,
            clusters=found.clusters,
            detectable=finite(found.detectable),
            images_needed=needed,
            outcome=outcome,
            reason=reason,
        )


def steps(papers: Sequence[Paper], measured: Measured) -> Iterator[AblationStep]:
    """Compare the steps of all ablation tables, then each variant with its parent."""
    for table in ablation_tables(papers, measured.runs):
        for dataset in dict.fromkeys(claim.dataset for claim in networks(table)):
            cells = [claim for claim in networks(table) if claim.dataset == dataset]
            changes: list[tuple[Kind, Claim, Claim]] = [("step", *pair) for pair in pairwise(cells)]
            for kind, before, after in [*changes, ("whole", cells[0], cells[-1])] if changes else ():
                runs = (before.run or "", after.run or "")
                yield measured.step(kind, runs, measured.dataset(dataset), (before, after))
    for parent in measured.runs.values():
        dataset = measured.dataset(parent.test_on[0])
        for run in (run.name for run in measured.runs.values() if run.ablates == parent.name):
            claims = printed_pair(papers, parent.name, run)
            yield measured.step("variant", (parent.name, run), dataset, claims)


def networks(table: Table) -> list[Claim]:
    """Select the cells of QUANTITY on a named dataset, one of each run and dataset, in printed order."""
    cells = (claim for claim in table.claims.values() if claim.quantity == QUANTITY and claim.run)
    return list({(claim.run, claim.dataset): claim for claim in cells if claim.dataset}.values())


def ablation_tables(papers: Sequence[Paper], runs: Mapping[str, spec.Run]) -> Iterator[Table]:
    """Select the tables about one network's variants: most of their runs are a variant of another run."""
    variants = {name for name, run in runs.items() if run.ablates}
    for table in (table for paper in papers for table in paper.tables):
        named = {claim.run for claim in networks(table)}
        if len(named) >= 2 and 2 * len(variants & named) >= len(named):
            yield table


def printed_pair(papers: Sequence[Paper], parent: str, variant: str) -> tuple[Claim, Claim] | None:
    """Select two claims of one paper on both runs and one dataset, if there are any."""
    for paper in papers:
        by_run: dict[str, list[Claim]] = {parent: [], variant: []}
        for claim in paper.claims():
            if claim.quantity == QUANTITY and claim.run in by_run and claim.number:
                by_run[claim.run].append(claim)
        pairs = [(p, v) for v in by_run[variant] for p in by_run[parent] if p.dataset == v.dataset]
        if pairs:
            # Prefer two cells of one table: they have the same precision and mean the same thing.
            return min(pairs, key=lambda pair: pair[0].table != pair[1].table)
    return None


def orders(papers: Sequence[Paper], values: Frames, by: By, stand_in: str) -> Iterator[Order]:
    """Compare the order of each table's systems with that of their measured means.

    Args:
        papers: with their claims.
        values: measured.
        by: what was measured.
        stand_in: dataset that is measured in place of every other; empty: none.
    """
    for table in (table for paper in papers for table in paper.tables):
        cells = [claim for claim in networks(table) if claim.number]
        for dataset in dict.fromkeys(claim.dataset for claim in cells):
            measured_on = stand_in or dataset or ""
            frame = values.get(measured_on, pd.DataFrame())
            chosen = [claim for claim in cells if claim.dataset == dataset and claim.run in frame]
            if len(chosen) < 2:
                continue
            place = (table.paper, table.name, dataset or "", by, measured_on)
            means = (
                same_seeds(frame[[claim.run for claim in chosen]]).mean().groupby(level=0, sort=False).mean()
            )
            if len(means) < len(chosen):
                reason = "no seed that all runs have, or no image"
                yield Order(*place, len(chosen), 0, 0, None, 1.0, "undecided", reason)
                continue
            found = statistics.agreement([float(claim.number[0]) for claim in chosen if claim.number], means)
            counts = (found.systems, found.pairs, found.alike, finite(found.tau), found.p)
            yield Order(*place, *counts, *judge_order(found))


def same_seeds(frame: pd.DataFrame) -> pd.DataFrame:
    """Keep the seeds that all runs of a frame have, and the images that all of these have.

    A seed moves all runs that have it, so one that some runs lack would change their order.
    """
    frame = frame.dropna(axis="columns", how="all")
    if frame.columns.nlevels > 1:
        seeds = frame.columns.get_level_values(1)
        runs = frame.columns.get_level_values(0).nunique()
        frame = frame.loc[:, [list(seeds).count(seed) == runs for seed in seeds]]
    return frame.dropna()


def judge_order(found: statistics.Agreement) -> tuple[Direction, str]:
    """Say whether systems have the printed order; wrong in at most 5 % of tables if orders mean nothing."""
    if not found.pairs:
        return "undecided", f"no two systems are printed {statistics.APART} dB apart"
    reason = f"{found.alike} of {found.pairs} pairs alike, p {found.p:.2g}"
    if math.factorial(found.systems) < 2 / statistics.LEVEL:
        return "undecided", f"{reason}; {found.systems} systems have too few orders to tell one from chance"
    if found.p > statistics.LEVEL:
        return "undecided", f"{reason}: chance orders systems as well"
    return ("same" if 2 * found.alike > found.pairs else "against"), reason


def smallest(scores: pd.DataFrame, by: By) -> Iterator[Detectable]:
    """Give the detectable differences of each test set and metric, over all pairs of runs measured on it."""
    for quantity in dict.fromkeys(scores["quantity"]):
        if quantity in POOLED:  # squared errors, whose mean becomes a PSNR only over the whole set
            continue
        for dataset, frame in frames(scores, quantity).items():
            frame = frame.replace([np.inf, -np.inf], np.nan).dropna()
            groups = frame.groupby([statistics.cluster(name) for name in frame.index], sort=False)
            means, sizes = groups.mean().to_numpy(), groups.size().to_numpy()
            first, second = np.triu_indices(means.shape[1], 1)
            place = (by, dataset, quantity, len(frame), len(sizes), len(first))
            if len(sizes) < 2 or not len(first):
                yield Detectable(*place, None, None)
                continue
            error, freedom = statistics.errors(means[:, second] - means[:, first], sizes)
            found = statistics.detectable(error, freedom)
            yield Detectable(*place, float(np.median(found)), float(np.max(found)))


def write_tables(
    papers: Sequence[Paper],
    profile: spec.Profile,
    runs: dict[str, spec.Run],
    root: Path = Path("results"),
) -> None:
    """Write steps.csv, orders.csv and detectable.csv of a profile, from the values of single images.

    Raises:
        ValueError: quality.csv, of the profile or of the authors' weights, is malformed.
    """
    tables = Results(profile.name, root)
    own, theirs = (read_frame(of.quality, Score, optional=True) for of in (tables, Results("authors", root)))
    theirs = published(theirs, runs)
    values = frames(own) | finished.by_seed(finished.read_all(tables, profile.trainings(runs)), QUANTITY)
    write(tables.steps, AblationStep, steps(papers, Measured(profile, runs, values)))
    ordered = [*orders(papers, values, RETRAINED, profile.data), *orders(papers, frames(theirs), AUTHORS, "")]
    write(tables.orders, Order, ordered)
    write(tables.detectable, Detectable, [*smallest(own, RETRAINED), *smallest(theirs, AUTHORS)])
