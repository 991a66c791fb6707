"""Whyte's estimate of camera rotations against closed forms, exact warps, scikit-learn and renders."""

import cv2
import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage import data
from sklearn.linear_model import Lasso

from benchmark.deconvolution.filter_flow import FilterFlow, Tiles
from benchmark.deconvolution.rotations import Camera
from benchmark.models import _whyte_edges as edges
from benchmark.models import _whyte_light as light
from benchmark.models import _whyte_rotations as turns
from benchmark.models import whyte

CAMERA = Camera(240.0, 100, 120)


def psnr(one, other):
    return -10 * np.log10(float(((np.asarray(one) - np.asarray(other)) ** 2).mean()))


def warped(image, matrix, flags=cv2.INTER_CUBIC):
    """What a camera shows after a turn by a homography, by OpenCV: (H, W, ...) -> the same.

    In float32: with float64, OpenCV's cubic interpolation goes wrong at the border.
    """
    height, width = image.shape[:2]
    options = {"flags": flags, "borderMode": cv2.BORDER_REPLICATE}
    return cv2.warpPerspective(image.astype(np.float32), matrix, (width, height), **options).astype(float)


def filmed(image, camera, rotations):
    """Average an image over rotations, pixel by pixel, rounded to 8 bits: (H, W, 3)."""
    mean = np.mean([warped(image, matrix) for matrix in camera.homographies(rotations)], axis=0)
    return np.rint(255 * mean.clip(0, 1)) / 255


def test_shock_filter_leaves_ramps_and_extrema_and_steepens_edges():
    ramp = np.tile(np.linspace(0, 1, 30), (20, 1))
    np.testing.assert_allclose(edges.shock(ramp, 1.0)[:, 1:-1], ramp[:, 1:-1], atol=1e-12)
    edge = ndimage.gaussian_filter1d(np.tile(np.repeat([0.2, 0.8], 20), (20, 1)), 2.0, axis=1)
    sharper = edges.shock(edge, 1.0)
    assert np.diff(sharper, axis=1).max() > 1.15 * np.diff(edge, axis=1).max()
    assert sharper.min() >= edge.min() - 1e-12
    assert sharper.max() <= edge.max() + 1e-12


def test_range_of_a_uniform_image_is_its_width():
    assert edges.grey_range(np.linspace(0.1, 0.6, 10_001)) == pytest.approx(0.5)


def test_the_strongest_gradients_of_every_direction_are_kept():
    image = data.camera()[::4, ::4] / 255
    inside = np.zeros(image.shape, bool)
    inside[8:-8, 8:-8] = True
    size, strength = 9, edges.Strength()
    x, y = edges.strongest(image, inside, size, strength)
    kept = (x != 0) | (y != 0)
    assert not kept[: 8 + size // 2].any()  # nearer to the border, the blurred gradient is not known
    assert not kept[:, -8 - size // 2 :].any()
    np.testing.assert_array_equal(x[kept], edges.differences(image)[0][kept])
    direction = np.mod(np.arctan2(y, x), np.pi)[kept]
    share = 2 * size**2
    counts = np.histogram(direction, np.linspace(0, np.pi, 5))[0]
    assert (counts > 0.8 * share).all()  # but for lonely ones
    before = strength.thresholds.copy()
    strength.weaken()
    np.testing.assert_allclose(strength.thresholds, 0.9 * before)
    more = edges.strongest(image, inside, size, strength)[0]
    assert (more != 0).sum() > (x != 0).sum()


def test_a_region_with_too_few_gradients_keeps_all_of_them():
    """At the coarsest scales a blur of 35 pixels asks for more than there are, at the border too."""
    image = data.camera()[::16, ::16] / 255
    inside = np.zeros(image.shape, bool)
    inside[3:-3, 3:-3] = True
    strength = edges.Strength()
    x, y = edges.strongest(image, inside, 5, strength)
    corner = np.s_[:10, :10]  # of nine regions in 32x32 pixels; at its inner border some are lonely

    assert strength.thresholds[0, 0] == 0 < strength.thresholds[1, 1]
    np.testing.assert_array_equal(x[corner], edges.differences(image)[0][corner])
    np.testing.assert_array_equal(y[corner], edges.differences(image)[1][corner])


def test_normal_equations_come_near_exact_warps():
    """B's columns by the exact homographies: the tiles' correlations agree to a few per cent."""
    sharp = ndimage.gaussian_filter(np.random.default_rng(0).random((100, 120)), 1.5)
    rotations = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 2], [1, -1, 2]]) * CAMERA.steps
    derivatives = turns.derivatives(*edges.differences(sharp))
    known = np.zeros(sharp.shape, bool)
    known[10:-10, 10:-10] = True
    columns = [
        np.stack([warped(plane, matrix, cv2.INTER_LINEAR) * known for plane in derivatives])
        for matrix in CAMERA.homographies(rotations)
    ]
    exact = np.stack(columns).reshape(len(rotations), -1)
    blurred = np.tensordot([0.2, 0.3, 0.1, 0.4, 0.0], columns, axes=1)
    gram, right = turns.normal_equations(derivatives, blurred, known, CAMERA, rotations, (6, 8))
    scale = np.abs(exact @ exact.T).max()
    np.testing.assert_allclose(gram, exact @ exact.T, atol=0.06 * scale)
    assert gram[0, 0] == pytest.approx((exact @ exact.T)[0, 0], rel=1e-4)  # no turn, no interpolation
    np.testing.assert_allclose(right, exact @ blurred.ravel(), atol=0.1 * np.abs(right).max())


