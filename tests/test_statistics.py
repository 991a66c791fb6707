"""Differences between runs: intervals, power and orders against SciPy, closed forms and simulation."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmark.compare import statistics
from tests.benchmarks.coverage import GOPRO, coverage, simulate

EMBEDDED = [3] * 4  # images of each photograph


def gains(sizes, seed=0, seeds=1):
    """Draw gains in dB, whose clusters differ."""
    draw = np.random.default_rng(seed)
    names = [f"{c:02}/{i}" for c, size in enumerate(sizes) for i in range(size)]
    clusters = np.repeat(draw.normal(0.1, 0.3, len(sizes)), sizes)
    values = clusters[:, None] + draw.normal(0, 0.1, (len(names), seeds))
    return pd.DataFrame(values, index=names)


def cluster_means(table):
    """Average each cluster."""
    return table[0].groupby(table.index.str.split("/").str[0]).mean()


def test_few_equal_clusters_have_students_interval():
    """Four photographs of three images are four numbers: SciPy's t interval of their means."""
    table = gains(EMBEDDED)
    means = cluster_means(table)
    found = statistics.difference(table)
    low, high = stats.ttest_1samp(means, 0).confidence_interval(0.95)

    assert (found.method, found.images, found.clusters) == ("Student's t", 12, 4)
    assert (found.value, found.error, found.freedom) == pytest.approx((table[0].mean(), stats.sem(means), 3))
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.spread == pytest.approx(means.std())
    assert found.clear == (stats.ttest_1samp(means, 0).pvalue < 0.05)


@pytest.mark.parametrize("sizes", [[5, 1, 1, 1, 1, 1], GOPRO])
def test_unequal_clusters_have_an_unbiased_variance(sizes):
    """The mean over images keeps its value; over many samples, its squared error and degrees of freedom hold.

    Satterthwaite's degrees of freedom are those of the chi-square with the variance's mean and variance.
    """
    sizes = np.asarray(sizes, dtype=float)
    means = np.random.default_rng(0).normal(size=(len(sizes), 100_000))
    value = sizes @ means / sizes.sum()
    error, freedom = statistics.errors(means, sizes)

    assert np.mean(error**2) == pytest.approx(np.var(value), rel=0.02)
    assert 2 * np.mean(error**2) ** 2 / np.var(error**2) == pytest.approx(freedom, rel=0.03)
    table = gains(sizes.astype(int))
    assert statistics.difference(table).value == pytest.approx(table[0].mean())


def test_many_clusters_are_resampled():
    """Of equally large clusters, 95 % of resamples are within so many of their own standard errors."""
    sizes = np.full(9, 4.0)
    means = np.random.default_rng(1).gamma(1, size=(9, 1))
    draws = np.random.default_rng(0).multinomial(9, np.full(9, 1 / 9), size=statistics.RESAMPLES)
    samples = [np.repeat(means[:, 0], drawn) for drawn in draws]
    t = [abs(sample.mean() - means.mean()) / stats.sem(sample) for sample in samples]
    found = statistics.interval(means, sizes)

    assert found.method == "bootstrap"
    assert found.half[0] / found.error[0] == pytest.approx(np.quantile(t, 0.95), rel=0.01)
    assert found.error[0] == pytest.approx(stats.sem(means[:, 0]))


def test_the_same_gain_everywhere_is_certain():
    """Without any spread the interval is a point, with few clusters and with many."""
    for clusters in (4, 12):
        found = statistics.difference(pd.DataFrame({0: 0.25}, index=[f"{c}/0" for c in range(clusters)]))

        assert (found.value, found.low, found.high) == pytest.approx((0.25, 0.25, 0.25))
        assert found.clear


@pytest.mark.parametrize("effect", ["normal", "heavy", "skewed"])
@pytest.mark.parametrize("sizes", [EMBEDDED, GOPRO], ids=["embedded", "gopro"])
def test_intervals_cover_the_truth(sizes, effect):
    """Of 95 % intervals 93 to 97 % do, up to the error of 2,000 draws; docs/statistics.md has more cases."""
    covered = coverage(effect, np.asarray(sizes, dtype=float), 0.5, 2000, seed=3)

    assert 0.93 - 0.01 < covered < 0.97 + 0.01


def test_images_of_one_photograph_are_no_sample_of_their_own():
    """Counted as independent, images of four photographs cover far less than they should."""
    sizes = np.asarray(EMBEDDED, dtype=float)
    means = simulate("normal", sizes, 0.8, 2000)
    within = np.random.default_rng(1).normal(size=(4, 3, 2000)) * math.sqrt(0.2)
    images = (means[:, None] + within - within.mean(axis=1, keepdims=True)).reshape(12, 2000)
    naive = stats.ttest_1samp(images, 0).pvalue > 0.05

    assert np.mean(naive) < 0.85


