"""CDGNet: one encoder; an attention and a decoder each for large and for small blur; their fusion.

Paper     P. Wang, W. Sun, Q. Yan, A. Niu, R. Li, Y. Zhu, J. Sun, Y. Zhang. Non-uniform Motion Deblurring
          with Blurry Component Divided Guidance. Pattern Recognition, 2021. arXiv:2101.06021
Sources   encoder Sec. 3.1, Fig. 4; attention Sec. 3.2, Fig. 5, Eqs. 4-6; decoders Sec. 3.3, Fig. 6;
          fusion Sec. 3.4, Fig. 7, Eqs. 9-12; variants Tables 3, 4; DMPHN's blocks from DMPHN's code
Unstated  No code is public. Choices marked * were varied until sizes came out as printed: Table 4 prints
          6.73, 6.74, 7.66, 7.67, here 6.729, 6.738, 7.665, 7.673; Table 1 prints 25.57, here 25.564 (float32)
          unit of "MB": MiB*; with `reading: figure` 10^6 bytes
          encoder's blocks per scale: two (six in all, and DMPHN has two per scale)
          dense block: growth C and 3x3 feature fusion*; Fig. 4 prints 1x1, which gives 20.54 instead of 25.57
          channel attention: 1x1 convolutions 128 -> 8 -> 128* with bias
          spatial attention: conv 3x3 to 64, ReLU, residual block, two deformable ones, conv 7x7 to 1*
          Sec. 3.2 has "several convolution layers, ResBlocks, deformable convolution": `reading: blocks` is
          1x1 to 64, ReLU, two blocks, one deformable, conv 3x3, ReLU, conv 7x7, as large in Table 4
          skips: concatenated, reduced by conv 3x3 with bias*; in both decoders (Fig. 3), not in DMPHN's
          large decoder: three deformable ones per scale, one field of offsets*; `large: residual` is as large
          deformable convolution: no bias*, no modulation; offsets by a conv 3x3 initialised with zeros, as
          usual; then ReLU, without which the 1x1 that follows would not be a layer of its own
          1x1 after deformable ones: one per scale* with bias, and a shortcut around, as in a residual block
          diagonal filters: ordinary 3x3*; `diagonals: masked` keeps the three taps on the diagonal
          "the same operator" on both branches (Sec. 3.4): the same shape, separate weights*
          convolutions of Eqs. 11, 12: 1x1, 3x3* (1x1 and 3x3 in Eq. 12: 25.569); no activations, as printed
          branch images of Eq. 16, which subtracts 3 channels from 32: conv 3x3 to 3*, as DMPHN ends
          restored image of a single branch: its branch image, without fusion, though Table 3 prints
          "concatenate"
          fusion by concatenation: conv 3x3 to 3 on both decoders' features
          output and initialisation: DMPHN's, an image and not a residual; so Table 3 compares blocks alone
Shapes    B batch, C width (32 at full size), H W image
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, relu

from benchmark.models._layers import Encoder, ResBlock, Widths, conv, deform_conv, initialise, upsample


@dataclass(frozen=True)
class Config(Widths):
    """The full network, last row of Table 3."""

    encoder: str = "rdb"  # Table 3: a key of ENCODERS
    attention: str = "ca_sa"  # Table 4: a key of ATTENTION
    branches: str = "both"  # Table 3: a key of BRANCHES
    fusion: str = "off"  # Table 3: a key of FUSION for two branches, "none" for one
    large: str = "shared_offsets"  # not determined by the sizes: a key of LARGE
    diagonals: str = "plain"  # not stated in the text: a key of DIAGONALS
    reading: str = "sizes"  # one of the layouts that fit Table 4: a key of READINGS
    width: int = 32  # Fig. 4; doubles at each of three scales


class Deformable(nn.Module):
    """Apply 3x3 convolutions whose taps move by learned offsets (Fig. 6), one field of offsets for all."""

    def __init__(self, width: int, convs: int, bias: bool) -> None:
        super().__init__()
        self.offsets = conv(width, 2 * 9)  # down and right, for nine taps
        self.convs = nn.ModuleList(conv(width, width, bias=bias) for _ in range(convs))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        offsets = self.offsets(x)
        for layer in self.convs:
            assert isinstance(layer, nn.Conv2d)  # it only holds the weights
            x = relu(deform_conv(x, offsets, layer.weight, layer.bias))
        return x


class DeformableBlock(nn.Module):
    """Add deformable convolutions and a 1x1 to the input: a layer of the decoders (Sec. 3.3, Fig. 6)."""

    def __init__(self, width: int, convs: int, bias: bool) -> None:
        super().__init__()
        self.deform = Deformable(width, convs, bias)
        self.reduce = conv(width, width, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return x + self.reduce(self.deform(x))


class RDB(nn.Module):
    """Add a dense block to the input: three convolutions of all earlier features, and a fusion (Fig. 4)."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.dense = nn.ModuleList(conv(count * width, width) for count in (1, 2, 3))
        self.fuse = conv(4 * width, width, kernel)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        features = x
        for layer in self.dense:
            features = torch.cat((features, relu(layer(features))), dim=1)
        return x + self.fuse(features)


