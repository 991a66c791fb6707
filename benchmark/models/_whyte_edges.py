"""Predict the strong edges of a sharp image, from which Whyte's method estimates the camera's rotations.

Follows O. Whyte's package for blind removal of camera shake, version 1.0; its licence is in whyte.py.

Sources   S. Cho, S. Lee. Fast Motion Deblurring. SIGGRAPH Asia 2009 (bilateral filter, shock filter, the
          strongest gradients of each direction); S. Osher, L. Rudin. SIAM J. Numer. Anal. 27, 1990 (shock)
Unstated  OpenCV's bilateral filter has a round window where the package's is square; a region that has no
          gradient of some direction keeps what it has, where the package stops with "no entries in bin"
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

WINDOW = 5  # pixels, of the bilateral filter
REGIONS = 3  # per side: strong gradients are kept in each
DIRECTIONS = 4
KEPT = 2  # times the squared kernel size: gradients kept of each direction (Cho and Lee's r)
RING = np.pad(np.zeros((3, 3), int), 1, constant_values=1)  # without a gradient there, one is alone
FLAT = 1e-12  # of a second derivative; less is rounding, whose sign says nothing
DECREASE = 0.9  # of the filters' strengths and of the threshold, from one iteration to the next


@dataclass
class Strength:
    """What the filters of one scale depend on; weaker from one iteration to the next."""

    space: float = 2 / 2**0.5  # standard deviation of the bilateral filter in pixels
    range: float = 0.5  # and in grey values, in units of the image's range
    step: float = 1.0  # of the shock filter
    thresholds: Floats | None = None  # (REGIONS, REGIONS) gradients kept, chosen in the first iteration

    def weaken(self) -> None:
        """Go on to the next iteration; the bilateral filter becomes wider in space."""
        self.space, self.range, self.step = self.space / DECREASE, self.range * DECREASE, self.step * DECREASE
        if self.thresholds is not None:
            self.thresholds = self.thresholds * DECREASE


def grey_range(grey: Floats) -> float:
    """Return the range of a grey image, extrapolated from that of its middle 80 %."""
    low, high = np.quantile(grey, [0.1, 0.9])
    return float(high - low) / 0.8


def differences(image: Floats) -> tuple[Floats, Floats]:
    """Subtract each pixel from its right and from its lower neighbour, 0 at the end: (H, W) -> two of it."""
    return np.diff(image, axis=1, append=image[:, -1:]), np.diff(image, axis=0, append=image[-1:])


def shock(image: Floats, step: float) -> Floats:
    """Sharpen edges by one step of the shock filter: (H, W) -> (H, W).

    The image moves by -step * sign(second derivative across the edge) * |gradient|, where the gradient is the
    smaller one-sided difference, or 0 at an extremum.
    """
    edge = np.pad(image, 1, mode="edge")
    middle = edge[1:-1, 1:-1]
    before_x, after_x = middle - edge[1:-1, :-2], edge[1:-1, 2:] - middle
    before_y, after_y = middle - edge[:-2, 1:-1], edge[2:, 1:-1] - middle
    x, y = (before_x + after_x) / 2, (before_y + after_y) / 2
    xy = (edge[2:, 2:] - edge[2:, :-2] - edge[:-2, 2:] + edge[:-2, :-2]) / 4
    across = (after_x - before_x) * x**2 + 2 * xy * x * y + (after_y - before_y) * y**2

    def smaller(before: Floats, after: Floats) -> Floats:
        return np.where(before * after < 0, 0, np.minimum(np.abs(before), np.abs(after)))

    turn = np.where(np.abs(across) > FLAT, np.sign(across), 0)
    return image - step * turn * np.hypot(smaller(before_x, after_x), smaller(before_y, after_y))


def predict(grey: Floats, strength: Strength, full_range: float) -> Floats:
    """Smooth an image between its edges and sharpen these: (H, W) -> (H, W)."""
    sigma = max(strength.range * full_range, 1e-6)
    smooth = cv2.bilateralFilter(
        grey.astype(np.float32), WINDOW, sigma, strength.space, borderType=cv2.BORDER_REPLICATE
    )
    return shock(smooth.astype(np.float64), strength.step)


def strongest(image: Floats, inside: Mask, size: int, strength: Strength) -> tuple[Floats, Floats]:
    """Keep the strongest gradients of an image (H, W), set all others to 0.

    In the first iteration of a scale, thresholds are chosen so that each of the 3x3 regions keeps its share
    of 2 size^2 gradients of each of four directions. A region that has too few of one direction keeps all of
    its gradients, as in the package: at the coarsest scales that is nearly the whole image.

    Args:
        image: with sharp edges.
        inside: where the gradients of the blurred image are known (H, W).
        size: of the blur, in pixels.
        strength: holds the thresholds.

    Returns:
        The horizontal and vertical differences (H, W) that are kept.
    """
    x, y = differences(image)
    size_mask = ndimage.binary_erosion(inside, np.ones((size, size)))
    magnitude = np.hypot(x, y) * size_mask
    height, width = image.shape
    rows, columns = (np.linspace(0, side, REGIONS + 1).round().astype(int) for side in (height, width))
    regions = [
        (i, j, (slice(*rows[i : i + 2]), slice(*columns[j : j + 2])))
        for i in range(REGIONS)
        for j in range(REGIONS)
    ]
    if strength.thresholds is None:
        share = int(np.ceil(KEPT * size**2 / REGIONS**2))
        direction = np.ceil(np.mod(np.arctan2(y, x), np.pi) / (np.pi / DIRECTIONS))
        strength.thresholds = np.zeros((REGIONS, REGIONS))
        for i, j, place in regions:
            strength.thresholds[i, j] = _threshold(magnitude[place], direction[place], share)
    kept = np.zeros(magnitude.shape, bool)
    for i, j, place in regions:
        kept[place] = magnitude[place] >= strength.thresholds[i, j]
    kept &= ndimage.convolve(kept.astype(int), RING, mode="constant") > 0  # not alone
    return x * kept, y * kept


def _threshold(magnitude: Floats, direction: Floats, share: int) -> float:
    """Return the greatest threshold that keeps `share` gradients of each direction; 0 where one has fewer."""
    by_direction = (np.sort(magnitude[direction == number])[::-1] for number in range(1, DIRECTIONS + 1))
    return min(float(found[share - 1]) if len(found) >= share else 0.0 for found in by_direction)
