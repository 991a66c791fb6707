"""Blocks that more than one model uses; everything else stays in its model's file."""

import itertools
import math
from collections.abc import Callable, Mapping
from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, grid_sample
from torchvision.ops import deform_conv2d


def conv(cin: int, cout: int, kernel: int = 3, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    """A convolution with "same" padding for odd kernels.

    >>> conv(3, 8, kernel=5, stride=2)
    Conv2d(3, 8, kernel_size=(5, 5), stride=(2, 2), padding=(2, 2))
    """
    return nn.Conv2d(cin, cout, kernel, stride, padding=kernel // 2, bias=bias)


class ResBlock(nn.Module):
    """conv-ReLU-conv plus identity, without normalisation (Nah et al., CVPR 2017)."""

    def __init__(self, width: int, kernel: int = 3) -> None:
        super().__init__()
        self.body = nn.Sequential(conv(width, width, kernel), nn.ReLU(), conv(width, width, kernel))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return x + self.body(x)


class Encoder(nn.Module):
    """Three scales of a convolution and two blocks; each next scale halves the size and doubles the width.

    DMPHN's encoder (models.py of its code). It is here because CDGNet's baseline is this encoder and
    CDGNet's own is the same with other blocks.
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
    """Twice the size, half the width, as in the decoders of DMPHN (and so of CDGNet).

    >>> upsample(64)
    ConvTranspose2d(64, 32, kernel_size=(4, 4), stride=(2, 2), padding=(1, 1))
    """
    return nn.ConvTranspose2d(width, width // 2, kernel_size=4, stride=2, padding=1)


def deform_conv(
    x: Tensor, offsets: Tensor, weight: Tensor, bias: Tensor | None = None, masks: Tensor | None = None
) -> Tensor:
    """A 3x3 deformable convolution: (B, C, H, W), (B, 18, H, W), (Cout, C, 3, 3) -> (B, Cout, H, W).

    With masks (B, 9, H, W), a factor for each tap of each pixel, it is a modulated one (DCNv2).

    What torchvision's `deform_conv2d` computes. It is here because it is an operator, not a paper's idea:
    on a CPU torchvision's takes about ten times as long in training as sampling and a 1x1 convolution.
    While traced it stays that one operator, which counters of MACs know by name.

    Where a tap falls on a pixel, and at the start all do, the derivative by its offset jumps. Both take
    the right-hand one here; unless H and W are powers of two, rounding can make it the left-hand one.
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
    # grid_sample counts from -1 to 1, from edge to edge of the outermost pixels.
    places = torch.stack((column * (2 / width) + (1 / width - 1), row * (2 / height) + (1 / height - 1)), -1)
    samples = grid_sample(x, places.view(batch, 9 * height, width, 2), align_corners=False)
    samples = samples.view(batch, cin, 9, height, width)
    if masks is not None:
        samples = samples * masks[:, None].to(weight.dtype)
    return conv2d(samples.flatten(1, 2), weight.flatten(1)[..., None, None], bias)


GAUSS = [math.exp(-(x**2) / (2 * (2 / 3) ** 2)) for x in (-3, -2, -1, 0, 1, 2, 3)]
# The first half of the filter of `halve`; the second is its mirror image.
TAPS = [(one + other) / 2 / sum(GAUSS) for one, other in itertools.pairwise([0.0, *GAUSS[:4]])]


def halve(image: Tensor) -> Tensor:
    """The next level of a Gaussian pyramid, for even H and W, at least 6: (B, 3, H, W) -> (B, 3, H/2, W/2).

    It is scikit-image's `pyramid_reduce`: a Gaussian of sigma 2/3 cut at four sigma, then interpolation
    half-way between pixels; past the border the image is mirrored. The mean of two neighbours and the
    Gaussian make one filter of eight taps. Autocast would make a convolution too coarse, so these are sums;
    and taps are numbers, as a tensor would have to be sent to the device, which no CUDA graph can hold.
    It is here because MS-CNN's network sees such images and its loss compares with them.
    """
    for axis in (2, 3):
        before, after = (image.narrow(axis, start, 3).flip(axis) for start in (0, image.shape[axis] - 3))
        seen = torch.cat((before, image, after), dim=axis).unfold(axis, 8, 2).unbind(dim=-1)
        image = reduce(torch.add, (tap * (seen[i] + seen[7 - i]) for i, tap in enumerate(TAPS)))
    return image


def renamed(weights: Mapping[str, Tensor], layers: Mapping[str, str], where: str = "") -> dict[str, Tensor]:
    """The authors' weights under the names that the same layers have here.

    Args:
        weights: the authors' state dict.
        layers: their names of layers, and ours, each with a weight and a bias. One of ours that ends in
            ".body" is a `ResBlock`'s, whose two convolutions are numbered 0 and 2 on both sides.
        where: named in errors, when there are several files.

    Raises:
        ValueError: a weight is missing or unexpected; the message names it.
    """
    left, state = dict(weights), {}
    for theirs, ours in layers.items():
        inner = (".0", ".2") if ours.endswith(".body") else ("",)
        for end in (f"{number}.{what}" for number in inner for what in ("weight", "bias")):
            if theirs + end not in left:
                raise ValueError(f"missing weight: {theirs + end}{where}")
            state[ours + end] = left.pop(theirs + end)
    if left:
        raise ValueError(f"unexpected weight: {min(left)}{where}")
    return state


def initialise(net: nn.Module) -> None:
    """Weights from N(0, 0.5 sqrt(2 / (k k Cout))), biases zero: `weight_init` of DMPHN's code.

    It is here because CDGNet's Table 3 grows its network out of DMPHN, so both must start alike.
    """
    for module in net.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d):
            taps = math.prod(module.kernel_size)
            nn.init.normal_(module.weight, std=0.5 * math.sqrt(2 / (taps * module.out_channels)))
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def normal(net: nn.Module) -> None:
    """`weights_init` of DeblurGAN's code (and DCGAN's, pix2pix's).

    Convolutions from N(0, 0.02), scales of batch normalisation from N(1, 0.02), whatever is added zero.
    It is here because DeblurGAN, BAG and the critics start alike.
    """
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, std=0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, mean=1.0, std=0.02)
            nn.init.zeros_(layer.bias)