@dataclass(frozen=True)
class Reading:
    """Details of the layout that the text does not state; the sizes of Table 4 allow these."""

    fuse: int  # kernel of the dense block's feature fusion
    skip: int  # kernel that reduces the concatenated skips
    bias: bool  # of deformable convolutions
    narrow: int  # kernel of spatial attention's first convolution
    spatial: Callable[[int], list[nn.Module]]  # spatial attention after its first residual block


READINGS = {
    # 6.729, 6.738, 7.665, 7.673, full 25.564 in MiB: no other layout that was tried is as near to all five.
    "sizes": Reading(
        fuse=3,
        skip=3,
        bias=False,
        narrow=3,
        spatial=lambda w: [Deformable(w, 1, bias=False), Deformable(w, 1, bias=False), conv(w, 1, kernel=7)],
    ),
    # 6.731, 6.740, 7.661, 7.670 in 10^6 bytes, with Fig. 4's 1x1; full 20.539 without the branch images.
    "figure": Reading(
        fuse=1,
        skip=1,
        bias=True,
        narrow=3,
        spatial=lambda w: [Deformable(w, 1, bias=True), conv(w, w), nn.ReLU(), conv(w, 1)],
    ),
    # 6.729, 6.738, 7.657, 7.666, full 25.548 in MiB: the blocks of Sec. 3.2 in the plural.
    "blocks": Reading(
        fuse=3,
        skip=3,
        bias=False,
        narrow=1,
        spatial=lambda w: [
            ResBlock(w),
            Deformable(w, 1, bias=False),
            conv(w, w),
            nn.ReLU(),
            conv(w, 1, kernel=7),
        ],
    ),
}

Sized = Callable[[int], nn.Module]  # returns a block of a width
Block = Callable[[int, Reading], nn.Module]

ENCODERS: dict[str, Block] = {
    "res": lambda w, reading: ResBlock(w),  # DMPHN's
    "rdb": lambda w, reading: RDB(w, reading.fuse),
}


def channel_attention(width: int, reading: Reading) -> nn.Sequential:
    """Make Mc of Eq. 5, CBAM's without max-pooling: (B, C, H, W) -> (B, C, 1, 1)."""
    narrow = 8  # 128 / 16; also in thin networks, where fewer ReLUs might all be inactive
    squeeze, excite = conv(width, narrow, kernel=1), conv(narrow, width, kernel=1)
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), squeeze, nn.ReLU(), excite, nn.Sigmoid())


def spatial_attention(width: int, reading: Reading) -> nn.Sequential:
    """Make Ms of Eq. 5, with residual blocks and deformable convolutions: (B, C, H, W) -> (B, 1, H, W)."""
    half = width // 2
    first = conv(width, half, reading.narrow)
    return nn.Sequential(first, nn.ReLU(), ResBlock(half), *reading.spatial(half), nn.Sigmoid())


ATTENTION: dict[str, dict[str, Block]] = {
    "none": {},
    "ca": {"channel": channel_attention},
    "sa": {"spatial": spatial_attention},
    "ca_sa": {"channel": channel_attention, "spatial": spatial_attention},
}


