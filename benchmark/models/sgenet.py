"""SGENet: two encoder-decoders; predicted images guide their skips, and features of both are weighed.

Paper     SGENet (Spatially Guided Enhancement Network). Authors, title and venue are not in the available
          text (BMVC 2022 is inferred)
Sources   stages, widths, blocks per scale Secs. 3.1, 4.1; images Eq. 1; CEM Sec. 3.2; CSAM Sec. 3.3,
          Eqs. 5 to 7; SAM, and all that the text attributes to "[27]", from MPRNet's code
Unstated  No code is public, and no figure is available. Choices marked * were varied until the size came out
          as printed: Table 1 prints 19.5 M, here 19.527 M
          resizing, added skips, convolutions without bias: MPRNet's; no patches, as Sec. 1 is against them
          RDM: five 3x3*: one; three in parallel, dilated by 1, 2, 3 and summed; one. Channel attention*
          "recursive": the whole RDM again with the same weights. The size does not show how often: once here,
          twice with `recursions: 2`
          coarser features of CEM: the decoder's, as the index s counts from coarse to fine; upsampled and
          concatenated*; the coarsest CEM* has no such input
          CEM's map: by 3x3 of the image, as in SAM, not of the residual; it weighs a 3x3 of both features*
          which three images of a stage are compared (Eq. 2): the two coarser CEMs', and the stage's image at
          full size, which is SAM's and in stage 2 a 3x3 of the decoder's features; not the finest CEM's, with
          which there are four in a stage (`compared: eight`)
          CSAM's three features: those that MPRNet's CSFF adds, with its 1x1* (without: 19.438 M)
          CSAM's perceptrons: one for each of the three, two layers, C/3 to C/3 to C; softmax across the
          three, which are then summed
          without CEM: the encoder's features, from which a 3x3 computes the two coarser images
          without CSAM: the sum, as in MPRNet; without SAM: the decoder's features, and the same image
          initialisation: PyTorch's default
Shapes    B batch, C width, H W image, s scale: 0 finest, 1, 2
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu

from benchmark.models._layers import conv, thinned
from benchmark.models.mprnet import SAM, ChannelAttention, resize, widths


@dataclass(frozen=True)
class Config:
    """The full network, last row of Table 1."""

    skips: str = "cem"  # Sec. 3.2: a key of SKIPS
    fusion: str = "csam"  # Sec. 3.3: a key of FUSION
    attention: str = "sam"  # Sec. 2: a key of ATTENTION
    dilation: str = "dilated"  # Sec. 3.1: a key of DILATION
    recursions: int = 1  # of the same weights in each RDM
    compared: str = "six"  # images in the loss, Eq. 2: a key of COMPARED
    width: int = 96  # Sec. 4.1
    growth: int = 24  # Sec. 4.1: 96, 120, 144

    def thin(self, factor: int) -> "Config":
        """Divide every width of the network by a factor, to a multiple of three, as CSAM needs it."""
        width = thinned(self.width, factor, multiple=3, lower_bound=12)
        return replace(self, width=width, growth=thinned(self.growth, factor, multiple=3, lower_bound=3))


DILATION = {"dilated": (1, 2, 3), "plain": (1, 1, 1)}
COMPARED = {"six": 2, "eight": 3}  # images of a stage's skips


class RDM(nn.Module):
    """Apply a residual block with parallel dilated convolutions `recursions` times."""

    def __init__(self, width: int, dilations: tuple[int, ...], recursions: int) -> None:
        super().__init__()
        self.recursions = recursions
        self.first = conv(width, width, bias=False)
        self.dilated = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=d, dilation=d, bias=False) for d in dilations
        )
        self.last = conv(width, width, bias=False)
        self.attend = ChannelAttention(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        for _ in range(self.recursions):
            features = relu(self.first(x))
            near, *far = (layer(features) for layer in self.dilated)
            x = x + self.attend(self.last(relu(sum(far, near))))
        return x


class CEM(nn.Module):
    """Predict the image and refine features by the prediction (contextual-aware enhancement module)."""

    def __init__(self, widths: list[int], scale: int) -> None:
        super().__init__()
        width = widths[scale]
        self.ups = nn.ModuleList(resize(coarser, width, 2) for coarser in widths[scale + 1 : scale + 2])
        self.context = conv((1 + len(self.ups)) * width, width, bias=False)
        self.residual = conv(width, 3, bias=False)
        self.features = conv(3, width, bias=False)
        self.map = conv(3, width, bias=False)
        self.fuse = conv(2 * width, width, bias=False)

    def forward(self, encoded: Tensor, coarser: list[Tensor], blurry: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W), [] or [(B, C', H/2, W/2)], (B, 3, H, W) -> (B, C, H, W), image (B, 3, H, W)."""
        features = [encoded, *(up(x) for up, x in zip(self.ups, coarser, strict=True))]
        context = relu(self.context(torch.cat(features, dim=1)))
        residual = self.residual(context)
        image = blurry + residual  # Eq. 1
        fused = self.fuse(torch.cat((self.features(residual), context), dim=1))
        return fused * self.map(image).sigmoid(), image


