"""Layers that more than one model uses; everything else stays in its model's file."""

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, conv2d, grid_sample
from torchvision.ops import deform_conv2d


def thinned(width: int, factor: int, multiple: int = 1, lower_bound: int = 4) -> int:
    """Divide a layer's width, rounded down to a multiple and never below the lower bound.

    >>> [thinned(width, 4) for width in (96, 30, 3)]
    [24, 7, 4]
    >>> thinned(96, 5, multiple=3, lower_bound=12)
    18
    """
    return max(lower_bound, width // (multiple * factor) * multiple)


WIDTHS = ("width", "growth", "extra", "guide")  # the names that models give to settings that are widths


class Widths:
    """Let a model's Config be thinned."""

    def thin(self, factor: int) -> Self:
        """Divide every width of the network by a factor."""
        widths = {name: getattr(self, name) for name in WIDTHS if hasattr(self, name)}
        return replace(cast(Any, self), **{name: thinned(value, factor) for name, value in widths.items()})


def weight_names(net: Callable[[Any], nn.Module], config: Any) -> list[str]:
    """List the names of all weights of a network, without allocating any."""
    with torch.device("meta"):
        return list(net(config).state_dict())


def conv(cin: int, cout: int, kernel: int = 3, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    """Make a convolution that keeps the size: "same" padding, for odd kernels.

    >>> conv(3, 8, kernel=5, stride=2)
    Conv2d(3, 8, kernel_size=(5, 5), stride=(2, 2), padding=(2, 2))
    """
    return nn.Conv2d(cin, cout, kernel, stride, padding=kernel // 2, bias=bias)


class ResBlock(nn.Module):
    """Add conv-ReLU-conv to the input, without normalisation (Nah et al., CVPR 2017)."""

    def __init__(self, width: int, kernel: int = 3) -> None:
        super().__init__()
        self.body = nn.Sequential(conv(width, width, kernel), nn.ReLU(), conv(width, width, kernel))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return x + self.body(x)


class InstanceNorm(nn.InstanceNorm2d):
    """Normalise each channel of each image by its own statistics, in evaluation too.

    For one image that is batch normalisation by the statistics of the batch. PyTorch's own layer first copies
    it out of the memory format in which convolutions are fast, and the next convolution copies it back. A
    training step of a GAN on single crops (DeblurGAN, BAG, DeblurGAN-v2) takes 0.8 to 0.9 of the time
    without these copies.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        if self.training and len(x) == 1:
            return batch_norm(x, None, None, self.weight, self.bias, training=True, eps=self.eps)
        return super().forward(x)


class Encoder(nn.Module):
    """Encode in three scales of a convolution and two blocks; each scale halves size and doubles width.

    DMPHN's encoder (models.py of its code). CDGNet's baseline uses it too, and CDGNet's own encoder is the
    same with other blocks.
    """

    def __init__(self, width: int, block: Callable[[int], nn.Module] = ResBlock) -> None:
        super().__init__()
        w = width
        self.scales = nn.ModuleList(
            nn.Sequential(conv(cin, cout, stride=stride), block(cout), block(cout))
            for cin, cout, stride in ((3, w, 1), (w, 2 * w, 2), (2 * w, 4 * w, 2))
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> [(B, C, H, W), (B, 2C, H/2, W/2), (B, 4C, H/4, W/4)]."""
        features = []
        for scale in self.scales:
            image = scale(image)
            features.append(image)
        return features


def upsample(width: int) -> nn.ConvTranspose2d:
    """Make a transposed convolution for twice the size and half the width (decoders of DMPHN and CDGNet).

    >>> upsample(64)
    ConvTranspose2d(64, 32, kernel_size=(4, 4), stride=(2, 2), padding=(1, 1))
    """
    return nn.ConvTranspose2d(width, width // 2, kernel_size=4, stride=2, padding=1)


def deform_conv(
    x: Tensor, offsets: Tensor, weight: Tensor, bias: Tensor | None = None, masks: Tensor | None = None
) -> Tensor:
    """Apply a 3x3 deformable convolution: (B, C, H, W), (B, 18, H, W), (Cout, C, 3, 3) -> (B, Cout, H, W).

    With masks (B, 9, H, W), a factor for each tap of each pixel, it is a modulated one (DCNv2).

    Computes what torchvision's `deform_conv2d` computes. On a CPU that operator takes about ten times as long
    in training as sampling followed by a 1x1 convolution. While tracing it is called all the same, because
    the counters of MACs recognise it by name.

    Where a tap falls exactly on a pixel, as all taps do before training, the derivative by its offset is not
    continuous. Both implementations return the right-hand derivative; unless H and W are powers of two,
    rounding can turn it into the left-hand one.
    """
    if x.device.type != "cpu" or torch.jit.is_tracing():  # type: ignore[attr-defined]
        return deform_conv2d(x, offsets, weight, bias, padding=1, mask=masks)
    batch, cin, height, width = x.shape
    # Under autocast x and offsets come in half precision, too coarse for coordinates.
    x, offsets = x.to(weight.dtype), offsets.to(weight.dtype)
    down, right = offsets.reshape(batch, 9, 2, height, width).unbind(dim=2)
    tap = torch.arange(9).view(9, 1, 1)  # row by row, from top left to bottom right
    row = down + (torch.arange(height).view(1, height, 1) + tap // 3 - 1)
    column = right + (torch.arange(width).view(1, 1, width) + tap % 3 - 1)
    # grid_sample's coordinates run from -1 to 1, from edge to edge of the outermost pixels.
    points = torch.stack((column * (2 / width) + (1 / width - 1), row * (2 / height) + (1 / height - 1)), -1)
    samples = grid_sample(x, points.view(batch, 9 * height, width, 2), align_corners=False)
    samples = samples.view(batch, cin, 9, height, width)
    if masks is not None:
        samples = samples * masks[:, None].to(weight.dtype)
    return conv2d(samples.flatten(1, 2), weight.flatten(1)[..., None, None], bias)


GAUSS = [math.exp(-(x**2) / (2 * (2 / 3) ** 2)) for x in (-3, -2, -1, 0, 1, 2, 3)]
# The first half of the filter of `halve`; the second half is its mirror image.
TAPS = [(left + right) / 2 / sum(GAUSS) for left, right in itertools.pairwise([0.0, *GAUSS[:4]])]


def halve(image: Tensor) -> Tensor:
    """Compute the next level of a Gaussian pyramid: (B, 3, H, W) -> (B, 3, H/2, W/2).

    H and W are even and at least 6. This is scikit-image's `pyramid_reduce`: a Gaussian of sigma 2/3 cut at
    four sigma, then interpolation half-way between pixels; past the border the image is mirrored. The mean of
    two neighbours and the Gaussian make one filter of eight taps. The filter is a sum of products because
    autocast would compute a convolution in too low a precision, and its taps are Python numbers because a
    CUDA graph cannot copy a tensor from the host. MS-CNN's network and its loss both use this pyramid.
    """
    for axis in (2, 3):
        before, after = (image.narrow(axis, start, 3).flip(axis) for start in (0, image.shape[axis] - 3))
        columns = torch.cat((before, image, after), dim=axis).unfold(axis, 8, 2).unbind(dim=-1)
        image = reduce(torch.add, (tap * (columns[i] + columns[7 - i]) for i, tap in enumerate(TAPS)))
    return image


def initialise(net: nn.Module) -> None:
    """Draw weights from N(0, 0.5 sqrt(2 / (k k Cout))), set biases to zero: `weight_init` of DMPHN's code.

    CDGNet uses it too: its Table 3 extends DMPHN step by step, so both must be initialised alike.
    """
    for module in net.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d):
            taps = math.prod(module.kernel_size)
            nn.init.normal_(module.weight, std=0.5 * math.sqrt(2 / (taps * module.out_channels)))
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def normal(net: nn.Module) -> None:
    """Initialise as `weights_init` of DeblurGAN's code does (and DCGAN's, pix2pix's).

    Convolutions from N(0, 0.02), scales of batch normalisation from N(1, 0.02), all biases zero. DeblurGAN,
    BAG and their critics use it.
    """
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, std=0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, mean=1.0, std=0.02)
            nn.init.zeros_(layer.bias)
