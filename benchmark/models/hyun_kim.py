"""Hyun Kim 2013: several blur kernels, each for a part of the image that is found with it, undone together.

Paper     T. Hyun Kim, B. Ahn, K. Mu Lee. Dynamic scene deblurring. ICCV 2013
Sources   the abstract alone: an energy that is "the weighted sum of multiple blur data models", whose
          unknowns are the motion blurs, "their associated pixelwise weights", and the sharp image; weights
          "get high values when the corresponding data models have high data fidelity", serve as a
          segmentation, and have a "non-local regularization"; it is solved by convex optimisation. Which
          paper the row means: SAPHNet's "Hyun Kim et al. [2013]" has more than two authors, and sentences
          that fit this paper; but its 23.64 dB, 0.824 and 1 h are recalled (no text could be read) as those
          that Nah et al. (CVPR 2017) print for T. H. Kim, K. M. Lee, "Segmentation-free dynamic scene
          deblurring", CVPR 2014, another method by two of the authors
Unstated  CONFIDENCE IS LOW: no code, no full text; nearly every step is chosen here
          number of models: 2, which start as lines of 5 pixels at 0 and 90 degrees
          weights: soft-max over the models of minus the squared gradient residual, relative to the mean
          residual of the best model, after a guided filter of the residuals on the grey image, in place of
          the non-local regularisation and of convex optimisation kernels: gradients multiplied by the
          weights, then Xu's kernel step (models/xu.py), also its scales, iterations, border and kernel size
          of 31 image within the loop: Xu's image step for each kernel, mixed by the weights final image:
          total variation (the prior of the paper, as recalled), with the mixed blur
Shapes    B batch, H W image, N models, k side of a kernel
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, pad

from benchmark.deconvolution import circular, operator, progress
from benchmark.deconvolution.checks import check
from benchmark.deconvolution.epll import LUMA
from benchmark.deconvolution.gradients import circular as circular_gradients
from benchmark.deconvolution.hyper_laplacian import hyper_laplacian
from benchmark.deconvolution.sharp_edges import image_step, kernel_step
from benchmark.models.xu import resized, scales


@dataclass(frozen=True)
class Config:
    """Choices of this project: the paper's values are not known."""

    models: int = 2
    kernel: int = 31  # side in pixels
    weight: float = 6e-3  # of the number of gradients, at first
    least: float = 1e-4  # what it falls to
    decay: float = 1.1  # its divisor per iteration
    kernel_weight: float = 20.0
    iterations: int = 5  # per scale
    radius: int = 8  # of the guided filter, at the finest scale
    sharpness: float = 8.0  # of the soft-max
    final: float = 200.0  # weight of the data in the final deconvolution
    steps: int = 10  # of conjugate gradients at each of its penalties

    def thin(self, factor: int) -> "Config":
        """Return the same: there is no width to divide."""
        return self


class Net(nn.Module):
    """Estimate kernels and weights on the grey image and undo the mixed blur in red, green and blue."""

    stride = 1
    smallest_side = 16
    no_macs = "an optimisation problem is solved for each image"

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config

    def forward(self, blurry: Tensor) -> list[Tensor]:
        """Restore images one by one: (B, 3, H, W) in [0, 1] -> [(B, 3, H, W)].

        Raises:
            ValueError: no colour image, one that is too small, or one without any structure.
        """
        check("hyun_kim", blurry, self.smallest_side)
        return [torch.stack([self.restore(image) for image in blurry])]

    def restore(self, image: Tensor) -> Tensor:
        """Restore one image: (3, H, W) -> (3, H, W)."""
        grey = torch.einsum("c,chw->hw", image.new_tensor(LUMA), image)
        kernels, weights = estimate(grey, self.config)
        blurs = [operator.uniform(kernel, *grey.shape) for kernel in kernels]
        mixed = operator.Mixed(blurs, weights)
        return hyper_laplacian(image, mixed, self.config.final, 1.0, self.config.steps).clamp(0, 1)


