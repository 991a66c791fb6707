"""Undo a blur by camera rotations tile by tile: each tile of a filter flow has one filter, so one division.

Source    O. Whyte's package for blind removal of camera shake, version 1.0 (MIT licence, (c) 2012 Oliver
          Whyte): each tile is windowed, restored by itself, windowed again and divided by the sum of the
          squared windows, which is the image that fits the restored tiles best. hyper_laplacian is
          the scheme of D. Krishnan and R. Fergus, NIPS 2009, as that package applies it to tiles
Unstated  an image whose median is below DARK is scaled as if it were DARK
"""

import torch
from torch import Tensor

from benchmark.deconvolution import gradients
from benchmark.deconvolution.filter_flow import FilterFlow
from benchmark.deconvolution.hyper_laplacian import penalties, shrink

MEDIAN = 0.3  # to which images are scaled before the sparse prior, whose weight depends on the scale
DARK = 0.03


def wiener(blurred: Tensor, flow: FilterFlow, smoothness: float) -> Tensor:
    """Minimise |K x - y|^2 + smoothness |gradient of x|^2 in each tile: (C, H, W) -> (C, H, W).

    Values are not clipped.
    """
    return flow.tiles.crop(_divide(flow, flow.tiles.spread(blurred), smoothness))


def hyper_laplacian(blurred: Tensor, flow: FilterFlow, weight: float, exponent: float) -> Tensor:
    """Minimise weight / 2 |K x - y|^2 + sum |gradient of x|^exponent in each tile: (C, H, W) -> (C, H, W).

    Values are not clipped.
    """
    scale = MEDIAN / max(float(blurred.median()), DARK)
    spread = flow.tiles.spread(blurred * scale)
    image = spread
    for beta in penalties():
        target = shrink(gradients.circular(image), beta, exponent)
        image = _divide(flow, spread, beta / weight, target)
    return flow.tiles.crop(image) / scale


def _divide(flow: FilterFlow, spread: Tensor, smoothness: float, target: Tensor | None = None) -> Tensor:
    """Fit each tile's blur to an image (C, Y, X) and its gradients to a target (2, C, Y, X), or to zero."""
    tiles, window = flow.tiles, flow.window
    image, total = torch.zeros_like(spread), torch.zeros_like(spread)
    power = gradients.circular_power(*tiles.size, spread)
    targets = [tiles.rows(part) for part in target] if target is not None else []
    for numbers, data in tiles.rows(spread):
        filters = flow.filters[numbers]
        right = torch.fft.rfft2(data * window) * filters.conj()
        if targets:
            wanted = torch.stack([next(part)[1] * window for part in targets])
            right = right + smoothness * torch.fft.rfft2(gradients.circular_transposed(wanted))
        restored = torch.fft.irfft2(right / (filters.abs() ** 2 + smoothness * power), tiles.size)
        tiles.add(image, numbers, restored * window)
        tiles.add(total, numbers, (window**2).expand_as(restored))
    return image / total.clamp(min=torch.finfo(spread.dtype).eps)
