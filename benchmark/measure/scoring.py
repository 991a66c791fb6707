"""Restore images and score them.

Most protocols score the restored image as it is saved, rounded to 8 bits. Others score another form of it,
which their quantity names in `sees`.
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

# The forms of a restored image. Those of 8 bits are computed in float32, as by programs that save images:
# there 255 * (k / 255) is k for every level k, so truncating an image that has 8 bits changes nothing.
FORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "rounded": lambda x: x.clamp(0, 1).mul(255).round().double() / 255,
    "truncated": lambda x: x.clamp(0, 1).mul(255).floor().double() / 255,
    "clipped": lambda x: x.double().clamp(0, 1),
    "float": lambda x: x.double(),
}


class Metric(Protocol):
    """A file of benchmark/metrics."""

    QUANTITY: Quantity

    def measure(self, restored: Tensor, sharp: Tensor, /) -> Tensor:
        """Score (B, 3, H, W) against (B, 3, H, W), both in [0, 1] -> (B,)."""


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
        ValueError: a metric names a form that does not exist, or a blurry image cannot be restored.
    """
    for name, metric in metrics.items():
        if metric.QUANTITY.sees not in FORMS:
            raise ValueError(f"metrics.{name}: sees {metric.QUANTITY.sees!r}; allowed: {', '.join(FORMS)}")
    net = net.to(device).to(memory_format=torch.channels_last).eval()
    for name, blurry, sharp in zip(pairs.names, pairs.blurry, pairs.sharp, strict=True):
        try:
            with torch.inference_mode():
                restored = restore(net, nets.tensor(blurry, torch.float32).to(device)).cpu()
        except ValueError as error:  # of a solver, which cannot restore every image
            raise ValueError(f"{name}: {error}") from None
        truth = nets.tensor(sharp).contiguous()  # plane by plane, as metrics read it
        names = {"rounded", *(metric.QUANTITY.sees for metric in metrics.values())}
        forms = {form: FORMS[form](restored).contiguous() for form in names}
        values = {
            key: float(metric.measure(forms[metric.QUANTITY.sees], truth)) for key, metric in metrics.items()
        }
        saved = forms["rounded"].mul(255).round().byte()[0].permute(1, 2, 0).numpy()
        yield Scored(name, saved, values)
