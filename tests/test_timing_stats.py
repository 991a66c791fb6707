"""Medians, their intervals, slopes and trends: against binomial tables, simulation and scipy."""

import math
import random
from statistics import NormalDist

import numpy as np
import pytest
from scipy.stats import kendalltau, theilslopes

from benchmark.timing import stats

# Number of values -> rank of the lower end of the 95 % interval: one more than the critical value of the
# two-sided sign test at 5 %, as its tables print them.
RANKS = {6: 1, 8: 1, 9: 2, 10: 2, 15: 4, 20: 6, 25: 8, 30: 10, 40: 14, 50: 18, 100: 40}


def drawn(seed, count, scale=0.2):
    """Skewed times around 10 ms, as run times are."""
    draw = random.Random(seed)
    return [10 * math.exp(draw.gauss(0, scale)) + draw.expovariate(1) for _ in range(count)]


@pytest.mark.parametrize(("count", "rank"), RANKS.items())
def test_the_interval_is_that_of_the_tables(count, rank):
    """The k-th smallest and the k-th largest of shuffled whole numbers."""
    values = random.Random(count).sample(range(1, count + 1), count)

    assert stats.interval(values) == (rank, count + 1 - rank)


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_no_narrower_interval_would_do(level):
    """It is the narrowest that misses no oftener than the level allows, by counting subsets."""
    for count in range(1, 60):
        low, _ = stats.interval(range(1, count + 1), level)
        missed = [2 * sum(math.comb(count, k) for k in range(rank)) / 2**count for rank in range(count)]
        allowed = [rank for rank in range(1, count) if missed[rank] <= 1 - level]

        assert low == (max(allowed) if allowed else -math.inf)


@pytest.mark.parametrize("count", [7, 30, 101])
def test_the_interval_holds_the_median_as_often_as_it_says(count):
    """In 4,000 draws of skewed values, the true median is inside as often as binomial sums say: over 95 %."""
    draw = np.random.default_rng(count)
    samples = draw.lognormal(size=(4000, count))
    held = np.mean([low <= 1 <= high for low, high in map(stats.interval, samples)])
    rank = int(stats.interval(range(1, count + 1))[0])
    exact = 1 - 2 * sum(math.comb(count, k) for k in range(rank)) / 2**count

    assert exact >= 0.95
    assert held == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 4000))


def test_many_values_have_the_interval_of_the_normal_approximation():
    """Ranks n/2 -+ 1.96 sqrt(n)/2, to one."""
    count, z = 10_000, NormalDist().inv_cdf(0.975)
    low, high = stats.interval(range(1, count + 1))

    assert low == pytest.approx(count / 2 - z * math.sqrt(count) / 2, abs=1)
    assert low + high == count + 1


def test_few_values_have_no_interval():
    """The range of five values misses with 1/16."""
    for count in range(6):
        assert stats.interval([1.0] * count) == (-math.inf, math.inf)
        assert stats.half_width([1.0] * count) == math.inf
    assert stats.interval([3.0] * 6) == (3.0, 3.0)


def test_the_median_is_the_middle():
    """Of an odd number, an even one, and none."""
    assert stats.median([3, 1, 2]) == 2
    assert stats.median((4, 1, 2, 3)) == 2.5
    with pytest.raises(ValueError, match="0 values have no median"):
        stats.median([])


def test_half_the_width_is_that_of_the_longer_arm():
    """Of thirty values the 10th is 10, the 15th 11, the 16th 13 and the 21st 18: 12, from 10 to 18."""
    values = [*[9.0] * 9, 10.0, *[11.0] * 5, *[13.0] * 4, 14.0, 18.0, *[50.0] * 9]

    assert stats.interval(values) == (10, 18)
    assert stats.half_width(values) == pytest.approx((18 - 12) / 12)
    assert stats.half_width([0.0] * 30) == math.inf


def test_a_slope_is_theil_and_sens():
    """As scipy's, over the median, also with moments that are not evenly spaced."""
    at = np.cumsum(drawn(1, 60)).tolist()
    values = [ms + 0.01 * t for ms, t in zip(drawn(2, 60), at, strict=True)]

    expected = theilslopes(values, at).slope / np.median(values)
    assert stats.slope(at, values) == pytest.approx(expected, rel=1e-12)


def test_the_slope_of_many_values_is_found_without_all_pairs():
    """A line keeps its slope exactly; noise around it moves it no more than sampling does."""
    at = [0.01 * i for i in range(5000)]
    line = [5 + 0.3 * t for t in at]
    noisy = [ms + noise for ms, noise in zip(line, drawn(3, 5000), strict=True)]

    assert stats.slope(at, line) == pytest.approx(0.3 / stats.median(line))
    assert stats.slope(at, noisy) == pytest.approx(0.3 / stats.median(noisy), rel=0.05)


def test_outliers_do_not_tilt_a_slope():
    """A fifth of the calls ten times as slow, all near the end."""
    at = list(range(50))
    values = [100.0 if i in range(38, 48) else 10.0 for i in at]

    assert stats.slope(at, values) == 0


def test_a_slope_needs_two_moments():
    """One call, or several at the same moment, show no slope and no rest; unequal lists are refused."""
    assert stats.slope([], []) == math.inf
    assert stats.slope([1.0], [2.0]) == math.inf
    assert stats.slope([1.0, 1.0], [2.0, 3.0]) == math.inf
    with pytest.raises(ValueError, match="2 moments and 1 values"):
        stats.slope([1.0, 2.0], [2.0])


def test_a_trend_is_the_thirds_medians_and_kendalls_p():
    """As scipy's test of values against their order."""
    values = [ms * (1 + 0.002 * i) for i, ms in enumerate(drawn(4, 91))]
    change, p = stats.trend(values)

    assert change == pytest.approx(np.median(values[-30:]) / np.median(values[:30]) - 1)
    assert p == pytest.approx(kendalltau(range(91), values).pvalue)


def test_the_p_of_a_rising_row_is_that_of_its_permutations():
    """Nine rising values: 2 of 9! orders are as ordered. A falling row changes the other way."""
    change, p = stats.trend([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0])

    assert (change, p) == pytest.approx((3.0, 2 / math.factorial(9)))
    assert stats.trend([9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0])[0] == pytest.approx(-0.75)


def test_noise_has_a_trend_as_often_as_p_says():
    """Of 1,000 rows without one, about a tenth has p below 0.1."""
    low = sum(stats.trend(drawn(seed, 45))[1] < 0.1 for seed in range(1000))

    assert low == pytest.approx(100, abs=4 * math.sqrt(1000 * 0.1 * 0.9))


def test_what_does_not_change_has_no_trend():
    """Equal values, and too few to have thirds."""
    for values in ([], [1.0], [1.0, 2.0], [5.0] * 40):
        assert stats.trend(values) == (0.0, 1.0)


def test_results_are_plain_floats():
    """Also of numpy's numbers: what is written into tables must read back."""
    values = np.array(drawn(5, 40), dtype=np.float32)
    found = (
        stats.median(values),
        *stats.interval(values),
        stats.half_width(values),
        stats.slope(np.arange(40.0), values),
        *stats.trend(values),
    )

    assert {type(number) for number in found} == {float}
