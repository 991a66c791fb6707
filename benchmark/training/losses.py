"""Losses over a network's list of outputs, the answer last.

A recipe names one function and its arguments: `loss: {name: pixel, distance: l1}`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss, pad

from benchmark.metrics.ssim import RADIUS, ssim_map
from benchmark.spec import Normalise


@dataclass(frozen=True)
class Batch:
    """Crops in the network's range, (B, 3, H, W) each."""

    blurry: Tensor
    sharp: Tensor
    normalise: Normalise

    def image(self, x: Tensor) -> Tensor:
        """Back from the network's range to [0, 1]."""
        return x / self.normalise.scale + self.normalise.mean


def one_minus_ssim(x: Tensor, y: Tensor, batch: Batch) -> Tensor:
    """1 - mean SSIM, Gaussian 11/1.5 on each channel of the images in [0, 1]."""
    return 1 - ssim_map(batch.image(x), batch.image(y)).mean()


DISTANCES: dict[str, Callable[[Tensor, Tensor, Batch], Tensor]] = {
    "mse": lambda x, y, batch: mse_loss(x, y),
    "l1": lambda x, y, batch: l1_loss(x, y),
    "ssim": one_minus_ssim,
}


def pixel(outputs: list[Tensor], batch: Batch, distance: str = "mse", of: str = "last") -> Tensor:
    """Distance of the answer, or the sum over every output (`of: all`), to the sharp image."""
    picked = outputs if of == "all" else outputs[-1:]
    return torch.stack([DISTANCES[distance](x, batch.sharp, batch) for x in picked]).sum()


def local_ssim(blurry: Tensor, sharp: Tensor) -> Tensor:
    """Sharpness of each pixel of the blurry image, (B, 3, H, W) in [0, 1] twice -> (B, 1, H, W) in [-1, 1].

    CDGNet takes S from its reference [44], which could not be identified; the local SSIM between the
    blurry and the sharp image is the reading used here (docs/design.md says why).
    """
    maps = ssim_map(*(pad(x, [RADIUS] * 4, mode="replicate") for x in (blurry, sharp)))
    return maps.mean(dim=1, keepdim=True)


def components(
    outputs: list[Tensor],
    batch: Batch,
    distance: str = "mse",
    small: float = 0.1,
    large: float = 0.1,
    mu: float = 0.96,
) -> Tensor:
    """CDGNet's loss (Eqs. 13 to 17) over [large-blur image, small-blur image, answer].

    The mask M is 1 where the sharpness exceeds `mu`; the small-blur branch learns M * sharp and the
    large-blur branch (1 - M) * sharp, in the network's range, so a masked pixel is mid-grey there.
    """
    of_large, of_small, answer = outputs
    mask = (local_ssim(batch.image(batch.blurry), batch.image(batch.sharp)) > mu).to(answer.dtype)
    measure = DISTANCES[distance]
    return (
        measure(answer, batch.sharp, batch)
        + small * measure(of_small, mask * batch.sharp, batch)
        + large * measure(of_large, (1 - mask) * batch.sharp, batch)
    )


LOSSES: dict[str, Callable[..., Tensor]] = {"pixel": pixel, "components": components}
