"""How far an estimated motion is from the true one. Systems that estimate none have no such values."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.spec import Quantity

Flow = NDArray[np.floating[Any]]  # (H, W, 2), pixels travelled right and down during the exposure

QUANTITIES = {
    quantity.name: quantity
    for quantity in (
        Quantity("epe", "px", "lower", "end-point error of the estimated motion, its sign left out"),
        Quantity("epe_zero", "px", "lower", "the same of no motion at all"),
        Quantity("epe_mean", "px", "lower", "the same of the training set's mean motion"),
    )
}


def fold(motion: Flow) -> Flow:
    """Turn motion to the right, or down where it is neither right nor left: a blur does not show its sign."""
    u, v = motion[..., :1], motion[..., 1:]
    return np.where((u < 0) | ((u == 0) & (v < 0)), -motion, motion)


def end_point_error(flow: Flow, motion: Flow) -> float:
    """Average over pixels the distance to the true motion or to its opposite, whichever is nearer.

    >>> end_point_error(np.array([[[3.0, 4.0]]]), np.array([[[-3.0, -1.0]]]))
    3.0
    """
    motion = motion.astype(np.float64)
    apart = [np.linalg.norm(flow - sign * motion, axis=-1) for sign in (1, -1)]
    return float(np.minimum(*apart).mean())


def errors(flow: Flow, motion: Flow, mean: Flow) -> dict[str, float]:
    """Return each of QUANTITIES for one image; `mean` (2,) is the training set's, folded."""
    guesses = {"epe": flow, "epe_zero": np.zeros(2), "epe_mean": mean}
    return {name: end_point_error(guess, motion) for name, guess in guesses.items()}
