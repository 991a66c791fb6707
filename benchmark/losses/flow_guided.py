"""SVDN's optical flow guided training: sampling points of deformable convolutions shall lie along the blur.

Source    the abstract of Y. Yuan, W. Su, D. Ma, CVPR 2020 (see models/svdn.py): "the sampling points of
          deformable convolution can be used to approximate the blur kernel, which can be simplified to
          bi-directional optical flows. So the position learning of sampling points can be supervised by
          bi-directional optical flows." Formula and weight are ours: the text could not be read. The weight
          makes the guide about a tenth of the mean squared error, in networks that see images minus 0.5.
"""

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from benchmark.losses import Batch
from benchmark.losses.pixel import DISTANCES


def off_path(points: Tensor, motion: Tensor) -> Tensor:
    """How far nine sampling points are from nine points spread evenly along the blur, in pixels.

    A pixel that travelled by v while the shutter was open left a trace from -v/2 to v/2: half of the flow to
    the image before and half of the flow to the one after. The points belong on it one after another, but
    one image does not tell from which end, so each pixel takes the order that is nearer.

    Args:
        points: (B, 18, h, w), x and y of each point in pixels of the image.
        motion: (B, 2, H, W), x and y travelled; averaged where h < H.

    Returns:
        The mean absolute difference.
    """
    shutter = torch.linspace(-0.5, 0.5, 9, device=points.device).view(9, 1, 1, 1)
    height, width = points.shape[-2:]
    path = shutter * adaptive_avg_pool2d(motion, (height, width))[:, None]  # (B, 9, 2, h, w)
    found = points.unflatten(1, (9, 2))
    one, other = ((found - order * path).abs().mean(dim=(1, 2)) for order in (1, -1))  # (B, h, w)
    return torch.minimum(one, other).mean()


def loss(outputs: list[Tensor], batch: Batch, *, distance: str = "mse", guide: float = 1e-4) -> Tensor:
    """Distance of the answer, and `guide` times how far the sampling points, all earlier outputs, are off."""
    *guided, answer = outputs
    off = torch.stack([off_path(points, batch.extras["motion"]) for points in guided])
    return DISTANCES[distance](answer, batch.sharp, batch) + guide * off.mean()
