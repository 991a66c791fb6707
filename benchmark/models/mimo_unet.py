"""MIMO-UNet: one U-Net that takes the image at three scales and restores all three of them.

Paper     S.-J. Cho, S.-W. Ji, J.-P. Hong, S.-W. Jung, S.-J. Ko. Rethinking Coarse-to-Fine Approach in Single
          Image Deblurring. ICCV 2021. arXiv:2108.05054
Sources   the authors' code, github.com/chosj95/MIMO-UNet @5c58013: models/MIMOUNet.py, models/layers.py;
          the paper's names: SCM and FAM of the multi-input encoder, AFF (asymmetric feature fusion)
Unstated  smaller inputs: every second pixel (F.interpolate's default), as in the code; features are enlarged
          by the same function. Targets are shrunk in another way: benchmark/losses/frequency.py
          dropout: of whole channels, 0.1, in MIMO-UNet+ alone, as in the code: on both outputs of AFF, the
          coarser one first
          initialisation: PyTorch's default, as in the code
Shapes    B batch, C width, H W image, h w a scale's
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from benchmark.models._layers import ResBlock, Widths, conv, upsample, weight_names
from benchmark.weights.names import rename


@dataclass(frozen=True)
class Config(Widths):
    """MIMO-UNet; MIMO-UNet+ has 20 blocks and dropout 0.1."""

    blocks: int = 8  # residual blocks per scale, in the encoder and in the decoder (`num_res`)
    dropout: float = 0.0  # share of channels, in training (MIMOUNetPlus)
    width: int = 32  # `base_channel`; doubles at each of three scales


def resize(x: Tensor, factor: float) -> Tensor:
    """Resize by repeating or omitting pixels: (B, C, h, w) -> (B, C, factor h, factor w)."""
    return interpolate(x, scale_factor=factor, mode="nearest")


class SCM(nn.Module):
    """Extract shallow features of a smaller input and mix them with the input itself."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        widths = (3, width // 4, width // 2, width // 2, width - 3)
        for cin, cout, kernel in zip(widths, widths[1:], (3, 1, 3, 1), strict=False):
            layers += [conv(cin, cout, kernel), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.mix = conv(width, width, kernel=1)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, h, w) -> (B, C, h, w)."""
        return self.mix(torch.cat((image, self.features(image)), dim=1))


class FAM(nn.Module):
    """Add to the finer scale's features what they have in common with a smaller input's features."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.merge = conv(width, width)

    def forward(self, features: Tensor, shallow: Tensor) -> Tensor:
        """(B, C, h, w), (B, C, h, w) -> (B, C, h, w)."""
        return features + self.merge(features * shallow)


class AFF(nn.Module):
    """Fuse features of all three scales, resized to one size, for a decoder."""

    def __init__(self, cin: int, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv(cin, width, kernel=1), nn.ReLU(), conv(width, width))

    def forward(self, *scales: Tensor) -> Tensor:
        """(B, C, h, w), (B, 2C, h, w), (B, 4C, h, w) -> (B, C or 2C, h, w)."""
        return self.body(torch.cat(scales, dim=1))


