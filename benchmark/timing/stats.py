"""Medians of run times: how sure one is, and whether times stand still.

Run times are skewed and their tails heavy, so everything here goes by rank: one slow sample moves nothing.
"""

from collections.abc import Sequence
from math import inf

import numpy as np
from scipy.stats import binom, kendalltau

POINTS = 100  # that a slope is drawn through; pairs of points grow with the square


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the two middle ones.

    Raises:
        ValueError: there are no values.
    """
    if not len(values):
        raise ValueError("0 values have no median; at least 1 is needed")
    return float(np.median(values))


def middle(values: Sequence[float]) -> float | None:
    """The median, if there is one."""
    return median(values) if values else None


def interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """The confidence interval of the median: the k-th smallest and the k-th largest value.

    Each value is below the true median with probability 1/2, whatever the distribution, so how many are is
    binomial, and the interval misses with probability 2 P(B(n, 1/2) < k); k is the largest for which that is
    at most 1 - level (David and Nagaraja, Order Statistics, 3rd ed., Sec. 7.1). Nothing is resampled.

    >>> interval([5, 3, 1, 4, 2, 6])
    (1.0, 6.0)

    Args:
        values: samples, in any order.
        level: the least probability with which the interval holds the true median.

    Returns:
        Low and high; (-inf, inf) where there are too few values for the level (fewer than 6 for 95 %).
    """
    rank = int(binom.ppf((1 - level) / 2, len(values), 0.5)) if len(values) else 0
    if rank == 0:
        return -inf, inf
    ordered = sorted(values)
    return float(ordered[rank - 1]), float(ordered[-rank])


def half_width(values: Sequence[float]) -> float:
    """The longer arm of the median's 95 % interval, relative to the median; inf for too few values."""
    low, high = interval(values)
    if high == inf:
        return inf
    middle = median(values)
    return max(high - middle, middle - low) / middle if middle > 0 else inf


def slope(at: Sequence[float], values: Sequence[float]) -> float:
    """The median of the slopes between all pairs of points (Theil-Sen), relative to the values' median.

    More than 100 values are first replaced by the medians of 100 runs of neighbours.

    Args:
        at: moments in s, ascending.
        values: one for each moment.

    Returns:
        Relative change per second; inf where no two moments differ.

    Raises:
        ValueError: there is not one value for each moment.
    """
    if len(at) != len(values):
        raise ValueError(f"{len(at)} moments and {len(values)} values; there must be as many of each")
    x, y = thinned(at), thinned(values)
    first, second = np.triu_indices(len(x), 1)
    time = x[second] - x[first]
    apart = time > 0
    if not apart.any() or (middle := median(values)) <= 0:
        return inf
    return float(np.median((y[second] - y[first])[apart] / time[apart])) / middle


def thinned(values: Sequence[float]) -> np.ndarray:
    """At most `POINTS` values: medians of runs of neighbours that are equally long, to one."""
    if len(values) <= POINTS:
        return np.asarray(values, float)
    return np.array([np.median(part) for part in np.array_split(np.asarray(values, float), POINTS)])


def trend(values: Sequence[float]) -> tuple[float, float]:
    """Whether values change in the order they came.

    Returns:
        The last third's median over the first third's, minus 1; and the p value of Kendall's tau between
        values and their order: how often values without a trend look as ordered as these. (0, 1), no
        sign of a trend, for fewer than three values or equal ones.
    """
    third = len(values) // 3
    if not third or min(values) == max(values):
        return 0.0, 1.0
    change = median(values[-third:]) / median(values[:third]) - 1
    return change, float(kendalltau(np.arange(len(values)), values).pvalue)
