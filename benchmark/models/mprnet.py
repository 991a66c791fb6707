"""MPRNet: three stages; two encoder-decoders on patches, then one at full resolution, with attention between.

Paper     S. W. Zamir, A. Arora, S. Khan, M. Hayat, F. S. Khan, M.-H. Yang, L. Shao. Multi-Stage Progressive
          Image Restoration. CVPR 2021. arXiv:2102.02808
Sources   the authors' code, github.com/swz30/MPRNet @43feb2a, folder Deblurring: blocks, widths, order of
          stages MPRNet.py; padding test.py. Its "Multi-Patch Hierarchy" halves images as DMPHN does
Unstated  one PReLU for the whole network: stated in the code only
          lower bound for the squeezed width of channel attention: 8, reached by thin networks alone (24 and
          more at full size)
          initialisation: PyTorch's default, as in the code
Shapes    B batch, P patches (in the batch axis), C width, H W image, s scale: 0 finest, 1, 2
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from benchmark.models._layers import Widths, conv, weight_names
from benchmark.models.dmphn import cut, join
from benchmark.weights.names import rename


@dataclass(frozen=True)
class Config(Widths):
    """The published deblurring network; all values are defaults of `MPRNet.__init__`."""

    width: int = 96  # n_feat
    growth: int = 48  # scale_unetfeats: added at each coarser scale
    extra: int = 32  # scale_orsnetfeats: added in the last stage
    blocks: int = 8  # num_cab: in each original resolution block


def widths(width: int, growth: int) -> list[int]:
    """List the widths of the three scales of an encoder-decoder, finest first.

    >>> widths(96, 48)
    [96, 144, 192]
    """
    return [width + scale * growth for scale in range(3)]


def resize(cin: int, cout: int, times: float) -> nn.Sequential:
    """Make a bilinear resize and a 1x1 convolution: (B, Cin, H, W) -> (B, Cout, times H, times W)."""
    return nn.Sequential(nn.Upsample(scale_factor=times, mode="bilinear"), conv(cin, cout, 1, bias=False))


class ChannelAttention(nn.Module):
    """Multiply each channel by a weight that is computed from the means of all channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        narrow = max(8, width // 4)  # so that in thin networks not all of a few ReLUs are inactive
        squeeze, excite = conv(width, narrow, 1, bias=False), conv(narrow, width, 1, bias=False)
        self.weights = nn.Sequential(nn.AdaptiveAvgPool2d(1), squeeze, nn.ReLU(), excite, nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return x * self.weights(x)


class CAB(nn.Module):
    """Add conv-activation-conv and channel attention to the input (channel attention block)."""

    def __init__(self, width: int, act: nn.PReLU) -> None:
        super().__init__()
        self.body = nn.Sequential(conv(width, width, bias=False), act, conv(width, width, bias=False))
        self.attend = ChannelAttention(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return x + self.attend(self.body(x))


def cabs(width: int, act: nn.PReLU, count: int = 2) -> nn.Sequential:
    """Make a sequence of channel attention blocks: (B, C, H, W) -> (B, C, H, W)."""
    return nn.Sequential(*(CAB(width, act) for _ in range(count)))


class SAM(nn.Module):
    """Predict an image for the loss, and weight the features by a map of it (supervised attention module)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.features = conv(width, width, 1, bias=False)
        self.residual = conv(width, 3, 1, bias=False)
        self.map = conv(3, width, 1, bias=False)

    def forward(self, x: Tensor, blurry: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W), (B, 3, H, W) -> features (B, C, H, W), image (B, 3, H, W)."""
        image = blurry + self.residual(x)
        return x + self.features(x) * self.map(image).sigmoid(), image


class CSFF(nn.Module):
    """Fuse features of a stage's encoder and decoder for the next stage (cross-stage feature fusion)."""

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        self.encoded = nn.ModuleList(conv(w, w, 1, bias=False) for w in widths)
        self.decoded = nn.ModuleList(conv(w, w, 1, bias=False) for w in widths)

    def forward(self, encoded: list[Tensor], decoded: list[Tensor]) -> list[Tensor]:
        """Per scale (P, C, H/2^s, W/2^s), (P, C, H/2^s, W/2^s) -> (P, C, H/2^s, W/2^s)."""
        layers = zip(self.encoded, self.decoded, strict=True)
        return [e(x) + d(y) for (e, d), x, y in zip(layers, encoded, decoded, strict=True)]


class Encoder(nn.Module):
    """Encode with two blocks per scale; features of the earlier stage are added after a scale's blocks."""

    def __init__(self, widths: list[int], act: nn.PReLU) -> None:
        super().__init__()
        self.scales = nn.ModuleList(cabs(w, act) for w in widths)
        self.downs = nn.ModuleList(resize(fine, coarse, 0.5) for fine, coarse in pairwise(widths))

    def forward(self, x: Tensor, earlier: list[Tensor] | None = None) -> list[Tensor]:
        """(P, C, H, W), perhaps per scale (P, C, H/2^s, W/2^s) -> per scale (P, C, H/2^s, W/2^s)."""
        features: list[Tensor] = []
        for number, scale in enumerate(self.scales):
            x = scale(x if number == 0 else self.downs[number - 1](x))
            if earlier is not None:
                x = x + earlier[number]
            features.append(x)
        return features


class Decoder(nn.Module):
    """Decode with two blocks per scale; the encoder's features are added through one block each."""

    def __init__(self, widths: list[int], act: nn.PReLU) -> None:
        super().__init__()
        self.scales = nn.ModuleList(cabs(w, act) for w in widths)
        self.skips = nn.ModuleList(CAB(w, act) for w in widths[:-1])
        self.ups = nn.ModuleList(resize(coarse, fine, 2) for fine, coarse in pairwise(widths))

    def forward(self, encoded: list[Tensor]) -> list[Tensor]:
        """Per scale (P, C, H/2^s, W/2^s) -> the same."""
        features = [self.scales[-1](encoded[-1])]
        for number in reversed(range(len(self.ups))):
            x = self.ups[number](features[0]) + self.skips[number](encoded[number])
            features.insert(0, self.scales[number](x))
        return features


class ORB(nn.Module):
    """Add channel attention blocks and a convolution to the input (original resolution block)."""

    def __init__(self, width: int, act: nn.PReLU, blocks: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*cabs(width, act, blocks), conv(width, width, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return x + self.body(x)


class ORSNet(nn.Module):
    """Refine at full resolution in three blocks; one scale of the earlier stage is added after each."""

    def __init__(self, widths: list[int], wide: int, act: nn.PReLU, blocks: int) -> None:
        super().__init__()

        def from_scale(scale: int) -> nn.Sequential:  # (B, C, H/2^s, W/2^s) -> (B, C', H, W)
            ups = [resize(widths[n], widths[n - 1], times=2) for n in range(scale, 0, -1)]
            return nn.Sequential(*ups, conv(widths[0], wide, 1, bias=False))

        self.blocks = nn.ModuleList(ORB(wide, act, blocks) for _ in widths)
        self.encoded = nn.ModuleList(from_scale(scale) for scale in range(len(widths)))
        self.decoded = nn.ModuleList(from_scale(scale) for scale in range(len(widths)))

    def forward(self, x: Tensor, encoded: list[Tensor], decoded: list[Tensor]) -> Tensor:
        """(B, C', H, W), and twice per scale (B, C, H/2^s, W/2^s) -> (B, C', H, W)."""
        layers = zip(self.blocks, self.encoded, self.decoded, strict=True)
        for (block, e, d), y, z in zip(layers, encoded, decoded, strict=True):
            x = block(x) + e(y) + d(z)
        return x


class Net(nn.Module):
    """Encode quarters, decode halves; encode halves, decode the whole image; refine at full resolution."""

    stride = 8  # the sides of a quarter must divide by the encoder's 4
    padding = "reflect"  # test.py, for sizes that are not multiples of 8

    def __init__(self, config: Config) -> None:
        super().__init__()
        act = nn.PReLU()  # one slope for the whole network
        scales = widths(config.width, config.growth)
        width, wide = config.width, config.width + config.extra
        self.shallow = nn.ModuleList(
            nn.Sequential(conv(3, width, bias=False), CAB(width, act)) for _ in range(3)
        )
        self.encoders = nn.ModuleList(Encoder(scales, act) for _ in range(2))
        self.decoders = nn.ModuleList(Decoder(scales, act) for _ in range(2))
        self.csff = CSFF(scales)
        self.orsnet = ORSNet(scales, wide, act, config.blocks)
        self.sams = nn.ModuleList(SAM(width) for _ in range(2))
        self.merges = nn.ModuleList(conv(2 * width, w, bias=False) for w in (width, wide))
        self.tail = conv(wide, 3, bias=False)

    def forward(self, blurry: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> one restored (B, 3, H, W) per stage."""
        halves = cut(blurry, 2)  # top and bottom
        quarters = cut(halves, 3)

        encoded = [join(x, 3) for x in self.encoders[0](self.shallow[0](quarters))]
        decoded = self.decoders[0](encoded)
        attended, first = self.sams[0](decoded[0], halves)

        x = self.merges[0](torch.cat((self.shallow[1](halves), attended), dim=1))
        encoded = [join(x, 2) for x in self.encoders[1](x, self.csff(encoded, decoded))]
        decoded = self.decoders[1](encoded)
        attended, second = self.sams[1](decoded[0], blurry)

        x = self.merges[1](torch.cat((self.shallow[2](blurry), attended), dim=1))
        x = self.orsnet(x, encoded, decoded)
        return [join(first, 2), second, blurry + self.tail(x)]


def layers() -> dict[str, str]:
    """Map the authors' names of modules to ours."""
    names = {"concat12": "merges.0", "concat23": "merges.1", "tail": "tail"}
    for n in range(3):
        names[f"shallow_feat{n + 1}"] = f"shallow.{n}"
        names[f"stage3_orsnet.orb{n + 1}"] = f"orsnet.blocks.{n}"
    for n in (0, 1):
        encoder, decoder = f"stage{n + 1}_encoder", f"stage{n + 1}_decoder"
        for scale in (0, 1, 2):
            names[f"{encoder}.encoder_level{scale + 1}"] = f"encoders.{n}.scales.{scale}"
            names[f"{decoder}.decoder_level{scale + 1}"] = f"decoders.{n}.scales.{scale}"
        for fine in (0, 1):
            names[f"{encoder}.down{fine + 1}{fine + 2}.down"] = f"encoders.{n}.downs.{fine}"
            names[f"{decoder}.up{fine + 2}{fine + 1}.up"] = f"decoders.{n}.ups.{fine}"
            names[f"{decoder}.skip_attn{fine + 1}"] = f"decoders.{n}.skips.{fine}"
        for theirs, ours in (("conv1", "features"), ("conv2", "residual"), ("conv3", "map")):
            names[f"sam{n + 1}{n + 2}.{theirs}"] = f"sams.{n}.{ours}"
    for theirs, ours in (("enc", "encoded"), ("dec", "decoded")):
        for scale in (0, 1, 2):
            names[f"stage2_encoder.csff_{theirs}{scale + 1}"] = f"csff.{ours}.{scale}"
            names[f"stage3_orsnet.conv_{theirs}{scale + 1}"] = f"orsnet.{ours}.{scale}.{scale}"
        names[f"stage3_orsnet.up_{theirs}1.up"] = f"orsnet.{ours}.1.0"
        names[f"stage3_orsnet.up_{theirs}2.0.up"] = f"orsnet.{ours}.2.0"
        names[f"stage3_orsnet.up_{theirs}2.1.up"] = f"orsnet.{ours}.2.1"
    return names


def convert(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the authors' weights to a state dict of `Net`.

    Raises:
        ValueError: as `rename`, or the slope that all blocks share has two values.
    """
    slopes = sorted(name for name in weights if name.endswith(".body.1.weight"))
    for name in slopes:
        if not torch.equal(weights[name], weights[slopes[0]]):
            raise ValueError(f"two slopes, where all blocks share one: {slopes[0]} and {name}")
    attention = {"attend.weights.1": "CA.conv_du.0", "attend.weights.3": "CA.conv_du.2"}  # inside every block
    originals = {}
    for name in weight_names(Net, Config()):
        inner = next((ours for ours in attention if ours in name), "")
        originals[name.replace(inner, attention.get(inner, ""))] = name
    return {originals[name]: value for name, value in rename(weights, layers(), originals).items()}
