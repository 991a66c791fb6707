"""DeblurGAN: an encoder, nine residual blocks and a decoder that learn what to add to the image.

Paper     O. Kupyn, V. Budzan, M. Mykhailych, D. Mishkin, J. Matas. DeblurGAN: Blind Motion Deblurring Using
          Conditional Adversarial Networks. CVPR 2018. arXiv:1711.07064
Sources   ResnetGenerator in models/networks.py of KupynOrest/DeblurGAN @a6f4ad0 (dd9e940 is the same),
          defaults of options/base_options.py, and --learn_residual, which its README trains and tests with.
          The latest commit, 2499a87, has another network: a mistake in the order of its operators leaves each
          block only one of its two convolutions (6,067,459 parameters instead of 11,378,179)
Unstated  nothing in the network. The authors' test script never turns dropout off; here evaluation does
Shapes    B batch, C width (64 at full size), H W image
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmark.models._layers import InstanceNorm, Widths, normal, weight_names
from benchmark.weights.names import rename


@dataclass(frozen=True)
class Config(Widths):
    """The published network."""

    width: int = 64  # ngf; doubles at each of two strided convolutions
    blocks: int = 9  # resnet_9blocks
    dropout: float = 0.5  # between the convolutions of a block; on unless --no_dropout


def mirrored(cin: int, cout: int, kernel: int = 3, bias: bool = True) -> nn.Conv2d:
    """Make a convolution that pads by mirroring the border.

    Before instance normalisation, which subtracts the mean, the bias has no effect. It is in the authors'
    network and its parameter count, so it is kept.
    """
    return nn.Conv2d(cin, cout, kernel, padding=kernel // 2, bias=bias, padding_mode="reflect")


def doubled(width: int) -> nn.ConvTranspose2d:
    """Make a transposed 3x3 convolution for twice the size and half the width."""
    return nn.ConvTranspose2d(width, width // 2, 3, stride=2, padding=1, output_padding=1)


def normed(layer: nn.Conv2d | nn.ConvTranspose2d) -> nn.Sequential:
    """Append instance normalisation without scale and shift, and ReLU, to a convolution."""
    return nn.Sequential(layer, InstanceNorm(layer.out_channels), nn.ReLU())


def encoder(width: int) -> nn.Sequential:
    """Make the encoder: (B, 3, H, W) -> (B, 4C, H/4, W/4)."""
    return nn.Sequential(
        normed(mirrored(3, width, kernel=7)),
        normed(nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)),
        normed(nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1)),
    )


def decoder(width: int, last: nn.Module) -> nn.Sequential:
    """Make the decoder: (B, 4C, H/4, W/4) -> (B, 3, H, W) in (-1, 1); `last` maps C channels to the image."""
    return nn.Sequential(normed(doubled(4 * width)), normed(doubled(2 * width)), last, nn.Tanh())


class Block(nn.Module):
    """Add two convolutions, each normalised, to the input (`ResnetBlock`)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *normed(mirrored(width, width)),
            nn.Dropout(dropout),
            mirrored(width, width),
            InstanceNorm(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return x + self.body(x)


class Net(nn.Module):
    """Encode, transform, decode; add the result to the image."""

    stride = 4
    smallest_side = 8  # mirrored padding needs two pixels at a quarter of the size

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.encoder = encoder(config.width)
        self.body = nn.Sequential(*(Block(4 * config.width, config.dropout) for _ in range(config.blocks)))
        self.decoder = decoder(config.width, mirrored(config.width, 3, kernel=7))
        normal(self)

    def forward(self, blurry: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in [-1, 1] -> [(B, 3, H, W)] in [-1, 1]."""
        return [torch.clamp(blurry + self.decoder(self.body(self.encoder(blurry))), -1, 1)]


def convert(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the authors' weights (latest_net_G.pth) to a state dict of `Net`.

    Statistics of normalisation layers, which old versions of PyTorch stored without using them, are dropped.
    """
    weights = {name: value for name, value in weights.items() if ".running_" not in name}
    numbers = [int(name.split(".")[1]) for name in weights if ".conv_block." in name]
    blocks = max(numbers, default=9) - 9  # layers are numbered in one sequence; the first block is number 10
    # Dropout is a layer of its own there, so without it the second convolution has another number.
    second = 5 if any(".conv_block.5.weight" in name for name in weights) else 6
    layers = {"model.1": "encoder.0.0", "model.4": "encoder.1.0", "model.7": "encoder.2.0"}
    for number, ours in ((10, "decoder.0.0"), (13, "decoder.1.0"), (17, "decoder.2")):
        layers[f"model.{number + blocks}"] = ours
    for block in range(blocks):
        layers[f"model.{10 + block}.conv_block.1"] = f"body.{block}.body.0"
        layers[f"model.{10 + block}.conv_block.{second}"] = f"body.{block}.body.4"
    return rename(weights, layers, weight_names(Net, Config(blocks=blocks)))
