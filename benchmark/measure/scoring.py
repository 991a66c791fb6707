"""Restore images and score them.

Most protocols score what a reader can look at: the restored image rounded to 8 bits, as saved. Some see
another form of it, named by their quantity's `sees`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark import nets
from benchmark.data.pairs import Pairs
from benchmark.spec import Quantity

Restore = Callable[[nn.Module, Tensor], Tensor]

# What a metric may see of a restored image. 8 bits are made in float32, as the programs that save images do:
# there 255 * (k / 255) is k for every level k, so truncating an image that has 8 bits changes nothing.
SEEN: dict[str, Callable[[Tensor], Tensor]] = {
    "rounded": lambda x: x.clamp(0, 1).mul(255).round().double() / 255,
    "truncated": lambda x: x.clamp(0, 1).mul(255).floor().double() / 255,
    "clipped": lambda x: x.double().clamp(0, 1),
    "float": lambda x: x.double(),
}


class Metric(Protocol):
    """A file of benchmark/metrics."""

    QUANTITY: Quantity

    def measure(self, restored: Tensor, sharp: Tensor, /) -> Tensor:
        """(B, 3, H, W), (B, 3, H, W) in [0, 1] -> (B,)."""


@dataclass(frozen=True)
class Scored:
    """One restored image, (H, W, 3) uint8, and its value under each metric."""

    name: str
    image: NDArray[np.uint8]
    values: dict[str, float]


def score(
    net: nn.Module, restore: Restore, pairs: Pairs, metrics: Mapping[str, Metric], device: str = "cpu"
) -> Iterator[Scored]:
    """Restore each blurry image with `restore(net, image)` and measure it against its sharp one.

    Metrics see float64 on the CPU, so their values do not depend on the device.

    Raises:
        ValueError: a metric wants to see what there is not; the message names both.
    """
    for name, metric in metrics.items():
        if metric.QUANTITY.sees not in SEEN:
            raise ValueError(f"metrics.{name}: sees {metric.QUANTITY.sees!r}; known: {', '.join(SEEN)}")
    net = net.to(device).to(memory_format=torch.channels_last).eval()
    for name, blurry, sharp in zip(pairs.names, pairs.blurry, pairs.sharp, strict=True):
        with torch.inference_mode():
            restored = restore(net, nets.tensor(blurry, torch.float32).to(device)).cpu()
        truth = nets.tensor(sharp).contiguous()  # plane by plane, as metrics read it
        wanted = {"rounded", *(metric.QUANTITY.sees for metric in metrics.values())}
        seen = {sees: SEEN[sees](restored).contiguous() for sees in wanted}
        values = {
            key: float(metric.measure(seen[metric.QUANTITY.sees], truth)) for key, metric in metrics.items()
        }
        saved = seen["rounded"].mul(255).round().byte()[0].permute(1, 2, 0).numpy()
        yield Scored(name, saved, values)
