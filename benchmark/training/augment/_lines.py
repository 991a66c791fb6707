"""Blur a crop along straight lines, as fast as a training needs it."""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import grid_sample

from benchmark.training.augment._colours import unit

Flow = NDArray[np.floating[Any]]


def blur_along(image: NDArray[Any], flow: Flow) -> NDArray[np.float32]:
    """Average an image along each pixel's line, whose middle is the pixel.

    Samples are at most a pixel apart, interpolated bilinearly; beyond the border the image is repeated.

    Args:
        image: (H, W, 3), uint8 or float in [0, 1].
        flow: (H, W, 2), the line's extent to the right and down, in pixels.

    Returns:
        (H, W, 3) in [0, 1].
    """
    height, width = image.shape[:2]
    steps = max(1, math.ceil(float(np.abs(flow).max())))
    source = torch.from_numpy(np.ascontiguousarray(unit(image).transpose(2, 0, 1)))[None]
    line = torch.from_numpy(np.ascontiguousarray(flow, np.float32)).to(source.dtype)
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    start = torch.stack([x, y], dim=-1)
    size = torch.tensor([width, height])
    total = torch.zeros_like(source)
    for step in range(steps):
        points = start + ((step + 0.5) / steps - 0.5) * line
        # grid_sample's coordinates run from -1 to 1, from edge to edge of the outermost pixels.
        grid = ((2 * points + 1) / size - 1).to(source.dtype)[None]
        total += grid_sample(source, grid, padding_mode="border", align_corners=False)
    return (total[0] / steps).permute(1, 2, 0).numpy()


def inside(flow: Flow) -> NDArray[np.float32]:
    """Mark with 1 the pixels whose line stays in the crop: (H, W, 2) -> (H, W, 1)."""
    height, width = flow.shape[:2]
    y, x = np.mgrid[:height, :width]
    reach = np.abs(flow) / 2
    fits = (np.minimum(x, width - 1 - x) >= reach[..., 0]) & (np.minimum(y, height - 1 - y) >= reach[..., 1])
    return fits[..., None].astype(np.float32)
