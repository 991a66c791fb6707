"""SVDN: its sizes, where its taps look and how they count, and that the flow guides them."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d
from torchvision.ops import deform_conv2d

from benchmark.losses import Batch, flow_guided
from benchmark.losses.flow_guided import off_path
from benchmark.models._layers import deform_conv
from benchmark.models.svdn import Config, Net, sampling_points
from benchmark.spec import Normalise


def batch(side: int = 32, count: int = 2) -> Batch:
    """Random images, and motion of a few pixels."""
    torch.manual_seed(1)
    blurry, sharp = torch.rand(2, count, 3, side, side) - 0.5
    return Batch(blurry, sharp, Normalise(0.5), {"motion": 5 * torch.randn(count, 2, side, side)})


def test_a_new_network_hardly_changes_the_image():
    """The restored image is the blurry image plus what was decoded, and nothing deforms yet."""
    torch.manual_seed(0)
    net = Net(Config().thin(4))
    torch.nn.init.zeros_(net.decoder[-1][-1].weight)
    blurry = torch.rand(1, 3, 16, 24) - 0.5

    *points, restored = net(blurry)

    torch.testing.assert_close(restored, blurry)
    grid = [4.0 * (k % 3 - 1) if axis == 0 else 4.0 * (k // 3 - 1) for k in range(9) for axis in range(2)]
    for field in points:
        torch.testing.assert_close(field, torch.tensor(grid).view(1, 18, 1, 1).expand(1, 18, 4, 6))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("height", "width", "reach"), [(7, 10, 0.5), (7, 10, 8.0)])
def test_modulated_convolution_is_torchvisions(height, width, reach, bias):
    """Values and all derivatives agree with torchvision's, far outside the image too."""
    torch.manual_seed(0)
    shapes = (2, 4, height, width), (2, 18, height, width), (2, 9, height, width), (5, 4, 3, 3), (5,)
    x, offsets, masks, weight, b = (torch.randn(shape, dtype=torch.float64) for shape in shapes)
    given = [tensor.requires_grad_() for tensor in (x, reach * offsets, masks, weight)]
    b = b.requires_grad_() if bias else None
    given += [b] if bias else []

    x, offsets, masks, weight = given[:4]
    ours = deform_conv(x, offsets, weight, b, masks)
    theirs = deform_conv2d(given[0], given[1], given[3], b, padding=1, mask=given[2])

    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(*(torch.autograd.grad(y.square().sum(), given) for y in (ours, theirs)))


def test_masks_of_one_modulate_nothing():
    """Then it is the deformable convolution without masks."""
    x, offsets, weight = torch.randn(1, 4, 6, 9), torch.randn(1, 18, 6, 9), torch.randn(4, 4, 3, 3)

    ours = deform_conv(x, offsets, weight, None, torch.ones(1, 9, 6, 9))

    torch.testing.assert_close(ours, deform_conv(x, offsets, weight))


@pytest.mark.parametrize(("kind", "share"), [("modulated", 0.5), ("deformable", 1.0)])
def test_a_deformable_convolution_starts_as_an_ordinary_one(kind, share):
    """Masks start at a half, offsets at zero."""
    first = Net(Config(kind).thin(4)).deconvolution[0].first
    x = torch.randn(2, 32, 5, 7)

    y, _ = first(x)

    torch.testing.assert_close(y, conv2d(x, share * first.filter.weight, first.filter.bias, padding=1))


