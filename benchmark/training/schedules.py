"""Schedules: the factor that multiplies the recipe's learning rate, by epoch.

A run with fewer steps than the recipe passes through all of the recipe's epochs faster, so it decays at the
same share of its training. `last` is the recipe's number of epochs.
"""

import math
from collections.abc import Callable


def constant(epoch: float, last: float) -> float:
    """Keep the learning rate."""
    return 1.0


def step(epoch: float, last: float, *, every: float, factor: float) -> float:
    """Multiply by `factor` after each `every` epochs (torch's StepLR).

    >>> [step(epoch, 2400, every=1000, factor=0.1) for epoch in (0, 999, 1000)]
    [1.0, 1.0, 0.1]
    """
    return float(factor ** (epoch // every))


def milestones(epoch: float, last: float, *, at: list[float], factor: float) -> float:
    """Multiply by `factor` at each of the epochs `at` (torch's MultiStepLR).

    >>> [milestones(epoch, 1000, at=[500, 750], factor=0.5) for epoch in (499, 500, 750)]
    [1.0, 0.5, 0.25]
    """
    return float(factor ** sum(epoch >= milestone for milestone in at))


def linear(epoch: float, last: float, *, start: float, to: float = 0.0) -> float:
    """Keep the rate until the epoch `start`, then decay linearly to the share `to` at the last epoch.

    >>> [linear(epoch, 300, start=150) for epoch in (0, 150, 225, 300)]
    [1.0, 1.0, 0.5, 0.0]
    """
    return 1 - (1 - to) * max(0.0, epoch - start) / (last - start)


def cosine(epoch: float, last: float, *, warm_up: float = 0.0, to: float = 0.0) -> float:
    """Rise by a step in each of `warm_up` epochs (MPRNet), then follow half a cosine to `to` at the last.

    >>> [round(cosine(epoch, 103, warm_up=3, to=0.1), 3) for epoch in (0, 1.5, 2, 3, 53, 103)]
    [0.333, 0.667, 1.0, 1.0, 0.55, 0.1]
    """
    if epoch < warm_up:
        return (math.floor(epoch) + 1) / warm_up
    return to + (1 - to) * (1 + math.cos(math.pi * (epoch - warm_up) / (last - warm_up))) / 2


def polynomial(epoch: float, last: float, *, power: float, to: float = 0.0) -> float:
    """Raise the remaining share of the epochs to a power (TensorFlow's and Caffe's).

    >>> [polynomial(epoch, 100, power=2) for epoch in (0, 50, 100)]
    [1.0, 0.25, 0.0]
    """
    return float(to + (1 - to) * (1 - epoch / last) ** power)


SCHEDULES: dict[str, Callable[..., float]] = {
    f.__name__: f for f in (constant, step, milestones, linear, cosine, polynomial)
}
