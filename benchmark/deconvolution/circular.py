"""Make an image periodic, so that division of Fourier transforms can undo a uniform blur."""

import torch
from scipy import fft
from torch import Tensor
from torch.nn.functional import pad


def spectrum(kernel: Tensor, height: int, width: int) -> Tensor:
    """Transform a kernel (k, l) whose centre moves to the origin: (H, W // 2 + 1)."""
    tall, wide = kernel.shape
    placed = kernel.new_zeros(height, width)
    placed[:tall, :wide] = kernel
    return torch.fft.rfft2(placed.roll((-(tall // 2), -(wide // 2)), (0, 1)))


def convolve(image: Tensor, transform: Tensor) -> Tensor:
    """Multiply an image's Fourier transform: (..., H, W), (H, W // 2 + 1) -> (..., H, W)."""
    return torch.fft.irfft2(torch.fft.rfft2(image) * transform, s=image.shape[-2:])


def extend(image: Tensor, kernel: Tensor) -> tuple[Tensor, tuple[slice, slice]]:
    """Repeat the border of (..., H, W) by the kernel's size, fade it into the other side; say where it was.

    The fading is that of MATLAB's edgetaper: near the sides the image is replaced by its circular blur,
    with a share given by the autocorrelation of the kernel's projections, so that periodic blur explains
    the border.
    """
    tall, wide = kernel.shape
    height, width = (
        fft.next_fast_len(side + 2 * taps, real=True)
        for side, taps in zip(image.shape[-2:], kernel.shape, strict=True)
    )
    inside = slice(tall, tall + image.shape[-2]), slice(wide, wide + image.shape[-1])
    padding = (wide, width - inside[1].stop, tall, height - inside[0].stop)
    whole = pad(image.reshape(1, -1, *image.shape[-2:]), padding, mode="replicate")[0]
    whole = whole.reshape(*image.shape[:-2], height, width)
    blurred = convolve(whole, spectrum(kernel, height, width))
    down, across = (_share(kernel.sum(axis), side) for axis, side in ((1, height), (0, width)))
    share = down[:, None] * across
    return share * whole + (1 - share) * blurred, inside


def _share(profile: Tensor, side: int) -> Tensor:
    """Return how much of the image stays along one side: 0 at both ends, 1 inside."""
    transform = torch.fft.rfft(profile, side - 1)
    overlap = torch.fft.irfft(transform.abs() ** 2, side - 1)
    overlap = torch.cat([overlap, overlap[:1]])
    return 1 - overlap / overlap.max()
