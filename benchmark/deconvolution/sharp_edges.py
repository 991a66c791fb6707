"""Estimate an image of few gradients, and the kernel that blurs it: the two steps of blind deconvolution.

Source    L. Xu, S. Zheng, J. Jia: Unnatural L0 sparse representation for natural image deblurring, CVPR
          2013, as far as it is known through two programs of the same scheme (see models/xu.py)
Shapes    H W image, k side of the kernel
"""

import numpy as np
import torch
from scipy import fft, ndimage
from torch import Tensor

from benchmark.deconvolution import circular, conjugate, gradients

STRONGEST = 1e5  # last penalty of the image step
LEAST_SHARE = 0.05  # of the greatest tap: smaller ones are noise
ISOLATED = 0.1  # of the kernel: groups of touching taps with less are noise


def image_step(blurred: Tensor, kernel: Tensor, weight: float) -> Tensor:
    """Minimise |k * x - y|^2 + weight x the number of pixels with a gradient: periodic (H, W) -> (H, W).

    Half-quadratic splitting: gradients below a threshold become zero, x follows the others, and the penalty
    that ties them doubles from 2 x weight on, so that the threshold falls from one half of the levels to
    nothing.
    """
    size = blurred.shape
    transform = circular.spectrum(kernel, *size)
    data, power = transform.conj() * torch.fft.rfft2(blurred), transform.abs() ** 2
    smooth = gradients.circular_power(size[0], size[1], blurred)
    image, penalty = blurred, 2 * weight
    while penalty < STRONGEST:
        slopes = gradients.circular(image)
        slopes = slopes * (slopes.square().sum(0) >= weight / penalty)
        pulled = penalty * torch.fft.rfft2(gradients.circular_transposed(slopes))
        image = torch.fft.irfft2((data + pulled) / (power + penalty * smooth), s=size)
        penalty *= 2
    return image


def kernel_step(sharp: Tensor, blurred: Tensor, side: int, weight: float) -> Tensor:
    """Minimise |k * g - h|^2 + weight |k|^2 over kernels k, for periodic gradients g, h: (2, H, W) -> (k, k).

    The normal equations hold the correlations of the gradients at shifts within the kernel, so their
    product with a kernel is a small convolution. The result is cleaned (`cleaned`) and centred.
    """
    transform, other = torch.fft.rfft2(sharp), torch.fft.rfft2(blurred)
    own = torch.fft.irfft2((transform.abs() ** 2).sum(0), s=sharp.shape[1:])
    other = torch.fft.irfft2((transform.conj() * other).sum(0), s=sharp.shape[1:])
    reach, half = side - 1, side // 2
    shifts = own.roll((reach, reach), (0, 1))[: 2 * side - 1, : 2 * side - 1]
    right = other.roll((half, half), (0, 1))[:side, :side]
    size = [fft.next_fast_len(3 * side, real=True)] * 2
    transform = torch.fft.rfft2(shifts, s=size)

    def normal(kernel: Tensor) -> Tensor:
        whole = torch.fft.irfft2(torch.fft.rfft2(kernel, s=size) * transform, s=size)
        return whole[reach : reach + side, reach : reach + side] + weight * kernel

    return cleaned(conjugate.solve(normal, right, torch.zeros_like(right), 30))


def cleaned(kernel: Tensor) -> Tensor:
    """Remove negative, small and isolated taps, normalise, and move the centroid to the centre: (k, k).

    A kernel without any positive tap becomes a single one in the centre: no blur.
    """
    taps = kernel.detach().double().cpu().numpy().clip(min=0)
    taps[taps < LEAST_SHARE * taps.max()] = 0
    groups, count = ndimage.label(taps, np.ones((3, 3)))
    mass = ndimage.sum_labels(taps, groups, np.arange(count + 1))
    taps[(mass < ISOLATED * taps.sum())[groups]] = 0
    half = len(taps) // 2
    if not taps.any():
        taps[half, half] = 1
    centre = np.round(ndimage.center_of_mass(taps)).astype(int)
    taps = ndimage.shift(taps, half - centre, order=0)
    return torch.from_numpy(taps / taps.sum()).to(kernel)