class Net(nn.Module):
    """Encode with an input at each scale, fuse all scales, decode to an image at each (Fig. 3)."""

    stride = 4

    def __init__(self, config: Config) -> None:
        super().__init__()
        w = config.width
        widths = (w, 2 * w, 4 * w)  # from the finest scale to the coarsest

        def blocks() -> nn.ModuleList:  # EB and DB of Fig. 3
            scales = ([ResBlock(width) for _ in range(config.blocks)] for width in widths)
            return nn.ModuleList(nn.Sequential(*scale) for scale in scales)

        self.extract = nn.ModuleList(
            nn.Sequential(conv(cin, cout, stride=stride), nn.ReLU())
            for cin, cout, stride in ((3, w, 1), (w, 2 * w, 2), (2 * w, 4 * w, 2))
        )
        self.shallow = nn.ModuleList(SCM(width) for width in widths[1:])
        self.attend = nn.ModuleList(FAM(width) for width in widths[1:])
        self.encoders = blocks()
        self.fuse = nn.ModuleList(AFF(sum(widths), width) for width in widths[:2])
        self.drop = nn.Dropout2d(config.dropout)
        self.join = nn.ModuleList(
            nn.Sequential(conv(2 * width, width, kernel=1), nn.ReLU()) for width in widths[:2]
        )
        self.decoders = blocks()
        self.grow = nn.ModuleList(nn.Sequential(upsample(2 * width), nn.ReLU()) for width in widths[:2])
        self.restore = nn.ModuleList(conv(width, 3) for width in widths)

    def forward(self, blurry: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> [(B, 3, H/4, W/4), (B, 3, H/2, W/2), (B, 3, H, W)]."""
        half = resize(blurry, 0.5)
        quarter = resize(half, 0.5)

        fine = self.encoders[0](self.extract[0](blurry))
        middle = self.attend[0](self.extract[1](fine), self.shallow[0](half))
        middle = self.encoders[1](middle)
        coarse = self.attend[1](self.extract[2](middle), self.shallow[1](quarter))
        coarse = self.encoders[2](coarse)

        from_coarse = resize(coarse, 2)
        fused_middle = self.drop(self.fuse[1](resize(fine, 0.5), middle, from_coarse))
        fused_fine = self.drop(self.fuse[0](fine, resize(middle, 2), resize(from_coarse, 2)))

        coarse = self.decoders[2](coarse)
        middle = self.join[1](torch.cat((self.grow[1](coarse), fused_middle), dim=1))
        middle = self.decoders[1](middle)
        fine = self.join[0](torch.cat((self.grow[0](middle), fused_fine), dim=1))
        fine = self.decoders[0](fine)

        features = ((coarse, quarter, 2), (middle, half, 1), (fine, blurry, 0))
        return [image + self.restore[scale](x) for x, image, scale in features]


# The authors' names of layers outside the residual blocks -> ours. Their decoder counts from the coarsest.
LAYERS = (
    {f"feat_extract.{k}.main.0": f"extract.{k}.0" for k in range(3)}
    | {f"feat_extract.{3 + k}.main.0": f"grow.{1 - k}.0" for k in range(2)}
    | {
        "feat_extract.5.main.0": "restore.0",
        "ConvsOut.1.main.0": "restore.1",
        "ConvsOut.0.main.0": "restore.2",
    }
    | {f"SCM{2 - k}.main.{n}.main.0": f"shallow.{k}.features.{2 * n}" for k in range(2) for n in range(4)}
    | {f"SCM{2 - k}.conv.main.0": f"shallow.{k}.mix" for k in range(2)}
    | {f"FAM{2 - k}.merge.main.0": f"attend.{k}.merge" for k in range(2)}
    | {f"AFFs.{k}.conv.{n}.main.0": f"fuse.{k}.body.{2 * n}" for k in range(2) for n in range(2)}
    | {f"Convs.{k}.main.0": f"join.{1 - k}.0" for k in range(2)}
)


def convert(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the authors' weights of MIMO-UNet or MIMO-UNet+ to a state dict of `Net`."""
    blocks = 1 + max((int(name.split(".")[3]) for name in weights if name.startswith("Encoder.")), default=0)
    layers = dict(LAYERS)
    for scale, block, n in product(range(3), range(blocks), range(2)):
        theirs, ours = f"layers.{block}.main.{n}.main.0", f"{block}.body.{2 * n}"
        layers[f"Encoder.{scale}.{theirs}"] = f"encoders.{scale}.{ours}"
        layers[f"Decoder.{2 - scale}.{theirs}"] = f"decoders.{scale}.{ours}"
    return rename(weights, layers, weight_names(Net, Config(blocks=blocks)))
