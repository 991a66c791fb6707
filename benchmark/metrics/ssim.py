"""SSIM of Wang et al. 2004, Gaussian window of 11 pixels and sigma 1.5, each colour channel on its own.

The same as scikit-image's `structural_similarity(gaussian_weights=True, sigma=1.5,
use_sample_covariance=False, data_range=1, channel_axis=...)`: windows that leave the image do not count.
"""

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from benchmark.metrics._tiles import C1, C2, Window, mean_index
from benchmark.spec import Quantity

QUANTITY = Quantity("ssim", "1", "higher", family="ssim", about="Gaussian 11/1.5, per RGB channel")

RADIUS, SIGMA = 5, 1.5


def window(like: Tensor) -> Tensor:
    """The normalised Gaussian, (11,), in the dtype and on the device of `like`."""
    x = torch.arange(-RADIUS, RADIUS + 1, dtype=torch.float64)
    weights = torch.exp(-(x**2) / (2 * SIGMA**2))
    return (weights / weights.sum()).to(like)


def blend(x: Tensor) -> Tensor:
    """Gaussian mean in each full window, (B, C, H, W) -> (B, C, H - 10, W - 10)."""
    channels = x.shape[1]
    taps = window(x).expand(channels, 1, -1)
    rows = conv2d(x, taps[..., None], groups=channels)
    return conv2d(rows, taps[..., None, :], groups=channels)


def index(mx: Tensor, my: Tensor, xx: Tensor, yy: Tensor, xy: Tensor) -> Tensor:
    """The SSIM index from local means and raw second moments, element by element (Eq. 13)."""
    top = (2 * mx * my + C1) * (2 * (xy - mx * my) + C2)
    return top / ((mx**2 + my**2 + C1) * (xx - mx**2 + yy - my**2 + C2))


def ssim_map(restored: Tensor, sharp: Tensor) -> Tensor:
    """(B, C, H, W), (B, C, H, W) in [0, 1] -> (B, C, H - 10, W - 10)."""
    x, y = restored, sharp
    return index(*(blend(z) for z in (x, y, x * x, y * y, x * y)))


def reference(restored: Tensor, sharp: Tensor) -> Tensor:
    """The formula as it is written, in the precision of its arguments; shapes as in `measure`."""
    return ssim_map(restored, sharp).mean(dim=(1, 2, 3))


def measure(restored: Tensor, sharp: Tensor) -> Tensor:
    """(B, C, H, W), (B, C, H, W) in [0, 1], at least 11x11 -> (B,)."""
    return mean_index(restored, sharp, Window(window(torch.empty(0, dtype=torch.float64))))
