"""Count the parameters and multiply-accumulates of a network at image sizes too large to trace.

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
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from fvcore.nn import FlopCountAnalysis
from torch import nn

from benchmark.measure.traffic import traffic
from benchmark.nets import round_up_side, size_constraint
from benchmark.results.schema import Complexity

STEP = 32  # between the sides of the traced images; every network's stride divides it
SIZES = {"macs_256": (256, 256), "macs_720p": (720, 1280)}  # height, width
DEFORM = "torchvision::deform_conv2d"


@dataclass(frozen=True)
class Traced:
    """MACs of one square image by fvcore."""

    total: int
    products: int  # convolutions and matrix products alone, without normalisation, pooling and resampling
    deformable: int  # in none of the two above
    uncounted: Counter[str]  # operators that are not counted, with the number of calls


PRODUCTS = {"conv", "linear", "addmm", "matmul", "bmm", "baddbmm", "einsum"}


def trace(net: nn.Module, side: int) -> Traced:
    """Count the MACs of one square image.

    A deformable convolution's output value sums over every weight of its filter. The bilinear sampling
    (4 more products per tap and input channel) is not counted, as no paper counts it.
    """
    uncounted: Counter[str] = Counter()

    def deformable(inputs: list[Any], outputs: list[Any]) -> int:
        uncounted[DEFORM] += 1
        return math.prod(outputs[0].type().sizes()) * math.prod(inputs[1].type().sizes()[1:])

    with warnings.catch_warnings(action="ignore"):  # tracing freezes shapes, and the count is of these
        analysis = FlopCountAnalysis(net, torch.zeros(1, 3, side, side)).set_op_handle(DEFORM, deformable)
        analysis = analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        by_operator = analysis.by_operator()
        uncounted.update(analysis.unsupported_ops())
    deforms = int(by_operator.pop(DEFORM.split("::")[1], 0))
    products = sum(macs for operator, macs in by_operator.items() if operator in PRODUCTS)
    return Traced(int(sum(by_operator.values())), int(products), deforms, uncounted)


def at(height: int, width: int, counts: dict[int, int]) -> int:
    """Extrapolate a count a + b (H + W) + c H W to any size, from the counts at three square sizes.

    >>> counts = {side: 7 + 5 * (side + side) + 3 * side * side for side in (32, 64, 96)}
    >>> at(2, 10, counts) == 7 + 5 * 12 + 3 * 20
    True
    """
    (s, f), (t, g), (u, h) = sorted(counts.items())
    first, second = Fraction(g - f, t - s), Fraction(h - g, u - t)  # divided differences
    c = (second - first) / (u - s)
    double_b = first - c * (s + t)
    a = f - double_b * s - c * s * s
    # Strided layers cost a fraction of a MAC per pixel; at a size that the network accepts, the sum is whole.
    return round(a + double_b * (height + width) / 2 + c * height * width)


def count(name: str, net: nn.Module) -> Complexity:
    """Count a run's full network for one RGB image of 256x256 and of 720x1280.

    A network whose `no_macs` says why its operations are not defined has its parameters counted alone.

    Raises:
        ValueError: the two counters differ by more than 1 %, so the count at 720x1280 cannot be trusted.
    """
    if reason := getattr(net, "no_macs", ""):
        params = sum(p.numel() for p in net.parameters())
        return Complexity(name, params, None, None, f"not defined: {reason}", None, None, None)
    net = copy.deepcopy(net).eval()
    _, smallest = size_constraint(net)
    smallest = -(-max(smallest, STEP) // STEP) * STEP
    traced = {side: trace(net, side) for side in range(smallest, smallest + 3 * STEP, STEP)}
    sizes = {
        key: (round_up_side(net, height), round_up_side(net, width)) for key, (height, width) in SIZES.items()
    }

    def of(part: str, size: tuple[int, int]) -> int:
        return at(*size, {side: getattr(counts, part) for side, counts in traced.items()})

    full = sizes["macs_720p"]
    deformable, products = of("deformable", full), of("products", full)
    macs, bytes_moved = traffic(net, *SIZES["macs_720p"])
    other = macs - deformable
    if abs(other - products) > 0.01 * max(other, products):
        raise ValueError(f"runs.{name}: fvcore counts {products:,} MACs at 720x1280, torch {other:,}")
    return Complexity(
        name,
        sum(p.numel() for p in net.parameters()),
        macs_256=of("total", sizes["macs_256"]),
        macs_720p=of("total", full),
        uncounted="; ".join(f"{op} x{calls}" for op, calls in sorted(traced[smallest].uncounted.items())),
        macs_720p_torch=other,
        macs_720p_deformable=deformable,
        traffic_720p=bytes_moved,
    )