class Plain(nn.Module):
    """Return the encoder's features unchanged, and below full size an image predicted from them."""

    def __init__(self, widths: list[int], scale: int) -> None:
        super().__init__()
        heads = [] if scale == 0 else [conv(widths[scale], 3, bias=False)]
        self.residual = nn.ModuleList(heads)

    def forward(self, encoded: Tensor, coarser: list[Tensor], blurry: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W), ignored, (B, 3, H, W) -> (B, C, H, W), image (B, 3, H, W)."""
        for residual in self.residual:
            blurry = blurry + residual(encoded)
        return encoded, blurry


SKIPS: dict[str, Callable[[list[int], int], nn.Module]] = {"none": Plain, "cem": CEM}


class CSAM(nn.Module):
    """Weigh three features against each other per channel (cross-stage selective aggregation module)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        third = width // 3

        def perceptron() -> nn.Sequential:
            return nn.Sequential(
                conv(third, third, 1, bias=False), nn.ReLU(), conv(third, width, 1, bias=False)
            )

        self.perceptrons = nn.ModuleList(perceptron() for _ in range(3))

    def forward(self, features: list[Tensor]) -> Tensor:
        """Three (B, C, H, W) -> (B, C, H, W)."""
        first, second, third = features
        pooled = (first + second + third).mean(dim=(2, 3), keepdim=True)  # Eqs. 5, 6
        votes = [vote(z) for vote, z in zip(self.perceptrons, pooled.chunk(3, dim=1), strict=True)]
        weights = torch.stack(votes).softmax(dim=0)  # Eq. 7
        return first * weights[0] + second * weights[1] + third * weights[2]


class Sum(nn.Module):
    """Sum all three features, as in MPRNet."""

    def __init__(self, width: int) -> None:
        super().__init__()

    def forward(self, features: list[Tensor]) -> Tensor:
        """Three (B, C, H, W) -> (B, C, H, W)."""
        first, second, third = features
        return first + second + third


FUSION: dict[str, Callable[[int], nn.Module]] = {"sum": Sum, "csam": CSAM}


class Handover(nn.Module):
    """Fuse stage 2's features of a scale with those of stage 1's encoder and decoder, after a 1x1 each."""

    def __init__(self, width: int, fusion: str) -> None:
        super().__init__()
        self.encoded = conv(width, width, 1, bias=False)
        self.decoded = conv(width, width, 1, bias=False)
        self.fuse = FUSION[fusion](width)

    def forward(self, x: Tensor, encoded: Tensor, decoded: Tensor) -> Tensor:
        """(B, C, H, W) three times -> (B, C, H, W)."""
        return self.fuse([x, self.encoded(encoded), self.decoded(decoded)])


class Unattended(nn.Module):
    """Predict SAM's image without its attention; features are unchanged."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.residual = conv(width, 3, 1, bias=False)

    def forward(self, x: Tensor, blurry: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W), (B, 3, H, W) -> (B, C, H, W), image (B, 3, H, W)."""
        return x, blurry + self.residual(x)


ATTENTION: dict[str, Callable[[int], nn.Module]] = {"none": Unattended, "sam": SAM}


