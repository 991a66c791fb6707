"""Replace colours by luma (SRN and PSS-NSC, whose networks restore one channel at a time)."""

from benchmark.training.augment import Crop, Rng
from benchmark.training.augment._colours import LUMA, on_images, thrice


def augment(crop: Crop, rng: Rng) -> Crop:
    """Copy the luma to all three channels."""
    return on_images(lambda image: thrice(image @ LUMA), crop)
