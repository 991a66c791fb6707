"""Apply one of nine changes, two of which leave the crop as it is (MPRNet)."""

from collections.abc import Callable

from benchmark.training.augment import Crop, Rng
from benchmark.training.augment._geometry import flip, turn


def augment(crop: Crop, rng: Rng) -> Crop:
    """Draw a change, all with the same probability."""
    drawn = int(rng.integers(9))
    changes: list[Callable[[Crop], Crop]] = [
        lambda c: c,
        lambda c: flip(c, 0),
        lambda c: flip(c, 1),
        lambda c: turn(c, 1),
        lambda c: turn(c, 2),
        lambda c: turn(c, 3),
        lambda c: turn(flip(c, 0), 1),
        lambda c: turn(flip(c, 1), 1),
        lambda c: c,
    ]
    return changes[drawn](crop)
