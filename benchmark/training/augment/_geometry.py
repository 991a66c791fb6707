"""Rotate and mirror all images of a crop, and the vectors in it."""

import numpy as np

from benchmark.training.augment import Crop


def turn(crop: Crop, quarters: int) -> Crop:
    """Rotate counter-clockwise by quarter turns, motion vectors included.

    >>> right, down = [1.0, 2.0], [3.0, 4.0]
    >>> turn({"motion": np.array([[right, down]], np.float32)}, 1)["motion"].tolist()
    [[[4.0, -3.0]], [[2.0, -1.0]]]
    """
    for _ in range(quarters % 4):
        crop = {name: np.rot90(x) for name, x in crop.items()}
        if "motion" in crop:
            crop["motion"] = crop["motion"][..., ::-1] * np.array([1, -1], np.float32)
    return crop


def flip(crop: Crop, axis: int) -> Crop:
    """Mirror rows (axis 0) or columns (axis 1)."""
    crop = {name: np.flip(x, axis) for name, x in crop.items()}
    if "motion" in crop:
        crop["motion"] = crop["motion"] * np.array([1, -1] if axis == 0 else [-1, 1], np.float32)
    return crop
