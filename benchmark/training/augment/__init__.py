"""Random changes of a training crop, the same for its blurry and sharp image and its extras.

One file per augmentation; recipes name them. Each has `augment(crop, rng)`, which changes nothing in place.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# By name ("blurry", "sharp", extras): (side, side, C). Images have three channels, RGB: uint8 while their
# pixels only move, which is cheap, and float32 in [0, 1] once a colour has changed. Two names may share an
# image, so nothing is changed in place.
Crop = dict[str, NDArray[Any]]
Rng = np.random.Generator


def tensor(image: NDArray[Any]) -> Tensor:
    """Hand an image to torch, which copies rotated and mirrored images several times as fast as numpy."""
    mirrored = tuple(axis for axis in range(image.ndim) if image.strides[axis] < 0)
    upright = np.flip(image, mirrored)
    if image.dtype == np.uint8:  # numpy is faster still at copying pixels of three bytes in one piece
        upright = np.ascontiguousarray(upright.view("V3")).view(np.uint8)
    values = torch.from_numpy(upright)
    return values.flip(mirrored) if mirrored else values
