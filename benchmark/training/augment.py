"""Random changes of a training crop, the same for the blurry and the sharp image."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Crop = NDArray[np.float32]  # (2, side, side, 3): blurry and sharp, RGB in [0, 1]

# Rec. 601 luma, which the saturation of torchvision and Pillow is defined by.
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def rotate(crop: Crop, rng: np.random.Generator) -> Crop:
    """By 90, 180 or 270 degrees, never by 0 (DMPHN's stacks, `rotation=True`)."""
    return np.rot90(crop, int(rng.integers(1, 4)), axes=(1, 2))


def saturate(crop: Crop, rng: np.random.Generator) -> Crop:
    """Colour saturation times 0.8 to 1.2 (DMPHN's stacks)."""
    grey = (crop @ LUMA)[..., None]
    return np.clip(grey + np.float32(rng.uniform(0.8, 1.2)) * (crop - grey), 0, 1)


AUGMENT: dict[str, Callable[[Crop, np.random.Generator], Crop]] = {"rotate": rotate, "saturate": saturate}
