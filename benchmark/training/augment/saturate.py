"""Scale the colour saturation by 0.8 to 1.2 (DMPHN's stacks)."""

import numpy as np
from numpy.typing import NDArray

from benchmark.training.augment import Crop, Rng
from benchmark.training.augment._colours import LUMA, on_images, thrice


def augment(crop: Crop, rng: Rng) -> Crop:
    """Scale the distance of each pixel from its luma."""
    times = np.float32(rng.uniform(0.8, 1.2))

    def change(image: NDArray[np.float32]) -> NDArray[np.float32]:
        grey = thrice(image @ LUMA)
        distance = image - grey
        distance *= times
        distance += grey
        return np.clip(distance, 0, 1, out=distance)

    return on_images(change, crop)
