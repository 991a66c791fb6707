"""Swap left and right in a tenth of the crops, rows and columns in another (DeblurGAN-v2)."""

from benchmark.training.augment import Crop, Rng
from benchmark.training.augment._geometry import flip, turn


def augment(crop: Crop, rng: Rng) -> Crop:
    """Mirror, transpose or keep the crop."""
    drawn = rng.random()
    return flip(crop, 1) if drawn < 0.1 else flip(turn(crop, 1), 0) if drawn < 0.2 else crop
