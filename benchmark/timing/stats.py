"""Statistics of run times: confidence interval of the median, slope and trend.

Run times are skewed and their tails heavy, so all statistics are based on ranks: one outlier has no effect.
"""

from collections.abc import Sequence
from math import inf, isnan

import numpy as np
from scipy.stats import kendalltau, quantile_test, theilslopes

MAX_POINTS = 100  # of a slope, whose cost grows with the square


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
