"""Deformable convolution on a CPU: torchvision's operator against benchmark.models._layers.deform_conv.

python tests/benchmarks/deformable.py
"""

import time
from collections.abc import Callable

import torch
from torch import Tensor
from torchvision.ops import deform_conv2d

from benchmark.models._layers import deform_conv

SIZES = ((4, 8, 32), (4, 32, 64), (1, 32, 256))  # batch, channels, side


def seconds(work: Callable[[], Tensor], backward: bool) -> float:
    """The best of five calls."""
    best = float("inf")
    for _ in range(6):
        begun = time.perf_counter()
        result = work()
        if backward:
            result.sum().backward()
        best = min(best, time.perf_counter() - begun)
    return best


def main() -> None:
    """Print milliseconds and the ratio, interleaved in one run."""
    torch.set_num_threads(1)
    for batch, width, side in SIZES:
        x, offsets, weight = (
            torch.rand(shape, requires_grad=True)
            for shape in ((batch, width, side, side), (batch, 18, side, side), (width, width, 3, 3))
        )
        for backward in (False, True):
            theirs = seconds(lambda: deform_conv2d(x, offsets, weight, padding=1), backward)  # noqa: B023
            ours = seconds(lambda: deform_conv(x, offsets, weight), backward)  # noqa: B023
            what = "forward and backward" if backward else "forward"
            print(
                f"{batch}x{width}x{side}x{side} {what}: torchvision {1e3 * theirs:.1f} ms, "
                f"here {1e3 * ours:.1f} ms, ratio {theirs / ours:.1f}"
            )


if __name__ == "__main__":
    main()
