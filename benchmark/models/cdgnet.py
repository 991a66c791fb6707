"""CDGNet: one encoder, an attention and a decoder each for large and for small blur, and their fusion.

Paper     P. Wang, W. Sun, Q. Yan, A. Niu, R. Li, Y. Zhu, J. Sun, Y. Zhang. Non-uniform Motion Deblurring with Blurry
          Component Divided Guidance. arXiv:2101.06021 (Pattern Recognition, 2021)
Sources   encoder Sec. 3.1, Fig. 4; attention Sec. 3.2, Fig. 5, Eqs. 4-6; decoders Sec. 3.3, Fig. 6, Eqs. 7, 8; fusion
          Sec. 3.4, Fig. 7, Eqs. 9-12; variants Tables 3, 4; DMPHN's blocks, which it grows out of, from DMPHN's code
Unstated  No code was found. Choices marked * were searched until the sizes came out as printed: 6.73, 6.74, 7.66, 7.67
          (Table 4) and 25.57 (Table 1) against 6.729, 6.738, 7.665, 7.673, 25.564 MiB of float32 here.
          units of "MB": MiB* (with reading "figure", 10^6 bytes)
          blocks per scale of the encoder: two, as the six in all and DMPHN's two per scale say
          dense block: growth C, and 3x3 local feature fusion*, where Fig. 4 reads 1x1 (which gives 20.54, not 25.57)
          channel attention: 128 -> 8 -> 128, both 1x1 with bias*
          spatial attention: conv 3x3 to 64, ReLU, residual block, two deformable ones, conv 7x7 to 1*
          skips: concatenated, reduced by conv 3x3 with bias*; both decoders have them (Fig. 3), DMPHN's has none
          large decoder: three deformable convolutions with one field of offsets per scale*; one residual block and one
          deformable convolution have about the same size (`large: residual`)
          deformable convolution: no bias*, no modulation; offsets by conv 3x3 that starts at zero (Dai et al. 2017);
          ReLU after each, without which the following 1x1 would be no layer of its own
          1x1 after deformable convolutions: one per scale*, with bias; an identity around both, as in the residual
          blocks that they replace
          diagonal filters: ordinary 3x3* (`diagonals: masked` keeps only the diagonal's three taps)
          "the same operator" for both branches in the fusion: same shape, own weights*
          convolutions of Eqs. 11 and 12: 1x1 and 3x3*
          branch images for Eq. 16, which subtracts 3 channels from 32: conv 3x3 to 3, as the end of DMPHN*
          what a single branch answers: its branch image; nothing is fused although Table 3 prints "concatenate"
          "concatenate": conv 3x3 on both decoders' outputs
          answer: the image itself, not a difference to the input, as in DMPHN
          initialisation: DMPHN's, so that Table 3 compares blocks and nothing else
Shapes    B batch, C width (32), H W image
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, relu
from torchvision.ops import deform_conv2d

from benchmark.layers import Encoder, ResBlock, conv, initialise, upsample


@dataclass(frozen=True)
class Config:
    """The full network, last row of Table 3."""

    encoder: str = "rdb"  # Table 3: a key of ENCODERS
    attention: str = "ca_sa"  # Table 4: a key of ATTENTION
    branches: str = "both"  # Table 3: a key of BRANCHES
    fusion: str = "off"  # Table 3: a key of FUSION; "none" exactly when there is one branch
    large: str = "shared_offsets"  # what the sizes leave open: a key of LARGE
    diagonals: str = "plain"  # what the text leaves open: a key of DIAGONALS
    reading: str = "sizes"  # which of two layouts that fit Table 4: a key of READINGS
    width: int = 32  # Fig. 4; doubles at each of three scales

    def thin(self, factor: int) -> "Config":
        """The same network with every width divided."""
        return replace(self, width=max(4, self.width // factor))


class Deformable(nn.Module):
    """3x3 convolutions whose taps move by learned offsets (Fig. 6, [34]); all of them share one field of offsets."""

    def __init__(self, width: int, convs: int, bias: bool) -> None:
        super().__init__()
        self.offsets = conv(width, 2 * 9)  # rows and columns of nine taps
        self.convs = nn.ModuleList(conv(width, width, bias=bias) for _ in range(convs))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        offsets = self.offsets(x)
        for layer in self.convs:  # they only hold the weights
            x = relu(deform_conv2d(x, offsets, layer.weight, layer.bias, padding=1))
        return x


class DeformableBlock(nn.Module):
    """Deformable convolutions, then 1x1, plus identity: a layer of the decoders (Sec. 3.3, Fig. 6)."""

    def __init__(self, width: int, convs: int, bias: bool) -> None:
        super().__init__()
        self.deform = Deformable(width, convs, bias)
        self.reduce = conv(width, width, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return x + self.reduce(self.deform(x))


class RDB(nn.Module):
    """Three convolutions that see all earlier features, fused by a fourth, plus identity (Sec. 3.1, Fig. 4)."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.dense = nn.ModuleList(conv(seen * width, width) for seen in (1, 2, 3))
        self.fuse = conv(4 * width, width, kernel)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        seen = x
        for layer in self.dense:
            seen = torch.cat((seen, relu(layer(seen))), dim=1)
        return x + self.fuse(seen)


