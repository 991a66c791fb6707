"""Compare the orders that small trainings give with those of full ones and of the print: ladder.csv.

A rung of a profile's ladder is a smaller training of every run, shorter or narrower. Over the pairs of a
table, does it order the runs as the full trainings do, and does either order them as the paper prints them?
An order is as good as its noise: photographs and seeds are drawn again for the interval (docs/ladder.md).

Sources   interval over two crossed factors: Owen. The pigeonhole bootstrap. Annals of Applied Statistics 2007
          agreement of small trainings with large ones: Magnusson et al. DataDecide. arXiv:2504.11393
          signal over noise: Heineman et al. Signal and Noise. arXiv:2508.13144
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from benchmark import spec
from benchmark.claims import Paper
from benchmark.compare import curves, statistics
from benchmark.compare.differences import QUANTITY, Frames, ablation_tables, frames, networks
from benchmark.results import Results, finished, read_frame, write
from benchmark.results.finished import Finished
from benchmark.results.schema import Collapse, Forecast, Rung, Score
from benchmark.results.tables import finite

Kind = Literal["systems", "ablation", "variants"]
Against = Literal["print", "full", "seed"]
KINDS: tuple[Kind, ...] = ("systems", "ablation", "variants")
ALL = "all"  # the name of several tables joined
END = 4  # last points of a curve, over which it should not change any more


@dataclass(frozen=True)
class Group:
    """Runs whose order is asked for: those of a printed table, or a system and its variants."""

    paper: str
    table: str
    kind: Kind
    printed: Mapping[str, float]  # dB, by run; empty where no paper prints them
    runs: tuple[str, ...]
    dataset: str = ""  # printed; empty: none, so that any will do

    def tables(self) -> tuple["Group", ...]:
        """List the tables that it joins: itself alone."""
        return (self,)

    def pairs(self) -> list[tuple[str, str]]:
        """List the pairs, printed at least statistics.APART apart and the lower first; of variants, all."""
        pairs = [(a, b) for i, a in enumerate(self.runs) for b in self.runs[i + 1 :]]
        if not self.printed:
            return pairs
        ordered = [sorted(pair, key=self.printed.__getitem__) for pair in pairs]
        apart = statistics.APART - 1e-9  # decimals are no binary fractions
        return [(a, b) for a, b in ordered if self.printed[b] - self.printed[a] >= apart]


def groups(papers: Sequence[Paper], runs: Mapping[str, spec.Run]) -> Iterator[Group]:
    """Yield the runs of every printed table and dataset, then each system with variants that no table orders.

    Only runs whose training lowers an error of images: neither solvers nor networks that estimate motion.
    """
    ablations = {(table.paper, table.name) for table in ablation_tables(papers, runs)}
    seen = set[str]()
    for table in (table for paper in papers for table in paper.tables):
        cells = [claim for claim in networks(table) if claim.number and claim.run in runs]
        for dataset in dict.fromkeys(claim.dataset for claim in cells):
            values = {str(c.run): float(c.number[0]) for c in cells if c.dataset == dataset and c.number}
            values = {run: value for run, value in values.items() if runs[run].train and runs[run].restores}
            if len(values) > 1:
                ablates = (table.paper, table.name) in ablations
                seen |= set(values) if ablates else set()
                name = table.name if len({c.dataset for c in cells}) == 1 else f"{table.name}, {dataset}"
                kind: Kind = "ablation" if ablates else "systems"
                yield Group(table.paper, name, kind, values, tuple(values), dataset or "")
    for parent in runs.values():
        variants = [run.name for run in runs.values() if run.ablates == parent.name and run.name not in seen]
        if len(variants) > 1:
            yield Group("", parent.name, "variants", {}, (parent.name, *variants))


@dataclass(frozen=True)
class Values:
    """PSNRs of one rung on one dataset, averaged over the images of a photograph."""

    runs: tuple[str, ...]
    means: np.ndarray  # (photographs, runs, seeds), dB; NaN where a run has no such seed
    sizes: np.ndarray  # images of each photograph

    def of(self, photographs: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        """Average with weights (draws, photographs) and (draws, seeds): (draws, runs)."""
        there = ~np.isnan(self.means[0])  # (runs, seeds)
        weights = photographs * self.sizes
        each = np.einsum("dp,prs->drs", weights / weights.sum(1, keepdims=True), np.nan_to_num(self.means))
        counts = seeds[:, None, :] * there
        total = counts.sum(2)
        # Where none of a run's seeds was drawn, it keeps the mean over all of them.
        counts, total = (
            np.where(total[..., None] > 0, counts, there),
            np.where(total > 0, total, there.sum(1)),
        )
        return np.asarray((each * counts).sum(2) / total)

    def overall(self) -> np.ndarray:
        """Average over everything: (runs,)."""
        one = np.ones((1, len(self.sizes))), np.ones((1, self.means.shape[2]))
        return np.asarray(self.of(*one)[0])


def values(frame: pd.DataFrame, seeds: Sequence[int]) -> Values:
    """Average a complete frame, images down and (run, seed) across, over the images of each photograph."""
    names = tuple(dict.fromkeys(map(str, frame.columns.get_level_values(0))))
    grouped = frame.groupby([statistics.cluster(image) for image in frame.index], sort=False)
    means, sizes = grouped.mean(), grouped.size().to_numpy()
    empty = np.full(len(sizes), np.nan)
    columns = [[means[run, s].to_numpy() if (run, s) in means else empty for s in seeds] for run in names]
    return Values(names, np.moveaxis(np.array(columns, dtype=float), 2, 0), sizes)


@dataclass(frozen=True)
class Agreement:
    """How many pairs of runs are in the same order, with a 95 % interval of the share and a p."""

    pairs: int
    alike: int
    low: float
    high: float
    p: float


def agreement(pairs: Sequence[tuple[str, str]], measured: Values, full: Values | None = None) -> Agreement:
    """Count the pairs whose second run has the higher value, or the order that `full` gives them.

    The interval is that of the middle 95 % of resamples, in each of which photographs and seeds are drawn
    with replacement, the same for all runs. Both sides have the same photographs; each has seeds of its own,
    as what is asked is whether another small training would predict another full one. p is two-sided: how
    often at least so many, or at most so many, are alike when values are assigned to runs at random; exact
    for up to 7 runs.

    Raises:
        ValueError: no pairs.
    """
    if not pairs:
        raise ValueError("no pairs of runs; allowed: one or more")

    def signs(side: Values, drawn: np.ndarray) -> np.ndarray:
        first, second = (np.array([side.runs.index(pair[k]) for pair in pairs]) for k in (0, 1))
        return np.sign(drawn[..., second] - drawn[..., first])

    rng = np.random.default_rng(0)

    def draw(count: int) -> np.ndarray:
        return rng.multinomial(count, np.full(count, 1 / count), size=statistics.RESAMPLES)

    photographs, seeds = draw(len(measured.sizes)), draw(measured.means.shape[2])
    true, again = np.ones(len(pairs)), np.ones((statistics.RESAMPLES, len(pairs)))
    if full is not None:
        true = signs(full, full.overall())
        again = signs(full, full.of(photographs, draw(full.means.shape[2])))
    shares = np.mean(signs(measured, measured.of(photographs, seeds)) == again, axis=1)
    low, high = np.quantile(shares, [statistics.LEVEL / 2, 1 - statistics.LEVEL / 2])
    involved = np.array([measured.runs.index(run) for run in dict.fromkeys(sum(pairs, ()))])

    def alike(order: np.ndarray, axis: int = -1) -> np.ndarray:
        drawn = np.zeros((*np.moveaxis(order, axis, -1).shape[:-1], len(measured.runs)))
        drawn[..., involved] = np.moveaxis(order, axis, -1)
        return np.sum(signs(measured, drawn) == true, axis=-1)

    count, p = statistics.by_permutation(measured.overall()[involved], alike)
    share = count / len(pairs)
    return Agreement(len(pairs), count, float(min(low, share)), float(max(high, share)), p)


def noise(tables: Sequence[Values], ends: Mapping[str, float]) -> tuple[float, float, float]:
    """Return the signal, the noise between seeds and that between the last points of curves, in dB.

    All are standard deviations within tables; NaN where there is nothing to compute it from. What a seed adds
    to every run of a table alike, by its crops or a critic, changes no order there: noise between seeds is
    what is left without it.
    """
    spread, between = [0.0, 0], [0.0, 0]  # sums of squares and their degrees of freedom
    for table in tables:
        means = np.einsum("p,prs->rs", table.sizes / table.sizes.sum(), table.means)
        of_runs, of_seeds = means.mean(1, keepdims=True), means.mean(0)
        spread[0] += np.sum((of_runs - of_runs.mean()) ** 2)
        spread[1] += len(means) - 1
        between[0] += np.sum((means - of_runs - of_seeds + means.mean()) ** 2)
        between[1] += (len(means) - 1) * (means.shape[1] - 1)
    runs = dict.fromkeys(run for table in tables for run in table.runs)
    last = [ends[run] ** 2 for run in runs if run in ends]
    return (
        float(np.sqrt(spread[0] / spread[1])) if spread[1] else np.nan,
        float(np.sqrt(between[0] / between[1])) if between[1] else np.nan,
        float(np.sqrt(np.mean(last))) if last else np.nan,
    )


def ends(records: Iterable[Finished], rung: str) -> dict[str, float]:
    """Give the standard deviation of each run's last test gains, in dB, averaged over its seeds."""
    squares: dict[str, list[float]] = {}
    for record in records:
        gains = [point.test for point in record.curve if point.test is not None]
        if record.rung == rung and len(gains) > 2 * END:
            squares.setdefault(record.run, []).append(float(np.var(gains[-END:], ddof=1)))
    return {run: float(np.sqrt(np.mean(each))) for run, each in squares.items()}


