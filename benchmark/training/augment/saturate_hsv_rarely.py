"""Scale the HSV saturation of a tenth of the crops (MS-CNN's Torch7 code)."""

from benchmark.training.augment import Crop, Rng, saturate_hsv


def augment(crop: Crop, rng: Rng) -> Crop:
    """Apply `saturate_hsv` with probability 1/10."""
    return saturate_hsv.augment(crop, rng) if rng.random() < 0.1 else crop
