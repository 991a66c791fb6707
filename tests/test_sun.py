"""Sun et al.: official counts, patches and turns against geometry, labels, and the whole on small images."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d, conv2d

from benchmark.losses import Batch, kernel_classes
from benchmark.models import sun
from benchmark.models.sun import ANGLES, EXTENDED, KERNELS, RANKS, TURNS, Config, Net, vectors
from benchmark.spec import Normalise
from benchmark.training.augment import simulated_line
from benchmark.training.augment._lines import blur_along

THIN = Config().thin(8)


class Fake(nn.Module):
    """Stands in for the classifier: scores of every fourth patch by a function of the image in [0, 1]."""

    def __init__(self, score):
        super().__init__()
        self.score = score

    def forward(self, x):
        """(1, 3, H, W), grey levels less 128 and over 64 -> (1, 73, h, w)."""
        return self.score((64 * x + 128) / 255)


def patches(x):
    """Average every fourth patch."""
    return avg_pool2d(x, 34, 4)


def test_sizes_are_the_released_networks():
    """7,258,313 weights; with momentum, in float32 and compressed as random numbers are, about 54.1 MB."""
    count = {patch: sum(p.numel() for p in Net(Config(patch=patch)).parameters()) for patch in (34, 30)}

    assert count == {34: 7_258_313, 30: 4_899_017}
    assert 2 * 4 * count[34] * 0.93 / 1e6 == pytest.approx(54.1, rel=0.005)


def test_float_noise_compresses_to_that_share(tmp_path):
    """MATLAB compresses files: random float32 numbers keep 0.93 of their size."""
    import zlib

    noise = np.random.default_rng(0).normal(size=200_000).astype(np.float32).tobytes()

    assert len(zlib.compress(noise)) / len(noise) == pytest.approx(0.93, abs=0.01)


def test_kernels_are_73_and_361_of_which_50_are_tried():
    """Thirteen lengths at six orientations, extended to thirty; 20 candidates and 30 more."""
    assert len(KERNELS) == len(set(KERNELS)) == 73
    assert len(EXTENDED) == len(set(EXTENDED)) == 361
    assert {angle for _, angle in EXTENDED} == set(range(0, 180, 6))
    assert len(RANKS) == len(set(RANKS)) == 50
    assert RANKS[:21] == list(range(21))
    assert RANKS[-1] < 361


@pytest.mark.parametrize("config", [THIN, replace(THIN, patch=30)])
def test_the_network_sees_every_fourth_patch(config):
    """Run over an image it gives what it gives each patch by itself."""
    net, image = Net(config).eval(), torch.rand(1, 3, 47, 58)
    with torch.inference_mode():
        whole = net.layers(image)
        single = net.layers(image[..., 4 : 4 + config.patch, 8 : 8 + config.patch])

    assert whole.shape[-2:] == tuple((side - config.patch) // 4 + 1 for side in (47, 58))
    torch.testing.assert_close(whole[..., 1, 2], single[..., 0, 0])


@pytest.mark.parametrize("turn", TURNS)
def test_patches_are_found_again_after_a_turn(turn):
    """Probabilities that are the place of a patch come back where the patch is in the upright image."""
    net = Net(THIN).eval()
    y, x = torch.meshgrid(torch.arange(90) / 200, torch.arange(110) / 200, indexing="ij")

    def place(image):
        mean = patches(image)[:, :2]
        scores = torch.cat([mean, 1 - mean.sum(dim=1, keepdim=True)], dim=1).clamp_min(1e-9).log()
        return torch.cat([scores, torch.full((1, 70, *mean.shape[-2:]), -torch.inf)], dim=1)

    net.layers = Fake(place)
    places = [net.places(90), net.places(110)]
    found = net.classify(torch.stack([x, y, 0 * x])[None], turn, places)

    rows, columns = ((p - 0.5) / 200 for p in places)
    torch.testing.assert_close(found[0], columns.expand(len(rows), -1), rtol=0, atol=1e-3)
    torch.testing.assert_close(found[1], rows[:, None].expand(-1, len(columns)), rtol=0, atol=1e-3)


def directional(image):
    """Score the orientations by how little an image changes along them; lengths but 13 are out."""
    grey = image.mean(dim=1, keepdim=True)
    x, y = (conv2d(grey, f)[..., 1:-1, 1:-1] for f in derivatives())
    scores = torch.full((1, 73, *patches(image).shape[-2:]), -torch.inf)
    for k, (length, angle) in enumerate(KERNELS):
        if length == 13:
            along = math.cos(math.radians(angle)) * x + math.sin(math.radians(angle)) * y
            padded = nn.functional.pad(along.square(), (2, 2, 2, 2))
            scores[:, k] = -3e4 * patches(padded)[:, 0]
    return scores


def derivatives():
    """Sobel's."""
    sobel = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 8
    return sobel[None, None], sobel.T[None, None]