@pytest.mark.parametrize(
    ("height", "width", "half"), [(512, 512, 17), (25, 25, 1), (576, 1024, 14), (90, 60, 3)]
)
def test_in_a_tile_a_roll_is_nearly_a_shift(height, width, half):
    """Points half a tile apart differ by their distance times the angle, at most 0.6 pixels."""
    camera = Camera(2.0 * max(height, width), height, width)
    layout = Tiles(height, width, 0, turns.tiles(turns.Grid(camera, half), 0.6))
    angle = half * camera.steps[2]
    for axis in (layout.y, layout.x):
        assert angle * (axis.spacing - 1) / 2 <= 0.61  # tiles have whole pixels


def test_least_angle_regression_reaches_the_lasso():
    """scikit-learn's coordinate descent solves the same problem in another way."""
    rng = np.random.default_rng(4)
    basis, noise = rng.normal(size=(200, 30)), rng.normal(size=200) * 0.1
    truth = np.where(np.arange(30) % 6 == 0, rng.random(30) + 0.5, 0)
    observed, sparsity = basis @ truth + noise, 20.0
    found = turns.weights(basis.T @ basis, basis.T @ observed, sparsity)
    other = Lasso(alpha=sparsity / 2 / 200, positive=True, fit_intercept=False, tol=1e-10).fit(
        basis, observed
    )
    expected = np.where(other.coef_ < other.coef_.max() / turns.THRESHOLD, 0, other.coef_)
    np.testing.assert_allclose(found, expected / expected.sum(), atol=1e-6)


def test_nothing_explained_is_no_rotation():
    assert not turns.weights(np.eye(4), -np.ones(4), 0.1).any()


def test_kernels_keep_their_mean_angle_from_scale_to_scale():
    coarse = turns.Grid(CAMERA.resized(50, 60), 4)
    fine = turns.Grid(CAMERA, 8)
    kernel = np.zeros(coarse.shape)
    kernel[3, 4, 5], kernel[5, 4, 6] = 0.25, 0.75
    finer = turns.resampled(kernel, coarse, fine)

    def mean(kernel, grid):
        return kernel[kernel > 0] @ grid.rotations(kernel > 0)

    assert finer.sum() == pytest.approx(1)
    np.testing.assert_allclose(mean(finer, fine), mean(kernel, coarse), atol=0.3 * fine.camera.steps.max())


def test_centred_kernels_have_their_mass_in_the_middle():
    kernel = np.zeros((7, 7, 7))
    kernel[1, 2, 5], kernel[1, 3, 6] = 0.5, 0.5
    middle = ndimage.center_of_mass(turns.centred(kernel))
    np.testing.assert_allclose(middle, 3, atol=0.5)


def test_an_empty_kernel_stays_empty():
    assert not turns.centred(np.zeros((3, 3, 3))).any()


