"""SVRNN: recurrences along rows and columns whose weights another network predicts for each pixel.

Paper     J. Zhang, J. Pan, J. Ren, Y. Song, L. Bao, R. W. H. Lau, M.-H. Yang. Dynamic Scene Deblurring Using
          Spatially Variant Recurrent Neural Networks. CVPR 2018
Sources   the authors' code, github.com/zhjwustc/cvpr18_rnn_deblur_matcaffe @3e470fe: layers, widths and
          initialisation matlab/train/model/train.prototxt; recurrence gaterecurrent_layer.cpp (the .cu does
          the same); upsampling util_img.cpp; recipe matlab/train
          MATLAB passes images to Caffe with rows and columns exchanged, in training and in test: the
          direction that the prototxt calls horizontal runs down the image's columns. Here images are upright,
          and `convert` transposes the authors' filters and reorders their directions.
Unstated  nothing of the network. The authors' recurrent layers also store three arrays that they never use
          (`use_wx`, `use_wh` and `use_bias` are false), 33,280 numbers in all: not loaded, not counted
Shapes    B batch, C width of the image features, G width of the guide, H W image, T steps of a recurrence
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import interpolate, leaky_relu, max_pool2d, pad

from benchmark.models._layers import Widths, conv, weight_names
from benchmark.weights.names import from_caffe, rename

DIRECTIONS = ("right", "left", "down", "up")  # of the recurrences, in the order of gates and of results
SLOPE = 0.1  # of leaky ReLUs


@dataclass(frozen=True)
class Config(Widths):
    """The published network."""

    width: int = 16  # conve1_1; doubles at half size, where the recurrences run
    guide: int = 64  # convg1_1, as in VGG-16; doubles at each of three scales
    layers: int = 4  # recurrent layers of four directions each


def scan(gates: Tensor, inputs: Tensor) -> Tensor:
    """Compute h_t = gate_t h_{t-1} + input_t, h_{-1} = 0, for all t: (T, ...), (T, ...) -> (T, ...).

    Two steps of a linear recurrence combine to one such step, so every second h comes from a recurrence half
    as long, and the others follow from their neighbours: about 3 log T operations on whole tensors and no
    division. (Dividing by the product of all gates so far would be shorter but fails where the product of
    gates in (-1, 1) underflows.)
    """
    h = torch.empty_like(inputs)
    fill(h, gates, inputs)
    return h


def fill(h: Tensor, gates: Tensor, inputs: Tensor) -> None:
    """Write the states of the recurrence to h: (T, ...) three times."""
    steps = h.shape[0]
    h[0] = inputs[0]
    if steps > 1:
        pairs = slice(0, steps - 1, 2)  # first steps of pairs; with odd T the last step is in no pair
        joint = torch.addcmul(inputs[1::2], gates[1::2], inputs[pairs])
        fill(h[1::2], gates[1::2] * gates[pairs], joint)
        torch.addcmul(inputs[2::2], gates[2::2], h[1 : steps - 1 : 2], out=h[2::2])


class Recurrence(torch.autograd.Function):
    """Compute h_t = (1 - g_t) x_t + g_t h_{t-1}, h_{-1} = 0 (`GateRecurrent`, linear), and its derivatives.

    Autograd on `scan` would store the tensors of each of its levels. The derivative by h is a recurrence of
    the same kind in the other direction, so storing x, g and h is enough.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, g: Tensor) -> Tensor:
        """(T, ...), (T, ...) -> (T, ...)."""
        h = scan(g, torch.addcmul(x, g, x, value=-1))
        ctx.save_for_backward(x, g, h)
        return h

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_h: Tensor) -> tuple[Tensor, Tensor]:
        """(T, ...) -> (T, ...), (T, ...)."""
        x, g, h = ctx.saved_tensors
        to_next = torch.zeros_like(g)  # of h_t to h_{t+1}, from the last t to the first
        to_next[1:] = g[1:].flip(0)
        total = scan(to_next, by_h.flip(0)).flip(0)
        by_g = -x
        by_g[1:] += h[:-1]
        return torch.addcmul(total, g, total, value=-1), by_g.mul_(total)


def both_ways(x: Tensor, forth: Tensor, back: Tensor, axis: int) -> list[Tensor]:
    """Run the recurrence along an axis and against it: (B, C, H, W) three times -> (B, C, H, W) twice."""
    x, forth, back = (tensor.movedim(axis, 0) for tensor in (x, forth, back))
    # Half precision, which autocast may select, is too low for sums over a whole row.
    exact = torch.promote_types(x.dtype, torch.float32)
    ways = torch.stack((x, x.flip(0)), dim=1).to(exact), torch.stack((forth, back.flip(0)), dim=1).to(exact)
    h = Recurrence.apply(*ways)
    return [h[:, 0].movedim(0, axis), h[:, 1].flip(0).movedim(0, axis)]


def all_ways(x: Tensor, gates: Tensor) -> Tensor:
    """Run the recurrence in all DIRECTIONS: (B, C, H, W), (B, 4C, H, W) -> (B, 4C, H, W)."""
    right, left, down, up = gates.chunk(4, dim=1)
    return torch.cat([*both_ways(x, right, left, axis=3), *both_ways(x, down, up, axis=2)], dim=1)


def double(x: Tensor) -> Tensor:
    """Double the size as the authors' `Resize` does: (B, C, H, W) -> (B, C, 2H, 2W).

    New pixels are the means of two or four neighbours; outside the image is zero, so that the last row and
    the last column are halved.
    """
    height, width = x.shape[2:]
    size = (2 * height + 1, 2 * width + 1)
    return interpolate(pad(x, (0, 1, 0, 1)), size, mode="bilinear", align_corners=True)[..., :-1, :-1]


