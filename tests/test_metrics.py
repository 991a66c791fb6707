"""What every metric has in common, PSNR and its relatives, what a metric sees, and real frames."""

from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio
from torch import nn

from benchmark import plugins
from benchmark.data.pairs import Pairs, image
from benchmark.measure.scoring import FORMS, score
from benchmark.nets import tensor as decoded
from benchmark.spec import Quantity

SHARED = Path(__file__).parents[2] / "shared"
GOPRO = SHARED / "data" / "GOPRO_Large" / "test"
RESTORED = SHARED / "weights" / "dmphn_1_2_4" / "restored"
METRICS = {name: plugins.load("metrics", name) for name in plugins.names("metrics")}


def tensor(array):
    """(H, W, 3) in [0, 1] -> (1, 3, H, W) float64."""
    return torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1)))[None].double()


def value(name, restored, sharp):
    """One metric of two arrays, (H, W, 3) in [0, 1]."""
    return float(METRICS[name].measure(tensor(restored), tensor(sharp)))


def related():
    """Return two related random images, (48, 40, 3) in [0, 1]."""
    rng = np.random.default_rng(1)
    sharp = rng.random((48, 40, 3))
    return np.clip(sharp + 0.1 * rng.standard_normal(sharp.shape), 0, 1), sharp


PAIR = related()


@pytest.mark.parametrize("name", METRICS)
def test_a_quantity_is_named_like_its_file(name):
    """A metric's name is its file's, its direction and the image that it sees are known ones."""
    quantity = METRICS[name].QUANTITY

    assert quantity.name == name
    assert quantity.sees in FORMS
    assert quantity.better in ("higher", "lower")


@pytest.mark.parametrize("name", METRICS)
def test_a_batch_is_its_images(name):
    """A batch of two gives what two batches of one give."""
    measure = METRICS[name].measure
    x, y = (tensor(p) for p in PAIR)
    together = measure(torch.cat([x, y]), torch.cat([y, y * 0.9]))

    assert together.tolist() == pytest.approx([float(measure(x, y)), float(measure(y, y * 0.9))])


@pytest.mark.parametrize("name", METRICS)
def test_equal_images_are_perfect(name):
    """An image is better than a noisy one when compared with itself: SSIM 1, PSNR infinite, error 0."""
    quantity = METRICS[name].QUANTITY
    perfect, noisy = value(name, PAIR[1], PAIR[1]), value(name, *PAIR)
    best = {"ssim": 1.0, "psnr": 0.0 if quantity.pool == "psnr" else np.inf}

    higher = quantity.better == "higher" and quantity.pool != "psnr"  # of one image, psnr_pooled is an error
    assert perfect > noisy if higher else perfect < noisy
    assert perfect == pytest.approx(best.get(quantity.family, perfect), abs=1e-9)


def test_psnr_is_scikit_images():
    """With data_range 1; PSNR of Y is that of scikit-image's own Y, which is 16 to 235 of 255."""
    y = [rgb2ycbcr(p)[..., 0] for p in PAIR]

    assert value("psnr", *PAIR) == pytest.approx(peak_signal_noise_ratio(*PAIR, data_range=1), abs=1e-10)
    assert value("psnr_y", *PAIR) == pytest.approx(peak_signal_noise_ratio(*y, data_range=255), abs=1e-9)


def test_pooled_psnr_is_that_of_all_images_side_by_side():
    """The pooled value of two images is the PSNR of one image made of both; the mean PSNR is above it."""
    x, y = PAIR
    errors = [value("psnr_pooled", x, y), value("psnr_pooled", y, 0.5 * y)]
    both = value("psnr", np.concatenate([x, y]), np.concatenate([y, 0.5 * y]))

    assert -10 * np.log10(np.mean(errors)) == pytest.approx(both)
    assert (value("psnr", x, y) + value("psnr", y, 0.5 * y)) / 2 > both


def scored(sharp, blurry, add=0.0, metrics=METRICS):
    """What `score` gives for one pair of 8-bit images and a network that adds a constant."""
    pairs = Pairs(["a"], [blurry], [sharp])
    (result,) = score(nn.Identity(), lambda net, x: net(x) + add, pairs, metrics)
    return result


def test_each_metric_sees_what_it_says():
    """Errors of 0.6 levels: 1 level when rounded, none when truncated; beyond white only float sees them."""
    sharp = np.full((16, 16, 3), 100, np.uint8)
    sharp[8:] = 255
    values = scored(sharp, sharp, 0.6 / 255).values
    levels = {
        name: 255 * 10 ** (-values[f"psnr{name}"] / 20) for name in ("", "_truncated", "_clipped", "_float")
    }

    assert levels["_float"] == pytest.approx(0.6, rel=1e-4)
    assert levels["_clipped"] == pytest.approx(0.6 * 0.5**0.5, rel=1e-4)
    assert levels[""] == pytest.approx(0.5**0.5)
    assert levels["_truncated"] == 0