@dataclass(frozen=True)
class Reading:
    """A layout that gives the sizes of Table 4; the two differ where the text is silent."""

    fuse: int  # kernel of the dense block's local feature fusion
    skip: int  # kernel that reduces the concatenated skips
    bias: bool  # of deformable convolutions
    spatial: Callable[[int], list[nn.Module]]  # what follows the residual block of spatial attention


READINGS = {
    # 6.729, 6.738, 7.665, 7.673, full 25.564, in MiB: the only one found that fits all five.
    "sizes": Reading(
        fuse=3,
        skip=3,
        bias=False,
        spatial=lambda w: [Deformable(w, 1, bias=False), Deformable(w, 1, bias=False), conv(w, 1, kernel=7)],
    ),
    # 6.731, 6.740, 7.661, 7.670, in 10^6 bytes, with Fig. 4's 1x1; but full 20.539 (branch images not counted).
    "figure": Reading(
        fuse=1,
        skip=1,
        bias=True,
        spatial=lambda w: [Deformable(w, 1, bias=True), conv(w, w), nn.ReLU(), conv(w, 1)],
    ),
}


def channel_attention(width: int, reading: Reading) -> nn.Sequential:
    """Mc of Eq. 5, without CBAM's max-pooling: (B, C, H, W) -> (B, C, 1, 1)."""
    narrow = max(4, width // 16)
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(1), conv(width, narrow, 1), nn.ReLU(), conv(narrow, width, 1), nn.Sigmoid()
    )


def spatial_attention(width: int, reading: Reading) -> nn.Sequential:
    """Ms of Eq. 5, from a residual block and deformable convolutions (Fig. 5): (B, C, H, W) -> (B, 1, H, W)."""
    half = width // 2
    return nn.Sequential(conv(width, half), nn.ReLU(), ResBlock(half), *reading.spatial(half), nn.Sigmoid())


ATTENTION = {  # one map after the other; no map leaves the features as they are
    "none": {},
    "ca": {"channel": channel_attention},
    "sa": {"spatial": spatial_attention},
    "ca_sa": {"channel": channel_attention, "spatial": spatial_attention},
}


