"""Parameters and multiply-accumulates of a network at sizes it is never run at.

One multiply-accumulate (MAC) is what fvcore calls a flop. fvcore has to trace real arithmetic (tracing on
the meta device fails in torch 2.15), so it looks at three small square images. In a network without attention
over all pairs of pixels, MACs are a constant, a share per pixel and, with unpadded convolutions, a share per
row and column: three sizes give all of them exactly. torch's FlopCounterMode, which needs shapes only, checks
the convolutions and products at 720x1280 on the meta device. Images are padded to the network's stride, as
when it restores.
"""

import copy
import math
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from fvcore.nn import FlopCountAnalysis
from torch import nn

from benchmark.measure.traffic import traffic
from benchmark.nets import round_up_side, size_constraint

STEP = 32  # between the sides of the traced images; every network's stride divides it
SIZES = {"macs_256": (256, 256), "macs_720p": (720, 1280)}  # height, width
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
    traffic_720p: int  # bytes that all operators of one float32 forward read and write at 720x1280


@contextmanager
def traced_quietly() -> Iterator[None]:
    """Silence what tracing warns of: the shapes it freezes are the ones we ask about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@dataclass(frozen=True)
class Traced:
    """What fvcore counts in one square image."""

    everything: int
    products: int  # convolutions and matrix products alone, without normalisation, pooling and resampling
    deformable: int  # in none of the two above
    unseen: Counter[str]  # operators that are not counted


PRODUCTS = {"conv", "linear", "addmm", "matmul", "bmm", "baddbmm", "einsum"}


def trace(net: nn.Module, side: int) -> Traced:
    """MACs of one square image.

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
    products = sum(macs for operator, macs in by_operator.items() if operator in PRODUCTS)
    return Traced(int(sum(by_operator.values())), int(products), deforms, unseen)


def at(height: int, width: int, counts: dict[int, int]) -> int:
    """A count a + b (H + W) + c H W at any size, from the counts at three square sizes.

    >>> counts = {side: 7 + 5 * (side + side) + 3 * side * side for side in (32, 64, 96)}
    >>> at(2, 10, counts) == 7 + 5 * 12 + 3 * 20
    True
    """
    (s, f), (t, g), (u, h) = sorted(counts.items())
    first, second = Fraction(g - f, t - s), Fraction(h - g, u - t)  # divided differences
    c = (second - first) / (u - s)
    double_b = first - c * (s + t)
    a = f - double_b * s - c * s * s
    # Strided layers cost a fraction of a MAC per pixel; at a size the network takes the sum is whole.
    return round(a + double_b * (height + width) / 2 + c * height * width)


def count(name: str, net: nn.Module) -> Complexity:
    """Size and arithmetic of a run's full network for one RGB image of 256x256 and of 720x1280.

    Raises:
        ValueError: the two counters differ by more than 1 %, so the count at 720x1280 cannot be trusted.
    """
    net = copy.deepcopy(net).eval()
    _, least = size_constraint(net)
    smallest = -(-max(least, STEP) // STEP) * STEP
    traced = {side: trace(net, side) for side in range(smallest, smallest + 3 * STEP, STEP)}
    sizes = {
        key: (round_up_side(net, height), round_up_side(net, width)) for key, (height, width) in SIZES.items()
    }

    def of(part: str, size: tuple[int, int]) -> int:
        return at(*size, {side: getattr(seen, part) for side, seen in traced.items()})

    full = sizes["macs_720p"]
    deformable, products = of("deformable", full), of("products", full)
    macs, moved = traffic(net, *SIZES["macs_720p"])
    other = macs - deformable
    if abs(other - products) > 0.01 * max(other, products):
        raise ValueError(f"runs.{name}: fvcore counts {products:,} MACs at 720x1280, torch {other:,}")
    return Complexity(
        name,
        sum(p.numel() for p in net.parameters()),
        **{key: of("everything", size) for key, size in sizes.items()},
        uncounted="; ".join(f"{op} x{times}" for op, times in sorted(traced[smallest].unseen.items())),
        macs_720p_torch=other,
        macs_720p_deformable=deformable,
        traffic_720p=moved,
    )
