"""HAMD's loss: each decoder where it is responsible, the mask itself, and the answer everywhere.

Source    Z. Shen et al. Human-Aware Motion Deblurring. ICCV 2019: its abstract has a supervised mask of
          people and decoders for people and for background; a formula could not be had
Unstated  distances: mean squares, all of weight 1, summed over the sizes of the image
          a decoder's squares are weighted by the true mask (people) or by one minus it (background) and
          averaged over the whole image: a picture without people teaches the foreground decoder nothing
          truth at smaller sizes: means of the pixels that make one, so that a mask's edge is soft
          people: HIDE's boxes; here extras["moving"], 1 on objects that move on their own
"""

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, mse_loss

from benchmark.losses import Batch


def at(truth: Tensor, like: Tensor) -> Tensor:
    """A true image or mask at an output's size: (B, C, H, W) -> (B, C, h, w)."""
    return adaptive_avg_pool2d(truth, (like.shape[-2], like.shape[-1]))


def masked(image: Tensor, sharp: Tensor, mask: Tensor) -> Tensor:
    """Mean over all pixels of the squares times the mask: (B, 3, H, W) twice, (B, 1, H, W) -> ()."""
    return (mask * (image - sharp).square()).mean()


def loss(
    outputs: list[Tensor],
    batch: Batch,
    *,
    foreground: float = 1.0,
    background: float = 1.0,
    attention: float = 1.0,
) -> Tensor:
    """Over [foreground, background, mask, answer] per size, the largest last; with a weight per part."""
    people = batch.extras["moving"]
    parts: list[Tensor] = []
    for of_people, of_rest, mask, answer in zip(*(outputs[k::4] for k in range(4)), strict=True):
        sharp, human = at(batch.sharp, answer), at(people, answer)
        parts += [
            mse_loss(answer, sharp),
            foreground * masked(of_people, sharp, human),
            background * masked(of_rest, sharp, 1 - human),
            attention * mse_loss(mask, at(people, mask)),
        ]
    return torch.stack(parts).sum()
