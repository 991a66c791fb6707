"""MT-RNN's incremental temporal training: each iteration should leave two frames' worth of blur less.

Paper     D. Park, D. U. Kang, J. Kim, S. Y. Chun. Multi-Temporal Recurrent Neural Networks For Progressive
          Non-Uniform Single Image Deblurring With Incremental Temporal Training. ECCV 2020. arXiv:1911.07410
Sources   "progressive deblurring over iterations and incremental temporal training with temporally augmented
          training data" (abstract); six iterations (test.py of the authors' code): as many as lead by twos
          from 13 frames, the most that GoPro_Large averages, to one
Unstated  No training code was found. Level n is the mean of the n frames about the sharp one
          images of n < 13 frames: they start at their own level, so iteration i aims at level n - 2i, and at
          the sharp image from there on. Iterations share their weights and cannot count: what they can learn
          is to go one level down from wherever they are, and to stay at the last
          distance: L1, the default of EDSR's code, where the network has its mean colours and its range from
          weights of the iterations: all one
"""

import torch
from torch import Tensor
from torch.nn.functional import l1_loss

from benchmark.losses import Batch

LEVEL = "level_"  # an extra of this name and a number n is temporal level n


def targets(batch: Batch, iterations: int) -> list[Tensor]:
    """What each iteration should reach, one (B, 3, H, W) each.

    Extras hold the levels. Those at and above an image's own are the blurry image itself, and say so where
    an image starts.

    Raises:
        ValueError: no levels, or too few iterations to come down from the highest.
    """
    found = (int(name.removeprefix(LEVEL)) for name in batch.extras if name.startswith(LEVEL))
    levels = sorted(found, reverse=True)
    if not levels:
        raise ValueError(f"temporal: no {LEVEL}3, {LEVEL}5, ... in the batch; a recipe's extras name them")
    if iterations <= len(levels):
        raise ValueError(
            f"temporal: {iterations} iterations are too few to get below level {levels[0]}; "
            f"allowed: from {len(levels) + 1}"
        )
    ladder = torch.stack([*(batch.extras[f"{LEVEL}{level}"] for level in levels), batch.sharp])
    own = (ladder[:-1] == batch.blurry).flatten(2).all(dim=2)
    start = own.cumprod(dim=0).sum(dim=0)  # (B,)
    images = torch.arange(len(start), device=start.device)
    return [ladder[(start + i).clamp(max=len(levels)), images] for i in range(iterations)]


def loss(outputs: list[Tensor], batch: Batch) -> Tensor:
    """Sum over iterations of the mean absolute difference to the level each should reach."""
    wanted = targets(batch, len(outputs))
    return torch.stack([l1_loss(x, y) for x, y in zip(outputs, wanted, strict=True)]).sum()