class ACDA(nn.Module):
    """Adaptive component divided attention: F * Mc * Ms + F (Eqs. 4, 5)."""

    def __init__(self, width: int, attention: str, reading: Reading) -> None:
        super().__init__()
        self.maps = nn.ModuleDict({name: build(width, reading) for name, build in ATTENTION[attention].items()})

    def forward(self, features: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """(B, C, H, W) -> (B, C, H, W), and the maps: channel (B, C, 1, 1), spatial (B, 1, H, W)."""
        maps: dict[str, Tensor] = {}
        weighted = features
        for name, attend in self.maps.items():
            maps[name] = attend(weighted)
            weighted = weighted * maps[name]
        return (weighted + features if maps else features), maps


class Skip(nn.Module):
    """Decoder and encoder features of one scale, concatenated and reduced to the width of one."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.reduce = conv(2 * width, width, kernel)

    def forward(self, decoded: Tensor, encoded: Tensor) -> Tensor:
        """(B, C, H, W), (B, C, H, W) -> (B, C, H, W)."""
        return self.reduce(torch.cat((decoded, encoded), dim=1))


class NoSkip(nn.Module):
    """The decoder's features alone, as in DMPHN."""

    def __init__(self, width: int) -> None:
        super().__init__()

    def forward(self, decoded: Tensor, encoded: Tensor) -> Tensor:
        """(B, C, H, W), (B, C, H, W) -> (B, C, H, W)."""
        return decoded


class Decoder(nn.Module):
    """Blocks of three scales, upsampled to the image's size in between (Fig. 6, Eqs. 7, 8)."""

    def __init__(self, width: int, block: Callable[[int], nn.Module], skip: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(block(times * width) for times in (4, 2, 1))
        self.ups = nn.ModuleList(upsample(times * width) for times in (4, 2))
        self.skips = nn.ModuleList(skip(times * width) for times in (2, 1))

    def forward(self, attended: Tensor, encoded: list[Tensor]) -> Tensor:
        """(B, 4C, H/4, W/4), [(B, C, H, W), (B, 2C, H/2, W/2)] -> (B, C, H, W)."""
        decoded: Tensor = self.blocks[0](attended)
        for block, up, skip, features in zip(self.blocks[1:], self.ups, self.skips, encoded[::-1], strict=True):
            decoded = block(skip(up(decoded), features))
        return decoded


def two(width: int, reading: Reading) -> nn.Sequential:
    """DMPHN's residual blocks (first rows of Table 3)."""
    return nn.Sequential(ResBlock(width), ResBlock(width))


def small(width: int, reading: Reading) -> nn.Sequential:
    """DMPHN's residual blocks and a deformable convolution (Fig. 6b)."""
    return nn.Sequential(*two(width, reading), DeformableBlock(width, 1, reading.bias))


def shared_offsets(width: int, reading: Reading) -> nn.Module:
    """Deformable convolutions in place of the residual blocks (Fig. 6a)."""
    return DeformableBlock(width, 3, reading.bias)


def residual(width: int, reading: Reading) -> nn.Module:
    """A deformable convolution in place of one residual block, at about the same size."""
    return nn.Sequential(ResBlock(width), DeformableBlock(width, 1, reading.bias))


LARGE = {"shared_offsets": shared_offsets, "residual": residual}

BRANCHES = {"dmphn": ("dmphn",), "large": ("large",), "small": ("small",), "both": ("large", "small")}


def decoder(branch: str, config: Config) -> Decoder:
    """The decoder of a branch."""
    reading = READINGS[config.reading]
    block = {"dmphn": two, "small": small, "large": LARGE[config.large]}[branch]
    skip = NoSkip if branch == "dmphn" else partial(Skip, kernel=reading.skip)
    return Decoder(config.width, partial(block, reading=reading), skip)


class Diagonal(nn.Conv1d):
    """A 3x3 convolution with weights on the main diagonal only; the other six do not exist, so none is counted."""

    def __init__(self, width: int) -> None:
        super().__init__(width, width, kernel_size=3)

    def kernel(self) -> Tensor:
        """The 3x3 kernels, zero off the diagonal: (C, C, 3, 3)."""
        return torch.diag_embed(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return conv2d(x, self.kernel(), self.bias, padding=1)


class AntiDiagonal(Diagonal):
    """The same on the other diagonal, from top right to bottom left."""

    def kernel(self) -> Tensor:
        """The 3x3 kernels, zero off the anti-diagonal: (C, C, 3, 3)."""
        return super().kernel().flip(-1)


def plain(width: int) -> nn.Conv2d:
    """An ordinary 3x3 convolution."""
    return conv(width, width)


DIAGONALS: dict[str, tuple[Callable[[int], nn.Module], Callable[[int], nn.Module]]] = {
    "plain": (plain, plain),
    "masked": (Diagonal, AntiDiagonal),
}


def orientations(width: int, diagonals: str) -> nn.ModuleDict:
    """Ho, Vo, Do and antiDo of Eq. 10."""
    diagonal, antidiagonal = DIAGONALS[diagonals]
    return nn.ModuleDict(
        {
            "horizontal": nn.Conv2d(width, width, (1, 3), padding=(0, 1)),
            "vertical": nn.Conv2d(width, width, (3, 1), padding=(1, 0)),
            "diagonal": diagonal(width),
            "antidiagonal": antidiagonal(width),
        }
    )


class OFF(nn.Module):
    """Orientation-based feature fusion: each orientation of both branches, paired, then all (Eqs. 10-12)."""

    def __init__(self, width: int, diagonals: str) -> None:
        super().__init__()
        self.large = orientations(width, diagonals)
        self.small = orientations(width, diagonals)
        self.pairs = nn.ModuleDict({name: conv(2 * width, width, kernel=1) for name in self.large})
        self.last = conv(4 * width, 3)

    def forward(self, large: Tensor, small: Tensor) -> Tensor:
        """(B, C, H, W), (B, C, H, W) -> (B, 3, H, W)."""
        merged = [
            pair(torch.cat((self.large[name](large), self.small[name](small)), dim=1))
            for name, pair in self.pairs.items()
        ]
        return self.last(torch.cat(merged, dim=1))


class Concat(nn.Module):
    """One convolution on both branches' features (Table 3, row 7)."""

    def __init__(self, width: int, diagonals: str) -> None:
        super().__init__()
        self.last = conv(2 * width, 3)

    def forward(self, large: Tensor, small: Tensor) -> Tensor:
        """(B, C, H, W), (B, C, H, W) -> (B, 3, H, W)."""
        return self.last(torch.cat((large, small), dim=1))


FUSION = {"concat": Concat, "off": OFF}


class Net(nn.Module):
    """Encode once, attend and decode per branch, fuse (Fig. 3)."""

    stride = 4

    def __init__(self, config: Config) -> None:
        super().__init__()
        branches = BRANCHES[config.branches]
        if (config.fusion == "none") != (len(branches) == 1):
            raise ValueError(f"fusion {config.fusion!r} does not go with branches {config.branches!r}: fuse both, or none")
        width, reading = config.width, READINGS[config.reading]
        block = {"res": ResBlock, "rdb": partial(RDB, kernel=reading.fuse)}[config.encoder]
        self.encoder = Encoder(width, block)
        self.attend = nn.ModuleDict({name: ACDA(4 * width, config.attention, reading) for name in branches})
        self.decoders = nn.ModuleDict({name: decoder(name, config) for name in branches})
        self.heads = nn.ModuleDict({name: conv(width, 3) for name in branches})
        if config.fusion != "none":
            self.fusion = FUSION[config.fusion](width, config.diagonals)
        initialise(self)
        for module in self.modules():
            if isinstance(module, Deformable):
                nn.init.zeros_(module.offsets.weight)

    def forward(self, blurry: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> [large, small, answer] with two branches, [answer] with one; each (B, 3, H, W)."""
        features, _ = self.decode(blurry)
        images = [head(features[name]) for name, head in self.heads.items()]
        if len(features) == 2:
            images.append(self.fusion(features["large"], features["small"]))
        return images

    def decode(self, blurry: Tensor) -> tuple[dict[str, Tensor], dict[str, dict[str, Tensor]]]:
        """Per branch: its decoder's output (B, C, H, W), and its attention maps."""
        *encoded, deepest = self.encoder(blurry)
        features: dict[str, Tensor] = {}
        maps: dict[str, dict[str, Tensor]] = {}
        for name in self.decoders:
            attended, maps[name] = self.attend[name](deepest)
            features[name] = self.decoders[name](attended, encoded)
        return features, maps

    def attention(self, blurry: Tensor) -> dict[str, Tensor]:
        """What Fig. 13 shows: "<branch>_map" Ms (B, 1, H/4, W/4), and "<branch>_features" (B, C, H, W).

        Without spatial attention there are no maps.
        """
        features, maps = self.decode(blurry)
        shown = {f"{name}_map": seen["spatial"] for name, seen in maps.items() if "spatial" in seen}
        return shown | {f"{name}_features": values for name, values in features.items()}
