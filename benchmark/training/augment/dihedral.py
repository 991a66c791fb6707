"""Apply one of the square's eight symmetries (MS-CNN: two flips and a transposition)."""

from benchmark.training.augment import Crop, Rng, flip_horizontal
from benchmark.training.augment._geometry import turn


def augment(crop: Crop, rng: Rng) -> Crop:
    """Draw a symmetry, all with the same probability."""
    return flip_horizontal.augment(turn(crop, int(rng.integers(4))), rng)