def test_the_saved_image_is_rounded():
    """Whatever the metrics see; of an image with 8 bits already, every level survives, truncated or not."""
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    result = scored(levels[::-1].copy(), levels)
    assert (result.image == levels).all()
    assert result.values["psnr_truncated"] == result.values["psnr"]

    blurry, metrics = np.full((16, 16, 3), 100, np.uint8), {"psnr_float": METRICS["psnr_float"]}
    assert (scored(blurry, blurry, 0.6 / 255, metrics).image == 101).all()


def test_a_metric_that_sees_something_unknown_is_refused():
    """The message names the metric, the bad word and the known ones."""

    class Odd:
        QUANTITY = Quantity("odd", "1", "lower", "", sees="16 bit")

    black, allowed = np.zeros((16, 16, 3), np.uint8), "rounded, truncated, clipped, float"
    with pytest.raises(ValueError, match=rf"metrics\.odd: sees '16 bit'; allowed: {allowed}"):
        scored(black, black, metrics={"odd": Odd})


# Printed by others for the same pixels: blurred images or a run, frame, quantity, value to its last digit.
GOLDEN = [
    line.split()
    for line in """
blur        GOPR0384_11_00/000001 psnr           24.050
blur        GOPR0384_11_00/000001 ssim           0.71695
blur        GOPR0384_11_00/000001 ssim_matlab    0.79629
blur        GOPR0384_11_00/000001 ssim_uniform   0.69542
blur        GOPR0384_11_00/000002 psnr           24.60
blur        GOPR0384_11_00/000004 psnr           25.42
blur        GOPR0384_11_00/000007 psnr           30.27
blur        GOPR0384_11_00/000014 psnr           23.58
blur        GOPR0385_11_01/003081 psnr           25.67
blur        GOPR0396_11_00/000001 psnr           25.107
blur        GOPR0396_11_00/000001 ssim           0.82099
blur        GOPR0396_11_00/000001 ssim_matlab    0.91139
blur        GOPR0396_11_00/000001 ssim_uniform   0.8259
blur_gamma  GOPR0396_11_00/000001 psnr           24.592
blur        GOPR0410_11_00/000138 psnr           25.88
dmphn_1_2_4 GOPR0384_11_00/000001 psnr           30.7738
dmphn_1_2_4 GOPR0384_11_00/000001 psnr_truncated 30.7462
dmphn_1_2_4 GOPR0384_11_00/000001 psnr_float     30.7798
dmphn_1_2_4 GOPR0384_11_00/000001 psnr_clipped   30.7805
dmphn_1_2_4 GOPR0384_11_00/000001 ssim           0.8972
dmphn_1_2_4 GOPR0384_11_00/000001 ssim_matlab    0.9263
dmphn_1_2_4 GOPR0384_11_00/000002 psnr_truncated 30.31
dmphn_1_2_4 GOPR0384_11_00/000004 psnr_truncated 26.37
dmphn_1_2_4 GOPR0384_11_00/000007 psnr_truncated 33.61
dmphn_1_2_4 GOPR0384_11_00/000014 psnr_truncated 29.76
dmphn_1_2_4 GOPR0396_11_00/000001 psnr           26.863
dmphn_1_2_4 GOPR0396_11_00/000001 ssim           0.8677
dmphn_1_2_4 GOPR0396_11_00/000001 ssim_matlab    0.9342
""".strip().splitlines()
]
needs_gopro = pytest.mark.skipif(
    not GOPRO.exists(), reason="the real GoPro pairs are not beside this checkout"
)


@needs_gopro
@pytest.mark.parametrize(
    ("kind", "frame", "name", "printed"),
    [row for row in GOLDEN if row[0].startswith("blur") or row[2] == "psnr_truncated"],
)
def test_real_frames_have_their_printed_values(kind, frame, name, printed):
    """Blurred frames, and those that DMPHN(1-2-4)'s authors restored and saved by truncating to 8 bits."""
    sequence, number = frame.split("/")
    path = GOPRO / sequence / kind / f"{number}.png"
    if not kind.startswith("blur"):
        name, path = "psnr", RESTORED / f"{number}.png"
    x, y = (decoded(image(p)).contiguous() for p in (path, GOPRO / sequence / "sharp" / f"{number}.png"))

    digits = len(printed.split(".")[1])
    assert f"{float(METRICS[name].measure(x, y)):.{digits}f}" == printed


@needs_gopro
@pytest.mark.parametrize(
    ("path", "sequence", "expected"),
    [
        (GOPRO / "GOPR0384_11_00/blur/000001.png", "GOPR0384_11_00", 0.8224308164795),
        (GOPRO / "GOPR0396_11_00/blur/000001.png", "GOPR0396_11_00", 0.9579155996336),
        (RESTORED / "000001.png", "GOPR0384_11_00", 0.9213149277972),
    ],
    ids=["blurred 0384", "blurred 0396", "DMPHN 0384"],
)
def test_cw_ssim_is_pyssims(path, sequence, expected):
    """The values are those of pyssim 0.6 on SciPy 1.11.4, which still had its `cwt`."""
    x, y = (decoded(image(p)) for p in (path, GOPRO / sequence / "sharp" / "000001.png"))

    assert float(METRICS["ssim_cw"].measure(x, y)) == pytest.approx(expected, abs=1e-10)