def estimate(grey: Tensor, config: Config) -> tuple[list[Tensor], Tensor]:
    """Estimate kernels and their weights at each pixel, coarse to fine: (H, W) -> N of (k, k), (N, H, W)."""
    weight, kernels = config.weight, list[Tensor]()
    for size, shape in progress.steps(scales(grey.shape, config.kernel), "kernels, scale"):
        box = grey.new_ones(size, size) / size**2
        blurred, inside = circular.extend(resized(grey, shape), box)
        slopes, radius = circular_gradients(blurred), max(2, round(config.radius * shape[0] / grey.shape[0]))
        if kernels:
            kernels = [grown(kernel, size) for kernel in kernels]
        else:
            kernels = [line(size, 180 * number / config.models, grey) for number in range(config.models)]
        for _ in range(config.iterations):
            parts = [strong(image_step(blurred, kernel, weight), weight) for kernel in kernels]
            weights = shares(parts, slopes, kernels, blurred, radius, config.sharpness)
            edges = (weights[:, None] * torch.stack(parts)).sum(0)
            kernels = [kernel_step(w * edges, w * slopes, size, config.kernel_weight) for w in weights]
            weight = max(weight / config.decay, config.least)
    return kernels, weights[:, inside[0], inside[1]]


def strong(image: Tensor, weight: float) -> Tensor:
    """Return the gradients of an image whose square is at least a weight, zero elsewhere: (2, H, W)."""
    edges = circular_gradients(image)
    return edges * (edges.square().sum(0) >= weight)


def shares(
    parts: list[Tensor], slopes: Tensor, kernels: list[Tensor], guide: Tensor, radius: int, sharpness: float
) -> Tensor:
    """Weight the models at each pixel by how well their strong edges explain the gradients: (N, H, W).

    An image of weak gradients explains any blur with any kernel; one of few strong edges only with its own.
    """
    residuals = []
    for edges, kernel in zip(parts, kernels, strict=True):
        made = circular.convolve(edges, circular.spectrum(kernel, *guide.shape))
        residuals.append(guided((made - slopes).square().sum(0), guide, radius).clamp(min=0))
    stacked = torch.stack(residuals)
    scale = stacked.amin(0).mean().clamp(min=1e-12)
    return torch.softmax(-sharpness * stacked / scale, 0)


def guided(values: Tensor, guide: Tensor, radius: int, floor: float = 1e-3) -> Tensor:
    """Smooth (H, W) within windows, but not across edges of the guide (He, Sun, Tang, TPAMI 2013)."""

    def mean(x: Tensor) -> Tensor:
        padded = pad(x[None, None], [radius] * 4, mode="replicate")
        side = 2 * radius + 1
        return avg_pool2d(avg_pool2d(padded, (side, 1), 1), (1, side), 1)[0, 0]  # far fewer sums

    middle, level = mean(guide), mean(values)
    slope = (mean(guide * values) - middle * level) / (mean(guide * guide) - middle**2 + floor)
    return mean(slope) * guide + mean(level - slope * middle)


def line(side: int, degrees: float, like: Tensor) -> Tensor:
    """Draw a line of the kernel's length through its centre: (k, k), sum 1."""
    turn = torch.deg2rad(torch.tensor(degrees))
    y, x = torch.meshgrid(*[torch.arange(side) - side // 2] * 2, indexing="ij")
    taps = (1 - (x * turn.sin() - y * turn.cos()).abs()).clamp(min=0)
    taps = taps * (x**2 + y**2 <= (side // 2) ** 2)
    return (taps / taps.sum()).to(like)


def grown(kernel: Tensor, side: int) -> Tensor:
    """Resize a kernel to the next scale: (k, k), sum 1."""
    larger = resized(kernel, [side, side]).clamp(min=0)
    return larger / larger.sum()
