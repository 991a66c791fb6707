"""Distance of pixels and of frequencies, at every scale (MIMO-UNet).

Source    the authors' code, github.com/chosj95/MIMO-UNet @5c58013, train.py; the paper's multi-scale content
          and frequency reconstruction losses, lambda 0.1
"""

import torch
from torch import Tensor
from torch.fft import fft2
from torch.nn.functional import interpolate, l1_loss

from benchmark.losses import Batch


def spectral(x: Tensor, y: Tensor) -> Tensor:
    """Compute the mean L1 distance of unnormalised spectra, real and imaginary: (B, C, h, w) twice -> ().

    As in the authors' code the spectrum is two-sided (`onesided=False`), so most frequencies count twice.
    """
    return torch.view_as_real(fft2(x - y)).abs().mean()  # the transform is linear


def loss(outputs: list[Tensor], batch: Batch, *, weight: float = 0.1) -> Tensor:
    """Sum over outputs the L1 distance plus `weight` times that of the spectra.

    A coarser output's target is sampled bilinearly from the full sharp image without filtering: at a quarter
    of the size it is the mean of the middle four of every sixteen pixels.
    """
    terms = []
    for x in outputs:
        y = interpolate(batch.sharp, size=x.shape[-2:], mode="bilinear", align_corners=False)
        terms.append(l1_loss(x, y) + weight * spectral(x, y))
    return torch.stack(terms).sum()
