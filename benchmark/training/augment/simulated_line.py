"""Blur half of the crops anew, by one of Sun et al.'s 73 kernels each, and cut all to the middle patch.

Source    J. Sun et al., CVPR 2015 (see models/sun.py): lengths of 1, 3, ... 25 pixels at six orientations
Unstated  half of the crops: theirs are all blurred by one kernel. Here the other half are the pairs of
          the set with their own motion
          the kernel: a line whose ends fade bilinearly, as in the deconvolution; theirs is MATLAB's `motion`
"""

from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.training.augment import Crop, Rng
from benchmark.training.augment._colours import unit
from benchmark.training.augment._lines import blur_along

SHARE = 0.5  # of the crops
MARGIN = 12  # pixels that the longest kernel reaches, cut off on each side
MOTIONS = [(0, 0), *((length, angle) for angle in range(0, 180, 30) for length in range(3, 26, 2))]


def motion(length: float, degrees: float) -> NDArray[np.float32]:
    """Convert to pixels right and down: (2,)."""
    turn = np.radians(degrees)
    return np.array([length * np.cos(turn), length * np.sin(turn)], np.float32)


@cache
def kernel(length: float, degrees: float) -> NDArray[Any]:
    """Draw the kernel of a motion, (27, 27); it is the same turned by half a circle."""
    side = 2 * MARGIN + 3
    point = np.zeros((side, side, 3), np.float32)
    point[side // 2, side // 2] = 1
    flow = np.broadcast_to(motion(length, degrees), (side, side, 2))
    return blur_along(point, flow)[..., 0]


def augment(crop: Crop, rng: Rng) -> Crop:
    """Blur the sharp image of every second crop, at random; cut MARGIN off every side of all images.

    Of a crop that is smaller than the classifier's, half is left.
    """
    margin = min(MARGIN, min(crop["sharp"].shape[:2]) // 4)
    if rng.random() < SHARE:
        length, degrees = MOTIONS[int(rng.integers(len(MOTIONS)))]
        sharp = np.ascontiguousarray(unit(crop["sharp"]))
        blurry = cv2.filter2D(sharp, -1, kernel(length, degrees), borderType=cv2.BORDER_REPLICATE)
        flow = np.broadcast_to(motion(length, degrees), crop["motion"].shape).copy()
        crop = crop | {"blurry": blurry, "motion": flow}
    return {name: x[margin:-margin, margin:-margin] for name, x in crop.items()}
