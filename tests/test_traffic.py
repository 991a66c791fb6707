"""MACs and memory traffic of one forward pass, against sums over shapes that are done by hand."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import pad

from benchmark import nets, spec
from benchmark.measure.counting import count
from benchmark.measure.traffic import traffic
from benchmark.models._layers import deform_conv
from benchmark.results import read_rows
from benchmark.results.schema import Complexity

ROOT = Path(__file__).parents[1]
RUNS = spec.load(ROOT / "params.yaml")[1]
COUNTED = {row.run: row for row in read_rows(ROOT / "results" / "complexity.csv", Complexity)}
SOLVERS = {row.run for row in COUNTED.values() if row.macs_256 is None}  # operations are not defined
FIRST = {run.model: name for name, run in reversed(RUNS.items()) if name not in SOLVERS}  # of each model
IMAGE = 3 * 16 * 24 * 4  # bytes of one


class Works(nn.Module):
    """A network whose forward is a function of itself, which has a convolution of 3 to 8 channels."""

    def __init__(self, work, stride=1):
        super().__init__()
        self.work, self.stride = work, stride
        self.conv = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, image):
        """Return what the function returns."""
        return self.work(self, image)


def moved(work, batch=1):
    """Return the bytes for images of 16x24."""
    return traffic(Works(work), 16, 24, batch)[1]


def test_a_convolution_reads_its_input_and_its_weights_and_writes_its_output():
    """3x3, 3 to 8 channels at 16x24: 9 * 3 * 8 MACs a pixel; then a ReLU and a sum of two."""
    features = 8 * 16 * 24 * 4
    weights = (8 * 3 * 9 + 8) * 4

    def block(net, image):
        x = net.conv(image)
        return x + torch.relu(x)

    expected = (IMAGE + weights + features) + 2 * features + 3 * features
    assert traffic(Works(block), 16, 24) == (9 * 3 * 8 * 16 * 24, expected)
    twice = expected + 6 * features + IMAGE
    assert traffic(Works(block), 16, 24, batch=2) == (2 * 9 * 3 * 8 * 16 * 24, twice)


def test_views_are_free():
    """No pixel moves when only shapes and strides change, and none when memory is only taken."""

    def views(net, image):
        x = image.permute(0, 2, 3, 1).reshape(16, 24, 3)[2:-2, ::2].unsqueeze(0).expand(5, -1, -1, -1)
        torch.empty_like(image), image.new_empty(3), torch.empty(7, device=image.device)
        return x.detach().transpose(1, 2).split(2, dim=1)

    assert moved(views) == 0


OPERATORS = {  # and how often they move the image
    "in place": (lambda net, x: x.relu_(), 2),
    "in place with itself": (lambda net, x: x.add_(x), 2),
    "in place with a view of itself": (lambda net, x: x.add_(x.detach()), 2),
    "square": (lambda net, x: x.mul(x), 2),
    "overwritten": (lambda net, x: x.zero_(), 1),
    "zeros": (lambda net, x: torch.zeros_like(x), 1),
    "ones": (lambda net, x: x.new_ones(x.shape), 1),
    "copied": (lambda net, x: torch.empty_like(x).copy_(x), 2),
    "joined": (lambda net, x: torch.cat((x, x.flip(3)), dim=1), 2 + 4),
    "padded": (lambda net, x: pad(x, (0, 24)), 1 + 2),
    "half": (lambda net, x: x[..., :12].exp(), 0.5 + 0.5),
    "repeated": (lambda net, x: x.repeat(1, 2, 1, 1), 1 + 2),
    "halved in size": (lambda net, x: x.to(torch.float16), 1 + 0.5),
    "into available memory": (lambda net, x: torch.add(x, 1, out=torch.empty_like(x)), 2),
    "flattened after transposing": (lambda net, x: x.transpose(2, 3).flatten(), 2),
}


@pytest.mark.parametrize(("work", "times"), OPERATORS.values(), ids=OPERATORS)
def test_each_tensor_is_read_and_written_once(work, times):
    """In place is read and written, a whole overwriting is written alone, and nothing is read twice."""
    assert moved(work) == times * IMAGE


def test_an_expanded_tensor_is_read_as_stored():
    """One number added to each pixel is one number read."""
    assert moved(lambda net, x: x + net.conv.bias[:1].detach().expand_as(x)) == 2 * IMAGE + 4


def test_windows_that_overlap_are_read_once():
    """Eight taps of every second column are the image, not four images."""
    assert moved(lambda net, x: x.unfold(3, 8, 2).neg()) == IMAGE + 3 * 16 * 9 * 8 * 4


def test_a_deformable_convolution_is_one_operator():
    """As on a GPU: it reads image, offsets, and weights, and each output value sums over its filter."""

    def deformed(net, image):
        offsets = torch.empty(1, 18, 16, 24, device=image.device)
        return deform_conv(image, offsets, net.conv.weight)

    macs, bytes_moved = traffic(Works(deformed), 16, 24)

    assert macs == 9 * 3 * 8 * 16 * 24
    # torchvision's has a mask and a bias in any case: here one of no values and one of zeros.
    lower_bound = IMAGE + (18 + 8) * 16 * 24 * 4 + 8 * 3 * 9 * 4
    assert lower_bound <= bytes_moved <= lower_bound + 1024


def test_images_are_padded_as_for_restoring():
    """An image of 13x17 is one of 16x24 to a network of stride 8."""
    net = Works(lambda net, x: net.conv(x), stride=8)

    assert traffic(net, 13, 17) == traffic(net, 16, 24) != traffic(Works(net.work), 13, 17)


def test_half_precision_moves_half():
    """Images have the type of the weights."""
    net = Works(lambda net, x: net.conv(x).relu())
    macs, whole = traffic(net, 16, 24)

    assert traffic(net.half(), 16, 24) == (macs, whole // 2)


def test_dmphn_is_as_counted():
    """The MACs of DMPHN(1) at 256x256 are those of another counter, and at 720x1280 those of its authors."""
    net = nets.build(RUNS["dmphn_1"])

    assert traffic(net, 256, 256)[0] == 16_286_482_432 == COUNTED["dmphn_1"].macs_256
    assert traffic(net, 720, 1280)[0] == pytest.approx(229.029e9, rel=1e-5)


@pytest.mark.parametrize("name", FIRST.values())
def test_every_model_can_be_counted(name):
    """Arithmetic grows with the batch; bytes too, but for the weights, read once; a network is left alone."""
    net = nets.build(RUNS[name], thin=4)
    side = nets.round_up_side(net, 1)
    (macs, first), (twice, second), (four, fourth) = (traffic(net, side, side, batch) for batch in (1, 2, 4))

    assert (twice, four) == (2 * macs, 4 * macs)
    assert fourth - second == 2 * (second - first)
    assert first >= second - first
    assert all(p.device.type == "cpu" for p in net.parameters())
    assert net.training


def test_a_network_that_does_nothing_moves_nothing():
    """It is the blurred input itself."""
    assert traffic(nets.build(RUNS["identity"]), 64, 64) == (0, 0)


@pytest.mark.parametrize("name", ["dmphn_1", "cdgnet_small"])
def test_the_table_of_counts_has_the_traffic(name):
    """At 720x1280, of float32; the other columns are what they were. CDGNet convolves deformably."""
    net = nets.build(RUNS[name])
    counted = count(name, net)

    assert counted.traffic_720p == traffic(net, 720, 1280)[1]
    for column in ("params", "macs_720p", "macs_720p_torch", "macs_720p_deformable", "uncounted"):
        assert getattr(counted, column) == getattr(COUNTED[name], column)
