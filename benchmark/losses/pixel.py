"""Distance to the sharp image, pixel by pixel: of the restored image alone, or of every scale and stage.

How the sharp image is shrunk for a coarser output is part of a paper's recipe: see SHRINK.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import interpolate, l1_loss, mse_loss

from benchmark.losses import Batch
from benchmark.metrics._formula import ssim_map
from benchmark.models._layers import halve


def one_minus_ssim(x: Tensor, y: Tensor, batch: Batch) -> Tensor:
    """Compute 1 - mean SSIM, Gaussian 11/1.5 on each channel of the images in [0, 1]."""
    return 1 - ssim_map(batch.image(x), batch.image(y)).mean()


DISTANCES: dict[str, Callable[[Tensor, Tensor, Batch], Tensor]] = {
    "mse": lambda x, y, batch: mse_loss(x, y),
    "l1": lambda x, y, batch: l1_loss(x, y),
    "ssim": one_minus_ssim,
}


SHRINK: dict[str, Callable[[Tensor], Tensor]] = {
    "bilinear": partial(interpolate, scale_factor=0.5, mode="bilinear", align_corners=False),  # mean of 2x2
    "gaussian": halve,  # scikit-image's pyramid_reduce (MS-CNN)
    "subsample": lambda images: images[..., ::2, ::2],  # TensorFlow 1's bilinear resize by one half (SRN)
}


def pyramid(sharp: Tensor, outputs: list[Tensor], shrink: str) -> list[Tensor]:
    """Shrink the sharp image to each output's size."""
    sizes = {sharp.shape[-1]: sharp}
    while min(sizes) > min(x.shape[-1] for x in outputs):
        smaller = SHRINK[shrink](sizes[min(sizes)])
        sizes[smaller.shape[-1]] = smaller
    return [sizes[x.shape[-1]] for x in outputs]


def loss(
    outputs: list[Tensor],
    batch: Batch,
    *,
    distance: str = "mse",
    of: str = "last",
    shrink: str = "bilinear",
    weight: float = 1.0,
) -> Tensor:
    """Compute the distance of the last output (`of: last`) or of every output (`of: all`), times a weight."""
    compared = outputs if of == "all" else outputs[-1:]
    targets = pyramid(batch.sharp, compared, shrink)
    distances = [DISTANCES[distance](x, y, batch) for x, y in zip(compared, targets, strict=True)]
    return weight * torch.stack(distances).sum()
