"""DeblurGAN: an encoder, nine residual blocks and a decoder that learn what to add to the image.

Paper     O. Kupyn, V. Budzan, M. Mykhailych, D. Mishkin, J. Matas. DeblurGAN: Blind Motion Deblurring Using
          Conditional Adversarial Networks. CVPR 2018. arXiv:1711.07064
Sources   ResnetGenerator in models/networks.py of KupynOrest/DeblurGAN @a6f4ad0 (dd9e940 is the same),
          defaults of options/base_options.py, and --learn_residual, which its README trains and tests with.
          The head, 2499a87, is another network: a slip in the order of its operators leaves each block one of
          its two convolutions (6,067,459 parameters in place of 11,378,179)
Unstated  nothing in the network. Its test script never turns dropout off; here a tested network has none
Shapes    B batch, C width (64 at full size), H W image
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from benchmark.models._layers import normal, renamed


@dataclass(frozen=True)
class Config:
    """The published network."""

    width: int = 64  # ngf; doubles at each of two strided convolutions
    blocks: int = 9  # resnet_9blocks
    dropout: float = 0.5  # between the convolutions of a block; on unless --no_dropout

    def thin(self, factor: int) -> "Config":
        """The same network with every width divided."""
        return replace(self, width=max(4, self.width // factor))


def mirrored(cin: int, cout: int, kernel: int = 3, bias: bool = True) -> nn.Conv2d:
    """A convolution that mirrors the border.

    The biases of those that instance normalisation follows do nothing, as it takes the mean away. They are in
    the authors' network and its count.
    """
    return nn.Conv2d(cin, cout, kernel, padding=kernel // 2, bias=bias, padding_mode="reflect")


def doubled(width: int) -> nn.ConvTranspose2d:
    """Twice the size, half the width, by a kernel of three."""
    return nn.ConvTranspose2d(width, width // 2, 3, stride=2, padding=1, output_padding=1)


def normed(layer: nn.Conv2d | nn.ConvTranspose2d) -> nn.Sequential:
    """A convolution, instance normalisation without scale and shift, ReLU."""
    return nn.Sequential(layer, nn.InstanceNorm2d(layer.out_channels), nn.ReLU())


def encoder(width: int) -> nn.Sequential:
    """(B, 3, H, W) -> (B, 4C, H/4, W/4)."""
    return nn.Sequential(
        normed(mirrored(3, width, kernel=7)),
        normed(nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)),
        normed(nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1)),
    )


def decoder(width: int, last: nn.Module) -> nn.Sequential:
    """(B, 4C, H/4, W/4) -> (B, 3, H, W) in (-1, 1); `last` makes the image out of C channels."""
    return nn.Sequential(normed(doubled(4 * width)), normed(doubled(2 * width)), last, nn.Tanh())


class Block(nn.Module):
    """Two convolutions, each normalised, and the identity (`ResnetBlock`)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *normed(mirrored(width, width)),
            nn.Dropout(dropout),
            mirrored(width, width),
            nn.InstanceNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return x + self.body(x)


class Net(nn.Module):
    """Encode, transform, decode; add to the image."""

    stride = 4
    least = 8  # a quarter of it must be two pixels, or there is nothing to mirror

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.encoder = encoder(config.width)
        self.body = nn.Sequential(*(Block(4 * config.width, config.dropout) for _ in range(config.blocks)))
        self.decoder = decoder(config.width, mirrored(config.width, 3, kernel=7))
        normal(self)

    def forward(self, blurry: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in [-1, 1] -> [(B, 3, H, W)] in [-1, 1]."""
        return [torch.clamp(blurry + self.decoder(self.body(self.encoder(blurry))), -1, 1)]


def theirs(state: Mapping[str, Tensor]) -> dict[str, str]:
    """The authors' names of layers, numbered in one sequence, and where the same layer is here."""
    numbers = [int(name.split(".")[1]) for name in state if ".conv_block." in name]
    blocks = max(numbers, default=9) - 9  # the first is number 10
    # Dropout is a layer of its own there, so without it the second convolution has another number.
    second = 5 if any(".conv_block.5.weight" in name for name in state) else 6
    layers = {1: "encoder.0.0", 4: "encoder.1.0", 7: "encoder.2.0"}
    layers |= {10 + blocks: "decoder.0.0", 13 + blocks: "decoder.1.0", 17 + blocks: "decoder.2"}
    names = {f"model.{number}": ours for number, ours in layers.items()}
    for k in range(blocks):
        names[f"model.{10 + k}.conv_block.1"] = f"body.{k}.body.0"
        names[f"model.{10 + k}.conv_block.{second}"] = f"body.{k}.body.4"
    return names


def convert(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The authors' weights (latest_net_G.pth) as a state dict of `Net`.

    Statistics of normalisation layers, which old versions of PyTorch kept though nothing uses them, are left.

    Raises:
        ValueError: a weight is missing or unexpected; the message names it.
    """
    kept = {name: value for name, value in state.items() if ".running_" not in name}
    return renamed(kept, theirs(state))
