"""Xu 2013: one blur kernel for the whole image, found on an image of few gradients, then undone.

Paper     L. Xu, S. Zheng, J. Jia. Unnatural L0 sparse representation for natural image deblurring. CVPR 2013
Sources   the paper's text could not be read. Its model: minimise over image and kernel |k * x - y|^2 +
          lambda sum min(1, gradient^2 / eps^2) + gamma |k|^2, coarse to fine; then deconvolution by
          Krishnan and Fergus (NIPS 2009). The help text of the authors' program gives lambda 6e-3, the
          final weight 2e3, and a kernel size that the user chooses. Steps: two public programs of the same
          scheme, by J. Pan et al. (CVPR 2014) and J. Anger et al. (IPOL 2019), of which the latter is the
          oracle of `tests/benchmarks/xu.py`
Unstated  only the uniform variant: nothing public says how the other one works
          kernel size: 31 for every image, as no image comes with the true one; capped at a quarter of the
          image image step: gradients are kept or dropped as pairs (both programs; the paper is said to
          treat the two directions apart), by a penalty that doubles from 2 lambda to 1e5 lambda: falls by
          1.1 with each of 5 iterations per scale, not below 1e-4 (both programs); its start is the help
          text's, whose 0.1 for gamma has another scale: 20 is that of IPOL 2019 scales: a factor sqrt(1/2)
          until the kernel has 5 pixels or fewer; grey is ITU-R BT.601's border: repeated and faded into the
          other side; kernels are centred on their centroid exponent of the final deconvolution: 2/3
Shapes    B batch, H W image
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from benchmark.deconvolution import circular, operator, progress
from benchmark.deconvolution.checks import check
from benchmark.deconvolution.epll import LUMA
from benchmark.deconvolution.gradients import circular as circular_gradients
from benchmark.deconvolution.hyper_laplacian import hyper_laplacian
from benchmark.deconvolution.sharp_edges import image_step, kernel_step


@dataclass(frozen=True)
class Config:
    """The settings of the authors' program where they are known."""

    kernel: int = 31  # side in pixels
    weight: float = 6e-3  # lambda, of the number of gradients
    least: float = 1e-4  # what it falls to
    decay: float = 1.1  # its divisor per iteration
    kernel_weight: float = 20.0  # gamma
    iterations: int = 5  # per scale
    final: float = 2e3  # weight of the data in the final deconvolution
    exponent: float = 2 / 3  # of its prior

    def thin(self, factor: int) -> "Config":
        """Return the same: there is no width to divide."""
        return self


class Net(nn.Module):
    """Estimate a kernel on the grey image and undo it in red, green and blue."""

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
        check("xu", blurry, self.smallest_side)
        return [torch.stack([self.restore(image) for image in blurry])]

    def restore(self, image: Tensor) -> Tensor:
        """Restore one image: (3, H, W) -> (3, H, W)."""
        height, width = image.shape[1:]
        kernel = estimate(torch.einsum("c,chw->hw", image.new_tensor(LUMA), image), self.config)
        blur = operator.uniform(kernel, height, width)
        return hyper_laplacian(image, blur, self.config.final, self.config.exponent).clamp(0, 1)


def estimate(grey: Tensor, config: Config) -> Tensor:
    """Estimate the kernel that blurs a grey image, from coarse to fine: (H, W) -> (k, k)."""
    weight, image = config.weight, grey
    for size, shape in progress.steps(scales(grey.shape, config.kernel), "kernel, scale"):
        box = grey.new_ones(size, size) / size**2
        blurred, inside = circular.extend(resized(grey, shape), box)
        image, _ = circular.extend(resized(image, shape), box)
        slopes = circular_gradients(blurred)
        for _ in range(config.iterations):
            kernel = kernel_step(circular_gradients(image), slopes, size, config.kernel_weight)
            image = image_step(blurred, kernel, weight)
            weight = max(weight / config.decay, config.least)
        image = image[inside]
    return kernel


def scales(shape: torch.Size, kernel: int) -> list[tuple[int, list[int]]]:
    """List the sides of kernel and image at each scale, the coarsest first.

    >>> scales(torch.Size([256, 256]), 15)
    [(5, [64, 64]), (5, [91, 91]), (9, [128, 128]), (11, [181, 181]), (15, [256, 256])]
    """
    finest = min(kernel, min(shape) // 4) // 2 * 2 + 1
    levels = []
    for level in range(20):
        share = 0.5 ** (level / 2)
        side = round(finest * share) // 2 * 2 + 1
        if level == 0 or side >= 5:
            levels.append((side, [max(side, round(length * share)) for length in shape]))
    return levels[::-1]


def resized(image: Tensor, size: list[int]) -> Tensor:
    """Resize a grey image (H, W), smoothed where it gets smaller."""
    return interpolate(image[None, None], size, mode="bilinear", antialias=True)[0, 0]
