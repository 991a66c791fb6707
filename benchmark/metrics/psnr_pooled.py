"""PSNR of the squared error averaged over the whole test set: one error, one logarithm.

It never exceeds the mean of the images' PSNR, since the logarithm is concave. The value of one image is its
mean squared error.
"""

from torch import Tensor

from benchmark.spec import Quantity

QUANTITY = Quantity(
    "psnr_pooled", "dB", "higher", family="psnr", pool="psnr", about="RGB, squared error pooled over the set"
)


def measure(restored: Tensor, sharp: Tensor) -> Tensor:
    """Compute mean squared errors, (B, 3, H, W), (B, 3, H, W) in [0, 1] -> (B,)."""
    return (restored - sharp).square().mean(dim=(1, 2, 3))