def test_taps_look_where_the_points_say():
    """At whole-pixel offsets each output is the sum over taps of weight times the pixel at its point / 4."""
    torch.manual_seed(0)
    x, weight = torch.randn(3, 8, 9), torch.randn(2, 3, 3, 3)
    offsets = torch.randint(-2, 3, (1, 18, 8, 9)).float()

    y = deform_conv(x[None], offsets, weight)[0]

    points = sampling_points(offsets)[0].unflatten(0, (9, 2)) / 4
    for row, column in [(0, 0), (3, 4), (7, 8), (5, 1)]:
        expected = torch.zeros(2)
        for k in range(9):
            right, down = points[k, :, row, column].int().tolist()
            if 0 <= row + down < 8 and 0 <= column + right < 9:
                expected += weight[:, :, k // 3, k % 3] @ x[:, row + down, column + right]
        torch.testing.assert_close(y[:, row, column], expected)


def path(x: float, y: float) -> Tensor:
    """Nine points from half of a motion back to half of it ahead, for an image of 3x4."""
    steps = [k / 8 - 0.5 for k in range(9)]
    return torch.tensor([[step * x, step * y] for step in steps]).view(1, 18, 1, 1).expand(1, 18, 3, 4)


@pytest.mark.parametrize(("x", "y"), [(8.0, 0.0), (-6.0, 2.5), (0.0, 0.0)])
@pytest.mark.parametrize("sign", [1, -1])
def test_points_on_the_path_are_on_it_from_either_end(x, y, sign):
    """A blur looks the same forwards and backwards, so both orders cost nothing."""
    motion = sign * torch.tensor([x, y]).view(1, 2, 1, 1).expand(1, 2, 12, 16)

    assert off_path(path(x, y), motion).item() == pytest.approx(0, abs=1e-6)


def test_off_path_in_pixels():
    """A pixel beside the path in x is half a pixel on average; ordinary taps are 8/3 from a standstill."""
    motion = torch.tensor([8.0, 4.0]).view(1, 2, 1, 1).expand(1, 2, 12, 16)
    beside = (path(8, 4).unflatten(1, (9, 2)) + torch.tensor([1.0, 0.0]).view(1, 1, 2, 1, 1)).flatten(1, 2)

    assert off_path(beside, motion).item() == pytest.approx(0.5)
    still = sampling_points(torch.zeros(1, 18, 3, 4))
    assert off_path(still, torch.zeros(1, 2, 12, 16)).item() == pytest.approx(4 * 12 / 18)


def test_each_pixel_takes_its_own_motion_and_order():
    """Halves that move against each other are both on their paths; a coarse pixel sees the mean motion."""
    left, right = torch.zeros(2, 1, 2, 12, 16)
    left[:, 0, :, :8], right[:, 0, :, 8:] = 6, 3
    points = torch.cat((path(-6, 0)[..., :2], path(3, 0)[..., 2:]), dim=3)
    uneven = left + right
    uneven[..., ::2] += 1
    uneven[..., 1::2] -= 1

    assert off_path(points, left + right).item() == pytest.approx(0, abs=1e-6)
    assert off_path(points, uneven).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("guide", [0.0, 0.01])
def test_the_loss_is_the_distance_and_the_guide(guide):
    """The mean squared error of the restored image, and `guide` times the mean over all fields of points."""
    given = batch()
    *points, restored = Net(Config(blocks=2).thin(8))(given.blurry)

    loss = flow_guided.loss([*points, restored], given, guide=guide)

    off = sum(off_path(field, given.extras["motion"]) for field in points) / 2
    torch.testing.assert_close(loss, (restored - given.sharp).square().mean() + guide * off)


def test_the_guide_pulls_the_points_onto_the_path():
    """A few steps on one batch that moves bring the sampling points nearer to its path."""
    torch.manual_seed(0)
    given = batch()
    motion = torch.tensor([12.0, -8.0]).view(1, 2, 1, 1).expand(2, 2, 32, 32)
    given = replace(given, extras={"motion": motion})
    net = Net(Config(blocks=2).thin(8))
    optimiser = torch.optim.Adam(net.parameters(), lr=0.01)

    off = []
    for _ in range(40):
        outputs = net(given.blurry)
        off.append(torch.stack([off_path(field, motion) for field in outputs[:-1]]).mean().item())
        optimiser.zero_grad()
        flow_guided.loss(outputs, given, guide=0.1).backward()
        optimiser.step()

    assert off[-1] < 0.3 * off[0]
