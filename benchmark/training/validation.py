"""Validation PSNR during training, and the attention maps kept along with it."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from benchmark import nets, spec
from benchmark.data.pairs import Pairs
from benchmark.metrics import psnr

VALIDATION, SIDE = 4, 128  # centre crops of the test images; the curve shows their PSNR, no choice uses it


class Validator:
    """Measure the mean PSNR of a network over a few centre crops of the test images.

    If the model has attention maps and `keep` is a folder, the maps of the first test image are written to
    it, one file per call (BAG's Fig. 8 shows how they change in training).
    """

    def __init__(self, pairs: Pairs, normalise: spec.Normalise, keep: Path | None = None) -> None:
        self.normalise, self.keep, self.device = normalise, keep, nets.device()
        self.first = nets.tensor(pairs.blurry[0], torch.get_default_dtype()).to(self.device)
        self.crops = []
        selected = list(zip(pairs.blurry, pairs.sharp, strict=True))[:: max(1, len(pairs) // VALIDATION)]
        for images in selected[:VALIDATION]:
            y, x = (max(0, (n - SIDE) // 2) for n in images[0].shape[:2])
            crops = (nets.tensor(i[y : y + SIDE, x : x + SIDE], torch.get_default_dtype()) for i in images)
            self.crops.append([crop.to(self.device) for crop in crops])

    def __call__(self, net: nn.Module, step: int) -> float:
        """Return the validation PSNR in dB."""
        net.eval()
        with torch.inference_mode():
            pairs = [(nets.restore(net, b, self.normalise).clamp(0, 1), s) for b, s in self.crops]
            values = [float(psnr.measure(restored, sharp)) for restored, sharp in pairs]
            if self.keep:
                maps = nets.attention(net, self.first, self.normalise)
                if maps:
                    self.keep.mkdir(parents=True, exist_ok=True)
                    np.savez_compressed(self.keep / f"{step:07d}.npz", **cast(Any, maps))
        net.train()
        return sum(values) / len(values)
