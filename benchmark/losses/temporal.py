"""MT-RNN's incremental temporal training: each iteration should remove the blur of two frames.

Paper     D. Park, D. U. Kang, J. Kim, S. Y. Chun. Multi-Temporal Recurrent Neural Networks For Progressive
          Non-Uniform Single Image Deblurring With Incremental Temporal Training. ECCV 2020. arXiv:1911.07410
Sources   "progressive deblurring over iterations and incremental temporal training with temporally augmented
          training data" (abstract); six iterations (test.py of the authors' code): in steps of two, six lead
          from 13 frames, the maximum that GoPro_Large averages, to one
Unstated  No training code is public. Level n is the mean of the n frames around the sharp one
          images of n < 13 frames: they start at level n, so the target of iteration i is level n - 2i, then
          the sharp image. Iterations share their weights and do not know their number: what they can learn
          is to go one level down from any level, and to keep a sharp image
          distance: L1, the default of EDSR's code, which is also the source of the network's mean colours and
          range
          weights of the iterations: all one
"""

import torch
from torch import Tensor
from torch.nn.functional import l1_loss

from benchmark.losses import Batch

LEVEL = "level_"  # an extra of this name and a number n is temporal level n


def targets(batch: Batch, iterations: int) -> list[Tensor]:
    """Select the target (B, 3, H, W) of each iteration.

    Extras hold the levels. Levels at and above that of an image are the blurry image itself, which tells at
    which level the image starts.

    Raises:
        ValueError: no levels, or too few iterations to get below the highest.
    """
    numbers = (int(name.removeprefix(LEVEL)) for name in batch.extras if name.startswith(LEVEL))
    levels = sorted(numbers, reverse=True)
    if not levels:
        raise ValueError(f"temporal: no {LEVEL}3, {LEVEL}5, ... in the batch; a recipe's extras name them")
    if iterations <= len(levels):
        raise ValueError(
            f"temporal: {iterations} iterations are too few to get below level {levels[0]}; "
            f"allowed: from {len(levels) + 1}"
        )
    ladder = torch.stack([*(batch.extras[f"{LEVEL}{level}"] for level in levels), batch.sharp])
    is_blurry = (ladder[:-1] == batch.blurry).flatten(2).all(dim=2)
    start = is_blurry.cumprod(dim=0).sum(dim=0)  # (B,)
    images = torch.arange(len(start), device=start.device)
    return [ladder[(start + i).clamp(max=len(levels)), images] for i in range(iterations)]


def loss(outputs: list[Tensor], batch: Batch) -> Tensor:
    """Sum over iterations the mean absolute difference to each target."""
    levels = targets(batch, len(outputs))
    return torch.stack([l1_loss(x, y) for x, y in zip(outputs, levels, strict=True)]).sum()
