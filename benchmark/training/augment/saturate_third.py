"""Scale the colour saturation of a third of the crops (MPRNet)."""

from benchmark.training.augment import Crop, Rng, saturate


def augment(crop: Crop, rng: Rng) -> Crop:
    """Apply `saturate` with probability 1/3."""
    return saturate.augment(crop, rng) if rng.random() < 1 / 3 else crop
