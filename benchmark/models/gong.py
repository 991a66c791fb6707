"""Gong et al.: a fully convolutional network estimates the motion flow, a deconvolution removes its blur.

Paper     D. Gong, J. Yang, L. Liu, Y. Zhang, I. Reid, C. Shen, A. van den Hengel, Q. Shi. From Motion Blur to
          Motion Flow: a Deep Learning Solution for Removing Heterogeneous Motion Blur. CVPR 2017
Sources   the authors' Caffe model definition and test scripts, which users have published
          (layers, widths, padding, crops, fixed scales, initialisation; the script: BGR, 0 to 255, less three
          means, one argmax for u and one for v; MATLAB: 8x8 patches of a Gaussian mixture as the prior
          of the deconvolution, each colour channel alone, clipped to 0 and 1). The labels in training:
          script_data_gen.m of github.com/donggong1/motion-flow-syn @e43da13. Their trained weights could
          not be had
Unstated  labels: their files are not published. 39 + 73 classes, and a generator that turns flows until
          u >= 0, make u 0 to 38 and v -36 to 36
          the three enlarging layers have no filler in the definition; as in every such network, whose layers
          never learn, they hold a bilinear filter on the diagonal. Only the diagonal is computed
          scale of the input: the first layer sees grey levels over 64 and is drawn 64 times as wide, which is
          the same network. With grey levels themselves a step of Adam, which is as long for every weight,
          throws this layer about before it moves the others
          solver: see benchmark/deconvolution/epll.py
          sizes: an image needs as many rows as the crops take (`smallest_side`)
Shapes    B batch, H W image. While it is trained the network returns scores alone, (B, 39 + 73, h, w), of the
          pixels 2, 6, 10, ..., before they are enlarged: half a pixel beside them, and a third of the work
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import conv_transpose2d, max_pool2d, relu

from benchmark.deconvolution.along_lines import check, remove_motion
from benchmark.models._layers import thinned

CLASSES = (39, 73)  # of u, 0 to 38 pixels to the right, and of v, -36 to 36 pixels down
FIRST = (0, -36)  # the flow of the first class of each
MEAN = (111.64, 113.53, 93.96)  # of blue, green and red
SCALE = 64  # grey levels: one for the first layer, and so for Adam
PAD = 30  # around the image, in pixels
SCALES = (0.01, 0.0001)  # of the third and the second pooled features before their scores
CROPS = (2, 4, 9)  # where the sizes meet: rows and columns cut off above and on the left


@dataclass(frozen=True)
class Config:
    """The published network."""

    widths: tuple[int, ...] = (96, 256, 512, 512, 1024)  # of the five convolutions

    def thin(self, factor: int) -> "Config":
        """Divide every width by a factor; the classes stay."""
        return replace(self, widths=tuple(thinned(width, factor) for width in self.widths))


class Enlarge(nn.Module):
    """Enlarge each channel alone by a bilinear filter that never learns.

    The weights are Caffe's: a filter for each pair of channels, all zero but the diagonal.
    """

    def __init__(self, channels: int, factor: int) -> None:
        super().__init__()
        self.channels, self.factor = channels, factor
        ramp = 1 - (torch.arange(2 * factor) - (factor - 0.5)).abs() / factor
        filters = torch.eye(channels)[..., None, None] * torch.outer(ramp, ramp)
        self.weight = nn.Parameter(filters, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, factor (h + 1), factor (w + 1))."""
        diagonal = self.weight.diagonal().permute(2, 0, 1)[:, None]
        return conv_transpose2d(x, diagonal, stride=self.factor, groups=self.channels)


class Net(nn.Module):
    """Estimate the flow of each pixel, and remove its blur."""

    stride = 1
    smallest_side = 11
    no_macs = "the deconvolution solves an optimisation problem; the network alone has 300.4 GMAC at 720x1280"

    def __init__(self, config: Config) -> None:
        super().__init__()
        widths, classes = config.widths, sum(CLASSES)
        kernels, inputs = (7, 5, 3, 3, 3), (3, *widths)
        self.convs = nn.ModuleList(
            nn.Conv2d(cin, cout, kernel, padding=PAD if cin == 3 else 0)
            for cin, cout, kernel in zip(inputs, widths, kernels, strict=False)
        )
        self.score = nn.Conv2d(widths[4], classes, 1)
        self.skips = nn.ModuleList(nn.Conv2d(widths[k], classes, 1) for k in (2, 1))  # of pool3, of pool2
        self.enlarge = nn.ModuleList(Enlarge(classes, factor) for factor in (2, 2, 4))
        self.mean: Tensor
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=0.01 * (SCALE if layer.in_channels == 3 else 1))
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)
        for weights in self.skips.parameters():  # without a filler Caffe's are zero
            nn.init.zeros_(weights)

    def coarse(self, blurry: Tensor) -> Tensor:
        """Score the classes for every fourth pixel, and some around: (B, 3, H, W) -> (B, 39 + 73, h, w)."""
        x, pooled = (255 * blurry.flip(1) - self.mean) / SCALE, []
        *convs, last = self.convs
        for layer in convs:
            x = max_pool2d(relu(layer(x)), 2, ceil_mode=True)
            pooled.append(x)
        x = self.score(relu(last(x)))
        for layer, skip, scale, offset, features in zip(
            self.enlarge, self.skips, SCALES, CROPS, (pooled[2], pooled[1]), strict=False
        ):
            x = layer(x)
            x = x + crop(skip(scale * features), offset, x)
        return x

    def scores(self, blurry: Tensor) -> Tensor:
        """Score the classes of u, then those of v: (B, 3, H, W) in [0, 1] -> (B, 39 + 73, H, W)."""
        return crop(self.enlarge[2](self.coarse(blurry)), CROPS[2], blurry)

    def flow(self, blurry: Tensor) -> Tensor:
        """Estimate the pixels travelled right and down in the exposure: (B, 3, H, W) -> (B, 2, H, W).

        Each of u and v is the class of the highest score.
        """
        parts = self.scores(blurry).split(CLASSES, dim=1)
        return torch.stack([s.argmax(dim=1) + first for s, first in zip(parts, FIRST, strict=True)], dim=1)

    def forward(self, blurry: Tensor) -> list[Tensor]:
        """Restore images: (B, 3, H, W) in [0, 1] -> [(B, 3, H, W)]; see Shapes for training.

        Raises:
            ValueError: no colour images, or images that are too small.
        """
        check("gong", blurry, self.smallest_side)
        if self.training:
            return [crop(self.coarse(blurry), 2, blurry[..., 2::4, 2::4])]
        return [remove_motion(blurry, self.flow(blurry).to(blurry.dtype))]


def crop(x: Tensor, offset: int, like: Tensor) -> Tensor:
    """Cut out what lies on another map, beginning at an offset (Caffe's `Crop`, rows and columns)."""
    height, width = like.shape[-2:]
    return x[..., offset : offset + height, offset : offset + width]
