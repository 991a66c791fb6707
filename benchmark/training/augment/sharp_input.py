"""Use the sharp image as input in a tenth of the crops (MS-CNN's Torch7 code)."""

from benchmark.training.augment import Crop, Rng


def augment(crop: Crop, rng: Rng) -> Crop:
    """Replace the blurry image with probability 1/10."""
    return crop | {"blurry": crop["sharp"]} if rng.random() < 0.1 else crop
