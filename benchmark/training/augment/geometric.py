"""Flip, transpose, turn, shear or bend half of the whole images, before the crop (DeblurGAN-v2).

`scope: geometric` of its aug.py is one of five transformations of albumentations, whose version 1.0.3 gives
the ranges: HorizontalFlip, Transpose, ShiftScaleRotate, ElasticTransform, OpticalDistortion. The last three
interpolate linearly and mirror the image at its border (without repeating the border).
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.training.augment import Crop, Rng
from benchmark.training.augment._geometry import flip, turn

Warp = Callable[[NDArray[Any]], NDArray[Any]]
AS_LARGE_AS = 720  # pixels, the height of GoPro's images: what is given in pixels is meant for those


def shift_scale_rotate(height: int, width: int, rng: Rng) -> Warp:
    """Turn by up to 45 degrees, scale by 0.9 to 1.1 and shift by up to 1/16 of the sides."""
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-45, 45), rng.uniform(0.9, 1.1))
    shift = rng.uniform(-0.0625, 0.0625, 2) * (width, height)
    return affine(matrix + np.column_stack([np.zeros((2, 2)), shift]), height, width)


def elastic(height: int, width: int, rng: Rng) -> Warp:
    """Move three corners of a square by up to 50 of 720 pixels in x and y.

    The elastic part is left out: it moves pixels by less than a fiftieth of a pixel (uniform noise of one
    pixel, averaged by a Gaussian of 50 pixels). The square's middle has height and width exchanged, as there.
    """
    middle, reach = np.array([height, width]) // 2, min(height, width) // 3
    corners = (middle + reach * np.array([[1, 1], [1, -1], [-1, -1]])).astype(np.float32)
    limit = 50 * min(height, width) / AS_LARGE_AS
    moved = corners + rng.uniform(-limit, limit, corners.shape).astype(np.float32)
    return affine(cv2.getAffineTransform(corners, moved), height, width)


def affine(matrix: NDArray[Any], height: int, width: int) -> Warp:
    """Move each point by an affine map (2, 3)."""
    return lambda image: cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101)


def optical(height: int, width: int, rng: Rng) -> Warp:
    """Bend to a barrel or a cushion: points at distance r move along it by 1 + k r^2 + k r^4, |k| < 0.05.

    r is in sides of the image. A shift of the middle by up to 0.05 pixels is rounded to none, as there, and
    OpenCV's default camera moves the whole image by half a pixel, as there.
    """
    k = rng.uniform(-0.05, 0.05)
    camera = np.array([[width, 0, width / 2], [0, height, height / 2], [0, 0, 1]], np.float32)
    lens = np.array([k, k, 0, 0, 0], np.float32)
    straight = cv2.getDefaultNewCameraMatrix(camera, (width, height), True)
    x, y = cv2.initUndistortRectifyMap(camera, lens, None, straight, (width, height), cv2.CV_32FC1)
    return lambda image: cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def augment(crop: Crop, rng: Rng) -> Crop:
    """Apply one of the five with probability 1/2, to images of any size.

    Raises:
        ValueError: the extras are not images; vectors and masks would need more than moving their pixels.
    """
    for name, image in crop.items():
        if image.shape[-1] != 3:
            raise ValueError(f"geometric: an extra {name!r} of {image.shape[-1]} channels; allowed: images")
    height, width = crop["blurry"].shape[:2]
    drawn = int(rng.integers(10))
    if drawn >= 5:
        return crop
    if drawn < 2:
        return flip(crop, 1) if drawn == 0 else flip(turn(crop, 1), 0)
    warp = (shift_scale_rotate, elastic, optical)[drawn - 2](height, width, rng)
    return {name: warp(image) for name, image in crop.items()}
