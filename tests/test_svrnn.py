"""SVRNN: the authors' figures, their recurrence written out as a loop, and what each direction sees."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmark.models.svrnn import DIRECTIONS, Config, Net, Recurrence, all_ways, convert, double, scan
from tests import golden


def looped(x: Tensor, g: Tensor) -> Tensor:
    """GateRecurrent, linear, as the authors' loop: h_t = g_t (h_{t-1} - x_t) + x_t along the first axis."""
    h = [torch.zeros_like(x[0])]
    for x_t, g_t in zip(x, g, strict=True):
        h.append(g_t * (h[-1] - x_t) + x_t)
    return torch.stack(h[1:])


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 7, 8, 21, 64])
def test_recurrence_is_the_loop(steps):
    """Values and derivatives at any length are those of the loop, run step by step."""
    x, g, weights = torch.randn(3, steps, 2, 3, dtype=torch.float64)
    inputs = x.requires_grad_(), g.tanh().requires_grad_()

    ours, theirs = Recurrence.apply(*inputs), looped(*inputs)

    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-13)
    derivatives = [torch.autograd.grad(h, inputs, weights) for h in (ours, theirs)]
    torch.testing.assert_close(*derivatives, rtol=0, atol=1e-13)


@pytest.mark.parametrize("gate", [-0.999999, -0.5, 0.0, 1e-30, 0.5, 0.999999])
def test_long_rows_stay_exact(gate):
    """Over 4,000 pixels in float32, whose gates multiply to 1 or to nothing, states are the closed form."""
    steps = 4000

    h = scan(torch.full((steps, 1), gate), torch.ones(steps, 1))

    exact = float(np.float32(gate))
    expected = (1 - exact ** torch.arange(1, steps + 1, dtype=torch.float64)) / (1 - exact)
    torch.testing.assert_close(h[:, 0].double(), expected, rtol=1e-5, atol=1e-6)


STEP = {"right": (0, 1), "left": (0, -1), "down": (1, 0), "up": (-1, 0)}


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_each_direction_runs_its_way(direction):
    """One bright pixel leaves (1 - g) g^k at distance k in its direction and nothing elsewhere."""
    gates = torch.full((1, 4, 5, 7), 9.0)  # those of other directions must not matter
    gates[:, DIRECTIONS.index(direction)] = 0.5
    x = torch.zeros(1, 1, 5, 7)
    x[0, 0, 2, 3] = 1

    seen = all_ways(x, gates)[0, DIRECTIONS.index(direction)]

    expected = torch.zeros(5, 7)
    row, column = 2, 3
    for k in range(7):
        if 0 <= row < 5 and 0 <= column < 7:
            expected[row, column] = 0.5 * 0.5**k
        row, column = row + STEP[direction][0], column + STEP[direction][1]
    torch.testing.assert_close(seen, expected)


def test_recurrence_is_exact_under_autocast():
    """Half-precision features and gates give single-precision states: sums over rows are never rounded."""
    torch.manual_seed(0)
    x, gates = torch.randn(1, 2, 4, 40).bfloat16(), torch.randn(1, 8, 4, 40).tanh().bfloat16()

    h = all_ways(x, gates)

    torch.testing.assert_close(h, all_ways(x.float(), gates.float()), rtol=0, atol=0)


def test_upsampling_is_the_authors():
    """Even places are the pixels, odd ones means of neighbours, and outside is zero (`BiLinearResizeMat`)."""
    x = torch.randn(1, 1, 3, 4, dtype=torch.float64)

    larger = double(x)[0, 0]

    outside = nn.functional.pad(x[0, 0], (0, 1, 0, 1))
    for row in range(6):
        for column in range(8):
            rows, columns = {row // 2, (row + 1) // 2}, {column // 2, (column + 1) // 2}
            mean = sum(outside[r, c] for r in rows for c in columns) / len(rows) / len(columns)
            assert larger[row, column].item() == pytest.approx(mean.item())


def test_unused_arrays_of_recurrent_layers_are_dropped():
    """The authors' files contain arrays of recurrent layers, which their network never uses."""
    weights = golden.authors_weights(golden.case("svrnn"), "caffe")

    state = convert(weights | {"rnn3_2": [np.zeros((1, 1, 8, 8))] * 3})

    assert state.keys() == Net(Config()).state_dict().keys()
