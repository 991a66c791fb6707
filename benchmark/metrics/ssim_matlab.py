"""SSIM as MATLAB's `ssim(A, ref)` computes it for an RGB image: an 11x11x11 Gaussian over a volume.

The third axis is colour, so the window mixes the channels; borders are replicated and count. MPRNet, SRN,
SVRNN and most GoPro tables print this number, which is higher than the per-channel one of the same pixels.

MATLAB uses L = 255 for 8-bit images, C1 = (0.01 L)^2 and C2 = (0.03 L)^2 as in the paper, and computes 8-bit
images in single precision, which agrees with this file to its precision.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from benchmark.metrics._bands import Window, mean_index
from benchmark.metrics._formula import GAUSSIAN, RADIUS, blend, index
from benchmark.spec import Quantity

QUANTITY = Quantity("ssim_matlab", "1", "higher", family="ssim", about="MATLAB ssim, 11x11x11 over RGB")


def mixing(channels: int) -> NDArray[np.float64]:
    """Compute the Gaussian along a replicated axis of `channels` entries as a (C, C) matrix."""
    matrix = np.zeros((channels, channels))
    for out in range(channels):
        for tap, weight in enumerate(GAUSSIAN):
            matrix[out, min(max(out + tap - RADIUS, 0), channels - 1)] += weight
    return matrix


def reference(restored: Tensor, sharp: Tensor) -> Tensor:
    """Compute the formula in the precision of the arguments; shapes as in `measure`."""
    matrix = torch.from_numpy(mixing(restored.shape[1])).to(restored)

    def blend3(z: Tensor) -> Tensor:
        mixed = torch.einsum("ij,bjhw->bihw", matrix, z)
        return blend(pad(mixed, [RADIUS] * 4, mode="replicate"))

    x, y = restored, sharp
    return index(*(blend3(z) for z in (x, y, x * x, y * y, x * y))).mean(dim=(1, 2, 3))


def measure(restored: Tensor, sharp: Tensor) -> Tensor:
    """Compute MATLAB's SSIM, (B, 3, H, W), (B, 3, H, W) in [0, 1] -> (B,)."""
    window = Window(GAUSSIAN, replicate=True, mixing=mixing(restored.shape[1]))
    return mean_index(restored, sharp, window)
