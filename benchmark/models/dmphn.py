"""DMPHN: a deep multi-patch hierarchical network for deblurring, and stacks of it.

Paper     H. Zhang, Y. Dai, H. Li, P. Koniusz. Deep Stacked Hierarchical Multi-patch Network for Image
          Deblurring. CVPR 2019. arXiv:1904.03468
Sources   the authors' code, github.com/HongguangZhang/DMPHN-cvpr19-master @9fff261: blocks, widths models.py;
          levels DMPHN_1_2_4.py, DMPHN_1_2_4_8.py; stacks SDNet2.py, SDNet3.py, SDNet4.py; initialisation
          `weight_init` of each
Unstated  "1" and "1-2": not in the code; 1-2-4 without its finest levels, as 1-2-4 is 1-2-4-8 without its
          stacks of other levels than 1-2-4: not in the code; the same additions (of "1", all but level 2's)
Shapes    B batch, C width, H W image, P patches of one level (they lie in the batch axis)
"""

import re
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from benchmark.models._layers import Encoder, ResBlock, conv, initialise, renamed, upsample

LEVELS = {"1": 1, "1-2": 2, "1-2-4": 3, "1-2-4-8": 4}  # the paper's names say how many patches each has

# The axis along which a level halves the patches of the level before: rows, columns, rows.
CUT = {1: 2, 2: 3, 3: 2}


@dataclass(frozen=True)
class Config:
    """DMPHN(1-2-4), the network other papers compare with."""

    levels: str = "1-2-4"  # a key of LEVELS
    stacks: int = 1  # stages of Stack(n)-DMPHN
    width: int = 32  # models.py; doubles at each of three scales

    def thin(self, factor: int) -> "Config":
        """The same network with every width divided."""
        return replace(self, width=max(4, self.width // factor))


def cut(images: Tensor, axis: int) -> Tensor:
    """Halves along an axis, all first halves before all second ones: (P, C, H, W) -> (2P, C, H/2, W), or W/2.

    The authors' code runs the patches of a level one after another; as one batch they give the same sums.
    """
    return torch.cat(images.chunk(2, dim=axis), dim=0)


def join(patches: Tensor, axis: int) -> Tensor:
    """The inverse of `cut`: (2P, C, H, W) -> (P, C, 2H, W) or (P, C, H, 2W)."""
    return torch.cat(patches.chunk(2, dim=0), dim=axis)


def decoder(width: int) -> nn.Sequential:
    """Two residual blocks per scale, no skips: (P, 4C, H/4, W/4) -> (P, 3, H, W)."""
    blocks: list[nn.Module] = []
    for wide in (4 * width, 2 * width):
        blocks += [ResBlock(wide), ResBlock(wide), upsample(wide)]
    return nn.Sequential(*blocks, ResBlock(width), ResBlock(width), conv(width, 3))


class Stage(nn.Module):
    """One DMPHN: from the finest patches to the whole image, an encoder and a decoder per level.

    A level encodes its patches plus the image the finer level decoded, adds the finer level's
    features, joins its patches in pairs and decodes the pairs. The first level's image is the answer.
    """

    def __init__(self, levels: int, width: int) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(Encoder(width) for _ in range(levels))
        self.decoders = nn.ModuleList(decoder(width) for _ in range(levels))

    def forward(
        self, image: Tensor, earlier: list[Tensor], first: Tensor | None
    ) -> tuple[Tensor, list[Tensor]]:
        """Restore an image, given what earlier stages found.

        Args:
            image: (B, 3, H, W), the blurry one or the previous stage's answer.
            earlier: per level, the previous stage's features; empty in the first stage.
            first: the first stage's answer; none in the first stage.

        Returns:
            (B, 3, H, W), and per level the features that were decoded.
        """
        levels = len(self.encoders)
        patches = [image]
        for level in range(1, levels):
            patches.append(cut(patches[-1], CUT[level]))

        found: list[Tensor] = []  # finest level first
        decoded: Tensor | None = None
        for level in reversed(range(levels)):
            seen = patches[level] if decoded is None else patches[level] + decoded
            features: Tensor = self.encoders[level](seen)[-1]
            if found:
                features = features + found[-1]
            if level > 0:
                features = join(features, CUT[level])
            if earlier:
                features = features + earlier[level]
            found.append(features)
            decoded = self.decoders[level](features)
            # The authors' code adds stage 1's answer here in every later stage, not the previous
            # stage's. It looks like a slip, but their weights were trained with it.
            if level == 1 and first is not None:
                decoded = decoded + first
        assert decoded is not None
        return decoded, found[::-1]


class Net(nn.Module):
    """Stages one after another; each restores the previous one's answer further."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        levels = LEVELS[config.levels]
        # Patches must divide by the encoder's 4; rows are cut at levels 2 and 4, columns at level 3.
        self.stride = 4 * 2 ** (levels // 2)
        self.stages = nn.ModuleList(Stage(levels, config.width) for _ in range(config.stacks))
        initialise(self)

    def forward(self, blurry: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> one (B, 3, H, W) per stage, the answer last."""
        answers: list[Tensor] = []
        features: list[Tensor] = []
        for stage in self.stages:
            image, first = (answers[-1], answers[0]) if answers else (blurry, None)
            answer, features = stage(image, features, first)
            answers.append(answer)
        return answers


# The authors' names of layers, in order, and where the same layer is here. ResBlocks hold two
# convolutions, numbered 0 and 2 on both sides. Numbers they skip (4, 8, 12, 15, 19, 23) do not exist.
THEIRS = {
    "encoder": {
        f"layer{1 + 4 * scale + place}": f"scales.{scale}.{place}" + (".body" if place else "")
        for scale in range(3)
        for place in range(3)
    },
    "decoder": {
        f"layer{number}": str(place) + ("" if number in (16, 20, 24) else ".body")
        for place, number in enumerate((13, 14, 16, 17, 18, 20, 21, 22, 24))
    },
}


def convert(files: dict[str, dict[str, Tensor]]) -> dict[str, Tensor]:
    """The authors' weights as a state dict of `Net`.

    Args:
        files: per sub-network, its state dict; named as the authors' files without their ending,
            "encoder_lv1" for one stage or "encoder_s1_lv1" for stacks.

    Raises:
        ValueError: a sub-network or a weight is missing or unexpected; the message names it.
    """
    parts: dict[tuple[int, int, str], str] = {}
    for name in files:
        match = re.fullmatch(r"(encoder|decoder)(?:_s(\d))?_lv(\d)", name)
        if match is None:
            raise ValueError(f"unexpected sub-network {name!r}; known: encoder_lv1, encoder_s1_lv1, ...")
        parts[int(match[2] or 1), int(match[3]), match[1]] = name
    stages = max((stage for stage, _, _ in parts), default=1)
    levels = max((level for _, level, _ in parts), default=1)

    state: dict[str, Tensor] = {}
    for stage in range(1, stages + 1):
        for level in range(1, levels + 1):
            for half, layers in THEIRS.items():
                if (stage, level, half) not in parts:
                    raise ValueError(f"missing sub-network: {half} of stage {stage}, level {level}")
                name = parts[stage, level, half]
                given = renamed(files[name], layers, f" in {name}")
                here = f"stages.{stage - 1}.{half}s.{level - 1}."
                state |= {here + key: value for key, value in given.items()}
    return state
