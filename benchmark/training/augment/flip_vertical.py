"""Swap top and bottom in half of the crops."""

from benchmark.training.augment import Crop, Rng
from benchmark.training.augment._geometry import flip


def augment(crop: Crop, rng: Rng) -> Crop:
    """Mirror rows with probability 1/2."""
    return flip(crop, 0) if rng.random() < 0.5 else crop
