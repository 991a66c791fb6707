"""Systems that estimate motion first: end-point errors, and whole images from end to end."""

import numpy as np
import pytest
import skimage.data
import torch
from torch import nn

from benchmark import nets
from benchmark.data.pairs import Pairs
from benchmark.deconvolution.along_lines import remove_motion
from benchmark.measure import motion
from benchmark.metrics import _flow
from benchmark.models import gong, sun
from benchmark.spec import Normalise
from benchmark.training.augment._lines import blur_along

SYSTEMS = [gong, sun]


def system(module):
    """A thin network with random weights."""
    torch.manual_seed(0)
    return module.Net(module.Config().thin(8)).eval()


def photograph(side=96):
    """A part of scikit-image's camera man, (side, side, 3) in [0, 1]."""
    grey = skimage.data.camera()[60 : 60 + side, 180 : 180 + side].astype(np.float32) / 255
    return np.repeat(grey[..., None], 3, axis=2)


def psnr(x, y):
    """Of images in [0, 1], without a border of 12 pixels."""
    inner = (slice(12, -12), slice(12, -12))
    return -10 * np.log10(np.mean((x[inner] - y[inner]) ** 2))


def test_true_lines_are_undone():
    """Blur of known lines that turn from place to place goes: at least 3 dB, with 1 % noise."""
    sharp = photograph()
    y, x = np.mgrid[:96, :96] / 96
    flow = np.stack([6 + 4 * x, 8 * y - 3], axis=-1).astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 0.01, sharp.shape).astype(np.float32)
    blurry = np.clip(blur_along(sharp, flow) + noise, 0, 1)

    as_tensor = [torch.from_numpy(z).permute(2, 0, 1)[None] for z in (blurry, flow)]
    restored = remove_motion(*as_tensor)[0].permute(1, 2, 0).numpy()
    opposite = remove_motion(as_tensor[0], -as_tensor[1])[0].permute(1, 2, 0).numpy()

    assert psnr(restored, sharp) > psnr(blurry, sharp) + 3
    assert 0 <= restored.min() < restored.max() <= 1
    assert np.allclose(restored, opposite, atol=1e-3)


@pytest.mark.parametrize("module", SYSTEMS)
def test_an_image_goes_through(module):
    """From pixels to pixels, at a size that nothing divides, with the motion that was estimated."""
    net, blurry = system(module), torch.from_numpy(photograph(67)[:61]).permute(2, 0, 1)[None]
    with torch.inference_mode():
        (restored,) = net(blurry)
        expected = remove_motion(blurry, net.flow(blurry).float())

    assert restored.shape == (1, 3, 61, 67)
    assert torch.equal(restored, expected)
    assert restored.isfinite().all()


@pytest.mark.parametrize("module", SYSTEMS)
def test_bad_images_are_one_line(module):
    """Grey, tiny and broken images are refused; one without structure comes back as it is."""
    net, name = system(module), module.__name__.rpartition(".")[2]
    flat = torch.full((1, 3, 64, 64), 0.25)
    with torch.inference_mode():
        for bad in (flat[:, :1], flat[..., :4], flat[0]):
            with pytest.raises(
                ValueError, match=rf"{name}: images \(.*; allowed: \(B, 3, H, W\), H and W from"
            ):
                net(bad)
        with pytest.raises(ValueError, match=f"{name}: images have values that are no numbers"):
            net(flat * torch.nan)
        (restored,) = net(flat)
        tiny = nets.restore(net, flat[..., :5, :7], Normalise())

    assert torch.allclose(restored, flat, atol=1e-3)
    assert tiny.shape == (1, 3, 5, 7)


def test_end_point_errors_by_hand():
    """The nearer of the true motion and its opposite; of no motion; of the mean of folded motions."""
    true = np.array([[[3.0, 4.0], [-3.0, -4.0]], [[0.0, -2.0], [6.0, -8.0]]])
    guess = np.array([[[3.0, 0.0], [3.0, 4.0]], [[0.0, 2.0], [-6.0, 9.0]]])

    assert _flow.fold(true).tolist() == [[[3, 4], [3, 4]], [[0, 2], [6, -8]]]
    found = _flow.errors(guess, true, np.array([3.0, 0.0]))
    assert found == pytest.approx(
        {
            "epe": (4 + 0 + 0 + 1) / 4,
            "epe_zero": (5 + 5 + 2 + 10) / 4,
            "epe_mean": (4 + 4 + 13**0.5 + 73**0.5) / 4,
        }
    )
    assert set(found) == set(_flow.QUANTITIES)


class Estimate(nn.Module):
    """Says that everything moves by what the image shows: red to the right, green down."""

    stride = 1

    def flow(self, blurry):
        """(1, 3, H, W) -> (1, 2, H, W)."""
        return 255 * blurry[:, :2]

    def forward(self, blurry):
        """Estimate, and do nothing about it."""
        self.flow(blurry)
        return [blurry]


def test_estimates_are_compared_image_by_image():
    """The network sees the blurred image; the mean motion is that of the other set."""
    rng = np.random.default_rng(0)
    blurry = [rng.integers(0, 20, (6, 7, 3), dtype=np.uint8) for _ in range(2)]
    true = [x[..., :2].astype(np.float16) for x in blurry]
    tests = Pairs(["a/1", "a/2"], blurry, blurry, {"motion": [true[0], true[1] + np.float16(1)]})
    training = Pairs(["b/1"], blurry[:1], blurry[:1], {"motion": [np.full((6, 7, 2), -4, np.float16)]})

    with motion.watched(Estimate()) as flows:
        pass
    assert flows == []
    net = Estimate()
    with motion.watched(net) as flows:
        for image in blurry:
            nets.restore(net, nets.tensor(image), Normalise())
    found = dict(motion.errors(flows, tests, training))

    assert found["a/1"]["epe"] == pytest.approx(0, abs=1e-5)
    assert found["a/2"]["epe"] == pytest.approx(2**0.5, rel=1e-5)
    expected = np.hypot(true[0][..., 0] - 4.0, true[0][..., 1] - 4.0).mean()
    assert found["a/1"]["epe_mean"] == pytest.approx(expected, rel=1e-5)
    nets.restore(net, nets.tensor(blurry[0]), Normalise())
    assert len(flows) == 2
    with motion.watched(nn.Identity()) as none:
        pass
    assert list(motion.errors(none, tests, training)) == []
