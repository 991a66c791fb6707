"""Gains during training, and the attention maps kept along with them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark import nets
from benchmark.data.pairs import Pairs
from benchmark.metrics import psnr
from benchmark.spec import Normalise

CROPS, SIDE = 12, 64  # centre crops of each split, in pixels; the curves show their gain, no choice uses them


class Validator:
    """Measure how much a network improves a few centre crops of each split, training images included.

    If the model has attention maps and `keep` is a folder, the maps of the first test image are written to
    it, one file per call (BAG's Fig. 8 shows how they change in training).
    """

    def __init__(self, splits: Mapping[str, Pairs], normalise: Normalise, keep: Path | None = None) -> None:
        """Take the crops of each split; `splits` has "test" at least."""
        self.normalise, self.keep, self.device = normalise, keep, nets.device()
        self.first = nets.tensor(splits["test"].blurry[0], torch.get_default_dtype()).to(self.device)
        self.crops = {split: [c.to(self.device) for c in centres(pairs)] for split, pairs in splits.items()}
        self.input = {split: self.quality(*crops) for split, crops in self.crops.items()}

    def __call__(self, net: nn.Module, step: int) -> dict[str, float]:
        """Return the gain of each split in dB: mean PSNR of restored crops less that of blurred ones."""
        net.eval()
        with torch.inference_mode():
            gains = {
                split: self.quality(nets.restore(net, blurry, self.normalise).clamp(0, 1), sharp)
                - self.input[split]
                for split, (blurry, sharp) in self.crops.items()
            }
            if self.keep:
                maps = nets.attention(net, self.first, self.normalise)
                if maps:
                    self.keep.mkdir(parents=True, exist_ok=True)
                    np.savez_compressed(self.keep / f"{step:07d}.npz", **cast(Any, maps))
        net.train()
        return gains

    @staticmethod
    def quality(images: Tensor, sharp: Tensor) -> float:
        """Compute the mean PSNR in dB of images (B, 3, H, W) in [0, 1]."""
        return float(psnr.measure(images, sharp).mean())


def centres(pairs: Pairs) -> tuple[Tensor, Tensor]:
    """Cut the centres of evenly chosen images, blurred and sharp: (B, 3, SIDE, SIDE) in [0, 1], twice."""
    chosen = np.unique(np.linspace(0, len(pairs) - 1, CROPS).astype(int))
    height, width = (min(SIDE, *(pairs.blurry[i].shape[axis] for i in chosen)) for axis in (0, 1))

    def centre(image: NDArray[np.uint8]) -> Tensor:
        y, x = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
        return nets.tensor(image[y : y + height, x : x + width], torch.get_default_dtype())

    return torch.cat([centre(pairs.blurry[i]) for i in chosen]), torch.cat(
        [centre(pairs.sharp[i]) for i in chosen]
    )
