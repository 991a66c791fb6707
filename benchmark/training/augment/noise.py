"""Add Gaussian noise to the blurry image (MS-CNN)."""

import numpy as np

from benchmark.training.augment import Crop, Rng
from benchmark.training.augment._colours import unit


def augment(crop: Crop, rng: Rng) -> Crop:
    """Add noise of standard deviation |N(0, 1)| * 2 / 255."""
    deviation = abs(rng.standard_normal()) * 2 / 255
    noisy = rng.standard_normal(crop["blurry"].shape)
    noisy *= deviation
    noisy += unit(crop["blurry"])
    return crop | {"blurry": np.clip(noisy, 0, 1, out=noisy).astype(np.float32)}