def rows(
    own: Sequence[Group], scores: pd.DataFrame, records: Mapping[str, Finished], dataset: str
) -> Iterator[Rung]:
    """Give every table and rung its agreement with the print, with the full trainings and between two seeds.

    A kind of several tables has a row over all of them too.

    Args:
        own: the tables.
        scores: rows of quality.csv, for a profile without records.
        records: of finished trainings.
        dataset: measured on.
    """
    sides = by_rung(scores, records, dataset)
    full = sides.get("")
    for rung, measured in sides.items():
        last = ends(records.values(), rung)
        compared: dict[Against, tuple[Values, Values | None]] = {"print": (measured, None)}
        if rung and full:
            compared["full"] = measured, full
        if two := two_seeds(measured):
            compared["seed"] = two
        for kind in KINDS:
            for against, (one, other) in compared.items():
                there = set(one.runs) & set((other or one).runs)
                asked = [
                    group for group in own if group.kind == kind and (group.printed or against != "print")
                ]
                kept = [
                    replace(group, runs=tuple(run for run in group.runs if run in there)) for group in asked
                ]
                asked = [group for group in kept if len(group.runs) > 1]
                for group in [*asked, *whole(asked)]:
                    chosen = [shared(group.runs, values) for values in (one, other) if values]
                    own_seeds = shared(group.runs, measured)
                    tables = [shared(table.runs, own_seeds) for table in group.tables()]
                    spread = noise([table for table in tables if table.means.shape[2]], last)
                    yield row(group, rung, against, chosen, spread, dataset)