@pytest.mark.parametrize("angle", [0, 12, 42, 66, 90, 138, 174])
def test_orientations_between_the_network_s_are_found_by_turning(angle):
    """Noise that is blurred along one of the thirty orientations gets it, or at most its neighbour."""
    rng = np.random.default_rng(angle)
    motion = 13 * np.array([math.cos(math.radians(angle)), math.sin(math.radians(angle))], np.float32)
    noise = rng.random((110, 100, 3)).astype(np.float32)
    blurred = blur_along(noise, np.broadcast_to(motion, (110, 100, 2)))
    net = Net(THIN).eval()
    net.layers = Fake(directional)

    flow = net.flow(torch.from_numpy(blurred).permute(2, 0, 1)[None])[0, :, 30:-30, 30:-30]

    assert torch.hypot(*flow).mean() == pytest.approx(13, abs=0.01)
    found = torch.atan2(flow[1], flow[0]).rad2deg()
    off = (found - angle + 90) % 180 - 90
    assert off.abs().max() <= 6.01


def test_the_field_is_zero_outside_patches_alone():
    """The code covers all but six pixels at the top and left, and at most twelve below and on the right."""
    net = Net(THIN).eval()
    net.layers = Fake(directional)
    flow = net.flow(torch.rand(1, 3, 80, 91))[0].abs().sum(dim=0)

    assert not flow[:6].any()
    assert not flow[:, :6].any()
    assert flow[6:-12, 6:-12].all()


def test_the_nearest_kernel_is_the_label():
    """By length and orientation, a turn by half a circle aside; a patch in which motion varies has none."""
    for k in (0, 1, 17, 40, 72):
        end = vectors(KERNELS)[k] if k else torch.zeros(2)
        for sign in (1, -1):
            motion = (sign * end + torch.tensor([0.3, -0.2])).view(1, 2, 1, 1).expand(-1, -1, 34, 34)
            classes, one = kernel_classes.labels(motion, 34)
            assert (classes.tolist(), one.tolist()) == ([[[k]]], [[[True]]])
    varies = torch.linspace(0, 1.5, 34).expand(1, 2, 34, 34)

    assert not kernel_classes.labels(varies, 34)[1].any()


def test_the_loss_is_the_mean_surprise_of_usable_patches():
    """The negative logarithm of the label's probability, over patches with one motion."""
    scores = torch.randn(2, 73, 1, 1)
    motion = torch.zeros(2, 2, 34, 34)
    motion[0, 0] = 9.0
    batch = Batch(motion[:, :1], motion[:, :1], Normalise(), {"motion": motion})
    label = KERNELS.index((9, 0))
    logs = scores[..., 0, 0].double().log_softmax(dim=1)

    assert float(kernel_classes.loss([scores], batch)) == pytest.approx(
        -float(logs[0, label] + logs[1, 0]) / 2, rel=1e-5
    )
    motion[1, 0, :17] = 20.0
    assert float(kernel_classes.loss([scores], batch)) == pytest.approx(-float(logs[0, label]), rel=1e-5)


def test_simulated_patches_have_the_classes():
    """The augmentation draws the classifier's kernels, cuts the border off and leaves other pairs alone."""
    assert sorted((max(length, 1), angle) for length, angle in simulated_line.MOTIONS) == sorted(KERNELS)
    rng = np.random.default_rng(0)
    sharp = rng.integers(0, 256, (58, 58, 3), dtype=np.uint8)
    crop = {"blurry": 255 - sharp, "sharp": sharp, "motion": np.full((58, 58, 2), 40, np.float32)}
    simulated = 0
    for _ in range(20):
        changed = simulated_line.augment(crop, rng)
        assert {x.shape[:2] for x in changed.values()} == {(34, 34)}
        if changed["motion"][0, 0, 0] == 40:
            assert (changed["blurry"] == 255 - sharp[12:-12, 12:-12]).all()
        else:
            simulated += 1
            whole = blur_along(sharp, np.broadcast_to(changed["motion"][0, 0], (58, 58, 2)))
            assert np.allclose(changed["blurry"], whole[12:-12, 12:-12], atol=1e-5)
    assert 0 < simulated < 20
    assert simulated_line.augment({name: x[:8, :8] for name, x in crop.items()}, rng)["blurry"].shape == (
        4,
        4,
        3,
    )


def test_angles_are_every_thirty_degrees():
    """As the five turns need."""
    assert ANGLES == (0, 30, 60, 90, 120, 150)
    assert round(34 / 6) == sun.STEP