def convs(*widths: int) -> nn.Sequential:
    """Make 3x3 convolutions from width to width, each followed by a ReLU."""
    return nn.Sequential(*(layer for pair in pairwise(widths) for layer in (conv(*pair), nn.ReLU())))


class Guide(nn.Module):
    """Predict the gates of every recurrence for every pixel at half size.

    VGG-16's first layers, then two scales up.
    """

    def __init__(self, width: int, gates: int) -> None:
        super().__init__()
        g = width
        self.scales = nn.ModuleList((convs(3, g, g), convs(g, 2 * g, 2 * g), convs(2 * g, 4 * g, 4 * g)))
        self.deepest = nn.Sequential(
            convs(4 * g, 4 * g), nn.MaxPool2d(2), convs(4 * g, 8 * g, 8 * g, 4 * g)
        )  # its first layer still belongs to the third scale, whose skip branches off before it
        self.to_quarter = convs(8 * g, 2 * g, 2 * g)
        self.to_half = nn.Sequential(convs(4 * g, 4 * g), conv(4 * g, gates), nn.Tanh())

    def forward(self, blurry: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, gates, H/2, W/2) in (-1, 1)."""
        whole, half, quarter = self.scales
        at_half = half(max_pool2d(whole(blurry), 2))
        at_quarter = quarter(max_pool2d(at_half, 2))
        x = self.to_quarter(torch.cat((at_quarter, double(self.deepest(at_quarter))), dim=1))
        return self.to_half(torch.cat((at_half, double(x)), dim=1))


class Net(nn.Module):
    """Extract features at half size, run recurrences with predicted gates, decode to an image."""

    stride = 8

    def __init__(self, config: Config) -> None:
        super().__init__()
        c = config.width
        self.encode = conv(3, c, kernel=11)
        self.shrink = conv(c, 2 * c, kernel=7, stride=2)
        self.guide = Guide(config.guide, config.layers * len(DIRECTIONS) * 2 * c)
        self.mix = nn.ModuleList(conv(len(DIRECTIONS) * 2 * c, 2 * c) for _ in range(config.layers))
        self.decode = conv(4 * c, c, kernel=9)
        self.last = conv(2 * c, 3, kernel=5)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):  # Caffe's "xavier" looks at inputs only
                reach = math.sqrt(3 / module.weight[0].numel())
                nn.init.uniform_(module.weight, -reach, reach)
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    def forward(self, blurry: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> [(B, 3, H, W)]."""
        whole = leaky_relu(self.encode(blurry), SLOPE)
        half = x = self.shrink(whole)  # this layer and the last have no activation
        for mix, gates in zip(self.mix, self.guide(blurry).chunk(len(self.mix), dim=1), strict=True):
            x = leaky_relu(mix(all_ways(x, gates)), SLOPE)
        x = leaky_relu(self.decode(torch.cat((half, x), dim=1)), SLOPE)
        return [self.last(torch.cat((whole, double(x)), dim=1))]


# The authors' names of layers -> ours.
LAYERS = {
    "conve1_1": "encode",
    "conve1_2": "shrink",
    "convg1_1": "guide.scales.0.0",
    "convg1_2": "guide.scales.0.2",
    "convg2_1": "guide.scales.1.0",
    "convg2_2": "guide.scales.1.2",
    "convg3_1": "guide.scales.2.0",
    "convg3_2": "guide.scales.2.2",
    "convg3_3": "guide.deepest.0.0",
    "convg4_1": "guide.deepest.2.0",
    "convg4_2": "guide.deepest.2.2",
    "convg4_3": "guide.deepest.2.4",
    "convgd1": "guide.to_quarter.0",
    "convgd1_2": "guide.to_quarter.2",
    "convgd2": "guide.to_half.0.0",
    "convgd2_2": "guide.to_half.1",
    "conv_rnn1": "mix.0",
    "conv_rnn2": "mix.1",
    "conv_rnn3": "mix.2",
    "conv_rnn4": "mix.3",
    "convd1_1": "decode",
    "convd1_2": "last",
}
UNUSED = {f"rnn{layer}_{direction}" for layer in range(1, 5) for direction in range(1, 5)}

# Indices of our DIRECTIONS among the authors', whose x is our y. They list gates as x1, y1, x2, y2 and
# results as x1, x2, y1, y2, where 1 runs from the first pixel to the last and 2 from the last to the first.
GATES = (1, 3, 0, 2)
RESULTS = (2, 3, 0, 1)


def convert(weights: Mapping[str, Sequence[Any]]) -> dict[str, Tensor]:
    """Convert the authors' weights, the arrays per layer of a Caffe model, to a state dict of `Net`."""
    flat = from_caffe({layer: arrays for layer, arrays in weights.items() if layer not in UNUSED})
    state = rename(flat, LAYERS, weight_names(Net, Config()))
    for name, value in state.items():
        value = value.transpose(2, 3) if value.dim() == 4 else value
        if name.startswith("guide.to_half.1."):
            value = reordered(value, 0, 4, GATES)
        elif name.startswith("mix.") and value.dim() == 4:
            value = reordered(value, 1, 1, RESULTS)
        state[name] = value.contiguous()
    return state


def reordered(values: Tensor, axis: int, groups: int, order: Sequence[int]) -> Tensor:
    """Reorder channels by direction, along an axis of groups x four directions x width."""
    by_direction = values.unflatten(axis, (groups, len(order), -1))
    return by_direction.index_select(axis + 1, torch.tensor(order)).flatten(axis, axis + 2)
