"""Rotate a whole image by 90, 180 or 270 degrees within its frame (DMPHN's stacks, before the crop).

torchvision's `rotate` keeps height and width: a quarter turn of a wide image loses both its ends, and black
bars fill the frame. Crops of blurred and sharp image may lie in them.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.training.augment import Crop, Rng
from benchmark.training.augment._geometry import turn


def augment(crop: Crop, rng: Rng) -> Crop:
    """Rotate, never by 0 degrees; by half a pixel off the centre where the sides differ by an odd number."""
    height, width = crop["blurry"].shape[:2]
    turned = turn(crop, int(rng.integers(1, 4)))
    return {name: centre(image, height, width) for name, image in turned.items()}


def centre(image: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Put the middle of an image into the middle of a black frame, (h, w, C) -> (height, width, C)."""
    if image.shape[:2] == (height, width):
        return image
    frame = np.zeros((height, width, image.shape[2]), image.dtype)
    high, wide = min(height, image.shape[0]), min(width, image.shape[1])
    middle(frame, high, wide)[:] = middle(image, high, wide)
    return frame


def middle(image: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Cut out the middle of an image."""
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return image[top : top + height, left : left + width]
