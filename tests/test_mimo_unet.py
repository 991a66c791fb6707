"""MIMO-UNet: its sizes, its modules written out, its loss by NumPy's formula, and the authors' network."""

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmark.losses import Batch, frequency
from benchmark.models.mimo_unet import FAM, SCM, Config, Net
from benchmark.spec import Normalise

SMALL = Config(blocks=2, width=8)


def test_shallow_module_keeps_the_image():
    """SCM: 3x3, 1x1, 3x3, 1x1 with ReLUs to C - 3 channels; the image comes first, then a 1x1 mixes all."""
    torch.manual_seed(0)
    scm, image = SCM(16), torch.rand(3, 5, 6)

    features = image
    for layer in (scm.features[n] for n in (0, 2, 4, 6)):
        features = layer(features).relu()
    expected = scm.mix(torch.cat((image, features)))

    assert [scm.features[n].out_channels for n in (0, 2, 4, 6)] == [4, 8, 8, 13]
    torch.testing.assert_close(scm(image[None])[0], expected)


def test_attention_module_multiplies():
    """FAM: features + conv(features * shallow)."""
    torch.manual_seed(0)
    fam, features, shallow = FAM(4), torch.randn(4, 5, 6), torch.randn(4, 5, 6)

    expected = features + fam.merge(features * shallow)

    torch.testing.assert_close(fam(features[None], shallow[None])[0], expected)


def test_every_fusion_sees_all_scales():
    """AFF is given the three encoders' features at its own size, the finest first."""
    net = Net(SMALL)
    seen: dict[int, tuple[Tensor, ...]] = {}
    encoded: list[Tensor] = []
    for k, fuse in enumerate(net.fuse):
        fuse.register_forward_pre_hook(lambda module, inputs, k=k: seen.__setitem__(k, inputs))
    for encoder in net.encoders:
        encoder.register_forward_hook(lambda module, inputs, output: encoded.append(output))

    net(torch.rand(1, 3, 8, 12))

    fine, middle, coarse = encoded
    repeated = middle.repeat_interleave(2, -1).repeat_interleave(2, -2)
    torch.testing.assert_close(seen[0][:2], (fine, repeated))
    torch.testing.assert_close(seen[0][2], coarse.repeat_interleave(4, -1).repeat_interleave(4, -2))
    torch.testing.assert_close(seen[1][:2], (fine[..., ::2, ::2], middle))
    torch.testing.assert_close(seen[1][2], coarse.repeat_interleave(2, -1).repeat_interleave(2, -2))


def test_dropout_drops_whole_channels_in_training():
    """MIMO-UNet+ leaves out a tenth of both fusions' channels in training, and none in evaluation."""
    torch.manual_seed(0)
    net = Net(Config(blocks=1, width=64, dropout=0.1))
    dropped: list[Tensor] = []
    net.drop.register_forward_hook(lambda module, inputs, output: dropped.append((output == 0).float()))
    blurry = torch.rand(4, 3, 8, 8)

    net(blurry)
    net.eval()(blurry)

    assert [x.shape[1] for x in dropped] == [128, 64, 128, 64]  # the coarser fusion first
    in_training = torch.cat([x.mean(dim=(2, 3)).flatten() for x in dropped[:2]])
    assert set(in_training.tolist()) == {0.0, 1.0}
    assert in_training.mean().item() == pytest.approx(0.1, abs=0.03)
    assert not any(x.any() for x in dropped[2:])


@pytest.mark.parametrize("weight", [0.1, 1.0])
def test_loss_is_numpys_formula(weight):
    """L1 at three scales plus the weight times L1 of NumPy's full FFT, real and imaginary parts apart."""
    rng = np.random.default_rng(0)
    blurry, sharp = rng.random((2, 2, 3, 16, 24))
    outputs = [rng.random((2, 3, 16 // n, 24 // n)) for n in (4, 2, 1)]
    # Bilinear sampling half-way between pixels: the mean of 2x2, and of the inner 2x2 of every 4x4.
    half = np.mean([sharp[..., y::2, x::2] for y in (0, 1) for x in (0, 1)], axis=0)
    quarter = np.mean([sharp[..., y::4, x::4] for y in (1, 2) for x in (1, 2)], axis=0)

    expected = 0.0
    for output, target in zip(outputs, (quarter, half, sharp), strict=True):
        difference = np.fft.fft2(output) - np.fft.fft2(target)
        parts = np.stack((difference.real, difference.imag))
        expected += np.abs(output - target).mean() + weight * np.abs(parts).mean()

    batch = Batch(torch.from_numpy(blurry), torch.from_numpy(sharp), Normalise())
    loss = frequency.loss([torch.from_numpy(output) for output in outputs], batch, weight=weight)
    assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_loss_is_zero_at_its_targets_alone():
    """The full-size target is the sharp image itself, and a constant error counts once in the spectrum."""
    sharp = torch.rand(1, 3, 8, 8)
    batch = Batch(sharp, sharp, Normalise())

    assert frequency.loss([sharp], batch).item() == 0
    # An error of 0.5 everywhere is 0.5 x 64 at frequency zero: one of 128 real and imaginary parts.
    assert frequency.loss([sharp + 0.5], batch).item() == pytest.approx(0.5 + 0.1 * 0.25, rel=1e-4)


def test_loss_works_under_autocast():
    """FFTs take no half precision; outputs in it are promoted by the target."""
    net, sharp = Net(SMALL), torch.rand(1, 3, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        loss = frequency.loss(net(sharp), Batch(sharp, sharp, Normalise()))
    loss.backward()

    assert torch.isfinite(loss)