def by_rung(scores: pd.DataFrame, records: Mapping[str, Finished], dataset: str) -> dict[str, Values]:
    """Return the values of each rung; of a profile without records, those of its one seed.

    Only images count that all trainings have: a missing one is no 0 dB, and photographs are drawn alike.
    """
    rungs = dict.fromkeys(["", *(record.rung for record in records.values())])
    measured: dict[str, Frames] = {rung: finished.by_seed(records, QUANTITY, rung) for rung in rungs}
    if not records and not scores.empty:
        measured[""] = {
            name: frame.set_axis(pd.MultiIndex.from_product([frame.columns, [0]]), axis=1)
            for name, frame in frames(scores).items()
        }
    found = {
        rung: of_rung[dataset].dropna(axis="columns", how="all")
        for rung, of_rung in measured.items()
        if dataset in of_rung
    }
    complete = [frame.dropna().index for frame in found.values() if not frame.empty]
    images = [image for image in complete[0] if all(image in other for other in complete)] if complete else []
    seeds = sorted({record.seed for record in records.values()}) or [0]
    return {
        rung: values(frame.loc[images], seeds) for rung, frame in found.items() if images and not frame.empty
    }


def shared(runs: Sequence[str], side: Values) -> Values:
    """Keep some runs, and the seeds that all of them have, which may be none.

    Runs see the same crops with the same seed, so a mean over two seeds is not compared with one over one.
    """
    means = side.means[:, [side.runs.index(run) for run in runs]]
    return Values(tuple(runs), means[:, :, ~np.isnan(means[0]).any(0)], side.sizes)


