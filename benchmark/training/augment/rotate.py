"""Rotate by 90, 180 or 270 degrees (DMPHN's stacks, `rotation=True`)."""

from benchmark.training.augment import Crop, Rng
from benchmark.training.augment._geometry import turn


def augment(crop: Crop, rng: Rng) -> Crop:
    """Rotate, never by 0 degrees."""
    return turn(crop, int(rng.integers(1, 4)))
