"""Gong et al.'s labels and loss: two classifications of each pixel, of its motion to the right and down.

Source    D. Gong et al., CVPR 2017 (see models/gong.py). Labels: script_data_gen.m of the authors'
          generator, `uv_half`. The sum over all pixels, which their rate of 1e-9 goes with, is a mean here
Unstated  where: the authors' loss is that of every pixel. Here it is that of every fourth, for which the
          network has scores before it enlarges them (see models/gong.py)
          motion beyond the classes, which the authors' own generator makes too (27 pixels that grow by 15 %
          to a side, more where the camera turns): the last class
          v where u is zero: the generator leaves its sign, which no blur shows. Here it is positive
"""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmark.losses import Batch
from benchmark.models.gong import CLASSES, FIRST

WHOLE = "is a mean over the known pixels of the whole batch"


def labels(motion: Tensor) -> list[Tensor]:
    """Turn motion (B, 2, H, W), pixels right and down, to u >= 0; return classes of u and v, (B, H, W)."""
    u, v = motion.round().unbind(dim=1)
    turn = torch.where((u < 0) | ((u == 0) & (v < 0)), -1, 1)
    return [
        (turn * part - first).clamp(0, count - 1).long()
        for part, first, count in zip((u, v), FIRST, CLASSES, strict=True)
    ]


def loss(outputs: list[Tensor], batch: Batch) -> Tensor:
    """Add the mean cross entropies of u and of v, over the pixels 2, 6, 10, ... whose motion is known.

    The extra "motion" has the truth, (B, 2, H, W), for scores (B, 39 + 73, h, w). Simulated blur is wrong
    where lines leave the crop: the extra "known", if there is one, is 0 there (augment/simulated_flow.py).
    """
    (scores,) = outputs
    motion = batch.extras["motion"]
    known = batch.extras.get("known", torch.ones_like(motion[:, :1]))[:, 0, 2::4, 2::4]
    total = sum(
        (cross_entropy(part, classes, reduction="none") * known).sum()
        for part, classes in zip(scores.split(CLASSES, dim=1), labels(motion[..., 2::4, 2::4]), strict=True)
    )
    return torch.as_tensor(total) / known.sum().clamp_min(1)
