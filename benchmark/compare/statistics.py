"""Say how certain a difference between two runs is; docs/statistics.md has the formulae and their simulation.

Images of one sequence or photograph are alike, so that the sequences, here called clusters, are the sample.
Everything is paired: both runs restore the same images.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import special, stats

from benchmark.results.schema import IntervalMethod

LEVEL = 0.05  # two-sided; intervals cover 95 %
POWER = 0.80
BOOTSTRAP_FROM = 8  # clusters; with fewer, there are too few different resamples
RESAMPLES = 1999  # so that the quantiles of LEVEL are order statistics
PERMUTATIONS = 9999  # where there are too many for all of them
MOST = 1_000_000  # clusters: a difference that needs more cannot be shown with images
APART = 0.3  # dB: printed further apart, the order of two systems is expected to survive a retraining


def cluster(image: str) -> str:
    """Name the sequence or photograph that an image is of: the part before the slash.

    HIDE's folders are kinds of shots; its files are named <number>from<video>.

    >>> cluster("GOPR0384_11_00/000001"), cluster("test-close-ups/109fromGOPR1096.MP4")
    ('GOPR0384_11_00', 'GOPR1096.MP4')
    """
    folder, _, name = image.partition("/")
    return name.partition("from")[2] or folder


@dataclass(frozen=True)
class Difference:
    """The mean difference of two runs over the same images, with its 95 % interval over clusters.

    Without an interval (fewer than two clusters, or values that are not finite) its fields are NaN.
    """

    value: float
    error: float  # standard error
    freedom: float  # degrees of freedom of that error
    low: float
    high: float
    method: IntervalMethod
    images: int
    clusters: int
    spread: float  # standard deviation between the means of equally large clusters

    @property
    def clear(self) -> bool:
        """Tell whether the interval excludes zero."""
        return self.low > 0 or self.high < 0

    @property
    def detectable(self) -> float:
        """Return the smallest true difference that such a test set shows in 80 % of experiments."""
        return detectable(self.error, self.freedom)

    def images_needed(self, effect: float) -> int | None:
        """Count the images that show a true difference in 80 % of experiments, in clusters as large as these.

        None where a million clusters would not do.
        """
        clusters = clusters_needed(effect, self.spread)
        return clusters and math.ceil(clusters * self.images / self.clusters)


def weights(sizes: np.ndarray) -> tuple[np.ndarray, float]:
    """Weigh squared deviations of cluster means so that their sum is the variance of the mean over images.

    Unbiased if all cluster means have the same variance, as where images of a cluster are much alike; for
    equally large clusters it is s^2 / G for any images.

    Args:
        sizes: images in each cluster, (G,).

    Returns:
        The weights, (G,), and Satterthwaite's degrees of freedom of the variance (Bell and McCaffrey, 2002);
        G - 1 for equally large clusters.
    """
    share = sizes / sizes.sum()
    each = share**2 / (1 - 2 * share + share @ share)
    centred = np.eye(len(share)) - share  # takes the weighted mean off
    form = centred.T @ (each[:, None] * centred)
    return each, float(np.trace(form) ** 2 / np.sum(form * form))


def studentised(means: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return how many standard errors 95 % of the resamples of clusters are within, for each difference.

    The symmetric bootstrap-t (Hall, 1988) of clusters (Cameron, Gelbach and Miller, 2008). The seed is fixed,
    so that a table has the same bytes each time.

    Args:
        means: of the clusters less the mean over images, (G, P) for P differences.
        sizes: images in each cluster, (G,).
    """
    count = len(sizes)
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    share = sizes / (drawn @ sizes)[:, None]  # (RESAMPLES, G), of one copy of a cluster
    square = np.sum(drawn * share**2, axis=1, keepdims=True)
    # A resample of one cluster alone has no variance: beyond any standard error.
    each = np.divide(
        drawn * share**2, gap := 1 - 2 * share + square, out=np.zeros(share.shape), where=gap > 1e-9
    )
    shift = (drawn * share) @ means
    squared = each @ means**2 - 2 * shift * (each @ means) + shift**2 * each.sum(axis=1, keepdims=True)
    least = 1e-9 * (weights(sizes)[0] @ means**2)
    t = np.divide(
        shift, np.sqrt(np.maximum(squared, 0)), out=np.full(shift.shape, np.inf), where=squared > least
    )
    return np.sort(np.abs(t), axis=0)[round((RESAMPLES + 1) * (1 - LEVEL)) - 1]


