"""Remove a blur along straight lines whose lengths and directions have been estimated."""

from collections.abc import Callable

import torch
from torch import Tensor

from benchmark.deconvolution import operator
from benchmark.deconvolution.epll import epll
from benchmark.deconvolution.hyper_laplacian import hyper_laplacian
from benchmark.deconvolution.operator import Blur

# What is known of sharp images: both systems' own, with its weight, and one that takes less time.
PRIORS: dict[str, Callable[[Tensor, Blur], Tensor]] = {"epll": epll, "hyper_laplacian": hyper_laplacian}


def remove_motion(blurry: Tensor, flow: Tensor, prior: str) -> Tensor:
    """Undo the blur of each pixel along its line: (B, 3, H, W), (B, 2, H, W) -> (B, 3, H, W) in [0, 1].

    The flow is what a pixel travelled during the exposure, right and down, in pixels.
    """
    solve = PRIORS[prior]
    images = [
        solve(image, operator.lines(field.permute(1, 2, 0)))
        for image, field in zip(blurry, flow, strict=True)
    ]
    return torch.stack(images).clamp(0, 1)
