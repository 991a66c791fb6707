"""BAG: DeblurGAN with four blur-attention modules in place of its residual blocks.

Paper     Blur-Attention: A boosting mechanism for non-uniform blurred image restoration. 2020.
          arXiv:2008.08526
Sources   modules Sec. 3.1, Fig. 2, Eqs. 2, 3; residual connections Eq. 4, Fig. 3; encoder, decoder Sec. 3.2;
          variants Sec. 4.2, Table 1; DeblurGAN's layers from DeblurGAN's code
Unstated  No code was found, and no size is printed. What is marked * was chosen by the run times of Table 2,
          1.13 s to DeblurGAN's 0.97 s, 1.165 times: here 841.1 to 696.8 GMAC at 720p, 1.207 times
          widths of encoder and decoder: DeblurGAN's 64, 128, 256; so 256 between modules
          DBU ("six DenseBlocks", "6 convolutional layers", "output channels is 72"): one dense block, six
          convolutions of 72*; six whole dense blocks make 3.8 times DeblurGAN, a trunk of 72 makes 0.04
          its end: a seventh convolution 688 -> 256, 3x3* as "each convolutional layer"; `transition: 1x1`
          makes 0.74. Five of 72 and this one, so that attention's is the seventh, make 1.02; but "all the
          modules have 7 convolutional layers", also those without attention
          order: convolution, normalisation, ReLU; a module's last without ReLU, as in DeblurGAN's blocks
          border: mirrored in modules and first layer, as in DeblurGAN; zeros in attention and last layer
          transposed convolutions: DeblurGAN's two, and 7x7 of stride 1 for its last layer
          attention's 7x7: with bias
          Model Plain: seven convolutions of 256, instance normalisation ("the other parts are consistent")
          Model 1: three of DeblurGAN's blocks and a convolution, which makes seven
          Model 2: batch normalisation, with scale and shift, in the modules alone; their convolutions have
          no bias then, as in DeblurGAN's code
          residual connections: each module adds its input; multi-level, the next one's input is this sum
          plus the first one's input (text to Fig. 3); the decoder is given the last sum
          Table 1's columns: the marks of its rows, as the text of Sec. 4.2 has them; the "Model 4" that it
          calls "our proposed DBU" is column 3
          answer: the image plus the decoder's tanh, within [-1, 1]; initialisation: DeblurGAN's; no dropout
Shapes    B batch, C width (64 at full size), H W image
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from benchmark.models._layers import conv, normal
from benchmark.models.deblurgan import Block, decoder, encoder, mirrored


@dataclass(frozen=True)
class Config:
    """The full network, last column of Table 1."""

    body: str = "dense_in"  # Table 1: a key of BODIES
    attention: str = "spatial"  # Table 1, SAU: a key of ATTENTION
    residual: str = "multi_level"  # Table 1: a key of RESIDUAL
    transition: str = "3x3"  # what the text leaves open: a key of TRANSITION
    modules: int = 4  # Sec. 3.1
    width: int = 64  # DeblurGAN's
    growth: int = 72  # Sec. 3.1, "number of output channels"

    def thin(self, factor: int) -> "Config":
        """The same network with every width divided."""
        return replace(self, width=max(4, self.width // factor), growth=max(4, self.growth // factor))


NORMS: dict[str, Callable[[int], nn.Module]] = {"batch": nn.BatchNorm2d, "instance": nn.InstanceNorm2d}
TRANSITION = {"3x3": 3, "1x1": 1}


def layer(cin: int, cout: int, norm: str, kernel: int = 3) -> nn.Sequential:
    """A convolution and its normalisation; one with a shift of its own takes the bias away."""
    return nn.Sequential(mirrored(cin, cout, kernel, bias=norm != "batch"), NORMS[norm](cout))


class Dense(nn.Module):
    """Six convolutions that see all earlier features, a seventh that joins them all (DBU, Fig. 2)."""

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
    """Seven convolutions, ReLU between them: (B, 4C, h, w) -> (B, 4C, h, w)."""
    layers: list[nn.Module] = []
    for _ in range(6):
        layers += [layer(width, width, "instance"), nn.ReLU()]
    return nn.Sequential(*layers, layer(width, width, "instance"))


def blocks(width: int) -> nn.Sequential:
    """Three residual blocks and a convolution: (B, 4C, h, w) -> (B, 4C, h, w)."""
    return nn.Sequential(*(Block(width, dropout=0) for _ in range(3)), layer(width, width, "instance"))


# Of a width, a growth and the transition's kernel.
BODIES: dict[str, Callable[[int, int, int], nn.Module]] = {
    "plain": lambda w, growth, kernel: plain(w),
    "res": lambda w, growth, kernel: blocks(w),
    "dense_bn": lambda w, growth, kernel: Dense(w, growth, "batch", kernel),
    "dense_in": lambda w, growth, kernel: Dense(w, growth, "instance", kernel),
}


class SpatialAttention(nn.Module):
    """SAU: one weight in (0, 1) per place, from the largest and the mean of its features (Eq. 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.weigh = conv(2, 1, kernel=7)

    def forward(self, features: Tensor) -> Tensor:
        """(B, 4C, h, w) -> (B, 1, h, w)."""
        pooled = features.amax(dim=1, keepdim=True), features.mean(dim=1, keepdim=True)
        return torch.sigmoid(self.weigh(torch.cat(pooled, dim=1)))


ATTENTION: dict[str, Callable[[], list[nn.Module]]] = {
    "none": list,
    "spatial": lambda: [SpatialAttention()],
}


class Module(nn.Module):
    """A * F' (Eq. 2), with F' the body's features and A their attention map, if there is one."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.body = BODIES[config.body](4 * config.width, config.growth, TRANSITION[config.transition])
        self.attend = nn.ModuleList(ATTENTION[config.attention]())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """(B, 4C, h, w) -> (B, 4C, h, w), the map (B, 1, h, w)."""
        features: Tensor = self.body(x)
        for attend in self.attend:
            weights: Tensor = attend(features)
            return weights * features, weights
        return features, None


# What the next module is given, of this one's sum and of the first one's input.
RESIDUAL: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "one_level": lambda x, first: x,
    "multi_level": lambda x, first: x + first,
}


class Net(nn.Module):
    """Encode, attend four times, decode; add to the image (Fig. 2)."""

    stride = 4
    least = 8  # as DeblurGAN's

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
        """(B, 3, H, W) -> (B, 4C, H/4, W/4), and each module's map."""
        first: Tensor = self.encoder(blurry)
        given, answer, maps = first, first, []
        for module in self.blur_attention:
            features, weights = module(given)
            answer = features + given  # Eq. 4
            given = self.residual(answer, first)
            maps.append(weights)
        return answer, maps

    def attention(self, blurry: Tensor) -> dict[str, Tensor]:
        """For Figs. 7 and 8: "module_1" to "module_4", A (B, 1, H/4, W/4); none without attention."""
        _, maps = self.attended(blurry)
        return {f"module_{k}": weights for k, weights in enumerate(maps, start=1) if weights is not None}
