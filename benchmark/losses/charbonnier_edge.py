"""Charbonnier distance of images and, in part, of their edges: MPRNet's loss, and SGENet's (its Eqs. 2 to 4).

Source: losses.py and train.py of github.com/swz30/MPRNet @43feb2a. Its train.py sums over the stages by
torch.sum of a list, which fails; up to @9edfb1d it was np.sum. The root is of each value, not of a norm as
SGENet prints it.
"""

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from benchmark.losses import Batch, constants
from benchmark.losses.pixel import pyramid

TAPS = (0.05, 0.25, 0.4, 0.25, 0.05)


def smooth(images: Tensor) -> Tensor:
    """Smooth by five Gaussian taps along columns and rows, borders replicated: (B, C, H, W) -> the same."""
    taps = constants(TAPS, images.dtype, images.device)
    channels = images.shape[1]
    kernel = (taps[:, None] * taps).expand(channels, 1, 5, 5)
    return conv2d(pad(images, (2, 2, 2, 2), mode="replicate"), kernel, groups=channels)


def laplacian(images: Tensor) -> Tensor:
    """Subtract from images their halved and enlarged selves: (B, C, H, W) -> (B, C, H, W)."""
    small = smooth(images)[..., ::2, ::2]
    sparse = torch.zeros_like(images)
    sparse[..., ::2, ::2] = 4 * small  # one value in four is kept
    return images - smooth(sparse)


def charbonnier(difference: Tensor, epsilon: float) -> Tensor:
    """Compute the mean of an L1 distance that is smooth around zero."""
    return (difference.square() + epsilon**2).sqrt().mean()


def loss(outputs: list[Tensor], batch: Batch, *, edge: float = 0.05, epsilon: float = 1e-3) -> Tensor:
    """Sum the distance and the edge distance over all outputs, to bilinearly halved sharp images."""
    total = batch.sharp.new_zeros(())
    for output, sharp in zip(outputs, pyramid(batch.sharp, outputs, "bilinear"), strict=True):
        difference = output - sharp
        # The Laplacian is linear: that of the difference is the difference of both.
        total = total + charbonnier(difference, epsilon) + edge * charbonnier(laplacian(difference), epsilon)
    return total