def test_srgb_is_the_standard_curve():
    levels = torch.tensor([0.0, 0.04045, 0.5, 1.0], dtype=torch.float64)
    expected = torch.tensor([0.0, 0.0031308, 0.214041140, 1.0], dtype=torch.float64)  # IEC 61966-2-1
    torch.testing.assert_close(light.decode_srgb(levels), expected, atol=2e-7, rtol=0)
    torch.testing.assert_close(light.encode_srgb(light.decode_srgb(levels)), levels, atol=1e-6, rtol=0)


def test_filling_continues_a_harmonic_function():
    y, x = np.mgrid[:30, :40].astype(float)
    surface = torch.from_numpy((x**2 - y**2) / 1600 + x * y / 900)
    known = np.ones(surface.shape, bool)
    known[5:20, 8:30] = False
    torch.testing.assert_close(
        light.filled(surface * torch.from_numpy(known), known), surface, atol=1e-9, rtol=0
    )


@pytest.fixture(scope="module")
def film():
    """A photograph filmed by a camera that rolls and pans, and what is known of it."""
    sharp = data.astronaut()[0:200, 120:320] / 255
    camera = Camera(400.0, 200, 200)
    rotations = np.linspace(-0.5, 0.5, 41)[:, None] * [3, 4, 11] * camera.steps
    return sharp, filmed(sharp, camera, rotations), rotations, camera


@pytest.fixture(scope="module")
def net():
    """The solver, for blurs of up to 15 pixels."""
    return whyte.Net(whyte.Config(size=15, response="none", final="tiles"))


def test_rotations_are_recovered(film, net):
    """Spreads about each axis within 1.2 pixels of the true ones, and a better image."""
    sharp, blurred, rotations, camera = film
    image = torch.from_numpy(blurred).permute(2, 0, 1).float()
    _, found, weights = net.rotations(image)
    weights = weights / weights.sum()
    spread = np.sqrt(weights @ (found - weights @ found) ** 2) / camera.steps
    np.testing.assert_allclose(spread, rotations.std(axis=0) / camera.steps, atol=1.2)
    flow = FilterFlow(camera, found, weights)
    restored = whyte.FINAL["tiles"](image, flow, net.config).clamp(0, 1).permute(1, 2, 0)
    assert psnr(restored, sharp) > psnr(blurred, sharp) + 0.5


@pytest.mark.parametrize(("final", "gain"), [("krishnan", 2.0), ("tiles", 1.3), ("richardson_lucy", 2.0)])
def test_known_rotations_are_undone(film, net, final, gain):
    sharp, blurred, rotations, camera = film
    flow = FilterFlow(camera, rotations, np.ones(len(rotations)))
    image = torch.from_numpy(blurred).permute(2, 0, 1).float()
    restored = whyte.FINAL[final](image, flow, net.config).clamp(0, 1).permute(1, 2, 0)
    assert psnr(restored, sharp) > psnr(blurred, sharp) + gain


def test_saturated_lights_need_the_sensor_model(film):
    """Behind clipped lights, Richardson and Lucy's iterations that know of clipping beat the sparse prior."""
    rotations, camera = film[2], Camera(400.0, 120, 120)
    lamps = 0.5 * film[0][40:160, 40:160]
    lamps[20:110:40, 15:110:35] = 12.0
    mean = np.mean([warped(lamps, matrix) for matrix in camera.homographies(rotations)], axis=0)
    blurred = torch.from_numpy(mean.clip(0, 1)).permute(2, 0, 1).float()
    flow = FilterFlow(camera, rotations, np.ones(len(rotations)))
    errors = {
        final: psnr(
            whyte.FINAL[final](blurred, flow, whyte.Config(steps=8)).clamp(0, 1).permute(1, 2, 0),
            lamps.clip(0, 1),
        )
        for final in ("krishnan", "richardson_lucy")
    }
    assert errors["richardson_lucy"] > errors["krishnan"] + 1


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (torch.full((1, 3, 120, 120), 0.4), "one level"),
        (torch.rand(1, 1, 120, 120), "allowed: \\(B, 3, H, W\\)"),
        (torch.rand(1, 3, 20, 120), "H and W from"),
        (torch.full((1, 3, 120, 120), float("nan")), "no numbers"),
    ],
    ids=["constant", "one channel", "tiny", "not a number"],
)
def test_bad_images_are_one_line(image, words):
    with pytest.raises(ValueError, match=words) as raised:
        whyte.Net(whyte.Config())(image)
    assert str(raised.value).startswith("whyte: ")
    assert "\n" not in str(raised.value)
