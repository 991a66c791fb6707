"""Parameters and multiply-accumulates of a network at sizes it is never run at.

One multiply-accumulate (MAC) is what fvcore calls a flop. fvcore has to trace real arithmetic (tracing on
the meta device fails in torch 2.15), so it looks at two small images; in a network without attention over
all pairs of pixels, MACs are a constant plus a share per pixel, and two sizes give both exactly.
torch's FlopCounterMode, which needs shapes only, checks that at 720x1280 on the meta device.
"""

import copy
import math
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from fvcore.nn import FlopCountAnalysis
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

PROBES = (32, 64)  # sides of the traced images; every network's stride divides both
PIXELS = {"macs_256": 256 * 256, "macs_720p": 720 * 1280}
DEFORM = "torchvision::deform_conv2d"


@dataclass(frozen=True)
class Complexity:
    """One row of results/complexity.csv."""

    run: str
    params: int
    macs_256: int
    macs_720p: int
    uncounted: str  # operators fvcore does not count, with how often each is called
    macs_720p_torch: int  # the second counter: convolutions and matrix products only
    macs_720p_deformable: int  # deformable convolutions, by formula; in none of the columns above


@contextmanager
def traced_quietly() -> Iterator[None]:
    """Silence what tracing warns of: the shapes it freezes are the ones we ask about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def trace(net: nn.Module, side: int) -> tuple[int, Counter[str], int]:
    """MACs of one square image, the operators not among them, and the MACs of those that are deformable.

    A deformable convolution's output value sums over every weight of its filter. The bilinear sampling
    (4 more products per tap and input channel) is not counted, as no paper counts it.
    """
    unseen: Counter[str] = Counter()

    def deformable(inputs: list[Any], outputs: list[Any]) -> int:
        unseen[DEFORM] += 1
        return math.prod(outputs[0].type().sizes()) * math.prod(inputs[1].type().sizes()[1:])

    with traced_quietly():
        analysis = FlopCountAnalysis(net, torch.zeros(1, 3, side, side)).set_op_handle(DEFORM, deformable)
        analysis = analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        by_operator = analysis.by_operator()
        unseen.update(analysis.unsupported_ops())
    deforms = int(by_operator.pop(DEFORM.split("::")[1], 0))
    return int(sum(by_operator.values())), unseen, deforms


def at(pixels: int, small: int, large: int) -> int:
    """A count at a number of pixels, from the counts at the two probes.

    >>> at(10, small=7 + 32**2 * 3, large=7 + 64**2 * 3)
    37
    """
    per_pixel, rest = divmod(large - small, PROBES[1] ** 2 - PROBES[0] ** 2)
    constant = small - per_pixel * PROBES[0] ** 2
    # Strided layers cost a fraction of a MAC per pixel: keep it exact, in whole numbers.
    spread = PROBES[1] ** 2 - PROBES[0] ** 2
    return constant + per_pixel * pixels + rest * (pixels - PROBES[0] ** 2) // spread


def count(name: str, net: nn.Module) -> Complexity:
    """Size and arithmetic of a run's full network for one RGB image of 256x256 and of 720x1280.

    Raises:
        ValueError: the two counters differ by more than 1 %, so the count at 720x1280 cannot be trusted.
    """
    net = copy.deepcopy(net).eval()
    (small, unseen, small_deform), (large, _, large_deform) = (trace(net, side) for side in PROBES)
    macs = {key: at(pixels, small, large) for key, pixels in PIXELS.items()}
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net.to("meta")(torch.empty(1, 3, 720, 1280, device="meta"))
    other = counter.get_total_flops() // 2
    if abs(other - macs["macs_720p"]) > 0.01 * max(other, macs["macs_720p"]):
        raise ValueError(
            f"runs.{name}: fvcore counts {macs['macs_720p']:,} MACs at 720x1280, torch {other:,}"
        )
    return Complexity(
        name,
        sum(p.numel() for p in net.parameters()),
        **macs,
        uncounted="; ".join(f"{op} x{times}" for op, times in sorted(unseen.items())),
        macs_720p_torch=other,
        macs_720p_deformable=at(PIXELS["macs_720p"], small_deform, large_deform),
    )
