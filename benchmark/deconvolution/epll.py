"""Undo a known blur under the prior that every patch is likely under a Gaussian mixture (EPLL).

Source    D. Zoran, Y. Weiss: From learning models of natural image patches to whole image restoration, ICCV
          2011; weight, betas and iterations as in the deconvolution code that Sun (CVPR 2015) and Gong
          (CVPR 2017) share
Unstated  to take minutes at 720x1280 where the authors take tens of them: patches on a grid of `stride`
          pixels at a random offset per beta (as FEPLL, Parameswaran et al. 2019), the mean of the patches
          over a pixel with the weight of all 64, and one component per patch, chosen on luminance, for red,
          green and blue; stride 1 leaves the first two out
"""

import torch
from torch import Tensor

from benchmark.deconvolution import conjugate, progress
from benchmark.deconvolution.mixture import SIDE, Mixture, load
from benchmark.deconvolution.operator import Blur

BETAS = (50.0, 100.0, 200.0, 400.0, 800.0)  # inverse variances of the patches' noise
WEIGHT = 1.5e5  # 64 / sigma^2: a noise of 5.3 grey levels
LUMA = (0.299, 0.587, 0.114)  # of ITU-R BT.601


def epll(
    blurred: Tensor,
    blur: Blur,
    mixture: Mixture | None = None,
    weight: float = WEIGHT,
    betas: tuple[float, ...] = BETAS,
    stride: int = 2,
    iterations: int = 20,
) -> Tensor:
    """Minimise weight / 2 |K x - y|^2 - the sum of log densities of all patches: (..., H, W) -> (..., H, W).

    The image is (H, W), or (3, H, W) in red, green and blue, in [0, 1]. For each beta all patches are
    denoised with the variance 1 / beta, then the image is fitted to them and to the data by `iterations` of
    conjugate gradients. The mixture is by default the committed one. Values are not clipped.

    Raises:
        ValueError: a side below 8 pixels, or a stride that is not 1 to 8.
    """
    if min(blurred.shape[-2:]) < SIDE or not 1 <= stride <= SIDE:
        height, width = blurred.shape[-2:]
        raise ValueError(
            f"image of {height}x{width}, stride {stride}: allowed: sides from {SIDE}, 1 to {SIDE}"
        )
    mixture = (mixture or load()).to(blurred)
    offsets = torch.Generator().manual_seed(0)
    image, data = blurred, weight * blur.adjoint(blurred)
    for beta in progress.steps(betas, "patches"):
        grid = [_starts(side, stride, offsets).to(image.device) for side in image.shape[-2:]]
        target = denoised(image, mixture, 1 / beta, grid)

        def normal(x: Tensor, pull: float = beta * SIDE**2) -> Tensor:
            return weight * blur.adjoint(blur.forward(x)) + pull * x

        image = conjugate.solve(normal, data + beta * SIDE**2 * target, image, iterations)
    return image


def denoised(image: Tensor, mixture: Mixture, variance: float, grid: list[Tensor]) -> Tensor:
    """Denoise the patches whose first rows and columns the grid has, and average them: (..., H, W)."""
    planes = image.reshape(-1, *image.shape[-2:])
    patches = planes.unfold(1, SIDE, 1).unfold(2, SIDE, 1)[:, grid[0][:, None], grid[1]]
    shape = patches.shape
    patches = patches.reshape(len(planes), -1, SIDE**2)
    mean = patches.mean(-1, keepdim=True)
    patches = patches - mean
    luma = patches.new_tensor(LUMA) if len(planes) == 3 else patches.new_ones(len(planes)) / len(planes)
    chosen = mixture.most_likely(torch.einsum("c,cnp->np", luma, patches), variance)
    restored = (mixture.denoise(patches, chosen, variance) + mean).reshape(shape)
    total, count = torch.zeros_like(planes), torch.zeros_like(planes[0])
    for row in range(SIDE):
        for column in range(SIDE):
            at = (grid[0] + row)[:, None], grid[1] + column
            total[:, at[0], at[1]] += restored[..., row, column]
            count[at] += 1
    return (total / count).reshape(image.shape)


def _starts(side: int, stride: int, rng: torch.Generator) -> Tensor:
    """Return where patches start along a side: from a random offset, with the first and the last place."""
    offset = int(torch.randint(stride, (), generator=rng))
    return torch.cat([torch.arange(offset, side - SIDE, stride), torch.tensor([0, side - SIDE])]).unique()
