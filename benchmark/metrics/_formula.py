"""SSIM of Wang et al. 2004 with a Gaussian window of 11 and sigma 1.5, for its protocols and the losses."""

from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d

RADIUS, SIGMA = 5, 1.5
C1, C2 = 0.01**2, 0.03**2
GAUSSIAN = np.exp(-(np.arange(-RADIUS, RADIUS + 1) ** 2) / (2 * SIGMA**2))
GAUSSIAN /= GAUSSIAN.sum()


def window(like: Tensor) -> Tensor:
    """Return the normalised Gaussian, (11,), in the dtype and on the device of `like`."""
    return _sent(like.dtype, like.device)


@cache
def _sent(dtype: torch.dtype, device: torch.device) -> Tensor:
    """Send the window once, as sending waits for all work on the device; a loss may use it in training."""
    with torch.inference_mode(False):
        x = torch.arange(-RADIUS, RADIUS + 1, dtype=torch.float64)
        weights = torch.exp(-(x**2) / (2 * SIGMA**2))
        return (weights / weights.sum()).to(device, dtype)


def blend(x: Tensor) -> Tensor:
    """Average each full window by the Gaussian, (B, C, H, W) -> (B, C, H - 10, W - 10)."""
    channels = x.shape[1]
    taps = window(x).expand(channels, 1, -1)
    rows = conv2d(x, taps[..., None], groups=channels)
    return conv2d(rows, taps[..., None, :], groups=channels)


def index(mx: Tensor, my: Tensor, xx: Tensor, yy: Tensor, xy: Tensor) -> Tensor:
    """Compute the SSIM index from local means and raw second moments, element by element (Eq. 13)."""
    top = (2 * mx * my + C1) * (2 * (xy - mx * my) + C2)
    return top / ((mx**2 + my**2 + C1) * (xx - mx**2 + yy - my**2 + C2))


def ssim_map(restored: Tensor, sharp: Tensor) -> Tensor:
    """Compute SSIM at each full window, (B, C, H, W) twice in [0, 1] -> (B, C, H - 10, W - 10)."""
    x, y = restored, sharp
    return index(*(blend(z) for z in (x, y, x * x, y * y, x * y)))
