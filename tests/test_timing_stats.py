"""Intervals of medians, slopes and trends: against tables of the sign test, counting and SciPy."""

import math
import random

import numpy as np
import pytest
from scipy.stats import kendalltau, theilslopes, wilcoxon

from benchmark.timing import stats

# Number of values -> rank of the lower end of the 95 % interval: one more than the critical value of the
# two-sided sign test at 5 %, as its tables print them.
RANKS = {6: 1, 8: 1, 9: 2, 10: 2, 15: 4, 20: 6, 25: 8, 30: 10, 40: 14, 50: 18, 100: 40}


def skewed(seed, count, scale=0.2):
    """Draw skewed times around 10 ms, as run times are."""
    draw = random.Random(seed)
    return [10 * math.exp(draw.gauss(0, scale)) + draw.expovariate(1) for _ in range(count)]


@pytest.mark.parametrize(("count", "rank"), RANKS.items())
def test_the_interval_is_that_of_the_tables(count, rank):
    """The k-th smallest and the k-th largest of shuffled whole numbers."""
    values = random.Random(count).sample(range(1, count + 1), count)

    assert stats.median_interval(values) == (rank, count + 1 - rank)


# Critical values of the signed-rank test, two-sided at 5 %, as its tables print them.
SIGNED_RANKS = {6: 0, 7: 2, 8: 3, 9: 5, 10: 8, 12: 13, 15: 25, 20: 52, 25: 89, 30: 137, 40: 264, 50: 434}


@pytest.mark.parametrize(("count", "critical"), SIGNED_RANKS.items())
def test_the_interval_of_a_ratio_is_that_of_the_signed_rank_test(count, critical):
    """Its ends are the means of two logarithms whose rank is one more than the critical value."""
    ratios = skewed(count, count)
    logs = np.log(ratios)
    means = sorted((logs[i] + logs[j]) / 2 for i in range(count) for j in range(i + 1))

    ends = [np.median(means), means[critical], means[-1 - critical]]
    assert stats.ratio_interval(ratios) == pytest.approx(np.exp(ends))


def test_the_interval_of_a_ratio_leaves_out_what_the_signed_rank_test_rejects():
    """Ratios held against a value inside and one outside of either end, by SciPy."""
    ratios = skewed(5, 80)
    _, low, high = stats.ratio_interval(ratios)

    for value, rejected in ((low, -1), (high, 1)):
        inside, outside = value * 1.001**-rejected, value * 1.001**rejected
        assert (
            wilcoxon(np.log(ratios) - np.log(inside)).pvalue
            > 0.05
            > wilcoxon(np.log(ratios) - np.log(outside)).pvalue
        )


def test_the_interval_of_a_ratio_is_narrower_than_that_of_the_median_and_stands_outliers():
    """With normal logarithms by about a fifth; a tenth of ten times the ratio moves it by 1 %."""
    draw = random.Random(0)
    ratios = [math.exp(draw.gauss(0, 0.05)) for _ in range(400)]
    _, low, high = stats.ratio_interval(ratios)
    by_median = stats.median_interval(ratios)
    spoilt = [10 * ratio if i % 10 == 0 else ratio for i, ratio in enumerate(ratios)]

    assert 0.7 < (high - low) / (by_median[1] - by_median[0]) < 0.9
    assert stats.ratio_interval(spoilt).center == pytest.approx(1, rel=0.01)


@pytest.mark.parametrize("ratios", [[], [1.0, 0.0], [1.0, -2.0], [math.nan]])
def test_what_is_no_ratio_has_no_interval(ratios):
    """It is refused; five ratios have an estimate alone."""
    with pytest.raises(ValueError, match="positive numbers"):
        stats.ratio_interval(ratios)
    assert stats.ratio_interval([2.0] * 5) == (pytest.approx(2), -math.inf, math.inf)
    assert stats.ratio_interval([2.0] * 5).half_width == math.inf


def test_few_values_have_no_interval():
    """The range of five values misses with 1/16."""
    for count in range(6):
        assert stats.median_interval([1.0] * count) == (-math.inf, math.inf)
        assert stats.relative_half_width([1.0] * count) == math.inf
    assert stats.median_interval([3.0] * 6) == (3.0, 3.0)


def test_half_the_width_is_that_of_the_longer_arm():
    """Of thirty values the 10th is 10, the 15th 11, the 16th 13 and the 21st 18: 12, from 10 to 18."""
    values = [*[9.0] * 9, 10.0, *[11.0] * 5, *[13.0] * 4, 14.0, 18.0, *[50.0] * 9]

    assert stats.median_interval(values) == (10, 18)
    assert stats.relative_half_width(values) == pytest.approx((18 - 12) / 12)
    assert stats.relative_half_width([0.0] * 30) == math.inf


def test_a_slope_is_theil_and_sens_over_the_median():
    """Also with moments that are not evenly spaced."""
    at = np.cumsum(skewed(1, 60)).tolist()
    values = [ms + 0.01 * t for ms, t in zip(skewed(2, 60), at, strict=True)]

    expected = theilslopes(values, at).slope / np.median(values)
    assert stats.relative_slope(at, values) == pytest.approx(expected, rel=1e-12)


def test_the_slope_of_many_values_needs_few_pairs():
    """A line keeps its slope exactly; noise around it moves it no more than sampling does."""
    at = [0.01 * i for i in range(5000)]
    line = [5 + 0.3 * t for t in at]
    noisy = [ms + noise for ms, noise in zip(line, skewed(3, 5000), strict=True)]

    assert stats.relative_slope(at, line) == pytest.approx(0.3 / np.median(line))
    assert stats.relative_slope(at, noisy) == pytest.approx(0.3 / np.median(noisy), rel=0.05)


def test_outliers_do_not_tilt_a_slope():
    """A fifth of the calls ten times as slow, all near the end."""
    values = [100.0 if i in range(38, 48) else 10.0 for i in range(50)]

    assert stats.relative_slope(list(range(50)), values) == 0


def test_a_slope_needs_two_moments():
    """One call, or several at the same moment, have no slope."""
    assert stats.relative_slope([], []) == math.inf
    assert stats.relative_slope([1.0], [2.0]) == math.inf
    assert stats.relative_slope([1.0, 1.0], [2.0, 3.0]) == math.inf


def test_a_trend_is_the_thirds_medians_and_kendalls_p():
    """As SciPy's test of values against their order."""
    values = [ms * (1 + 0.002 * i) for i, ms in enumerate(skewed(4, 91))]
    change, p = stats.trend(values)

    assert change == pytest.approx(np.median(values[-30:]) / np.median(values[:30]) - 1)
    assert p == pytest.approx(kendalltau(range(91), values).pvalue)
    assert stats.trend([9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0])[0] == pytest.approx(-0.75)


def test_constant_values_have_no_trend():
    """Nor have too few for thirds."""
    for values in ([], [1.0], [1.0, 2.0], [5.0] * 40):
        assert stats.trend(values) == (0.0, 1.0)


def test_results_are_plain_floats():
    """Also of NumPy's numbers: tables must be able to write them."""
    values = np.array(skewed(5, 40), dtype=np.float32)
    results = (
        stats.median(values),
        *stats.median_interval(values),
        stats.relative_half_width(values),
        stats.relative_slope(np.arange(40.0), values),
        *stats.trend(values),
    )

    assert {type(number) for number in results} == {float}
    assert stats.median([]) is None
