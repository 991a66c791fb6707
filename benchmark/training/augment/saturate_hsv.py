"""Scale the saturation of the HSV colour space by 0.5 to 1.5 (MS-CNN)."""

import numpy as np
from numpy.typing import NDArray

from benchmark.training.augment import Crop, Rng
from benchmark.training.augment._colours import on_images, thrice


def augment(crop: Crop, rng: Rng) -> Crop:
    """Scale the distance of each channel from the largest."""
    times = rng.uniform(0.5, 1.5)

    def change(image: NDArray[np.float32]) -> NDArray[np.float32]:
        # With hue and value kept, saturation scales the distance from the largest channel.
        red, green, blue = np.moveaxis(image, -1, 0)
        value = thrice(np.maximum(np.maximum(red, green), blue))
        distance = value - image
        distance *= times
        return np.clip(value - distance, 0, 1)

    return on_images(change, crop)
