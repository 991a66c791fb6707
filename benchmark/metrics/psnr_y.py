"""PSNR of the luminance: Y of BT.601 in studio range, as MATLAB's `rgb2ycbcr` computes it before rounding.

Y covers 219 of 255 levels and excludes colour errors, so it is about 1.4 dB above the PSNR of RGB.
Y is not rounded, as in BasicSR and MMagic; MATLAB rounds that of an 8-bit image.
"""

import torch
from torch import Tensor

from benchmark.metrics import psnr
from benchmark.spec import Quantity

QUANTITY = Quantity("psnr_y", "dB", "higher", family="psnr", about="Y of BT.601, 16 to 235, not rounded")

# ITU-R BT.601, for R, G and B in [0, 1] and Y from 16 to 235.
BLACK, WEIGHTS = 16.0, (65.481, 128.553, 24.966)


def luminance(images: Tensor) -> Tensor:
    """Compute Y / 255, from 16/255 to 235/255: (B, 3, H, W) in [0, 1] -> (B, 1, H, W)."""
    levels = images.movedim(1, -1) @ torch.tensor(WEIGHTS, dtype=torch.float64).to(images) + BLACK
    return levels[:, None] / 255


def measure(restored: Tensor, sharp: Tensor) -> Tensor:
    """Compute PSNR of Y, (B, 3, H, W), (B, 3, H, W) in [0, 1] -> (B,) in dB; equal images give infinity."""
    return psnr.measure(luminance(restored), luminance(sharp))
