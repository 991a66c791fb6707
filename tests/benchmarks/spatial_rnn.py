"""SVRNN's recurrences on a CPU: a loop over steps against benchmark.models.svrnn's scan.

python tests/benchmarks/spatial_rnn.py
"""

import time
from collections.abc import Callable

import torch
from torch import Tensor

from benchmark.models.svrnn import Recurrence

# Steps and chains of one direction: the authors' crops of 128 pixels, thin and full, and rows of 720x1280.
SIZES = ((16, 4 * 8 * 16), (64, 4 * 32 * 64), (640, 32 * 360))


def loop(x: Tensor, g: Tensor) -> Tensor:
    """The recurrence as it is written."""
    h = torch.zeros_like(x[0])
    states = []
    for now, gate in zip(x.unbind(), g.unbind(), strict=True):
        h = (1 - gate) * now + gate * h
        states.append(h)
    return torch.stack(states)


def seconds(work: Callable[[Tensor, Tensor], Tensor], x: Tensor, g: Tensor, backward: bool) -> float:
    """The best of five calls after one more."""
    times = []
    for _ in range(6):
        begun = time.perf_counter()
        result = work(x, g)
        if backward:
            torch.autograd.grad(result.sum(), (x, g))
        times.append(time.perf_counter() - begun)
    return min(times[1:])


def main() -> None:
    """Print milliseconds and the ratio, interleaved in one run."""
    torch.set_num_threads(1)
    for steps, chains in SIZES:
        x, g = torch.randn(2, steps, chains).unbind()
        x, g = x.requires_grad_(), g.tanh().requires_grad_()
        for backward in (False, True):
            loops = seconds(loop, x, g, backward)
            scans = seconds(Recurrence.apply, x, g, backward)
            what = "forward and backward" if backward else "forward"
            print(
                f"{steps} steps, {chains} chains, {what}: loop {1e3 * loops:.1f} ms, "
                f"scan {1e3 * scans:.1f} ms, ratio {loops / scans:.1f}"
            )


if __name__ == "__main__":
    main()
