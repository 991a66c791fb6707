"""Statistics of run times: confidence intervals of a median and of a ratio, slope and trend.

Run times are skewed and their tails heavy, so all statistics are based on ranks: one outlier has no effect.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import inf, isnan
from typing import NamedTuple

import numpy as np
from scipy.stats import kendalltau, norm, quantile_test, theilslopes

MAX_POINTS = 100  # of a slope, whose cost grows with the square
EXACT_COUNT = 50  # of values, up to which sums of ranks are counted; beyond it they are as good as normal


class Interval(NamedTuple):
    """Hold an estimate with its confidence interval; (-inf, inf) where there are too few values for one."""

    center: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Return the longer arm over the estimate; inf for too few values."""
        arm = max(self.high - self.center, self.center - self.low)
        return arm / self.center if self.center and self.high < inf else inf


def median(values: Sequence[float]) -> float | None:
    """Return the median, or None without values."""
    return float(np.median(values)) if len(values) else None


def median_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Return the confidence interval of the median by order statistics.

    It holds for any distribution without resampling: the number of values below the true median is
    binomial (David and Nagaraja, Order Statistics, 3rd ed., Sec. 7.1).

    >>> median_interval([5, 3, 1, 4, 2, 6])
    (1.0, 6.0)

    Returns:
        Lower and upper end; (-inf, inf) for too few values (fewer than 6 at 95 %).
    """
    if not len(values):
        return -inf, inf
    ends = quantile_test(np.asarray(values, float), q=0, p=0.5).confidence_interval(level)
    return (-inf, inf) if isnan(ends.low) else (float(ends.low), float(ends.high))


def ratio_interval(ratios: Sequence[float], level: float = 0.95) -> Interval:
    """Estimate a ratio from ratios of neighbouring turns, with its confidence interval.

    Turns come in random order, so whatever disturbs one of two neighbours would have disturbed the other as
    often: the logarithms of their ratios are distributed symmetrically. For such values the signed-rank test
    of Wilcoxon gives an exact interval, and the median of the means of all pairs (each with itself too) is
    the estimate that belongs to it. To be as narrow, an interval of the median needs 1.5 times as many
    normal values (Hodges and Lehmann, Annals of Mathematical Statistics 1963; Hollander, Wolfe and Chicken,
    Nonparametric Statistical Methods, 3rd ed., Sec. 3.2 and 3.3).

    Returns:
        The estimate and the ends; without an interval for fewer than 6 ratios at 95 %.

    Raises:
        ValueError: there is no ratio, or one is not above 0.
    """
    values = np.asarray(ratios, float)
    if not len(values) or not values.min() > 0:
        raise ValueError(f"ratios {list(ratios)}: one or more positive numbers are needed")
    logs = np.log(values)
    means = np.sort(((logs[:, None] + logs) / 2)[np.triu_indices(len(logs))])
    rank = signed_rank_quantile(len(logs), (1 - level) / 2)
    center = float(np.exp(np.median(means)))
    if not rank:
        return Interval(center, -inf, inf)
    return Interval(center, float(np.exp(means[rank - 1])), float(np.exp(means[-rank])))


@lru_cache(maxsize=1024)
def signed_rank_quantile(count: int, tail: float) -> int:
    """Return the largest k such that a sum of positive ranks is below k with a probability of at most `tail`.

    Args:
        count: of values, distributed symmetrically around 0.
        tail: of one side.

    Returns:
        0 where no sum is so rare. The ends of the interval are the k-th smallest and k-th largest mean.
    """
    if count > EXACT_COUNT:
        mean = count * (count + 1) / 4
        return int(mean + float(norm.ppf(tail)) * np.sqrt(mean * (2 * count + 1) / 6) + 0.5)
    ways = np.ones(1)  # of each sum, as a share of all signs
    for rank in range(1, count + 1):
        ways = (np.pad(ways, (0, rank)) + np.pad(ways, (rank, 0))) / 2
    return int(np.searchsorted(np.cumsum(ways), tail, side="right"))


def relative_half_width(values: Sequence[float]) -> float:
    """Return the longer arm of the median's 95 % interval over the median; inf for too few values."""
    low, high = median_interval(values)
    center = median(values)
    return max(high - center, center - low) / center if center and high < inf else inf


def relative_slope(at: Sequence[float], values: Sequence[float]) -> float:
    """Return the Theil-Sen slope over the median of the values.

    More than 100 points are first replaced by the medians of 100 runs of neighbours.

    Args:
        at: moments in s, ascending.
        values: one for each moment.

    Returns:
        Relative change per second; inf where no two moments differ.
    """
    center = median(values)
    if not center or center < 0 or min(at) == max(at):
        return inf
    return float(theilslopes(thin_out(values), thin_out(at)).slope) / center


def thin_out(values: Sequence[float]) -> np.ndarray:
    """Replace many values by the medians of `MAX_POINTS` runs of neighbours of equal length."""
    parts = np.array_split(np.asarray(values, float), min(len(values), MAX_POINTS))
    return np.array([np.median(part) for part in parts])


def trend(values: Sequence[float]) -> tuple[float, float]:
    """Measure whether values change in the order they came.

    Returns:
        The last third's median over the first third's, minus 1; and the p value of Kendall's tau between
        values and their order. (0, 1), no trend, for fewer than three values or equal ones.
    """
    third = len(values) // 3
    if not third or min(values) == max(values):
        return 0.0, 1.0
    change = float(np.median(values[-third:]) / np.median(values[:third])) - 1
    return change, float(kendalltau(np.arange(len(values)), values).pvalue)
