"""Gong et al.'s labels and loss: two classifications of each pixel, of its motion to the right and down.

Source    D. Gong et al., CVPR 2017 (see models/gong.py). Labels: script_data_gen.m of the authors' generator,
          `uv_half`. The sum over all pixels, which the authors' rate of 1e-9 goes with, is a mean here
Unstated  motion beyond the classes, which the authors' own generator makes too (27 pixels that grow by 15 %
          to a side, more where the camera turns): the last class
          v where u is zero: the generator leaves its sign, which no blur shows. Here it is positive
"""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmark.losses import Batch
from benchmark.models.gong import CLASSES, FIRST


def labels(motion: Tensor) -> list[Tensor]:
    """Turn motion (B, 2, H, W), pixels right and down, to u >= 0; return classes of u and v, (B, H, W)."""
    u, v = motion.round().unbind(dim=1)
    turn = torch.where((u < 0) | ((u == 0) & (v < 0)), -1, 1)
    return [
        (turn * part - first).clamp(0, count - 1).long()
        for part, first, count in zip((u, v), FIRST, CLASSES, strict=True)
    ]


def loss(outputs: list[Tensor], batch: Batch) -> Tensor:
    """Add the mean cross entropies of u and of v, over the pixels whose motion is known.

    The extra "motion" has the truth. Simulated blur is wrong where lines leave the crop: the extra "known",
    if there is one, is 0 there (training/augment/simulated_flow.py).
    """
    (scores,) = outputs
    known = batch.extras.get("known", torch.ones_like(batch.extras["motion"][:, :1]))[:, 0]
    total = sum(
        (cross_entropy(part, classes, reduction="none") * known).sum()
        for part, classes in zip(scores.split(CLASSES, dim=1), labels(batch.extras["motion"]), strict=True)
    )
    return torch.as_tensor(total) / known.sum().clamp_min(1)
