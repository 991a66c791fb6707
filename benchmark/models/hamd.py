"""HAMD: an attention map separates people from background; one decoder restores each, a third fuses both.

Paper     Z. Shen, W. Wang, X. Lu, J. Shen, H. Ling, T. Xu, L. Shao. Human-Aware Motion Deblurring. ICCV 2019.
          arXiv:2001.06816
Sources   the abstract, the only available part of the paper: an encoder and three decoders; a supervised soft
          mask of people directs two of the decoders to people and to background, and the third fuses
          "multi-scale deblurring information from the two domains"; trained end to end
          where the mask acts and how the third decoder fuses: a third party's network of the same design with
          input masks, github.com/AnanyaAppan/DeblurGANv2 @260c83e, saliency_scale.py, pdecoder.py (mask on
          the deepest features; per scale a 1x1 over three decoders' features; skips from the encoder in the
          third decoder alone; three sizes, each finer one with the coarser restored image as an input)
Unstated  The authors' code is not public, and no paper prints a size to compare with.
          sizes, widths, kernels, blocks: SRN's RGB network; the third party's has its widths too
          attention: conv 3x3 to a quarter of the width, ReLU, conv 3x3 to 1, sigmoid, on the deepest features
          background: 1 - mask
          weights: the same at all three sizes, as in SRN
          between sizes: bilinear, both ways; gradients pass, as the abstract says "end-to-end"
          initialisation: PyTorch's default; with SRN's, the loss of a thin network was several times as high
          after the same short training
Shapes    B batch, C width (32 at full size), H W image; each class uses the sizes of its own input
          outputs per size, from a quarter to full: [foreground, background, mask, restored];
          images are (B, 3, h, w), masks (B, 1, h/4, w/4)
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu

from benchmark.models._layers import Widths, conv, upsample
from benchmark.models.srn import Down, blocks


@dataclass(frozen=True)
class Config(Widths):
    """The full network."""

    width: int = 32  # SRN's; doubles at each of three scales
    sizes: int = 3  # of the image, each half of the next one


class Branch(nn.Module):
    """Decode one domain, without skips, which would bypass the mask."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Sequential(*blocks(times * width)) for times in (4, 2, 1))
        self.ups = nn.ModuleList(upsample(times * width) for times in (4, 2))
        self.last = conv(width, 3, kernel=5)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(B, 4C, H/4, W/4) -> (B, 3, H, W), and features of the three scales, deepest first."""
        features = [self.blocks[0](x)]
        for up, block in zip(self.ups, self.blocks[1:], strict=True):
            features.append(block(relu(up(features[-1]))))
        return self.last(features[-1]), features


class Fusion(nn.Module):
    """Decode with the features of both domains' decoders at each scale (the third decoder)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fuse = nn.ModuleList(conv(3 * times * width, times * width, kernel=1) for times in (4, 2, 1))
        self.blocks = nn.ModuleList(nn.Sequential(*blocks(times * width)) for times in (4, 2, 1))
        self.ups = nn.ModuleList(upsample(times * width) for times in (4, 2))
        self.last = conv(width, 3, kernel=5)

    def forward(self, encoded: list[Tensor], foreground: list[Tensor], background: list[Tensor]) -> Tensor:
        """Features of three scales, (B, 4C, H/4, W/4) first, three times -> (B, 3, H, W)."""
        x = encoded[0]
        for scale, (fuse, block) in enumerate(zip(self.fuse, self.blocks, strict=True)):
            if scale > 0:
                x = relu(self.ups[scale - 1](x)) + encoded[scale]
            x = block(fuse(torch.cat((x, foreground[scale], background[scale]), dim=1)))
        return self.last(x)


@dataclass(frozen=True)
class Outputs:
    """Outputs of the network at one size of the image."""

    foreground: Tensor  # (B, 3, H, W)
    background: Tensor  # (B, 3, H, W)
    mask: Tensor  # (B, 1, H/4, W/4) in (0, 1), of people
    restored: Tensor  # (B, 3, H, W)
    features: dict[str, Tensor]  # (B, C, H, W), by domain


class Size(nn.Module):
    """Refine an estimate of the restored image; all sizes share this network."""

    def __init__(self, width: int) -> None:
        super().__init__()
        w = width
        enters = (conv(6, w, kernel=5), Down(w, 2 * w, 5), Down(2 * w, 4 * w, 5))
        self.encoders = nn.ModuleList(
            nn.Sequential(enter, nn.ReLU(), nn.Sequential(*blocks(enter.out_channels))) for enter in enters
        )
        self.attend = nn.Sequential(conv(4 * w, w), nn.ReLU(), conv(w, 1), nn.Sigmoid())
        self.foreground = Branch(w)
        self.background = Branch(w)
        self.fusion = Fusion(w)

    def forward(self, blurry: Tensor, estimate: Tensor) -> Outputs:
        """(B, 3, H, W) twice -> the outputs of this size."""
        x = torch.cat((blurry, estimate), dim=1)
        encoded: list[Tensor] = []
        for encode in self.encoders:
            x = encode(x)
            encoded.insert(0, x)
        mask = self.attend(x)
        foreground, of_foreground = self.foreground(x * mask)
        background, of_background = self.background(x * (1 - mask))
        restored = self.fusion(encoded, of_foreground, of_background)
        features = {"foreground": of_foreground[-1], "background": of_background[-1]}
        return Outputs(foreground, background, mask, restored, features)


class Net(nn.Module):
    """Restore from the smallest size to the largest; each refines the previous one's image."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.stride = 4 * 2 ** (config.sizes - 1)
        self.sizes = config.sizes
        self.size = Size(config.width)

    def forward(self, blurry: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> per size [foreground, background, mask, restored]; the last is (B, 3, H, W)."""
        sizes = self.all_sizes(blurry)
        return [x for at in sizes for x in (at.foreground, at.background, at.mask, at.restored)]

    def all_sizes(self, blurry: Tensor) -> list[Outputs]:
        """Return the outputs of each size, the smallest first."""
        images = [blurry]
        while len(images) < self.sizes:
            images.insert(0, scaled(images[0], 0.5))
        outputs: list[Outputs] = []
        for image in images:
            estimate = scaled(outputs[-1].restored, 2.0) if outputs else image
            outputs.append(self.size(image, estimate))
        return outputs

    def attention(self, blurry: Tensor) -> dict[str, Tensor]:
        """Return "human_map" (B, 1, H/4, W/4) and "<domain>_features" (B, C, H, W) of the largest size."""
        last = self.all_sizes(blurry)[-1]
        return {"human_map": last.mask} | {f"{name}_features": x for name, x in last.features.items()}


def scaled(images: Tensor, factor: float) -> Tensor:
    """Resize bilinearly; one half is the mean of 2x2: (B, 3, H, W) -> (B, 3, factor H, factor W)."""
    return interpolate(images, scale_factor=factor, mode="bilinear", align_corners=False)
