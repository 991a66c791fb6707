"""Metrics against scikit-image, closed forms and published values."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from benchmark import plugins
from benchmark.compare import ABSOLUTE
from benchmark.pairs import image

GOPRO = Path(__file__).parents[2] / "shared" / "data" / "GOPRO_Large" / "test"
METRICS = {name: plugins.load("metrics", name).measure for name in plugins.names("metrics")}


def tensor(array):
    """(H, W, 3) in [0, 1] -> (1, 3, H, W) float64."""
    return torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1)))[None].double()


@pytest.fixture
def pair():
    """Two related random images, (48, 40, 3) in [0, 1]."""
    rng = np.random.default_rng(1)
    sharp = rng.random((48, 40, 3))
    return np.clip(sharp + 0.1 * rng.standard_normal(sharp.shape), 0, 1), sharp


def test_compare_uses_the_bands_of_the_metrics():
    """What counts as close is one number, although compare must not import torch to learn it."""
    bands = {name: plugins.load("metrics", name).QUANTITY.band for name in METRICS}

    assert {name: bands[name] for name in ABSOLUTE} == ABSOLUTE


@pytest.mark.parametrize("name", METRICS)
def test_a_batch_is_its_images(name, pair):
    """A batch of two gives what two batches of one give."""
    x, y = (tensor(p) for p in pair)
    together = METRICS[name](torch.cat([x, y]), torch.cat([y, y * 0.9]))

    assert together.tolist() == pytest.approx([float(METRICS[name](x, y)), float(METRICS[name](y, y * 0.9))])


@pytest.mark.parametrize("name", [n for n in METRICS if "ssim" in n])
def test_equal_images_have_ssim_one(name, pair):
    """An image compared with itself has SSIM 1."""
    x = tensor(pair[0])

    assert float(METRICS[name](x, x)) == pytest.approx(1, abs=1e-12)


def test_psnr_is_scikit_images(pair):
    """PSNR equals scikit-image's with data_range 1."""
    assert float(METRICS["psnr"](*map(tensor, pair))) == pytest.approx(
        peak_signal_noise_ratio(pair[1], pair[0], data_range=1), abs=1e-10
    )


def test_ssim_is_scikit_images(pair):
    """SSIM equals scikit-image's Gaussian SSIM per channel."""
    expected = structural_similarity(
        *pair, data_range=1, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )

    assert float(METRICS["ssim"](*map(tensor, pair))) == pytest.approx(expected, abs=1e-10)


def test_ssim_matlab_is_a_volume_filter(pair):
    """MATLAB's SSIM of an RGB image is a 3-D Gaussian with replicated borders, here by SciPy."""
    taps = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    taps /= taps.sum()

    def blend(volume):
        for axis in range(3):
            volume = correlate1d(volume, taps, axis=axis, mode="nearest")
        return volume

    x, y = pair
    mx, my = blend(x), blend(y)
    vx, vy, vxy = blend(x * x) - mx**2, blend(y * y) - my**2, blend(x * y) - mx * my
    maps = (2 * mx * my + 1e-4) * (2 * vxy + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))

    assert float(METRICS["ssim_matlab"](*map(tensor, pair))) == pytest.approx(maps.mean(), abs=1e-10)


@pytest.mark.skipif(not GOPRO.exists(), reason="the real GoPro pairs are not beside this checkout")
@pytest.mark.parametrize(
    ("frame", "psnr", "ssim", "ssim_matlab"),
    [
        ("GOPR0384_11_00/000001", "24.05", "0.71695", "0.79629"),
        ("GOPR0396_11_00/000001", "25.11", "0.82099", "0.91139"),
    ],
)
def test_blurred_gopro_frames_have_their_known_values(frame, psnr, ssim, ssim_matlab):
    """Two real blurred frames score, to the digits given, what other implementations found."""
    sequence, name = frame.split("/")
    x, y = (tensor(image(GOPRO / sequence / kind / f"{name}.png") / 255) for kind in ("blur", "sharp"))

    for quantity, expected in (("psnr", psnr), ("ssim", ssim), ("ssim_matlab", ssim_matlab)):
        digits = len(expected.split(".")[1])
        assert f"{float(METRICS[quantity](x, y)):.{digits}f}" == expected