class Stage(nn.Module):
    """Encode and decode in three scales with two RDMs each."""

    def __init__(self, config: Config, handovers: list[nn.Module]) -> None:
        super().__init__()
        self.compared = COMPARED[config.compared]
        scales = widths(config.width, config.growth)

        def rdms(width: int) -> nn.Sequential:
            dilations = DILATION[config.dilation]
            return nn.Sequential(*(RDM(width, dilations, config.recursions) for _ in range(2)))

        self.encoder = nn.ModuleList(rdms(width) for width in scales)
        self.downs = nn.ModuleList(resize(fine, coarse, 0.5) for fine, coarse in pairwise(scales))
        self.handovers = nn.ModuleList(handovers)
        self.skips = nn.ModuleList(SKIPS[config.skips](scales, scale) for scale in range(3))
        self.ups = nn.ModuleList(resize(coarse, fine, 2) for fine, coarse in pairwise(scales))
        self.decoder = nn.ModuleList(rdms(width) for width in scales)

    def forward(
        self, x: Tensor, blurry: list[Tensor], *earlier: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Encode, then decode x (B, C, H, W) with the blurry image of each scale, (B, 3, H/2^s, W/2^s).

        Return the encoder's and the decoder's features per scale, (B, C, H/2^s, W/2^s), which the second
        stage takes as `earlier`, and the images of the skips, the coarsest first.
        """
        encoded: list[Tensor] = []
        for scale, blocks in enumerate(self.encoder):
            x = blocks(self.downs[scale - 1](x) if encoded else x)
            if self.handovers:
                x = self.handovers[scale](x, *(features[scale] for features in earlier))
            encoded.append(x)

        decoded: list[Tensor] = []  # the finest first
        images: list[Tensor] = []
        for scale in reversed(range(3)):
            x, image = self.skips[scale](encoded[scale], decoded[:1], blurry[scale])
            images.append(image)
            if decoded:
                x = x + self.ups[scale](decoded[0])
            decoded.insert(0, self.decoder[scale](x))
        return encoded, decoded, images[: self.compared]


class Net(nn.Module):
    """Apply two stages to the whole image, connected by SAM and CSAM."""

    stride = 4

    def __init__(self, config: Config) -> None:
        super().__init__()
        if config.skips == "none" and config.compared == "eight":
            raise ValueError("skips 'none' predict no image at full size; compared: 'eight'; allowed: 'six'")
        width = config.width
        handovers: list[nn.Module] = [Handover(w, config.fusion) for w in widths(width, config.growth)]
        self.shallow = nn.ModuleList(conv(3, width, bias=False) for _ in range(2))
        self.stages = nn.ModuleList((Stage(config, []), Stage(config, handovers)))
        self.attend = ATTENTION[config.attention](width)
        self.merge = conv(2 * width, width, bias=False)
        self.tail = conv(width, 3, bias=False)

    def forward(self, blurry: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> per stage (B, 3, H/4, W/4), (B, 3, H/2, W/2), (B, 3, H, W), of eight twice."""
        scales = [blurry]
        for _ in range(2):
            scales.append(interpolate(scales[-1], scale_factor=0.5, mode="bilinear"))

        encoded, decoded, images = self.stages[0](self.shallow[0](blurry), scales)
        attended, image = self.attend(decoded[0], blurry)
        first = [*images, image]

        x = self.merge(torch.cat((self.shallow[1](blurry), attended), dim=1))
        _, decoded, images = self.stages[1](x, scales, encoded, decoded)
        return [*first, *images, blurry + self.tail(decoded[0])]

    def attention(self, blurry: Tensor) -> dict[str, Tensor]:
        """Return for Fig. 6 the input "skip" and output "refined" of stage 2's finest skip, (B, C, H, W)."""
        maps: dict[str, Tensor] = {}

        def keep(module: nn.Module, inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...]) -> None:
            maps.update(skip=inputs[0], refined=outputs[0])

        stage = self.stages[1]
        assert isinstance(stage, Stage)
        hook = stage.skips[0].register_forward_hook(keep)
        self(blurry)
        hook.remove()
        return maps
