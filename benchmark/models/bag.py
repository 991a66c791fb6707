"""BAG: DeblurGAN with four blur-attention modules in place of its residual blocks.

Paper     Blur-Attention: A boosting mechanism for non-uniform blurred image restoration. 2020.
          arXiv:2008.08526
Sources   modules Sec. 3.1, Fig. 2, Eqs. 2, 3; residual connections Eq. 4, Fig. 3; encoder, decoder Sec. 3.2;
          variants Sec. 4.2, Table 1; DeblurGAN's layers from DeblurGAN's code
Unstated  No code is public, and no size is printed. Choices marked * follow the run times of Table 2,
          1.13 s to DeblurGAN's 0.97 s, 1.165 times: here 841.1 to 696.8 GMAC at 720p, 1.207 times
          widths of encoder and decoder: DeblurGAN's 64, 128, 256; so 256 between modules
          DBU ("six DenseBlocks", "6 convolutional layers", "output channels is 72"): one dense block, six
          convolutions of 72*; six whole dense blocks cost 3.8 times DeblurGAN, a trunk of 72 costs 0.04
          end of the DBU: a seventh convolution 688 -> 256, 3x3* as "each convolutional layer"; `transition:
          1x1` costs 0.74. Five of 72 and this one, with attention's as the seventh, cost 1.02; but "all the
          modules have 7 convolutional layers", also those without attention
          order: convolution, normalisation, ReLU; a module's last without ReLU, as in DeblurGAN's blocks
          padding: mirrored in modules and first layer, as in DeblurGAN; zeros in attention and last layer
          transposed convolutions: DeblurGAN's two, and 7x7 of stride 1 for its last layer
          attention's 7x7: with bias
          Model Plain: seven convolutions of 256, instance normalisation ("the other parts are consistent")
          Model 1: three of DeblurGAN's blocks and a convolution, seven in all
          Model 2: batch normalisation, with scale and shift, in the modules alone; their convolutions then
          have no bias, as in DeblurGAN's code
          residual connections: each module adds its input; multi-level, the next module's input is this sum
          plus the first module's input (text to Fig. 3); the decoder's input is the last sum
          Table 1's columns: by the marks in its rows, as in the text of Sec. 4.2; the "Model 4" that the text
          calls "our proposed DBU" is column 3
          restored image: the blurry one plus the decoder's tanh, within [-1, 1]; initialisation: DeblurGAN's;
          no dropout
Shapes    B batch, C width (64 at full size), H W image
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from benchmark.models._layers import InstanceNorm, Widths, conv, normal
from benchmark.models.deblurgan import Block, decoder, encoder, mirrored


@dataclass(frozen=True)
class Config(Widths):
    """The full network, last column of Table 1."""

    body: str = "dense_in"  # Table 1: a key of BODIES
    attention: str = "spatial"  # Table 1, SAU: a key of ATTENTION
    residual: str = "multi_level"  # Table 1: a key of RESIDUAL
    transition: str = "3x3"  # not stated in the text: a key of TRANSITION
    modules: int = 4  # Sec. 3.1
    width: int = 64  # DeblurGAN's
    growth: int = 72  # Sec. 3.1, "number of output channels"


NORMS: dict[str, Callable[[int], nn.Module]] = {"batch": nn.BatchNorm2d, "instance": InstanceNorm}
TRANSITION = {"3x3": 3, "1x1": 1}


def layer(cin: int, cout: int, norm: str, kernel: int = 3) -> nn.Sequential:
    """Make a convolution and its normalisation; before batch normalisation it has no bias."""
    return nn.Sequential(mirrored(cin, cout, kernel, bias=norm != "batch"), NORMS[norm](cout))


class Dense(nn.Module):
    """Apply six convolutions, each to all earlier features, and a seventh that joins them (DBU, Fig. 2)."""

    def __init__(self, width: int, growth: int, norm: str, kernel: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layer(width + k * growth, growth, norm) for k in range(6))
        self.join = layer(width + 6 * growth, width, norm, kernel)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 4C, h, w) -> (B, 4C, h, w)."""
        for grow in self.layers:
            x = torch.cat((x, relu(grow(x))), dim=1)
        return self.join(x)


