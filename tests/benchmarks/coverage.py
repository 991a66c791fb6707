"""Simulate how often the intervals of benchmark/compare/statistics.py cover the truth.

`python -m tests.benchmarks.coverage` prints the table of docs/statistics.md, in seconds.
"""

import argparse

import numpy as np
from scipy import stats

from benchmark.compare import statistics

GOPRO = [100] * 9 + [134, 77]
SETS = {
    "embedded, 4 photographs: 3 each": [3] * 4,
    "4: 4, 6, 6 and 5 (the pairs of DVD at hand)": [4, 6, 6, 5],
    "5: 20 each": [20] * 5,
    "6: 20 each": [20] * 6,
    "6: 5 and five of 1 (the pairs of GoPro at hand)": [5, 1, 1, 1, 1, 1],
    "8: 20 each": [20] * 8,
    "DVD, 10: 100 each": [100] * 10,
    "GoPro, 11: 77 to 134": GOPRO,
    "30: 10, 20 or 40": [10, 20, 40] * 10,
    "RealBlur, 50: 20 each": [20] * 50,
}
# Effects of clusters, of mean 0 and variance 1.
EFFECTS = {
    "normal": lambda draw, shape: draw.normal(size=shape),
    "heavy": lambda draw, shape: draw.standard_t(5, size=shape) / np.sqrt(5 / 3),
    "skewed": lambda draw, shape: (draw.gamma(4, size=shape) - 4) / 2,
    "very heavy": lambda draw, shape: draw.standard_t(3, size=shape) / np.sqrt(3),
    "very skewed": lambda draw, shape: draw.exponential(size=shape) - 1,
}


def simulate(effect: str, sizes: np.ndarray, within: float, count: int, seed: int = 0) -> np.ndarray:
    """Draw cluster means of `count` differences whose true value is 0: (G, count).

    Args:
        effect: a key of EFFECTS.
        sizes: images in each cluster, (G,).
        within: correlation of two images of a cluster.
        count: of simulated differences.
        seed: of the random numbers.
    """
    draw, shape = np.random.default_rng(seed), (len(sizes), count)
    noise = draw.normal(size=shape) / np.sqrt(sizes)[:, None]
    return np.sqrt(within) * EFFECTS[effect](draw, shape) + np.sqrt(1 - within) * noise


def coverage(effect: str, sizes: np.ndarray, within: float, count: int, seed: int = 0) -> float:
    """Return the share of 95 % intervals that contain the truth."""
    found = statistics.interval(simulate(effect, sizes, within, count, seed), sizes)
    return float(np.mean(np.abs(found.value) <= found.half))


def main() -> None:
    """Print coverage in percent, at correlations of 0.3 and 0.8 within clusters."""
    parser = argparse.ArgumentParser(description="coverage of 95 % intervals, in percent")
    parser.add_argument("--count", type=int, default=2000, help="simulated differences per cell")
    parser.add_argument("--bootstrap-from", type=int, default=statistics.BOOTSTRAP_FROM, help="clusters")
    arguments = parser.parse_args()
    statistics.BOOTSTRAP_FROM = arguments.bootstrap_from
    print(f"| clusters, images of each | degrees of freedom | interval | {' | '.join(EFFECTS)} |")
    print("|---" * (3 + len(EFFECTS)) + "|")
    for name, images in SETS.items():
        sizes = np.asarray(images, dtype=float)
        method = "bootstrap" if len(sizes) >= statistics.BOOTSTRAP_FROM else stats.t.name
        cells = [
            " to ".join(
                f"{value:.1f}"
                for value in sorted(100 * coverage(effect, sizes, w, arguments.count) for w in (0.3, 0.8))
            )
            for effect in EFFECTS
        ]
        print(f"| {name} | {statistics.weights(sizes)[1]:.1f} | {method} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
