"""Restore images and score them.

What is scored is what a reader can look at: the restored image rounded to 8 bits, as saved.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.pairs import Pairs

Metric = Callable[[Tensor, Tensor], Tensor]
Restore = Callable[[nn.Module, Tensor], Tensor]


@dataclass(frozen=True)
class Scored:
    """One restored image, (H, W, 3) uint8, and its value under each metric."""

    name: str
    image: NDArray[np.uint8]
    values: dict[str, float]


def tensor(image: NDArray[np.uint8], dtype: torch.dtype = torch.float64) -> Tensor:
    """(H, W, 3) uint8 -> (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(image.copy()).permute(2, 0, 1)[None].to(dtype) / 255


def score(
    net: nn.Module, restore: Restore, pairs: Pairs, metrics: Mapping[str, Metric], device: str = "cpu"
) -> Iterator[Scored]:
    """Restore each blurry image with `restore(net, image)` and measure it against its sharp one.

    Metrics see float64, so their values do not depend on the device.
    """
    net = net.to(device).to(memory_format=torch.channels_last).eval()
    for name, blurry, sharp in zip(pairs.names, pairs.blurry, pairs.sharp, strict=True):
        with torch.inference_mode():
            restored = restore(net, tensor(blurry, torch.float32).to(device)).clamp(0, 1)
        rounded = restored.mul(255).round().byte()[0].permute(1, 2, 0).cpu().numpy()
        truth = tensor(sharp)
        values = {key: float(measure(tensor(rounded), truth)) for key, measure in metrics.items()}
        yield Scored(name, rounded, values)