def errors(means: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the standard errors of the means over images, and their degrees of freedom.

    Args:
        means: of the clusters, (G, P) for P differences.
        sizes: images in each cluster, (G,), G > 1.
    """
    each, freedom = weights(sizes)
    return np.sqrt(each @ (means - sizes @ means / sizes.sum()) ** 2), freedom


class Interval(NamedTuple):
    """The means of P differences over all images, each with its 95 % interval, `value` +- `half`."""

    value: np.ndarray  # (P,)
    error: np.ndarray  # standard error, (P,)
    freedom: float  # degrees of freedom of the standard errors
    half: np.ndarray  # (P,)
    method: IntervalMethod


def interval(means: np.ndarray, sizes: np.ndarray) -> Interval:
    """Estimate means over images from cluster means, (G, P), and the images in each cluster, (G,); G > 1."""
    value = sizes @ means / sizes.sum()
    error, freedom = errors(means, sizes)
    if len(sizes) < BOOTSTRAP_FROM:
        return Interval(value, error, freedom, stats.t.isf(LEVEL / 2, freedom) * error, "Student's t")
    times = np.where(error > 0, studentised(means - value, sizes), 0.0)
    return Interval(value, error, freedom, times * error, "bootstrap")


def difference(gains: pd.DataFrame) -> Difference:
    """Average differences of two runs over seeds, then over images, with the interval of that mean.

    Several seeds add the variance between their means, so that the interval is about any training of these
    two networks. With one seed it is about these two sets of weights on other images of the same kind.

    Args:
        gains: second run less first; a row per image, named <cluster>/<image>, and a column per seed. Rows
            with a missing value are left out.

    Raises:
        ValueError: no image has a value.
    """
    gains = gains.dropna()
    if gains.empty:
        raise ValueError("no image has a value of both runs; allowed: at least one image")
    groups = gains.mean(axis="columns").groupby([cluster(name) for name in gains.index], sort=False)
    means, sizes, seeds = groups.mean().to_numpy()[:, None], groups.size().to_numpy(), gains.shape[1]
    value = float(sizes @ means[:, 0] / sizes.sum())
    if len(sizes) < 2 or not math.isfinite(value):
        nothing = math.nan
        return Difference(
            value, nothing, nothing, nothing, nothing, "", len(gains), len(sizes), spread=nothing
        )
    _, (error,), freedom, (half,), method = interval(means, sizes)
    spread = error * sizes.sum() / math.sqrt(sizes @ sizes)
    if between := float(gains.mean().var() / seeds) if seeds > 1 else 0.0:
        # Welch and Satterthwaite, as for any sum of variances.
        total = error**2 + between
        freedom = total**2 / (error**4 / freedom + between**2 / (seeds - 1))
        error, method = math.sqrt(total), "Student's t"
        half = stats.t.isf(LEVEL / 2, freedom) * error
    return Difference(
        value=value,
        error=float(error),
        freedom=freedom,
        low=float(value - half),
        high=float(value + half),
        method=method,
        images=len(gains),
        clusters=len(sizes),
        spread=float(spread),
    )


def detectable(error: Any, freedom: float) -> Any:
    """Return the true difference that a two-sided t test at 5 % finds with 80 % power.

    Args:
        error: standard error, or an array of them.
        freedom: its degrees of freedom.
    """
    return error * special.nctdtrinc(freedom, 1 - POWER, stats.t.isf(LEVEL / 2, freedom))


def clusters_needed(effect: float, spread: float) -> int | None:
    """Count the equally large clusters with which a true difference is detectable; None beyond a million.

    Args:
        effect: the true difference.
        spread: standard deviation between cluster means.
    """

    def enough(clusters: int) -> bool:
        return bool(detectable(spread / math.sqrt(clusters), clusters - 1) <= abs(effect))

    return bisect_left(range(MOST), True, lo=2, key=enough) if effect and enough(MOST) else None


@dataclass(frozen=True)
class Agreement:
    """How far measured values have the order of printed ones."""

    systems: int
    pairs: int  # printed at least APART from one another
    alike: int  # of them in the same order
    tau: float  # Kendall's, over all pairs
    p: float  # of so many pairs alike, or so few, if values are assigned to systems at random


def agreement(printed: Sequence[float], measured: Sequence[float] | pd.Series) -> Agreement:
    """Compare two orders of the same systems; p is exact for up to 7 systems, else of 9,999 permutations.

    Raises:
        ValueError: fewer than two systems.
    """
    if len(printed) < 2 or len(printed) != len(measured):
        raise ValueError(f"{len(printed)} printed and {len(measured)} measured; allowed: two or more of both")
    claims, values = np.asarray(printed, dtype=float), np.asarray(measured, dtype=float)
    first, second = np.triu_indices(len(claims), 1)
    printed_gap = claims[first] - claims[second]
    apart = np.abs(printed_gap) >= APART - 1e-9  # decimals are no binary fractions
    first, second, sign = first[apart], second[apart], np.sign(printed_gap[apart])

    def alike(order: np.ndarray, axis: int = -1) -> np.ndarray:
        order = np.moveaxis(order, axis, -1)
        return np.sum(np.sign(order[..., first] - order[..., second]) == sign, axis=-1)

    count, p = by_permutation(values, alike)
    tau = stats.kendalltau(claims, values).statistic
    return Agreement(len(claims), len(first), count, float(tau), p)


def by_permutation(values: np.ndarray, alike: Callable[..., np.ndarray]) -> tuple[int, float]:
    """Count the pairs alike, and say how probable so many, or so few, are if values had other owners.

    Args:
        values: one of each system.
        alike: counts the pairs alike of arrays of such values along `axis`.

    Returns:
        The count, and a two-sided p: exact for up to 7 systems, else of 9,999 permutations.
    """
    test = stats.permutation_test(
        (values,),
        alike,
        permutation_type="pairings",
        vectorized=True,
        n_resamples=PERMUTATIONS,
        rng=np.random.default_rng(0),
    )
    return int(test.statistic), float(test.pvalue)