def plain(width: int) -> nn.Sequential:
    """Make seven convolutions with ReLU between them: (B, 4C, h, w) -> (B, 4C, h, w)."""
    layers: list[nn.Module] = []
    for _ in range(6):
        layers += [layer(width, width, "instance"), nn.ReLU()]
    return nn.Sequential(*layers, layer(width, width, "instance"))


def blocks(width: int) -> nn.Sequential:
    """Make three residual blocks and a convolution: (B, 4C, h, w) -> (B, 4C, h, w)."""
    return nn.Sequential(*(Block(width, dropout=0) for _ in range(3)), layer(width, width, "instance"))


# Arguments: width, growth, the transition's kernel.
BODIES: dict[str, Callable[[int, int, int], nn.Module]] = {
    "plain": lambda w, growth, kernel: plain(w),
    "res": lambda w, growth, kernel: blocks(w),
    "dense_bn": lambda w, growth, kernel: Dense(w, growth, "batch", kernel),
    "dense_in": lambda w, growth, kernel: Dense(w, growth, "instance", kernel),
}


class SpatialAttention(nn.Module):
    """Predict one weight in (0, 1) per pixel from the maximum and the mean of its features (SAU, Eq. 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.weigh = conv(2, 1, kernel=7)

    def forward(self, features: Tensor) -> Tensor:
        """(B, 4C, h, w) -> (B, 1, h, w)."""
        pooled = features.amax(dim=1, keepdim=True), features.mean(dim=1, keepdim=True)
        return torch.sigmoid(self.weigh(torch.cat(pooled, dim=1)))


ATTENTION: dict[str, Callable[[], list[nn.Module]]] = {"none": list, "spatial": lambda: [SpatialAttention()]}


class Module(nn.Module):
    """Multiply the body's features F' by their attention map A, if the variant has one (Eq. 2)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.body = BODIES[config.body](4 * config.width, config.growth, TRANSITION[config.transition])
        self.attend = nn.ModuleList(ATTENTION[config.attention]())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """(B, 4C, h, w) -> (B, 4C, h, w), the map (B, 1, h, w)."""
        features: Tensor = self.body(x)
        if not self.attend:
            return features, None
        weights: Tensor = self.attend[0](features)
        return weights * features, weights


# The next module's input, from this module's sum and the first module's input.
RESIDUAL: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "one_level": lambda x, first: x,
    "multi_level": lambda x, first: x + first,
}


class Net(nn.Module):
    """Encode, attend four times, decode; add the result to the image (Fig. 2)."""

    stride = 4
    smallest_side = 8  # as DeblurGAN's

    def __init__(self, config: Config) -> None:
        super().__init__()
        if config.transition != "3x3" and not config.body.startswith("dense"):
            raise ValueError(f"transition {config.transition!r} does not go with body {config.body!r}")
        self.residual = RESIDUAL[config.residual]
        self.encoder = encoder(config.width)
        self.blur_attention = nn.ModuleList(Module(config) for _ in range(config.modules))
        self.decoder = decoder(config.width, nn.ConvTranspose2d(config.width, 3, 7, padding=3))
        normal(self)

    def forward(self, blurry: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in [-1, 1] -> [(B, 3, H, W)] in [-1, 1]."""
        features, _ = self.attended(blurry)
        return [torch.clamp(blurry + self.decoder(features), -1, 1)]

    def attended(self, blurry: Tensor) -> tuple[Tensor, list[Tensor | None]]:
        """Encode and attend: (B, 3, H, W) -> (B, 4C, H/4, W/4), and each module's map."""
        first: Tensor = self.encoder(blurry)
        x, total, maps = first, first, []
        for module in self.blur_attention:
            features, weights = module(x)
            total = features + x  # Eq. 4
            x = self.residual(total, first)
            maps.append(weights)
        return total, maps

    def attention(self, blurry: Tensor) -> dict[str, Tensor]:
        """Return A of Eq. 2 for Figs. 7 and 8, if any: "module_1" to "module_4", (B, 1, H/4, W/4)."""
        _, maps = self.attended(blurry)
        return {f"module_{k}": weights for k, weights in enumerate(maps, start=1) if weights is not None}
