"""SVDN: a light encoder and decoder, and between them deformable convolutions that sample along the blur.

Paper     Y. Yuan, W. Su, D. Ma. Efficient Dynamic Scene Deblurring Using Spatially Variant Deconvolution
          Network with Optical Flow Guided Training. CVPR 2020
Sources   only the abstract could be read: "a spatially variant deconvolution network using modulated
          deformable convolutions, which can adjust receptive fields adaptively according to the blur
          features"; their sampling points "approximate the blur kernel, which can be simplified to
          bi-directional optical flows", which supervise them; "a light-weighted backbone". Modulated
          deformable convolution: X. Zhu et al., CVPR 2019 (DCNv2). "SVDN" is CDGNet's name for it
Unstated  No code is public. Everything else is chosen here:
          backbone: DMPHN's three scales of 32, 64 and 128 channels with half its residual blocks (one each:
          "light"), the encoder's features added in the decoder, the output added to the blurry image
          deconvolution: at the coarsest scale, six residual blocks of a modulated deformable convolution,
          ReLU and a convolution; each predicts its offsets and masks from its input ("blur features") by
          a 3x3 convolution initialised with zeros
          sampling points: all nine of every block are guided; see losses/flow_guided.py
          `deconvolution: deformable` has no masks, `plain` no offsets either
          initialisation and recipe: DMPHN's
Shapes    B batch, C width, H W image. Outputs before the restored image are not images: per block of the
          deconvolution its nine sampling points (B, 18, H/4, W/4): x, y of the first, x, y of the second and
          so on, in pixels of the image, relative to the pixel that they are for
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from benchmark.models._layers import ResBlock, Widths, conv, deform_conv, initialise, upsample

SCALE = 4  # pixels of the image per pixel of the deconvolution


@dataclass(frozen=True)
class Config(Widths):
    """The network with everything that the abstract names."""

    deconvolution: str = "modulated"  # a key of DECONVOLUTION
    blocks: int = 6  # of the deconvolution
    width: int = 32  # doubles at each of three scales


def sampling_points(offsets: Tensor) -> Tensor:
    """Convert offsets (down, right of each tap) to points in pixels of the image, (B, 18, h, w) both."""
    down, right = offsets.unflatten(1, (9, 2)).unbind(dim=2)
    tap = torch.arange(9, device=offsets.device).view(9, 1, 1)  # row by row, from top left to bottom right
    return SCALE * torch.stack((right + (tap % 3 - 1), down + (tap // 3 - 1)), dim=2).flatten(1, 2)


class Deformable(nn.Module):
    """Convolve with taps that move by learned offsets and, if modulated, are weighted by learned masks."""

    def __init__(self, width: int, modulated: bool) -> None:
        super().__init__()
        self.offsets = conv(width, 2 * 9)
        self.masks = conv(width, 9) if modulated else None
        self.filter = conv(width, width)  # not called: it holds the weights

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(B, C, h, w) -> (B, C, h, w), [points (B, 18, h, w)]."""
        offsets = self.offsets(x)
        masks = self.masks(x).sigmoid() if self.masks else None
        filtered = deform_conv(x, offsets, self.filter.weight, self.filter.bias, masks)
        return filtered, [sampling_points(offsets)]


class Plain(nn.Module):
    """Apply an ordinary convolution: one filter for all pixels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.filter = conv(width, width)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(B, C, h, w) -> (B, C, h, w), no sampling points."""
        return self.filter(x), []


DECONVOLUTION: dict[str, Callable[[int], nn.Module]] = {
    "modulated": lambda width: Deformable(width, modulated=True),
    "deformable": lambda width: Deformable(width, modulated=False),
    "plain": Plain,
}


class Block(nn.Module):
    """Apply a residual block whose first convolution varies from pixel to pixel."""

    def __init__(self, width: int, deconvolution: str) -> None:
        super().__init__()
        self.first = DECONVOLUTION[deconvolution](width)
        self.last = conv(width, width)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(B, C, h, w) -> (B, C, h, w), the first convolution's sampling points."""
        features, points = self.first(x)
        return x + self.last(relu(features)), points


class Net(nn.Module):
    """Encode, deconvolve, decode, add the result to the blurry image."""

    stride = SCALE

    def __init__(self, config: Config) -> None:
        super().__init__()
        w = config.width
        self.encoder = nn.ModuleList(
            nn.Sequential(conv(cin, cout, stride=stride), ResBlock(cout))
            for cin, cout, stride in ((3, w, 1), (w, 2 * w, 2), (2 * w, 4 * w, 2))
        )
        self.deconvolution = nn.ModuleList(Block(4 * w, config.deconvolution) for _ in range(config.blocks))
        self.decoder = nn.ModuleList(
            nn.Sequential(ResBlock(cin), last)
            for cin, last in ((4 * w, upsample(4 * w)), (2 * w, upsample(2 * w)), (w, conv(w, 3)))
        )
        initialise(self)
        for name, module in self.named_modules():
            if name.endswith((".offsets", ".masks")):  # initially an ordinary convolution
                nn.init.zeros_(module.weight)

    def forward(self, blurry: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> [points (B, 18, H/4, W/4) per deformable block, restored image (B, 3, H, W)]."""
        encoded = []
        features = blurry
        for scale in self.encoder:
            features = scale(features)
            encoded.append(features)
        points: list[Tensor] = []
        for block in self.deconvolution:
            features, of_block = block(features)
            points += of_block
        for scale, source in zip(self.decoder, reversed(encoded), strict=True):
            features = scale(features + source)
        return [*points, blurry + features]
