"""SSIM as scikit-image computes it by default: uniform 7x7 windows, sample covariance, per channel.

`structural_similarity(..., data_range=1, channel_axis=...)`: windows that extend past the image do not count.
"""

import numpy as np
from torch import Tensor
from torch.nn.functional import avg_pool2d

from benchmark.metrics._bands import Window, mean_index
from benchmark.metrics._formula import index
from benchmark.spec import Quantity

QUANTITY = Quantity("ssim_uniform", "1", "higher", family="ssim", about="uniform 7x7, per RGB channel")

SIDE = 7
UNBIASED = SIDE**2 / (SIDE**2 - 1)  # a sample covariance divides by the number of pixels minus one


def reference(restored: Tensor, sharp: Tensor) -> Tensor:
    """Compute the formula in the precision of the arguments; shapes as in `measure`."""
    x, y = restored, sharp
    mx, my, *raw = (avg_pool2d(z, SIDE, stride=1) for z in (x, y, x * x, y * y, x * y))
    means = (mx * mx, my * my, mx * my)
    moments = (mean + UNBIASED * (moment - mean) for moment, mean in zip(raw, means, strict=True))
    return index(mx, my, *moments).mean(dim=(1, 2, 3))


def measure(restored: Tensor, sharp: Tensor) -> Tensor:
    """Compute scikit-image's default SSIM, (B, 3, H, W), (B, 3, H, W) in [0, 1], at least 7x7 -> (B,)."""
    return mean_index(restored, sharp, Window(np.full(SIDE, 1 / SIDE), unbiased=UNBIASED))
