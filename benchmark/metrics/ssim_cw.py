"""CW-SSIM as DeblurGAN and DeblurGAN-v2 used it: pyssim's `cw_ssim_value`, up to its version 0.6.

Despite its name this is not the complex-wavelet index of Sampat et al. 2009, and it is far above any other
SSIM of the same pixels. The rows of the grey image form one long signal; the wavelets are SciPy's former
`ricker` at widths 1 to 30, and real. pyssim multiplies two ratios; of real coefficients a and b, with sums
over widths,

    (2 sum |a b| + k) / (sum a^2 + sum b^2 + k)  *  (2 |sum a b| + k) / (2 sum |a b| + k)

is (2 |sum a b| + k) / (sum a^2 + sum b^2 + k). The image is truncated to 8 bits, as in DeblurGAN's scripts.
pyssim 0.7 uses other wavelets, PyWavelets', and gives other values.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import pad

from benchmark.spec import Quantity

QUANTITY = Quantity(
    "ssim_cw", "1", "higher", family="ssim", sees="truncated", about="pyssim's CW-SSIM, grey, 30 widths"
)

WIDTHS = range(1, 31)
K = 0.01
REACH = 10 * WIDTHS[-1]  # samples of the widest wavelet
BLOCK, BLOCKS = 4096, 8  # samples of a Fourier transform, and how many of them fit the cache


def grey(images: Tensor) -> Tensor:
    """Compute grey levels by Pillow's integer formula: (B, 3, H, W) in [0, 1] -> (B, H W), 0 to 255."""
    red, green, blue = images.mul(255).round().long().unbind(1)
    return (19595 * red + 38470 * green + 7471 * blue + 2**15 >> 16).flatten(1).to(images.dtype)


def ricker(width: int, samples: int) -> Tensor:
    """Compute the second derivative of a Gaussian as SciPy scaled it, (samples,)."""
    x = (torch.arange(samples, dtype=torch.float64) - (samples - 1) / 2) / width
    return 2 / (math.sqrt(3 * width) * math.pi**0.25) * (1 - x**2) * torch.exp(-(x**2) / 2)


def spectra(length: int) -> Tensor:
    """Compute the complex factors of a block's transform for each width, (30, BLOCK / 2 + 1).

    SciPy's `cwt` cuts a wavelet off at ten times its width or at the length of the signal.
    """
    wavelets = []
    for width in WIDTHS:
        wavelet = ricker(width, min(10 * width, length))
        before = REACH // 2 - len(wavelet) // 2
        wavelets.append(pad(wavelet, (before, BLOCK - before - len(wavelet))))
    return torch.fft.rfft(torch.stack(wavelets)).conj()


def measure(restored: Tensor, sharp: Tensor) -> Tensor:
    """Compute pyssim's CW-SSIM, (B, 3, H, W), (B, 3, H, W) in [0, 1] -> (B,)."""
    signals = torch.stack((grey(restored), grey(sharp)))
    _, images, length = signals.shape
    step = BLOCK - REACH  # samples of the result per block
    blocks = -(-length // step)
    signals = pad(signals, (REACH // 2, REACH // 2 + blocks * step - length))
    factors = spectra(length).to(signals.device)
    index = []
    for part in signals.unfold(2, BLOCK, step).flatten(1, 2).split(BLOCKS, dim=1):
        transform = torch.fft.rfft(part)
        cross, energy = torch.zeros(2, part.shape[1], step).to(signals)
        for factor in factors:
            a, b = torch.fft.irfft(transform * factor, n=BLOCK)[..., :step]
            cross.addcmul_(a, b)
            energy.addcmul_(a, a).addcmul_(b, b)
        index.append((2 * cross.abs() + K) / (energy + K))
    return torch.cat(index).view(images, -1)[:, :length].mean(dim=1)
