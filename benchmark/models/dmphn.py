"""DMPHN: a deep multi-patch hierarchical network for deblurring, and stacks of it.

Paper     H. Zhang, Y. Dai, H. Li, P. Koniusz. Deep Stacked Hierarchical Multi-patch Network for Image
          Deblurring. CVPR 2019. arXiv:1904.03468
Sources   the authors' code, github.com/HongguangZhang/DMPHN-cvpr19-master @9fff261: blocks, widths models.py;
          levels DMPHN_1_2_4.py, DMPHN_1_2_4_8.py; stacks SDNet2.py, SDNet3.py, SDNet4.py; initialisation
          `weight_init` of each
Unstated  "1" and "1-2": not in the code; here 1-2-4 without its finest levels, as the code's 1-2-4 is 1-2-4-8
          without its finest
          stacks of other levels than 1-2-4: not in the code; here with the same additions (of "1", all but
          level 2's)
Shapes    B batch, C width, H W image, P patches of one level (in the batch axis)
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmark.models._layers import Encoder, ResBlock, Widths, conv, initialise, upsample, weight_names
from benchmark.weights.names import rename

LEVELS = {"1": 1, "1-2": 2, "1-2-4": 3, "1-2-4-8": 4}  # the paper's names list the patches of each level

# The axis along which a level halves the patches of the previous level: rows, columns, rows.
CUT = {1: 2, 2: 3, 3: 2}


@dataclass(frozen=True)
class Config(Widths):
    """DMPHN(1-2-4), the network other papers compare with."""

    levels: str = "1-2-4"  # a key of LEVELS
    stacks: int = 1  # stages of Stack(n)-DMPHN
    width: int = 32  # models.py; doubles at each of three scales


def cut(images: Tensor, axis: int) -> Tensor:
    """Cut images in half along an axis: (P, C, H, W) -> (2P, C, H/2, W), or W/2; all first halves come first.

    The authors' code runs the patches of a level one after another; one batch of them gives the same sums.
    """
    return torch.cat(images.chunk(2, dim=axis), dim=0)


def join(patches: Tensor, axis: int) -> Tensor:
    """Join halves that `cut` made: (2P, C, H, W) -> (P, C, 2H, W) or (P, C, H, 2W)."""
    return torch.cat(patches.chunk(2, dim=0), dim=axis)


def decoder(width: int) -> nn.Sequential:
    """Make a decoder of two residual blocks per scale, without skips: (P, 4C, H/4, W/4) -> (P, 3, H, W)."""
    blocks: list[nn.Module] = []
    for wide in (4 * width, 2 * width):
        blocks += [ResBlock(wide), ResBlock(wide), upsample(wide)]
    return nn.Sequential(*blocks, ResBlock(width), ResBlock(width), conv(width, 3))


class Stage(nn.Module):
    """Restore an image from the finest patches to the whole, with an encoder and a decoder per level.

    A level encodes its patches plus the image that the finer level decoded, adds the finer level's
    features, joins its patches in pairs and decodes the pairs. The first level's image is the restored one.
    """

    def __init__(self, levels: int, width: int) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(Encoder(width) for _ in range(levels))
        self.decoders = nn.ModuleList(decoder(width) for _ in range(levels))

    def forward(
        self, image: Tensor, earlier: list[Tensor], first: Tensor | None
    ) -> tuple[Tensor, list[Tensor]]:
        """Restore the blurry image, or the previous stage's, (B, 3, H, W); return the decoded features, too.

        `earlier` are the previous stage's features per level, `first` is the first stage's image; the first
        stage has neither.
        """
        levels = len(self.encoders)
        patches = [image]
        for level in range(1, levels):
            patches.append(cut(patches[-1], CUT[level]))

        by_level: list[Tensor] = []  # finest level first
        decoded: Tensor | None = None
        for level in reversed(range(levels)):
            image = patches[level] if decoded is None else patches[level] + decoded
            features: Tensor = self.encoders[level](image)[-1]
            if by_level:
                features = features + by_level[-1]
            if level > 0:
                features = join(features, CUT[level])
            if earlier:
                features = features + earlier[level]
            by_level.append(features)
            decoded = self.decoders[level](features)
            # The authors' code adds the image restored by stage 1 here in every later stage, not that of
            # the previous stage. It looks like a mistake, but their weights were trained with it.
            if level == 1 and first is not None:
                decoded = decoded + first
        assert decoded is not None
        return decoded, by_level[::-1]


class Net(nn.Module):
    """Apply stages one after another; each restores the previous one's image further."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        levels = LEVELS[config.levels]
        # Patches must divide by the encoder's 4; rows are cut at levels 2 and 4, columns at level 3.
        self.stride = 4 * 2 ** (levels // 2)
        self.stages = nn.ModuleList(Stage(levels, config.width) for _ in range(config.stacks))
        initialise(self)

    def forward(self, blurry: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> one restored (B, 3, H, W) per stage."""
        restored: list[Tensor] = []
        features: list[Tensor] = []
        for stage in self.stages:
            image, first = (restored[-1], restored[0]) if restored else (blurry, None)
            image, features = stage(image, features, first)
            restored.append(image)
        return restored


# The authors' names of layers -> ours, in one file of theirs. They skip the numbers 4, 8, 12, 15, 19 and 23.
LAYERS = {
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


def convert(weights: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Convert the authors' weights to a state dict of `Net`.

    Args:
        weights: per file of the authors its state dict, by the file's name without its ending: "encoder_lv1"
            for one stage, "encoder_s1_lv1" for stacks.

    Raises:
        ValueError: as `rename`, or a file has another name.
    """
    layers, stages, levels = {}, 1, 1
    for file in weights:
        match = re.fullmatch(r"(encoder|decoder)(?:_s([1-9]))?_lv([1-4])", file)
        if match is None:
            raise ValueError(f"unexpected sub-network {file!r}; allowed: encoder_lv1, encoder_s1_lv1, ...")
        stage, level = int(match[2] or 1), int(match[3])
        stages, levels = max(stages, stage), max(levels, level)
        for theirs, ours in LAYERS[match[1]].items():
            layers[f"{file}.{theirs}"] = f"stages.{stage - 1}.{match[1]}s.{level - 1}.{ours}"
    config = Config({count: name for name, count in LEVELS.items()}[levels], stages)
    flat = {f"{file}.{name}": value for file, state in weights.items() for name, value in state.items()}
    return rename(flat, layers, weight_names(Net, config))
