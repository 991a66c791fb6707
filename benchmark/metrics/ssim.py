"""SSIM of Wang et al. 2004, Gaussian window of 11 pixels and sigma 1.5, each colour channel by itself.

The same as scikit-image's `structural_similarity(gaussian_weights=True, sigma=1.5,
use_sample_covariance=False, data_range=1, channel_axis=...)`: windows beyond the border do not count.
"""

from torch import Tensor

from benchmark.metrics._bands import Window, mean_index
from benchmark.metrics._formula import GAUSSIAN, ssim_map
from benchmark.spec import Quantity

QUANTITY = Quantity("ssim", "1", "higher", family="ssim", about="Gaussian 11/1.5, per RGB channel")


def reference(restored: Tensor, sharp: Tensor) -> Tensor:
    """Compute the paper's formula in the precision of the arguments; shapes as in `measure`."""
    return ssim_map(restored, sharp).mean(dim=(1, 2, 3))


def measure(restored: Tensor, sharp: Tensor) -> Tensor:
    """Compute SSIM, (B, C, H, W), (B, C, H, W) in [0, 1], at least 11x11 -> (B,)."""
    return mean_index(restored, sharp, Window(GAUSSIAN))
