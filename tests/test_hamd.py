"""HAMD: what its decoders see and what they do not, how sizes follow each other, and its loss written out."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from benchmark.losses import Batch, human_aware
from benchmark.models.hamd import Config, Net
from benchmark.spec import Normalise

ONE = Config(sizes=1).thin(8)


class Constant(nn.Module):
    """Stands in for the attention: the same value everywhere."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 1, H, W)."""
        return torch.full_like(x[:, :1], self.value)


@pytest.mark.parametrize("value", [0.0, 0.25, 1.0])
def test_decoders_see_their_share_of_the_features(value):
    """People's decoder is given features times the mask, the background's times one minus the mask."""
    net = Net(ONE)
    net.size.attend = Constant(value)
    seen = {}
    for name in ("foreground", "background"):
        getattr(net.size, name).register_forward_pre_hook(lambda _, x, name=name: seen.update({name: x[0]}))
    net.size.encoders[-1].register_forward_hook(lambda _, inputs, x: seen.update(deepest=x))

    net(torch.rand(1, 3, 16, 24))

    torch.testing.assert_close(seen["foreground"], value * seen["deepest"])
    torch.testing.assert_close(seen["background"], (1 - value) * seen["deepest"])


@pytest.mark.parametrize(("mask", "hidden"), [(0.0, 0), (1.0, 1)])
def test_nothing_leaks_past_the_mask(mask, hidden):
    """A decoder whose domain is nowhere restores the same image whatever it is shown; the other does not."""
    net = Net(ONE)
    net.size.attend = Constant(mask)

    one, other = (net(torch.rand(1, 3, 16, 24)) for _ in range(2))

    torch.testing.assert_close(one[hidden], other[hidden], rtol=0, atol=0)
    assert not torch.allclose(one[1 - hidden], other[1 - hidden])


@pytest.mark.parametrize("domain", ["foreground", "background"])
@pytest.mark.parametrize("scale", [0, 1, 2])
def test_the_answer_fuses_both_domains_at_every_scale(domain, scale):
    """A change of one decoder's features at one scale changes the restored image, and no other output."""
    net = Net(ONE)
    blurry = torch.rand(1, 3, 16, 24)
    before = net(blurry)

    def change(branch, inputs, outputs):
        image, features = outputs
        return image, [x + (k == scale) for k, x in enumerate(features)]

    getattr(net.size, domain).register_forward_hook(change)
    after = net(blurry)

    assert not torch.allclose(before[3], after[3])
    torch.testing.assert_close(before[:3], after[:3], rtol=0, atol=0)


def test_sizes_follow_from_coarse_to_fine():
    """Quarter, half and full size by means of 2x2; each estimate is the previous size's restored image."""
    net = Net(Config().thin(8))
    given = []
    net.size.register_forward_pre_hook(lambda _, inputs: given.append(inputs))
    blurry = torch.rand(2, 3, 32, 48)

    outputs = net(blurry)

    half = blurry.unflatten(3, (24, 2)).unflatten(2, (16, 2)).mean(dim=(3, 5))
    quarter = half.unflatten(3, (12, 2)).unflatten(2, (8, 2)).mean(dim=(3, 5))
    assert net.stride == 16
    assert [tuple(x.shape) for x in outputs] == [
        (2, channels, rows // part, columns // part)
        for rows, columns in ((8, 12), (16, 24), (32, 48))
        for channels, part in ((3, 1), (3, 1), (1, 4), (3, 1))
    ]
    for (image, guess), expected, restored in zip(
        given, (quarter, half, blurry), (None, outputs[3], outputs[7]), strict=True
    ):
        torch.testing.assert_close(image, expected)
        up = image if restored is None else interpolate(restored, scale_factor=2.0, mode="bilinear")
        torch.testing.assert_close(guess, up)


def test_attention_shows_the_largest_mask_and_both_domains():
    """The mask in (0, 1) that the last output was made with, and what each domain's decoder ended with."""
    torch.manual_seed(0)
    net = Net(Config().thin(8))
    blurry = torch.rand(1, 3, 32, 48)

    shown = net.attention(blurry)

    foreground, background, mask, _ = net(blurry)[-4:]
    assert {key: tuple(value.shape) for key, value in shown.items()} == {
        "human_map": (1, 1, 8, 12),
        "foreground_features": (1, 4, 32, 48),
        "background_features": (1, 4, 32, 48),
    }
    assert 0 < mask.min() <= mask.max() < 1
    torch.testing.assert_close(shown["human_map"], mask)
    torch.testing.assert_close(net.size.foreground.last(shown["foreground_features"]), foreground)
    torch.testing.assert_close(net.size.background.last(shown["background_features"]), background)


def test_loss_is_its_sum_written_out():
    """At each size: squares of the restored image, each decoder in its domain and the mask, weighted."""
    rng = np.random.default_rng(0)
    sharp = rng.random((2, 3, 8, 8))
    people = (rng.random((2, 1, 8, 8)) > 0.6).astype(float)
    outputs = [
        rng.random((2, channels, side // part, side // part))
        for side in (4, 8)
        for channels, part in ((3, 1), (3, 1), (1, 4), (3, 1))
    ]
    blurry, *tensors = (torch.tensor(x) for x in (sharp, sharp, people, *outputs))
    batch = Batch(blurry, tensors[0], Normalise(), {"moving": tensors[1]})

    found = human_aware.loss(tensors[2:], batch, foreground=0.5, background=0.25, attention=2.0)

    def mean(image: np.ndarray, size: int) -> np.ndarray:
        part = image.shape[-1] // size
        return image.reshape(2, -1, size, part, size, part).mean(axis=(3, 5))

    expected = 0.0
    for first, size in ((0, 4), (4, 8)):
        of_people, of_rest, mask, restored = outputs[first : first + 4]
        truth, human = mean(sharp, size), mean(people, size)
        expected += ((restored - truth) ** 2).mean()
        expected += 2.0 * ((mask - mean(people, size // 4)) ** 2).mean()
        expected += 0.5 * (human * (of_people - truth) ** 2).mean()
        expected += 0.25 * ((1 - human) * (of_rest - truth) ** 2).mean()
    assert found.item() == pytest.approx(expected)

    unguided = human_aware.loss(tensors[2:], Batch(blurry, tensors[0], Normalise()))
    compared = ((outputs[k] - mean(sharp, size)) ** 2 for k, size in ((3, 4), (7, 8)))
    assert unguided.item() == pytest.approx(sum(squares.mean() for squares in compared))
