"""DBGAN: a deep chain of dense blocks at full resolution predicts the residual of the blurry image.

Paper     K. Zhang, W. Luo, Y. Zhong, L. Ma, B. Stenger, W. Liu, H. Li. Deblurring by Realistic Blurring.
          CVPR 2020. arXiv:2004.01860. The network that blurs is in benchmark/adversaries/realistic_blur.py
Sources   the authors' code for testing, github.com/HDCVLab/Deblurring-by-Realistic-Blurring @8f6944f: layers
          RRDBNet in models/modules/architecture.py, blocks models/modules/block.py, sizes
          options/test/test.json, initialisation `define_G` in models/networks.py. The network is ESRGAN's
          (X. Wang et al., ECCVW 2018) without its enlargement
Unstated  blocks: the paper describes 16 of five convolutions each; the released ones have three times five
          growth: 32, which the code uses whatever its options say
          clipping in training: yes; the repository contains architecture.py's bytecode from a folder for
          training, and that network clips too. A clipped value has no gradient
          loss: the paper's; the repository's only training code, models/DB_model.py, compares pixels alone
          initialisation: the code's (He's, times 0.1); according to readers the paper draws all weights from
          N(0, 0.01), which is kept out because the released weights' code is the nearer source
          last learning rate: reported as 1e-6 and as 1e-7; benchmark/runs/dbgan.yaml takes 1e-6
Shapes    B batch, C width, G growth, H W image
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from benchmark.models._layers import Widths, conv, weight_names
from benchmark.weights.names import rename

SLOPE = 0.2  # of every LeakyReLU
SHARE = 0.2  # of a block's output that is added to its input


@dataclass(frozen=True)
class Config(Widths):
    """The released network; all values are those of options/test/test.json."""

    width: int = 64  # nf
    growth: int = 32  # gc
    blocks: int = 16  # nb


class Dense(nn.Module):
    """Apply five convolutions, each to the input and all earlier outputs. `ResidualDenseBlock_5C`."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        widths = (growth, growth, growth, growth, width)
        self.convs = nn.ModuleList(conv(width + n * growth, cout) for n, cout in enumerate(widths))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        *grow, last = self.convs
        features = x
        for layer in grow:
            features = torch.cat((features, leaky_relu(layer(features), SLOPE)), dim=1)
        return x + SHARE * last(features)


class Block(nn.Module):
    """Apply three dense blocks, with a shortcut around all three. `RRDB`."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.dense = nn.Sequential(*(Dense(width, growth) for _ in range(3)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return x + SHARE * self.dense(x)


def initialise(net: nn.Module, times: float) -> None:
    """Initialise as `init_weights` of the authors' code does: He's normal weights, multiplied by `times`.

    Biases are zero, scales of batch normalisation one. Restoring networks have `times` 0.1.
    """
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
            with torch.no_grad():
                layer.weight *= times
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)


class Net(nn.Module):
    """Extract features, refine them in blocks, add the predicted residual to the blurry image."""

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


# The authors' names of layers outside the blocks -> ours.
LAYERS = {"model.0": "first", "model.1.sub2.0": "after", "model.2": "last.0", "model.4": "last.2"}


def convert(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the authors' weights to a state dict of `Net`, of any number of blocks."""
    trunk = "model.1.sub1."
    blocks = 1 + max((int(name.split(".")[3]) for name in weights if name.startswith(trunk)), default=0)
    layers = LAYERS | {
        f"{trunk}{block}.RDB{dense + 1}.conv{n + 1}.0": f"body.{block}.dense.{dense}.convs.{n}"
        for block in range(blocks)
        for dense in range(3)
        for n in range(5)
    }
    return rename(weights, layers, weight_names(Net, Config(blocks=blocks)))
