"""Sun et al.'s labels and loss: a patch is blurred by one of 73 kernels.

Source    J. Sun et al., CVPR 2015 (see models/sun.py). Their patches are blurred by one kernel each
Unstated  patches of pairs with motion of their own: only those in which it varies by at most a pixel, and
          the nearest kernel, where motion to the right is the same as to the left
"""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, max_pool2d

from benchmark.losses import Batch
from benchmark.models.sun import KERNELS, SPACING, vectors

VARIES = 1.0  # pixels
WHOLE = "is a mean over those patches of the whole batch that move as one"


def labels(motion: Tensor, patch: int) -> tuple[Tensor, Tensor]:
    """Find the kernel of each patch, and whether its motion is one: (B, 2, H, W) -> (B, h, w) twice.

    Patches begin at the first pixel and lie four pixels apart.
    """
    most, least = max_pool2d(motion, patch, SPACING), -max_pool2d(-motion, patch, SPACING)
    ends = vectors(KERNELS).to(motion)
    ends[0] = 0
    mean = ((most + least) / 2).permute(0, 2, 3, 1)[..., None, :]
    apart = torch.minimum((mean - ends).square().sum(dim=-1), (mean + ends).square().sum(dim=-1))
    return apart.argmin(dim=-1), (most - least).amax(dim=1) <= VARIES


def loss(outputs: list[Tensor], batch: Batch, *, patch: int = 34) -> Tensor:
    """Average the cross entropy over the patches whose motion is one."""
    (scores,) = outputs
    classes, one = labels(batch.extras["motion"], patch)
    return (cross_entropy(scores, classes, reduction="none") * one).sum() / one.sum().clamp_min(1)
