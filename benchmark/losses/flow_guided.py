"""SVDN's optical flow guided training: pull sampling points of deformable convolutions onto the blur.

Source    the abstract of Y. Yuan, W. Su, D. Ma, CVPR 2020 (see models/svdn.py): "the sampling points of
          deformable convolution can be used to approximate the blur kernel, which can be simplified to
          bi-directional optical flows. So the position learning of sampling points can be supervised by
          bi-directional optical flows." Formula and weight are chosen here, as the text is not available.
          With this weight the guide is about a tenth of the mean squared error of images minus 0.5.
"""

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from benchmark.losses import Batch
from benchmark.losses.pixel import DISTANCES


def off_path(points: Tensor, motion: Tensor) -> Tensor:
    """Measure how far nine sampling points are from nine points spread evenly along the blur, in pixels.

    A pixel that moved by v while the shutter was open left a trace from -v/2 to v/2: half of the flow to the
    previous image and half of the flow to the next one. The points should be on it in sequence, but from a
    single image the direction is unknown, so each pixel uses the nearer of both orders.

    Args:
        points: (B, 18, h, w), x and y of each point in pixels of the image.
        motion: (B, 2, H, W), movement in x and y; averaged where h < H.

    Returns:
        The mean absolute difference.
    """
    shutter = torch.linspace(-0.5, 0.5, 9, device=points.device).view(9, 1, 1, 1)
    height, width = points.shape[-2:]
    path = shutter * adaptive_avg_pool2d(motion, (height, width))[:, None]  # (B, 9, 2, h, w)
    points = points.unflatten(1, (9, 2))
    forward, backward = ((points - order * path).abs().mean(dim=(1, 2)) for order in (1, -1))  # (B, h, w)
    return torch.minimum(forward, backward).mean()


def loss(outputs: list[Tensor], batch: Batch, *, distance: str = "mse", guide: float = 1e-4) -> Tensor:
    """Add to the restored image's distance `guide` times that of the sampling points, all other outputs."""
    *guided, restored = outputs
    off = torch.stack([off_path(points, batch.extras["motion"]) for points in guided])
    return DISTANCES[distance](restored, batch.sharp, batch) + guide * off.mean()
