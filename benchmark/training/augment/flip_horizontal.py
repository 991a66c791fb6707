"""Swap left and right in half of the crops."""

from benchmark.training.augment import Crop, Rng
from benchmark.training.augment._geometry import flip


def augment(crop: Crop, rng: Rng) -> Crop:
    """Mirror columns with probability 1/2."""
    return flip(crop, 1) if rng.random() < 0.5 else crop
