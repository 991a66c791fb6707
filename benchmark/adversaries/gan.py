"""The first GAN for deblurring: a discriminator separates restored crops from sharp ones (MS-CNN).

Paper     S. Nah, T. H. Kim, K. M. Lee. Deep Multi-scale Convolutional Neural Network for Dynamic Scene
          Deblurring. CVPR 2017. arXiv:1612.02177
Sources   the authors' codes, github.com/SeungjunNah/DeepDeblur_release @2d5a698 (Torch7): layers model.lua,
          loss loss.lua, training train.lua; and DeepDeblur-PyTorch @26047f7: the same layers
          src/model/discriminator.py, order of training src/loss/adversarial.py
Unstated  unit: Torch7's code divides the cross-entropy by ln 2, so that a random guess costs one bit
          order: the discriminator first, as in the PyTorch code; Torch7's is second, on the same images
          discriminator's loss: not weighted; Torch7 weights it like the network's, which Adam cancels
          crops below 256: see `Discriminator.strides`
Shapes    B batch, C width, H W image
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, conv2d, leaky_relu

from benchmark.losses import Batch
from benchmark.models._layers import thinned

STRIDES = (1, 2, 1, 2, 1, 4, 1, 4, 1)  # from 256 pixels to 4; then one convolution of 4x4


class Discriminator(nn.Module):
    """Score an image by nine convolutions 5x5 and one 4x4 without bias, LeakyReLU 0.2, and a last 1x1."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        half = width // 2
        widths = (3, half, half, width, width, 2 * width, 2 * width, 4 * width, 4 * width, 8 * width)
        layers = [nn.Conv2d(cin, cout, 5, padding=2, bias=False) for cin, cout in pairwise(widths)]
        layers.append(nn.Conv2d(8 * width, 8 * width, 4, bias=False))
        self.layers = nn.ModuleList(layers)
        self.last = nn.Conv2d(8 * width, 1, 1, bias=False)

    @staticmethod
    def strides(side: int) -> list[int]:
        """Compute the stride of every layer but the last for images of `side` pixels.

        From 256 pixels on these are the authors' strides. Smaller images would shrink to nothing, so the
        later strides are reduced until, as at 256, 4x4 positions remain for the last convolution.

        >>> Discriminator.strides(256)
        [1, 2, 1, 2, 1, 4, 1, 4, 1, 4]
        >>> Discriminator.strides(32)
        [1, 2, 1, 2, 1, 2, 1, 1, 1, 4]
        """
        left, strides = side // 4, []
        for authors in STRIDES:
            strides.append(min(authors, left))
            left //= strides[-1]
        return [*strides, 4]

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> logits (B, 1, 1, 1), of more than 256 pixels (B, 1, H/256, W/256)."""
        x = image
        for layer, stride in zip(self.layers, self.strides(min(image.shape[-2:])), strict=True):
            assert isinstance(layer, nn.Conv2d)  # not called: it holds the weights
            x = leaky_relu(conv2d(x, layer.weight, stride=stride, padding=layer.padding), 0.2)
        return self.last(x)


def bits(logits: Tensor, label: float) -> Tensor:
    """Compute the mean cross-entropy of the discriminator's logits in bits; label 1 is sharp, 0 restored."""
    labels = torch.full_like(logits, label)
    return binary_cross_entropy_with_logits(logits, labels) / math.log(2)


@dataclass(frozen=True)
class Adversary:
    """Train one discriminator, one step of it per step of the restoring network."""

    weight: float = 1e-4  # lambda of the paper; opts.lua adv_weight
    width: int = 64  # opts.lua nStates

    def networks(self, thin: int) -> dict[str, nn.Module]:
        """Build the discriminator, its width divided by `thin`."""
        return {"discriminator": Discriminator(thinned(self.width, thin))}

    def objective(
        self, networks: dict[str, nn.Module], batch: Batch, content: Callable[[list[Tensor]], Tensor]
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield the discriminator's loss, then the network's, whose finest output should score as sharp."""
        net, discriminator = networks["net"], networks["discriminator"]
        outputs = net(batch.blurry)
        restored, sharp = batch.image(outputs[-1]), batch.image(batch.sharp)
        yield "discriminator", bits(discriminator(restored.detach()), 0) + bits(discriminator(sharp), 1)
        yield "net", content(outputs) + self.weight * bits(discriminator(restored), 1)
