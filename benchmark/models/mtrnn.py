"""MT-RNN: a small U-Net removes blur step by step, applied again to its own result and features.

Paper     D. Park, D. U. Kang, J. Kim, S. Y. Chun. Multi-Temporal Recurrent Neural Networks For Progressive
          Non-Uniform Single Image Deblurring With Incremental Temporal Training. ECCV 2020. arXiv:1911.07410
Sources   the authors' code, github.com/Dong1P/MTRNN @e27c29b: layers mtrnn.py; six iterations, and that the
          blurry image is the first estimate, test.py. There is no training code
Unstated  how training joins the iterations: gradients flow through all of them, as in recurrent networks.
          test.py cuts them (`.data`) between iterations, but only because it does not use `no_grad`
          initialisation: PyTorch's default, as in the code
Shapes    B batch, C width, H W image, h w a scale's
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmark.models._layers import Widths, conv, upsample, weight_names
from benchmark.weights.names import rename

SLOPE = 0.1  # of LeakyReLU below zero
MEAN = (0.4488, 0.4371, 0.4040)  # of DIV2K's images, from the code's super-resolution ancestor (EDSR)


@dataclass(frozen=True)
class Config(Widths):
    """The published network."""

    iterations: int = 6  # `iter_num` of test.py
    width: int = 32  # `ch1`; doubles at each of three scales


class Block(nn.Module):
    """Add conv-LeakyReLU-conv to the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv(width, width), nn.LeakyReLU(SLOPE), conv(width, width))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, h, w)."""
        return x + self.body(x)


def blocks(width: int, count: int = 3) -> nn.Sequential:
    """Make a sequence of blocks: (B, C, h, w) -> (B, C, h, w)."""
    return nn.Sequential(*(Block(width) for _ in range(count)))


class Scale(nn.Module):
    """Resize features of the neighbouring scale, merge them with others of this scale, refine in blocks."""

    def __init__(self, resize: nn.Module, width: int, count: int = 3) -> None:
        super().__init__()
        self.resize = nn.Sequential(resize, nn.LeakyReLU(SLOPE))
        self.merge = conv(2 * width, width, kernel=1)
        self.blocks = blocks(width, count)

    def forward(self, x: Tensor, other: Tensor | None) -> Tensor:
        """Merge x, which `resize` brings to (B, C, h, w), with a skip or the previous iteration's features.

        Without such (B, C, h, w), x is used twice.
        """
        x = self.resize(x)
        return self.blocks(self.merge(torch.cat((x, x if other is None else other), dim=1)))


def shift(sign: float) -> nn.Conv2d:
    """Make a fixed convolution that adds or subtracts the mean colour (`MeanShift`)."""
    layer = conv(3, 3, kernel=1)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(3).view(3, 3, 1, 1))
        assert layer.bias is not None
        layer.bias.copy_(sign * 255 * torch.tensor(MEAN))
    return layer.requires_grad_(False)


class Net(nn.Module):
    """Apply the U-Net repeatedly to its own result and features. Images are in [0, 255]."""

    stride = 4

    def __init__(self, config: Config) -> None:
        super().__init__()
        w = config.width
        self.iterations = config.iterations
        self.subtract, self.add = shift(-1), shift(1)
        self.enter = nn.Sequential(conv(6, w), blocks(w))
        self.down_half = Scale(conv(w, 2 * w, stride=2), 2 * w)
        self.down_quarter = Scale(conv(2 * w, 4 * w, stride=2), 4 * w, count=6)
        self.up_half = Scale(upsample(4 * w), 2 * w)
        self.up_full = Scale(upsample(2 * w), w)
        self.leave = conv(w, 3)

    def forward(self, blurry: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> one restored (B, 3, H, W) per iteration."""
        restored: list[Tensor] = []
        memory: tuple[Tensor | None, Tensor | None] = None, None
        for _ in range(self.iterations):
            estimate, memory = self.iteration(blurry, restored[-1] if restored else blurry, *memory)
            restored.append(estimate)
        return restored

    def iteration(
        self, blurry: Tensor, estimate: Tensor, half: Tensor | None, quarter: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Restore (B, 3, H, W) from the blurry image and the previous iteration's (in the first, the same).

        The previous iteration's features, (B, 2C, H/2, W/2) and (B, 4C, H/4, W/4), are None in the first;
        those for the next iteration are returned. The network's residual is added to the blurry image.
        """
        blurry = self.subtract(blurry)
        at_full = self.enter(torch.cat((blurry, self.subtract(estimate)), dim=1))
        at_half = self.down_half(at_full, half)
        at_quarter = self.down_quarter(at_half, quarter)
        up_half = self.up_half(at_quarter, at_half)
        up_full = self.up_full(up_half, at_full)
        return self.add(self.leave(up_full) + blurry), (up_half, at_quarter)


# The authors' names of layers -> ours.
SCALES = {"conv2": "down_half", "conv3": "down_quarter", "conv5": "up_half", "conv6": "up_full"}
LAYERS = {
    "sub_mean": "subtract",
    "add_mean": "add",
    "conv1_1.0": "enter.0",
    "img_prd.0": "leave",
    **{f"{theirs}_1.0": f"{ours}.resize.0" for theirs, ours in SCALES.items()},
    **{f"{theirs}_c.0": f"{ours}.merge" for theirs, ours in SCALES.items()},
    **{f"conv1_{2 + k}.stem": f"enter.1.{k}.body" for k in range(3)},
    **{
        f"{theirs}_{2 + k}.stem": f"{ours}.blocks.{k}.body"
        for theirs, ours in SCALES.items()
        for k in range(3)
    },
    **{f"conv4_{1 + k}.stem": f"down_quarter.blocks.{3 + k}.body" for k in range(3)},
}


def convert(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the authors' weights to a state dict of `Net`."""
    return rename(weights, LAYERS, weight_names(Net, Config()))
