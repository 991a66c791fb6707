"""SSIM of the luminance: Gaussian 11/1.5 on Y of BT.601 in studio range, BasicSR's and MMagic's Y channel."""

from torch import Tensor

from benchmark.metrics import ssim
from benchmark.metrics.psnr_y import luminance
from benchmark.spec import Quantity

QUANTITY = Quantity("ssim_y", "1", "higher", family="ssim", about="Gaussian 11/1.5 on Y of BT.601, 16 to 235")


def reference(restored: Tensor, sharp: Tensor) -> Tensor:
    """Compute the formula in the precision of the arguments; shapes as in `measure`."""
    return ssim.reference(luminance(restored), luminance(sharp))


def measure(restored: Tensor, sharp: Tensor) -> Tensor:
    """Compute SSIM of Y, (B, 3, H, W), (B, 3, H, W) in [0, 1], at least 11x11 -> (B,)."""
    return ssim.measure(luminance(restored), luminance(sharp))
