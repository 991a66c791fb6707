"""Solve symmetric positive definite linear systems by conjugate gradients, on any device."""

from collections.abc import Callable

from torch import Tensor

Apply = Callable[[Tensor], Tensor]


def solve(apply: Apply, right: Tensor, start: Tensor, iterations: int, tolerance: float = 1e-5) -> Tensor:
    """Solve apply(x) = right from a start: tensors of one shape, all of whose elements are one vector.

    It ends after so many iterations, or when the residual's norm is `tolerance` times that of `right`
    (Hestenes and Stiefel 1952). A right side of zeros gives zeros.
    """
    limit = tolerance * float(right.norm())
    x, residual = start, right - apply(start)
    direction, square = residual, residual.square().sum()
    for _ in range(iterations):
        if float(square) ** 0.5 <= limit:
            break
        image = apply(direction)
        step = square / (direction * image).sum()
        x, residual = x + step * direction, residual - step * image
        last, square = square, residual.square().sum()
        direction = residual + square / last * direction
    return x
