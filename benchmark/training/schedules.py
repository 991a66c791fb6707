"""Learning rate as a factor of the recipe's, as a function of the epoch.

Epochs are the recipe's own: a cut run passes through all of them faster, so it decays where the paper does.
"""

from collections.abc import Callable


def constant(epoch: float) -> float:
    """No decay."""
    return 1.0


def step(epoch: float, every: float, factor: float) -> float:
    """Times `factor` after each `every` epochs (torch's StepLR).

    >>> [step(epoch, every=1000, factor=0.1) for epoch in (0, 999, 1000)]
    [1.0, 1.0, 0.1]
    """
    return float(factor ** (epoch // every))


SCHEDULES: dict[str, Callable[..., float]] = {"constant": constant, "step": step}