def two_seeds(measured: Values) -> tuple[Values, Values] | None:
    """Split off the first two seeds of the runs that have both; None where fewer than two runs do."""
    kept = np.flatnonzero(~np.isnan(measured.means[0, :, :2]).any(1))
    if measured.means.shape[2] < 2 or len(kept) < 2:
        return None
    names = tuple(measured.runs[index] for index in kept)
    one, other = (Values(names, measured.means[:, kept, seed : seed + 1], measured.sizes) for seed in (0, 1))
    return one, other


def whole(chosen: Sequence[Group]) -> list[Group]:
    """Join several tables of a kind, so that a pair that two tables print alike counts once."""
    if len(chosen) < 2:
        return []
    runs = tuple(dict.fromkeys(run for group in chosen for run in group.runs))
    return [Joined("", ALL, chosen[0].kind, {}, runs, parts=tuple(chosen))]


@dataclass(frozen=True)
class Joined(Group):
    """Several tables as one."""

    parts: tuple[Group, ...] = ()

    def tables(self) -> tuple[Group, ...]:
        """List the tables that it joins."""
        return self.parts

    def pairs(self) -> list[tuple[str, str]]:
        """List the pairs of all tables, each once."""
        return list(dict.fromkeys(pair for table in self.parts for pair in table.pairs()))


def row(
    group: Group,
    rung: str,
    against: Against,
    sides: Sequence[Values],
    spread: tuple[float, float, float],
    dataset: str,
) -> Rung:
    """Write a row of one table and rung.

    Args:
        group: whose pairs are counted.
        rung: of the profile's ladder.
        against: what the order is compared with.
        sides: whose order it is, and whose values give the order to compare with, if not the printed ones.
        spread: signal, noise between seeds and noise at the end of curves, in dB.
        dataset: measured on.
    """
    seeds = [side.means.shape[2] for side in sides]
    counts = (seeds[0], seeds[1] if len(seeds) > 1 else None)
    place = (group.paper, group.table, group.kind, dataset, rung, against, len(group.runs), *counts)
    signal, between, end = spread
    parts = [part**2 for part in (between, end) if np.isfinite(part)]
    total = float(np.sqrt(sum(parts))) if np.isfinite(between) else 0.0
    shown = (finite(signal), finite(between), finite(end), signal / total if total else None)
    pairs = group.pairs()
    if not min(seeds):
        return Rung(*place, len(pairs), 0, None, None, None, None, *shown, "no seed that all runs have")
    reason = "" if min(seeds) > 1 or against == "seed" else "one seed: the interval lacks the noise of seeds"
    if not pairs:
        reason = f"no two runs are printed {statistics.APART} dB apart"
        return Rung(*place, 0, 0, None, None, None, None, *shown, reason)
    found = agreement(pairs, *sides)
    share = found.alike / found.pairs
    return Rung(*place, found.pairs, found.alike, share, found.low, found.high, found.p, *shown, reason)


def write_tables(
    papers: Sequence[Paper],
    profile: spec.Profile,
    runs: Mapping[str, spec.Run],
    root: Path = Path("results"),
) -> None:
    """Write ladder.csv, collapse.csv and forecasts.csv of a profile, from the records of its trainings.

    A profile without records has its full trainings in ladder.csv, and no curves in the others.

    Raises:
        ValueError: quality.csv or a record is malformed.
    """
    tables = Results(profile.name, root)
    records = finished.read_all(tables, profile.trainings(runs))
    scores = read_frame(tables.quality, Score, optional=True)
    own, climbed = list(groups(papers, runs)), list[Rung]()
    for dataset in [profile.data] if profile.data else dict.fromkeys(scores["dataset"]):
        printed = [group for group in own if profile.data or group.dataset in ("", dataset)]
        climbed += rows(printed, scores, records, dataset)
    write(tables.ladder, Rung, climbed)
    write(tables.collapse, Collapse, curves.collapses(records))
    write(tables.forecasts, Forecast, curves.forecasts(records.values(), runs))
