"""Change the colours of all images of a crop."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.training.augment import Crop, tensor

# Rec. 601 luma, which torchvision and Pillow define saturation by.
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def unit(image: NDArray[Any]) -> NDArray[np.float32]:
    """Scale an image of bytes to [0, 1]; leave one of floats."""
    if image.dtype != np.uint8:
        return image
    return torch.div(tensor(image), 255, out=torch.empty(image.shape)).numpy()


def thrice(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """Copy a plane to three channels, (H, W) -> (H, W, 3); numpy broadcasts slowly over so short an axis."""
    tripled = np.empty((*plane.shape, 3), np.float32)
    for channel in range(3):
        tripled[..., channel] = plane
    return tripled


def on_images(change: Callable[[NDArray[np.float32]], NDArray[np.float32]], crop: Crop) -> Crop:
    """Change the colours of each image alike."""
    return {name: change(unit(x)) if x.shape[-1] == 3 else x for name, x in crop.items()}
