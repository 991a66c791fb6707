"""Tiles of filters against exact warps, transposes and sums; camera rotations against closed forms."""

import numpy as np
import pytest
import torch
from skimage import data

from benchmark.deconvolution import operator, tiled
from benchmark.deconvolution.filter_flow import FilterFlow, Tiles, taps
from benchmark.deconvolution.rotations import Camera

SIZE = (120, 150)
CAMERA = Camera(260.0, *SIZE)
WEIGHTS = np.linspace(1, 2, 21)


def path(x, y, z, bend=2.0):
    """A curved path of 21 rotations (21, 3), which travels so many pixels at the border about each axis."""
    time = np.linspace(-0.5, 0.5, 21)[:, None]
    return (time * [x, y, z] + bend * (time**2 - 1 / 12) * [1, -1, 1]) * CAMERA.steps


def photograph():
    """A part of a photograph, (3, 120, 150), float64."""
    return torch.from_numpy(data.astronaut()[20:140, 150:300] / 255).permute(2, 0, 1)


def psnr(one, other):
    return -10 * float((one - other).square().mean().log10())


def test_a_step_moves_the_border_by_a_pixel():
    x, y = CAMERA.middle
    points = np.array([[x, 0.0], [0.0, y], [0.0, 0.0]])  # where each axis moves most
    moved = CAMERA.moves(np.diag(CAMERA.steps), points)
    lengths = np.hypot(*np.moveaxis(moved, 2, 0))
    assert lengths[2, 2] == pytest.approx(1, abs=0.01)  # about z, the corner
    assert lengths[1, 1] == pytest.approx(1.0, abs=0.01)  # about y, the left border's middle
    assert lengths[0, 0] == pytest.approx(1.0, abs=0.05)  # about x; the upper border is nearer to the middle


def test_turning_about_the_optical_axis_is_a_rotation_of_the_plane():
    angle, point = 0.3, np.array([[100.0, 30.0]])
    moved = point + CAMERA.moves(np.array([[0, 0, angle]]), point)[0]
    middle = np.array(CAMERA.middle)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    np.testing.assert_allclose(moved, middle + (point - middle) @ turn.T, atol=1e-9)


def test_a_resized_camera_turns_the_same_way():
    small = CAMERA.resized(60, 75)
    rotation = np.array([[0.01, -0.02, 0.03]])
    # Pixel centres: (p + 1/2) / 2 - 1/2.
    moved = CAMERA.moves(rotation, np.array([[20.5, 40.5]]))
    np.testing.assert_allclose(small.moves(rotation, np.array([[10.0, 20.0]])), moved / 2, atol=1e-9)


def test_transpose_is_exact():
    flow = FilterFlow(CAMERA, path(9, -6, 14), WEIGHTS, dtype=torch.float64)
    x, y = torch.rand(2, 3, *SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    one, other = (flow.forward(x) * y).sum(), (x * flow.adjoint(y)).sum()
    assert float((one - other).abs() / one) < 1e-12


def test_a_constant_nearly_stays():
    """Filters of neighbouring tiles differ, so that light is kept on the whole and not at every pixel."""
    flow = FilterFlow(CAMERA, path(9, -6, 14), WEIGHTS, dtype=torch.float64)
    ones = torch.ones(SIZE, dtype=torch.float64)
    torch.testing.assert_close(flow.forward(ones), ones, atol=0.03, rtol=0)
    assert float(flow.forward(ones).mean()) == pytest.approx(1, abs=0.003)


def test_no_rotation_changes_nothing():
    image = photograph()
    flow = FilterFlow(CAMERA, np.zeros((1, 3)), np.ones(1), dtype=torch.float64)
    torch.testing.assert_close(flow.forward(image), image)
    torch.testing.assert_close(tiled.wiener(image, flow, 0.0), image)


def test_tiles_come_near_exact_warps():
    """The blur by every rotation's homography, pixel by pixel, is the truth; more tiles come nearer to it."""
    image, rotations = photograph(), path(8, -5, 12)
    back = torch.from_numpy(np.linalg.inv(CAMERA.homographies(rotations)))
    exact = operator.paths(back, torch.from_numpy(WEIGHTS), SIZE).forward(image)
    made = FilterFlow(CAMERA, rotations, WEIGHTS, dtype=torch.float64).forward(image)
    coarse = FilterFlow(CAMERA, rotations, WEIGHTS, tiles=(2, 2), dtype=torch.float64).forward(image)
    assert psnr(image, exact) < 30
    assert psnr(made, exact) > 40
    assert psnr(made, exact) > psnr(coarse, exact) + 6


def test_windows_add_up_to_one_on_the_image_and_around_it():
    tiles = Tiles(*SIZE, reach=7)
    total = torch.zeros(1, tiles.y.canvas, tiles.x.canvas, dtype=torch.float64)
    window = torch.from_numpy(tiles.window)
    for numbers, row in tiles.rows(total.clone()):
        tiles.add(total, numbers, window.expand_as(row))
    (top, bottom), (left, right) = ((axis.start - 7, axis.stop + 7) for axis in (tiles.y, tiles.x))
    assert float((total[0, top:bottom, left:right] - 1).abs().max()) < 1e-12


def test_taps_keep_the_mean_shift():
    moves = np.random.default_rng(2).normal(size=(50, 2)) * 9
    shifts, weights = taps(moves)
    np.testing.assert_allclose((shifts * weights[..., None]).sum(axis=1), moves, atol=1e-12)
    assert (weights >= 0).all()


@pytest.mark.parametrize("solve", ["wiener", "hyper_laplacian"])
def test_dividing_tile_by_tile_restores(solve):
    image, rotations = photograph(), path(4, -3, 8)
    flow = FilterFlow(CAMERA, rotations, WEIGHTS, dtype=torch.float64)
    blurred = flow.forward(image)
    options = (1e-3,) if solve == "wiener" else (3e3, 2 / 3)
    restored = getattr(tiled, solve)(blurred, flow, *options)
    assert psnr(restored.clamp(0, 1), image) > psnr(blurred, image) + 2


def test_no_weight_is_an_error():
    with pytest.raises(ValueError, match="no rotation has a positive weight"):
        FilterFlow(CAMERA, np.zeros((2, 3)), np.zeros(2))
