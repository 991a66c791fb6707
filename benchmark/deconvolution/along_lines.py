"""Remove a blur along straight lines whose lengths and directions have been estimated."""

import torch
from torch import Tensor

from benchmark.deconvolution import operator
from benchmark.deconvolution.epll import epll


def remove_motion(blurry: Tensor, flow: Tensor) -> Tensor:
    """Undo the blur of each pixel along its line: (B, 3, H, W), (B, 2, H, W) -> (B, 3, H, W) in [0, 1].

    The flow is what a pixel travelled during the exposure, right and down, in pixels. The prior, its weight
    and its five steps are those of the code that Sun et al. and Gong et al. share. Where nothing moves the
    image stays as it is.
    """
    images = []
    for image, field in zip(blurry, flow, strict=True):
        moves = bool(field.any())
        images.append(epll(image, operator.lines(field.permute(1, 2, 0))).clamp(0, 1) if moves else image)
    return torch.stack(images)


def check(name: str, images: Tensor, side: int) -> None:
    """Raise a ValueError unless images are (B, 3, H, W), of at least that side, and finite."""
    if images.ndim != 4 or images.shape[1] != 3 or min(images.shape[-2:]) < side:
        raise ValueError(f"{name}: images {tuple(images.shape)}; allowed: (B, 3, H, W), H and W from {side}")
    if not images.isfinite().all():
        raise ValueError(f"{name}: images have values that are no numbers")
