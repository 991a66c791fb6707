"""HAMD's loss: foreground decoder on people, background decoder elsewhere, mask, whole restored image.

Source    Z. Shen et al. Human-Aware Motion Deblurring. ICCV 2019: its abstract has a supervised mask of
          people and decoders for people and for background; a formula is not available
Unstated  distances: mean squares, all of weight 1, summed over the sizes of the image
          a decoder's squares are weighted by the true mask (people) or by one minus it (background) and
          averaged over the whole image: without people the foreground decoder gets no gradient
          targets at smaller sizes: averages over pixels, so that a mask's edge is soft
          people: HIDE's boxes, which its authors announce and never published (README of
          joanshen0508/HA_deblur @029567d and its issue 4); here extras["moving"], 1 on objects that move by
          themselves. Without it nothing says what a decoder is for, so restored images alone are compared
"""

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, mse_loss

from benchmark.losses import Batch

WITHOUT = {"moving": "there are no masks of people, so the loss compares restored images alone"}


def resized_to(output: Tensor, target: Tensor) -> Tensor:
    """Average a target image or mask to an output's size: (B, C, h, w), (B, C, H, W) -> (B, C, h, w)."""
    return adaptive_avg_pool2d(target, (output.shape[-2], output.shape[-1]))


def masked(image: Tensor, sharp: Tensor, mask: Tensor) -> Tensor:
    """Average over all pixels the squares times the mask: (B, 3, H, W) twice, (B, 1, H, W) -> ()."""
    return (mask * (image - sharp).square()).mean()


def loss(
    outputs: list[Tensor],
    batch: Batch,
    *,
    foreground: float = 1.0,
    background: float = 1.0,
    attention: float = 1.0,
) -> Tensor:
    """Sum over [foreground, background, mask, restored] of each size, with a weight per part.

    Without `extras["moving"]`, sum over [restored] of each size.
    """
    people = batch.extras.get("moving")
    parts: list[Tensor] = []
    for of_people, of_rest, mask, restored in zip(*(outputs[k::4] for k in range(4)), strict=True):
        sharp = resized_to(restored, batch.sharp)
        parts.append(mse_loss(restored, sharp))
        if people is None:
            continue
        human = resized_to(restored, people)
        parts += [
            foreground * masked(of_people, sharp, human),
            background * masked(of_rest, sharp, 1 - human),
            attention * mse_loss(mask, resized_to(mask, people)),
        ]
    return torch.stack(parts).sum()