@pytest.mark.parametrize("clusters", [4, 11, 50])
def test_detectable_differences_have_that_power(clusters):
    """SciPy's noncentral t has 80 % beyond the critical value, and so do simulated t tests."""
    effect = statistics.detectable(1 / math.sqrt(clusters), clusters - 1)
    critical = stats.t.isf(0.025, clusters - 1)
    draw = np.random.default_rng(0)
    simulated = stats.power(
        lambda sample, axis: stats.ttest_1samp(sample, 0, axis=axis, alternative="two-sided"),
        lambda size: draw.normal(effect, 1, size=size),
        clusters,
        significance=0.05,
        n_resamples=4000,
        vectorized=True,
    )

    assert stats.nct.sf(critical, clusters - 1, effect * math.sqrt(clusters)) == pytest.approx(0.8, abs=1e-5)
    assert simulated.power == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize(("effect", "spread"), [(0.3, 0.1), (0.05, 0.1), (0.01, 0.5)])
def test_clusters_needed_are_the_fewest(effect, spread):
    """So many clusters detect the difference, one less do not; about 7.85 spread^2 / effect^2 of many."""
    clusters = statistics.clusters_needed(effect, spread)
    powers = [
        stats.nct.sf(stats.t.isf(0.025, n - 1), n - 1, effect / spread * math.sqrt(n))
        for n in (clusters - 1, clusters)
    ]

    assert powers[0] < 0.8 <= powers[1] + 1e-5
    if clusters > 30:
        normal = (stats.norm.isf(0.025) + stats.norm.isf(0.2)) ** 2 * (spread / effect) ** 2
        assert clusters == pytest.approx(normal, rel=0.1)


def test_no_number_of_images_shows_nothing():
    """A difference of zero, or one a million times smaller than the spread, cannot be shown."""
    assert statistics.clusters_needed(0.0, 0.1) is None
    assert statistics.clusters_needed(1e-6, 1.0) is None
    assert statistics.difference(gains(EMBEDDED)).images_needed(100.0) == 6  # two clusters of three


@pytest.mark.parametrize("index", [["a/0", "a/1", "a/2"], ["a/0"]])
def test_one_sequence_has_no_interval(index):
    """However many frames it has; nor have values that are not finite."""
    for value in (0.5, math.inf):
        found = statistics.difference(pd.DataFrame({0: value}, index=index))

        assert (found.value, found.method, found.clear) == (value, "", False)
        assert math.isnan(found.low)


def test_missing_images_are_left_out():
    """A pair needs both values; without any pair there is no difference."""
    table = gains(EMBEDDED)
    table.iloc[0] = math.nan

    assert statistics.difference(table).images == 11
    with pytest.raises(ValueError, match="at least one image"):
        statistics.difference(table.iloc[:1])


def test_seeds_are_another_sample():
    """Where all images gain alike, the interval is SciPy's over seeds; else both variances add up."""
    effects = np.array([0.1, 0.4, -0.2, 0.3])
    alike = pd.DataFrame(np.tile(effects, (12, 1)), index=gains(EMBEDDED).index)
    low, high = stats.ttest_1samp(effects, 0).confidence_interval(0.95)
    found = statistics.difference(alike)

    assert (found.low, found.high, found.freedom) == pytest.approx((low, high, 3))
    several = gains(EMBEDDED, seeds=3)
    one = statistics.difference(several.mean(axis="columns").to_frame())
    both = statistics.difference(several)
    assert both.value == pytest.approx(one.value)
    assert both.error == pytest.approx(math.hypot(one.error, stats.sem(several.mean())))


@pytest.mark.parametrize("values", [[1, 2, 3, 4, 5], [5, 4, 3, 2, 1], [2, 1, 3, 5, 4], [3, 1, 4, 2, 6, 5]])
def test_orders_have_scipys_p(values):
    """Where all pairs are apart, the permutation test is Kendall's exact one."""
    printed = [30.0 + index for index in range(len(values))]
    found = statistics.agreement(printed, values)
    kendall = stats.kendalltau(printed, values, method="exact")

    assert found.pairs == len(values) * (len(values) - 1) / 2
    assert found.tau == pytest.approx(kendall.statistic)
    assert found.tau == pytest.approx(2 * found.alike / found.pairs - 1)
    assert found.p == pytest.approx(kendall.pvalue)


def test_pairs_printed_close_together_do_not_count():
    """30.92 and 30.62 are 0.3 dB apart, 30.92 and 30.63 are not."""
    assert statistics.agreement([30.92, 30.62], [2, 1]).pairs == 1
    assert statistics.agreement([30.92, 30.63], [1, 2]) == statistics.Agreement(2, 0, 0, -1.0, 1.0)
    with pytest.raises(ValueError, match="two or more"):
        statistics.agreement([30.0], [30.0])
