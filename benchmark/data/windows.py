"""Find where in an image several restored versions of it differ most."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from benchmark.results.schema import Window

SIDE = 64  # pixels, a quarter of the side of an image of the default profile
COUNT = 3  # windows of an image
INFINITE = 100.0  # dB, for a window without any error: a table holds finite numbers

Pixels = NDArray[np.uint8]


def spread(images: list[Pixels]) -> NDArray[np.float64]:
    """Average the squared distance of images to their mean over them and over colours: (H, W, 3) -> (H, W).

    >>> spread([np.full((1, 1, 3), 4, np.uint8), np.full((1, 1, 3), 8, np.uint8)])
    array([[4.]])
    """
    stacked = np.stack(images).astype(np.float64)
    return np.asarray(stacked.var(axis=0).mean(axis=-1))


def corners(values: NDArray[np.float64], side: int, count: int) -> Iterator[tuple[int, int]]:
    """Yield left column and top row of the squares with the largest sums, none of which touches another.

    >>> values = np.zeros((6, 8))
    >>> values[4, 1], values[4, 7] = 9, 5
    >>> list(corners(values, 2, 2))
    [(0, 3), (6, 3)]
    """
    table = np.pad(values, ((1, 0), (1, 0))).cumsum(0).cumsum(1)  # sums of all squares at once
    down = table[side:] - table[:-side]
    sums = down[:, side:] - down[:, :-side]
    for _ in range(count):
        if not sums.size or np.isneginf(sums).all():
            return
        y, x = (int(n) for n in np.unravel_index(int(sums.argmax()), sums.shape))
        yield x, y
        sums[max(0, y - side + 1) : y + side, max(0, x - side + 1) : x + side] = -np.inf


def psnr(image: Pixels, sharp: Pixels) -> float:
    """Compute the PSNR of 8-bit images in dB, at most INFINITE."""
    error = float(np.square(image.astype(np.float64) - sharp).mean())
    return min(INFINITE, 10 * float(np.log10(255**2 / error))) if error else INFINITE


def windows(
    dataset: str, name: str, blurred: Pixels, restored: Mapping[str, Pixels], sharp: Pixels
) -> Iterator[Window]:
    """Yield the squares of a test image in which its restored versions differ most, the first one most.

    Args:
        dataset: of the image.
        name: of the image.
        blurred: (H, W, 3).
        restored: (H, W, 3) by run; fewer than two differ nowhere.
        sharp: (H, W, 3).
    """
    if len(restored) < 2:
        return
    side = min(SIDE, *sharp.shape[:2])
    values = spread(list(restored.values()))
    for x, y in corners(values, side, COUNT):
        part = slice(y, y + side), slice(x, x + side)
        scores = {run: psnr(image[part], sharp[part]) for run, image in restored.items()}
        best, worst = max(scores, key=scores.__getitem__), min(scores, key=scores.__getitem__)
        deviation = float(np.sqrt(values[part].mean()))
        ends = (best, scores[best], worst, scores[worst], psnr(blurred[part], sharp[part]))
        yield Window(dataset, name, x, y, side, deviation, *ends)
