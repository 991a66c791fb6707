"""SAPHNet: DMPHN's patches with global attention and pixel-dependent filters in every block.

Paper     M. Suin, K. Purohit, A. N. Rajagopalan. Adaptive Single Image Deblurring. arXiv:2201.00155, and
          Spatially-Attentive Patch-Hierarchical Network for Adaptive Motion Deblurring. CVPR 2020.
          "SAPHNet" is SGENet's name for it
Sources   patches, blocks Sec. 2; attention Sec. 2.1, Eqs. 1-6; filters Sec. 2.2, Eqs. 7, 8; widths Sec. 3.1;
          where cross-attention is: caption of Fig. 2 in the CVPR paper; hierarchy, encoder, decoder: DMPHN's
          code; adapting kernels: pixel-adaptive convolution (H. Su et al., CVPR 2019; NVlabs/pacnet)
Unstated  No code is public, and the available texts print no size. Not stated, with the choice made here:
          "N = 3, M = 2, P = 2" (its figure is not available): blocks at DMPHN's three scales. Only the
          coarsest of them has the "128 filters" of "all the convolutional layers within our proposed
          modules"; with 128 everywhere a Titan Xp cannot process 1280x720 in the printed 0.34 s.
          `reading: quarter` has blocks at the coarsest scale alone, six in the encoder and six in the
          decoder, so that all have 128; scales without blocks have a ReLU
          block: DMPHN's with the module inside: conv 3x3, ReLU, module, ReLU, conv 3x3, plus identity
          fp, fq: 1x1, fq without bias, which its softmax would cancel; C2 = C/4
          M2: from x in Sec. 2.1, from the descriptors in Eq. 4; here from these: mean over C2, 1x1, sigmoid
          Eq. 6: the mean over C2, as printed, not the sum
          K of Eq. 7, from a "meta-layer": conv 3x3 to 25 maps, sigmoid; `filtering: gaussian` is exp(-d^2/2)
          of 1x1 guide features (C/4), as in pixel-adaptive convolution; W: all channels to all
          cross-attention: P from the decoder's features, Q and M2 from the encoder's of the same scale, in
          each block of the decoder; between levels likewise, beside DMPHN's sum of their features
          fusion: the sum of Eq. 8 ("dynamically fused" in the text), with cross-attention as one more summand
          no other skips, no global residual, initialisation: DMPHN's
Shapes    B batch, C width, H W image, P patches of one level (in the batch axis), K clusters (C/4)
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad, relu
from torch.utils.checkpoint import checkpoint

from benchmark.models._layers import conv, initialise, thinned, upsample
from benchmark.models.dmphn import CUT, LEVELS, cut, join

# Floats that one strip of neighbourhoods may hold (64 MiB).
STRIP = 2**24


@dataclass(frozen=True)
class Config:
    """The published network."""

    levels: str = "1-2-4"  # Sec. 2: a key of dmphn.LEVELS
    reading: str = "scales"  # of N, M and P: a key of READINGS
    self_attention: str = "attention"  # a key of SELF
    cross_attention: str = "levels_and_encoder"  # a key of CROSS
    filtering: str = "predicted"  # Eq. 7: a key of FILTERING
    width: int = 32  # doubles at each of three scales, to 128

    def thin(self, factor: int) -> "Config":
        """Divide every width of the network by a factor; the softmax needs two clusters of four channels."""
        return replace(self, width=thinned(self.width, factor, lower_bound=8))


READINGS = {"scales": (3, 2, 2), "quarter": (0, 0, 6)}  # blocks per scale, of an encoder and of a decoder
SELF = {"attention": ("self",), "none": ()}
CROSS = {
    "levels_and_encoder": ("levels", "encoder"),
    "levels": ("levels",),
    "encoder": ("encoder",),
    "none": (),
}


class Attention(nn.Module):
    """Gather K descriptors of an image and mix them anew for each pixel (Eqs. 1-6).

    Time and memory are linear in the number of pixels, as no pixel is compared with another.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gather = conv(width, width // 4, kernel=1, bias=False)  # Q
        self.emphasise = conv(width, width, kernel=1)  # M2
        self.distribute = conv(width, width // 4, kernel=1)  # P

    def forward(self, x: Tensor, source: Tensor) -> Tensor:
        """(B, C, H, W), (B, C, h, w) -> (B, C, H, W); self-attention when both are the same."""
        q = self.gather(source).flatten(2).softmax(dim=2)  # (B, K, hw)
        descriptors = torch.bmm(q, source.flatten(2).transpose(1, 2))  # (B, K, C), Eq. 2
        m2 = self.emphasise(descriptors.mean(dim=1)[..., None, None]).sigmoid()  # (B, C, 1, 1), Eq. 4
        p = self.distribute(x).softmax(dim=1).flatten(2)  # (B, K, HW)
        mixed = torch.bmm(descriptors.transpose(1, 2), p) / p.shape[1]  # (B, C, HW), Eqs. 5, 6
        return mixed.view(x.shape) * m2  # Eq. 3; after the mixture, as it is the same for all K


class Weighted(torch.autograd.Function):
    """Multiply each tap of a window by a map of its own: the neighbourhoods of Eq. 7, weighted by K.

    Tap by tap, features are read where they are: `unfold` would copy them kk times before they are weighted,
    and autograd would keep the copies. A training step of the network takes three quarters of the time.
    """

    @staticmethod
    def forward(ctx: Any, padded: Tensor, adapting: Tensor) -> Tensor:
        """(B, C, H + k - 1, W + k - 1), K (B, kk, H, W) -> (B, kk, C, H, W)."""
        ctx.save_for_backward(padded, adapting)
        batch, taps, height, width = adapting.shape
        weighted = padded.new_empty((batch, taps, padded.shape[1], height, width))
        for tap, seen in enumerate(windows(padded, adapting)):
            torch.mul(seen, adapting[:, tap : tap + 1], out=weighted[:, tap])
        return weighted

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_weighted: Tensor) -> tuple[Tensor, Tensor]:
        """(B, kk, C, H, W) -> (B, C, H + k - 1, W + k - 1), (B, kk, H, W)."""
        padded, adapting = ctx.saved_tensors
        by_padded, by_adapting = torch.zeros_like(padded), torch.empty_like(adapting)
        pairs = zip(windows(padded, adapting), windows(by_padded, adapting), strict=True)
        for tap, (seen, by_seen) in enumerate(pairs):
            by_tap = by_weighted[:, tap]
            by_seen.addcmul_(by_tap, adapting[:, tap : tap + 1])
            torch.sum(by_tap * seen, dim=1, out=by_adapting[:, tap])
        return by_padded, by_adapting


def windows(padded: Tensor, adapting: Tensor) -> Iterator[Tensor]:
    """Yield what each tap sees, row by row: views (B, C, H, W)."""
    height, width = adapting.shape[2:]
    kernel = math.isqrt(adapting.shape[1])
    for top, left in product(range(kernel), repeat=2):
        yield padded[:, :, top : top + height, left : left + width]


def filtered(x: Tensor, adapting: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Filter by Eq. 7: (B, C, H, W), K (B, kk, H, W), W (C', C, k, k), b (C') -> (B, C', H, W).

    Where K is 1 this is `conv2d(x, weight, bias, padding=k // 2)`. The neighbourhoods of all pixels are kk
    times as large as their features, so large images are filtered in strips, which training computes again
    instead of storing.
    """
    batch, cin, height, width = map(int, x.shape)  # in a trace, sizes are tensors
    kernel = int(weight.shape[2])
    mixing = weight.permute(0, 2, 3, 1).flatten(1).expand(batch, -1, -1)  # (B, C', kkC)
    exact = torch.promote_types(x.dtype, adapting.dtype)
    padded = pad(x.contiguous().to(exact), [kernel // 2] * 4)
    adapting = adapting.contiguous().to(exact)

    def strip(top: int, rows: int) -> Tensor:
        seen = padded[:, :, top : top + rows + kernel - 1]
        weighted = Weighted.apply(seen, adapting[:, :, top : top + rows])
        return torch.bmm(mixing, weighted.flatten(1, 2).flatten(2)).unflatten(2, (rows, width))

    rows = max(1, STRIP // (batch * cin * kernel * kernel * width))
    if rows >= height:
        mixed = strip(0, height)
    else:
        strips = [
            checkpoint(strip, top, min(rows, height - top), use_reentrant=False, preserve_rng_state=False)
            for top in range(0, height, rows)
        ]
        mixed = torch.cat(strips, dim=2)
    return mixed + bias[:, None, None]


class Predicted(nn.Module):
    """Predict K by a convolution of the features themselves."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.maps = conv(width, kernel * kernel)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, kk, H, W) in (0, 1)."""
        return self.maps(x).sigmoid()


class Gaussian(nn.Module):
    """Compute K from the distance of guide features between neighbours (pixel-adaptive convolution)."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.kernel = kernel
        self.guide = conv(width, width // 4, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, kk, H, W) in (0, 1]."""
        height, width = x.shape[2:]
        guide = self.guide(x)
        padded = pad(guide, [self.kernel // 2] * 4)
        shifts = product(range(self.kernel), repeat=2)
        shifted = (padded[:, :, down : down + height, right : right + width] for down, right in shifts)
        return torch.stack([(-(x - guide).square().sum(dim=1) / 2).exp() for x in shifted], dim=1)


class PDF(nn.Module):
    """Convolve with taps that are weighted at each pixel (pixel-dependent filtering, Sec. 2.2)."""

    def __init__(self, width: int, adapt: Callable[[int, int], nn.Module]) -> None:
        super().__init__()
        self.adapt = adapt(width, 5)
        self.filter = conv(width, width, kernel=5)  # only holds W and b

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        assert self.filter.bias is not None
        return filtered(x, self.adapt(x), self.filter.weight, self.filter.bias)


FILTERING: dict[str, Callable[[int], nn.Module]] = {
    "predicted": lambda width: PDF(width, Predicted),
    "gaussian": lambda width: PDF(width, Gaussian),
    "fixed": lambda width: conv(width, width, kernel=5),  # "a special case" of Eq. 7
}


class Block(nn.Module):
    """Add the content-aware module to the input: local filters plus global attentions (Eq. 8)."""

    def __init__(self, width: int, filtering: str, attentions: tuple[str, ...]) -> None:
        super().__init__()
        self.first = conv(width, width)
        self.filter = FILTERING[filtering](width)
        self.attend = nn.ModuleDict({name: Attention(width) for name in attentions})
        self.last = conv(width, width)

    def forward(self, x: Tensor, encoded: Tensor | None = None) -> Tensor:
        """(B, C, H, W), in a decoder also the encoder's (B, C, H, W) -> (B, C, H, W)."""
        features = relu(self.first(x))
        sources = {"self": features, "encoder": encoded}
        fused = self.filter(features)
        for name, attend in self.attend.items():
            fused = fused + attend(features, sources[name])
        return x + self.last(relu(fused))


class NoBlock(nn.Module):
    """Apply a ReLU, at a scale that has no blocks."""

    def forward(self, x: Tensor, encoded: Tensor | None = None) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return relu(x)


def blocks(config: Config, scale: int, attentions: tuple[str, ...]) -> nn.ModuleList:
    """Make the blocks of a scale; 0 is the finest."""
    count, width = READINGS[config.reading][scale], config.width * 2**scale
    of_scale: list[nn.Module] = [Block(width, config.filtering, attentions) for _ in range(count)]
    return nn.ModuleList(of_scale or [NoBlock()])


class Encoder(nn.Module):
    """Encode in DMPHN's three scales of a convolution and blocks."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        w = config.width
        self.downs = nn.ModuleList((conv(3, w), conv(w, 2 * w, stride=2), conv(2 * w, 4 * w, stride=2)))
        self.scales = nn.ModuleList(blocks(config, scale, SELF[config.self_attention]) for scale in (0, 1, 2))

    def forward(self, image: Tensor) -> list[Tensor]:
        """(P, 3, H, W) -> [(P, C, H, W), (P, 2C, H/2, W/2), (P, 4C, H/4, W/4)]."""
        features = []
        for down, scale in zip(self.downs, self.scales, strict=True):
            image = down(image)
            for block in cast(nn.ModuleList, scale):
                image = block(image)
            features.append(image)
        return features


class Decoder(nn.Module):
    """Decode in DMPHN's three scales of blocks and upsampling; blocks may attend to the encoder, too."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        w, cross = config.width, [name for name in CROSS[config.cross_attention] if name == "encoder"]
        attentions = (*SELF[config.self_attention], *cross)
        self.scales = nn.ModuleList(blocks(config, scale, attentions) for scale in (2, 1, 0))
        self.ups = nn.ModuleList((upsample(4 * w), upsample(2 * w), conv(w, 3)))

    def forward(self, features: Tensor, encoded: list[Tensor]) -> Tensor:
        """(P, 4C, H/4, W/4), the encoder's [(P, C, H, W), ...] -> (P, 3, H, W)."""
        for scale, up, source in zip(self.scales, self.ups, reversed(encoded), strict=True):
            for block in cast(nn.ModuleList, scale):
                features = block(features, source)
            features = up(features)
        return features


class Fuse(nn.Module):
    """Sum a level's features and the finer level's, as DMPHN does, and attention to the finer level's."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        crossed = [name for name in CROSS[config.cross_attention] if name == "levels"]
        self.attend = nn.ModuleList(Attention(4 * config.width) for _ in crossed)

    def forward(self, x: Tensor, finer: Tensor) -> Tensor:
        """(P, C, H, W), (P, C, H, W) -> (P, C, H, W)."""
        fused = x + finer
        for attend in self.attend:
            fused = fused + attend(x, finer)
        return fused


class Net(nn.Module):
    """Restore from the finest patches to the whole image, with an encoder and a decoder per level."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        levels = LEVELS[config.levels]
        self.stride = 4 * 2 ** (levels // 2)  # as in DMPHN
        self.encoders = nn.ModuleList(Encoder(config) for _ in range(levels))
        self.decoders = nn.ModuleList(Decoder(config) for _ in range(levels))
        self.fuse = nn.ModuleList(Fuse(config) for _ in range(levels - 1))
        initialise(self)

    def forward(self, blurry: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> [(B, 3, H, W)], level 1's image."""
        patches = [blurry]
        for level in range(1, len(self.encoders)):
            patches.append(cut(patches[-1], CUT[level]))

        image, finer = patches[-1], None
        for level in reversed(range(len(self.encoders))):
            encoded = self.encoders[level](image)
            features = encoded[-1] if finer is None else self.fuse[level](encoded[-1], finer)
            if level > 0:
                encoded = [join(x, CUT[level]) for x in encoded]
                features = join(features, CUT[level])
            finer = features
            decoded = self.decoders[level](features, encoded)
            if level > 0:
                image = patches[level - 1] + decoded
        return [decoded]
