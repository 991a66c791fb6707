"""DBGAN: a deep chain of dense blocks at full resolution finds what to add to the blurry image.

Paper     K. Zhang, W. Luo, Y. Zhong, L. Ma, B. Stenger, W. Liu, H. Li. Deblurring by Realistic Blurring.
          CVPR 2020. arXiv:2004.01860. The network that blurs is in benchmark/adversaries/realistic_blur.py
Sources   the authors' code for testing, github.com/HDCVLab/Deblurring-by-Realistic-Blurring @8f6944f: layers
          RRDBNet in models/modules/architecture.py, blocks models/modules/block.py, sizes
          options/test/test.json, initialisation `define_G` in models/networks.py. The network is ESRGAN's
          (X. Wang et al., ECCVW 2018) without its enlargement
Unstated  blocks: the paper speaks of 16 of five convolutions each; the released ones have three times five
          growth: the code has 32 whatever its options say
          clipping while training: yes; the repository holds architecture.py's bytecode from a folder for
          training, and there the network clips too. A value out of range teaches nothing
          loss: the repository's one way of training, models/DB_model.py, is on pixels alone; here the paper's
          initialisation: the code's; the paper is said to draw all weights from N(0, 0.01)
Shapes    B batch, C width, G growth, H W image
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from benchmark.models._layers import conv, renamed

SLOPE = 0.2  # of every LeakyReLU
SHARE = 0.2  # of what a block found that is added


@dataclass(frozen=True)
class Config:
    """The released network; all values are those of options/test/test.json."""

    width: int = 64  # nf
    growth: int = 32  # gc
    blocks: int = 16  # nb

    def thin(self, factor: int) -> "Config":
        """The same network with every width divided."""
        width, growth = (max(4, n // factor) for n in (self.width, self.growth))
        return replace(self, width=width, growth=growth)


class Dense(nn.Module):
    """Five convolutions; each sees the input and what all before it found. `ResidualDenseBlock_5C`."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        widths = (growth, growth, growth, growth, width)
        self.convs = nn.ModuleList(conv(width + n * growth, cout) for n, cout in enumerate(widths))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        *grow, last = self.convs
        seen = x
        for layer in grow:
            seen = torch.cat((seen, leaky_relu(layer(seen), SLOPE)), dim=1)
        return x + SHARE * last(seen)


class Block(nn.Module):
    """Three dense blocks, with a shortcut around them too. `RRDB`."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.dense = nn.Sequential(*(Dense(width, growth) for _ in range(3)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return x + SHARE * self.dense(x)


def initialise(net: nn.Module, times: float) -> None:
    """`init_weights` of the authors' code: He's, for ReLU and the number of inputs, `times` as wide.

    Added values start at zero, scales of batch normalisation at one. Restoring networks have `times` 0.1.
    """
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
            with torch.no_grad():
                layer.weight *= times
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)


class Net(nn.Module):
    """Features, blocks, and the difference from the blurry image."""

    stride = 1

    def __init__(self, config: Config) -> None:
        super().__init__()
        width = config.width
        self.first = conv(3, width)
        self.body = nn.Sequential(*(Block(width, config.growth) for _ in range(config.blocks)))
        self.after = conv(width, width)
        self.last = nn.Sequential(conv(width, width), nn.LeakyReLU(SLOPE), conv(width, 3))
        initialise(self, times=0.1)

    def forward(self, blurry: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in [0, 1] -> [(B, 3, H, W)], clipped to [0, 1]."""
        features = self.first(blurry)
        features = features + self.after(self.body(features))
        return [(blurry + self.last(features)).clamp(0, 1)]


# The authors' names of layers outside the blocks, and where the same layer is here.
THEIRS = {"model.0": "first", "model.1.sub2.0": "after", "model.2": "last.0", "model.4": "last.2"}


def convert(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The authors' weights as a state dict of `Net`, with as many blocks as there are.

    Raises:
        ValueError: a weight is missing or unexpected; the message names it.
    """
    blocks = "model.1.sub1."
    count = 1 + max((int(name.split(".")[3]) for name in weights if name.startswith(blocks)), default=0)
    layers = THEIRS | {
        f"{blocks}{block}.RDB{dense + 1}.conv{n + 1}.0": f"body.{block}.dense.{dense}.convs.{n}"
        for block in range(count)
        for dense in range(3)
        for n in range(5)
    }
    return renamed(weights, layers)
