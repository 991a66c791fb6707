"""One loss per file: `loss(outputs, batch, *, settings)` over the outputs, the restored image last.

A loss that can do without an extra says in `WITHOUT = {extra: what it does then}`: where a real set does not
have it, the run trains without, and the words are noted beside its results.

A loss is a mean over the images of its batch, so that a batch can be cut (training/parallel.py). One that is
not says why in `WHOLE`.
"""

from dataclasses import dataclass, field
from functools import cache

import torch
from torch import Tensor

from benchmark.spec import Normalise


@dataclass(frozen=True)
class Batch:
    """Hold one training step's crops in the network's range, (B, 3, H, W) each, and the recipe's extras.

    Extras are (B, C, H, W). Images among them (three channels) are in the network's range too, "motion" is
    the movement in pixels while the shutter was open, (x, y), "moving" is 0 or 1.
    """

    blurry: Tensor
    sharp: Tensor
    normalise: Normalise
    extras: dict[str, Tensor] = field(default_factory=dict)

    def image(self, x: Tensor) -> Tensor:
        """Convert from the network's range to [0, 1]."""
        return x / self.normalise.scale + self.normalise.mean


def exact(x: Tensor) -> Tensor:
    """Convert half precision, which autocast may select, to single; leave higher precision."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


@cache
def constants(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return numbers as a tensor (n,), sent to a device once: sending waits for all work there."""
    with torch.inference_mode(False):  # for training too, whoever asks first
        return torch.tensor(values, dtype=dtype, device=device)