class ACDA(nn.Module):
    """Compute F * Mc * Ms + F (Eqs. 4, 5; adaptive component divided attention), or F without any map."""

    def __init__(self, width: int, attention: str, reading: Reading) -> None:
        super().__init__()
        self.maps = nn.ModuleDict({name: of(width, reading) for name, of in ATTENTION[attention].items()})

    def forward(self, features: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """(B, C, H, W) -> (B, C, H, W), and the maps: channel (B, C, 1, 1), spatial (B, 1, H, W)."""
        maps: dict[str, Tensor] = {}
        weighted = features
        for name, attend in self.maps.items():
            maps[name] = attend(weighted)
            weighted = weighted * maps[name]
        return (weighted + features if maps else features), maps


class Skip(nn.Module):
    """Concatenate a decoder's and the encoder's features of a scale and reduce them to one width (Fig. 3)."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.reduce = conv(2 * width, width, kernel)

    def forward(self, decoded: Tensor, encoded: Tensor) -> Tensor:
        """(B, C, H, W), (B, C, H, W) -> (B, C, H, W)."""
        return self.reduce(torch.cat((decoded, encoded), dim=1))


class NoSkip(nn.Module):
    """Return the decoder's features alone, as in DMPHN."""

    def __init__(self, width: int) -> None:
        super().__init__()

    def forward(self, decoded: Tensor, encoded: Tensor) -> Tensor:
        """(B, C, H, W), (B, C, H, W) -> (B, C, H, W)."""
        return decoded


class Decoder(nn.Module):
    """Decode with a block per scale and upsampling between scales (Fig. 6, Eqs. 7, 8)."""

    def __init__(self, width: int, block: Sized, skip: Sized) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(block(times * width) for times in (4, 2, 1))
        self.ups = nn.ModuleList(upsample(times * width) for times in (4, 2))
        self.skips = nn.ModuleList(skip(times * width) for times in (2, 1))

    def forward(self, attended: Tensor, encoded: list[Tensor]) -> Tensor:
        """(B, 4C, H/4, W/4), [(B, C, H, W), (B, 2C, H/2, W/2)] -> (B, C, H, W)."""
        decoded: Tensor = self.blocks[0](attended)
        steps = zip(self.ups, self.skips, self.blocks[1:], reversed(encoded), strict=True)
        for up, skip, block, features in steps:
            decoded = block(skip(up(decoded), features))
        return decoded


def small(width: int, reading: Reading) -> nn.Module:
    """Make DMPHN's two residual blocks and a deformable convolution (Fig. 6b)."""
    return nn.Sequential(ResBlock(width), ResBlock(width), DeformableBlock(width, 1, reading.bias))


LARGE: dict[str, Block] = {  # replaces DMPHN's two residual blocks (Fig. 6a)
    "shared_offsets": lambda w, reading: DeformableBlock(w, 3, reading.bias),
    "residual": lambda w, reading: nn.Sequential(ResBlock(w), DeformableBlock(w, 1, reading.bias)),
}

BRANCHES = {"dmphn": ("dmphn",), "large": ("large",), "small": ("small",), "both": ("large", "small")}


def decoder(branch: str, config: Config) -> Decoder:
    """Make the decoder of a branch; "dmphn" is DMPHN's."""
    reading = READINGS[config.reading]
    if branch == "dmphn":
        return Decoder(config.width, lambda w: nn.Sequential(ResBlock(w), ResBlock(w)), NoSkip)
    block = {"large": LARGE[config.large], "small": small}[branch]
    return Decoder(config.width, lambda w: block(w, reading), lambda w: Skip(w, reading.skip))


class Diagonal(nn.Conv1d):
    """Convolve with a 3x3 filter that has taps on the main diagonal alone; only these are parameters."""

    def __init__(self, width: int) -> None:
        super().__init__(width, width, kernel_size=3)

    def taps(self) -> Tensor:
        """Return the filter (C, C, 3, 3), zero off the diagonal."""
        return torch.diag_embed(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return conv2d(x, self.taps(), self.bias, padding=1)


class AntiDiagonal(Diagonal):
    """Convolve with taps on the other diagonal, from top right to bottom left."""

    def taps(self) -> Tensor:
        """Return the filter (C, C, 3, 3), zero off the anti-diagonal."""
        return super().taps().flip(-1)


DIAGONALS: dict[str, tuple[Sized, Sized]] = {
    "plain": (lambda w: conv(w, w), lambda w: conv(w, w)),
    "masked": (Diagonal, AntiDiagonal),
}


def orientations(width: int, diagonals: str) -> nn.ModuleList:
    """Make Ho, Vo, Do and antiDo of Eq. 10, in this order."""
    diagonal, antidiagonal = DIAGONALS[diagonals]
    horizontal = nn.Conv2d(width, width, (1, 3), padding=(0, 1))
    vertical = nn.Conv2d(width, width, (3, 1), padding=(1, 0))
    return nn.ModuleList((horizontal, vertical, diagonal(width), antidiagonal(width)))


class OFF(nn.Module):
    """Fuse each orientation of both branches, then all four (orientation-based fusion, Eqs. 10-12)."""

    def __init__(self, width: int, diagonals: str) -> None:
        super().__init__()
        self.large = orientations(width, diagonals)
        self.small = orientations(width, diagonals)
        self.pairs = nn.ModuleList(conv(2 * width, width, kernel=1) for _ in self.large)
        self.last = conv(4 * width, 3)

    def forward(self, large: Tensor, small: Tensor) -> Tensor:
        """(B, C, H, W), (B, C, H, W) -> (B, 3, H, W)."""
        layers = zip(self.large, self.small, self.pairs, strict=True)
        pairs = [pair(torch.cat((f(large), g(small)), dim=1)) for f, g, pair in layers]
        return self.last(torch.cat(pairs, dim=1))


class Concat(nn.Module):
    """Fuse both branches' features by one convolution (Table 3, row 7)."""

    def __init__(self, width: int, diagonals: str) -> None:
        super().__init__()
        self.last = conv(2 * width, 3)

    def forward(self, large: Tensor, small: Tensor) -> Tensor:
        """(B, C, H, W), (B, C, H, W) -> (B, 3, H, W)."""
        return self.last(torch.cat((large, small), dim=1))


FUSION: dict[str, Callable[[int, str], nn.Module]] = {"concat": Concat, "off": OFF}


class Net(nn.Module):
    """Encode once, attend and decode per branch, fuse (Fig. 3)."""

    stride = 4

    def __init__(self, config: Config) -> None:
        super().__init__()
        width, reading, branches = config.width, READINGS[config.reading], BRANCHES[config.branches]
        if (config.fusion == "none") != (len(branches) == 1):
            raise ValueError(f"fusion {config.fusion!r} does not go with branches {config.branches!r}")
        self.encoder = Encoder(width, lambda w: ENCODERS[config.encoder](w, reading))
        self.attend = nn.ModuleDict({name: ACDA(4 * width, config.attention, reading) for name in branches})
        self.decoders = nn.ModuleDict({name: decoder(name, config) for name in branches})
        self.heads = nn.ModuleDict({name: conv(width, 3) for name in branches})
        self.fuse = nn.ModuleList(FUSION[config.fusion](width, config.diagonals) for _ in branches[1:])
        initialise(self)
        for module in self.modules():
            if isinstance(module, Deformable):
                nn.init.zeros_(module.offsets.weight)  # initially an ordinary convolution

    def forward(self, blurry: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> [large, small, restored] of two branches, [restored] of one; each (B, 3, H, W)."""
        features, _ = self.decode(blurry)
        images = [head(features[name]) for name, head in self.heads.items()]
        return images + [fuse(*features.values()) for fuse in self.fuse]

    def decode(self, blurry: Tensor) -> tuple[dict[str, Tensor], dict[str, dict[str, Tensor]]]:
        """Return per branch its decoder's features (B, C, H, W) and its attention maps."""
        *encoded, deepest = self.encoder(blurry)
        features: dict[str, Tensor] = {}
        maps: dict[str, dict[str, Tensor]] = {}
        for name, decode in self.decoders.items():
            attended, maps[name] = self.attend[name](deepest)
            features[name] = decode(attended, encoded)
        return features, maps

    def attention(self, blurry: Tensor) -> dict[str, Tensor]:
        """Return for Fig. 13 Ms, "<branch>_map" (B, 1, H/4, W/4), and "<branch>_features" (B, C, H, W)."""
        features, maps = self.decode(blurry)
        spatial = {f"{name}_map": of["spatial"] for name, of in maps.items() if "spatial" in of}
        return spatial | {f"{name}_features": values for name, values in features.items()}
