"""Losses that the device may still be computing: read late, but before anything is kept that follows them."""

import math

import torch
from torch import Tensor


class DivergedError(ValueError):
    """A loss is not finite, or weights are not."""


class Pending:
    """Collect the losses of steps, and read many at once: reading one waits for the device.

    `window` has the last loss of each step that was read, by step, until somebody empties it.
    """

    def __init__(self, most: int) -> None:
        """Leave at most so many losses unread; 0 reads each when it is added."""
        self.most, self.window = most, dict[int, float]()
        self.unread: list[tuple[int, str, float, Tensor]] = []

    def add(self, step: int, name: str, lr: float, loss: Tensor) -> None:
        """Add the loss, a single value, by which network `name` is updated in a step.

        Raises:
            DivergedError: as `read`.
        """
        self.unread.append((step, name, lr, loss.detach()))
        if len(self.unread) > self.most:
            self.read()

    def read(self) -> None:
        """Wait for all losses.

        Raises:
            DivergedError: one is NaN or infinite; the message names step, network and learning rate of the
                first one.
        """
        if not self.unread:
            return
        values = torch.stack([loss.reshape(()).double() for *_, loss in self.unread]).tolist()
        for (step, name, lr, _), value in zip(self.unread, values, strict=True):
            if not math.isfinite(value):
                raise DivergedError(
                    f"step {step + 1}: the loss of {name!r} is {value} at learning rate {lr:g}"
                )
            self.window[step] = value
        self.unread = []
