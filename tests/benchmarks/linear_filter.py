"""How many dB does one linear filter gain on the test images of a rendered set? What networks have to exceed.

    PYTHONPATH=. python tests/benchmarks/linear_filter.py data/night [IMAGES]

The filter has one weight per pixel of a square, the same for all colours and images, and a constant. Weights
are those of least squares over pixels drawn from the training images, or the first of them that `embedded`
renders if their number is given, as 144 for profile embedded.
"""

import sys
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import correlate

from benchmark.data.pairs import Pairs
from benchmark.datasets import embedded
from benchmark.datasets.simulation.photographs import PHOTOGRAPHS

SIDES = (5, 9, 15)
DRAWN = 2000  # pixels of each image


def first(images: int) -> set[str]:
    """Name the first images that a profile with so many has, as `embedded.render` counts them."""
    own = [name for name, photograph in PHOTOGRAPHS.items() if photograph.split == "train"]
    names = set()
    for index in range(images):
        turn, part = divmod(index, embedded.LEAVES_PER_PHOTOGRAPH + 1)
        name, number = (
            (embedded.LEAVES, index - turn) if part else (own[turn % len(own)], turn // len(own) + 1)
        )
        names.add(f"{name}/{number:06d}")
    return names


def fit(pairs: Pairs, chosen: set[str], side: int) -> tuple[np.ndarray, float]:
    """Solve the normal equations: weights (side, side) and a constant, in levels."""
    rng, edge, size = np.random.default_rng(0), side // 2, side * side + 1
    squares, products = np.zeros((size, size)), np.zeros(size)
    for name, blurry, sharp in zip(pairs.names, pairs.blurry, pairs.sharp, strict=True):
        if name in chosen:
            colour = rng.integers(3)
            windows = sliding_window_view(blurry[..., colour].astype(float), (side, side)).reshape(
                -1, side * side
            )
            target = sharp[edge:-edge, edge:-edge, colour].astype(float).ravel()
            drawn = rng.integers(len(target), size=DRAWN)
            rows = np.column_stack([windows.reshape(-1, side * side)[drawn], np.ones(DRAWN)])
            squares += rows.T @ rows
            products += rows.T @ target[drawn]
    weights = np.linalg.solve(squares, products)
    return weights[:-1].reshape(side, side), float(weights[-1])


def psnr(image: np.ndarray, sharp: np.ndarray) -> float:
    """Compute the PSNR in dB of an image in [0, 255]."""
    return float(10 * np.log10(255**2 / np.mean((image - sharp.astype(float)) ** 2)))


def main(folder: str, images: str = "") -> None:
    """Print the mean gain of filters of each side, and the least and greatest of an image."""
    train, test = (embedded.pairs(Path(folder), split) for split in ("train", "test"))
    chosen = first(int(images)) if images else set(train.names)
    for side in SIDES:
        kernel, constant = fit(train, chosen, side)
        gains = []
        for blurry, sharp in zip(test.blurry, test.sharp, strict=True):
            restored = correlate(blurry.astype(float), kernel[..., None]) + constant
            gains.append(psnr(np.rint(restored.clip(0, 255)), sharp) - psnr(blurry.astype(float), sharp))
        print(f"{side}x{side}: {np.mean(gains):+.2f} dB (images {min(gains):+.2f} to {max(gains):+.2f})")


if __name__ == "__main__":
    main(*sys.argv[1:])
