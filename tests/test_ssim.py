"""SSIM's protocols: their formulas against scikit-image and SciPy, and the fast way against the formulas."""

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d
from skimage.color import rgb2ycbcr
from skimage.metrics import structural_similarity

from benchmark.data.pairs import image
from benchmark.metrics import ssim, ssim_cw, ssim_matlab, ssim_uniform, ssim_y
from benchmark.nets import tensor as decoded
from tests.test_metrics import GOPRO, PAIR, tensor

FAST = [ssim, ssim_matlab, ssim_uniform, ssim_y]
GAUSSIAN = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}


def short(module):
    """A metric's name."""
    return module.QUANTITY.name


def volume_ssim(x, y):
    """MATLAB's SSIM of an RGB image: a 3-D Gaussian with replicated borders, by SciPy."""
    taps = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    taps /= taps.sum()

    def blend(volume):
        for axis in range(3):
            volume = correlate1d(volume, taps, axis=axis, mode="nearest")
        return volume

    mx, my = blend(x), blend(y)
    vx, vy, vxy = blend(x * x) - mx**2, blend(y * y) - my**2, blend(x * y) - mx * my
    maps = (2 * mx * my + 1e-4) * (2 * vxy + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))
    return maps.mean()


def luminance_ssim(x, y):
    """Gaussian SSIM of scikit-image's own Y."""
    y_of_x, y_of_y = (rgb2ycbcr(p)[..., 0] for p in (x, y))
    return structural_similarity(y_of_x, y_of_y, data_range=255, **GAUSSIAN)


OUTSIDE = {
    "ssim": lambda x, y: structural_similarity(x, y, data_range=1, channel_axis=2, **GAUSSIAN),
    "ssim_matlab": volume_ssim,
    "ssim_uniform": lambda x, y: structural_similarity(x, y, data_range=1, channel_axis=2),
    "ssim_y": luminance_ssim,
}


@pytest.mark.parametrize("metric", FAST, ids=short)
def test_the_formula_is_anothers(metric):
    """scikit-image and SciPy give the value that the formula gives in float64."""
    expected = OUTSIDE[short(metric)](*PAIR)

    assert float(metric.reference(*map(tensor, PAIR))) == pytest.approx(expected, abs=1e-10)


def images():
    """Pairs that are hard in different ways, (H, W, 3) in [0, 1], most of them with 8 bits."""
    rng = np.random.default_rng(2)
    rows, columns = (z[..., None] for z in np.mgrid[:480, :192])

    def eight(array):
        return np.round(255 * np.clip(array, 0, 1)) / 255 * np.ones((1, 1, 3))

    def noise(scale):
        return scale * rng.standard_normal((480, 192, 3))

    board = (rows // 24 + columns // 24) % 2
    large = (rows // 32 + columns // 32) % 2
    colour = np.array([0.9, 0.2, 0.5])
    return {
        "noise": (rng.random((480, 192, 3)), rng.random((480, 192, 3))),
        "even": (eight(0.5 + 0 * board), eight(0.6 + 0 * board)),
        "black and white": (eight(0.0 * board), eight(1.0 + 0 * board)),
        "saturated": (eight(0.99 + noise(0.02)), eight(0.98 + noise(0.02))),
        "dark": (eight(0.01 + noise(0.01)), eight(0.01 + noise(0.01))),
        "ramps": (eight(columns / 192), eight(rows / 480)),
        "board": (eight(0.6 * board), eight(0.6 * np.roll(board, 3, axis=1))),
        "board, other contrast": (eight(0.6 * board + 0.2), eight(0.3 * board + 0.5)),
        "board, inverted": (eight(0.5 * board + 0.25), eight(0.75 - 0.5 * board)),
        "board in colour": (eight(board * colour), eight(0.9 * board * colour + 0.05)),
        "large board, inverted": (eight(0.5 * large + 0.25), eight(0.75 - 0.5 * large)),
        "noisy board": (eight(0.6 * board + 0.2 + noise(0.01)), eight(0.3 * board + 0.5 + noise(0.01))),
        "one window": (rng.random((11, 11, 3)), rng.random((11, 11, 3))),
        "narrow": (rng.random((200, 12, 3)), rng.random((200, 12, 3))),
    }


IMAGES = images()


@pytest.mark.parametrize("kind", IMAGES)
@pytest.mark.parametrize("metric", FAST, ids=short)
def test_the_fast_way_gives_the_formulas_value(metric, kind):
    """To 1e-6 on whatever image, drawings included, for which float32 alone is not enough."""
    x, y = map(tensor, IMAGES[kind])

    assert float(metric.measure(x, y)) == pytest.approx(float(metric.reference(x, y)), abs=1e-6)


@pytest.mark.parametrize("metric", FAST, ids=short)
def test_the_layout_in_memory_does_not_matter(metric):
    """Pixel by pixel or plane by plane, in float32 or float64."""
    x, y = map(tensor, PAIR)
    expected = float(metric.measure(x, y))
    interleaved = (z.to(memory_format=torch.channels_last) for z in (x, y))

    assert float(metric.measure(*interleaved)) == expected
    assert float(metric.measure(x.float(), y.float())) == pytest.approx(expected, abs=1e-6)


@pytest.mark.skipif(not GOPRO.exists(), reason="the real GoPro pairs are not beside this checkout")
@pytest.mark.parametrize("metric", FAST, ids=short)
def test_real_pairs_have_the_formulas_value(metric):
    """To 1e-6 on a part of a real frame (tests/benchmarks/ssim.py looks at whole ones)."""
    folder = GOPRO / "GOPR0396_11_00"
    x, y = (decoded(image(folder / kind / "000001.png"))[..., 200:520, 300:700] for kind in ("blur", "sharp"))

    assert float(metric.measure(x, y)) == pytest.approx(float(metric.reference(x, y)), abs=1e-6)


def plain_cw_ssim(x, y, widths=30, k=0.01):
    """The two ratios of pyssim, with NumPy's convolution; x, y: (H, W, 3) uint8."""

    def ricker(width):
        samples = min(10 * width, x[..., 0].size)
        t = (np.arange(samples) - (samples - 1) / 2) / width
        return 2 / (np.sqrt(3 * width) * np.pi**0.25) * (1 - t**2) * np.exp(-(t**2) / 2)

    def coefficients(picture):
        grey = (picture @ np.array([19595, 38470, 7471]) + 32768) // 65536
        return np.stack([np.convolve(grey.ravel(), ricker(w), mode="same") for w in range(1, widths + 1)])

    a, b = coefficients(x), coefficients(y)
    absolute, energy = np.abs(a * b).sum(0), (a**2).sum(0) + (b**2).sum(0)
    first = (2 * absolute + k) / (energy + k)
    second = (2 * np.abs((a * b).sum(0)) + k) / (2 * absolute + k)
    return (first * second).mean()


@pytest.mark.parametrize("size", [(90, 100), (37, 41), (12, 15)])
def test_cw_ssim_is_its_two_ratios(size):
    """Blocks, their seams and both ends; a signal shorter than the widest wavelet."""
    rng = np.random.default_rng(3)
    y = rng.integers(0, 256, (*size, 3))
    x = np.clip(y + rng.normal(0, 20, y.shape), 0, 255).astype(int)

    given = float(ssim_cw.measure(tensor(x / 255), tensor(y / 255)))
    assert given == pytest.approx(plain_cw_ssim(x, y), abs=1e-10)
