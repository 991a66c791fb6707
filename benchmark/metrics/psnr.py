"""PSNR over the three channels of each image; the papers' tables average it over images.

Pooling the squared error over a test set gives a different, lower number (`psnr_pooled`).
"""

from torch import Tensor

from benchmark.spec import Quantity

QUANTITY = Quantity("psnr", "dB", "higher", family="psnr", about="RGB, per image, then the mean")


def measure(restored: Tensor, sharp: Tensor) -> Tensor:
    """Compute PSNR, (B, 3, H, W), (B, 3, H, W) in [0, 1] -> (B,) in dB; equal images give infinity.

    >>> import torch
    >>> sharp = torch.zeros(2, 3, 8, 8)
    >>> measure(sharp + torch.tensor([0.1, 0.01]).view(2, 1, 1, 1), sharp).round(decimals=2)
    tensor([20., 40.])
    """
    return -10 * (restored - sharp).square().mean(dim=(1, 2, 3)).log10()
