"""The two systems that find kernels of a whole image: what they find, and what they say of bad images."""

import numpy as np
import pytest
import skimage.data
import torch

from benchmark import nets, spec
from benchmark.deconvolution import operator
from benchmark.deconvolution.sharp_edges import cleaned
from benchmark.models import hyun_kim, xu

PICTURES = [
    torch.from_numpy(image[40:240, 120:360].astype(np.float32) / 255).permute(2, 0, 1)
    for image in (skimage.data.astronaut(), skimage.data.coffee())
]
SHAPE = (200, 240)


def line(length, degrees):
    """A line through the centre of a kernel two pixels larger, as MATLAB's fspecial draws it."""
    side = length // 2 * 2 + 3
    y, x = np.mgrid[:side, :side] - side // 2
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    along = (x * cos + y * sin).clip(-(length - 1) / 2, (length - 1) / 2)
    taps = (1 - np.hypot(y - along * sin, x - along * cos)).clip(0)
    return torch.from_numpy(taps / taps.sum()).float()


def similarity(one, other):
    """The greatest cosine of two kernels over all shifts."""
    size = [len(one) + len(other)] * 2
    product = torch.fft.rfft2(one, s=size).conj() * torch.fft.rfft2(other, s=size)
    return float(torch.fft.irfft2(product, s=size).max() / one.norm() / other.norm())


def blur(image, kernel, noise, seed=0):
    """Blur, and add normal noise."""
    blurred = operator.uniform(kernel, *SHAPE).forward(image)
    return blurred + noise * torch.randn(blurred.shape, generator=torch.Generator().manual_seed(seed))


def psnr(image, sharp):
    """PSNR of an image in [0, 1]."""
    return -10 * float((image - sharp).square().mean().log10())


@pytest.mark.parametrize(("length", "degrees", "picture"), [(7, 0, 0), (11, 60, 1), (15, 120, 0)])
def test_xu_finds_the_kernel(length, degrees, picture):
    """Similarity of at least 0.8, and at least 2 dB gained; tests/benchmarks/xu.py has twelve kernels."""
    kernel, sharp = line(length, degrees), PICTURES[picture]
    blurred = blur(sharp, kernel, 0.001)
    net = xu.Net(xu.Config(kernel=length + 4))
    found = xu.estimate(torch.einsum("c,chw->hw", torch.tensor(xu.LUMA), blurred), net.config)

    assert similarity(found, kernel) > 0.8
    assert found.sum().item() == pytest.approx(1, abs=1e-5)
    assert psnr(net(blurred[None])[0][0], sharp) > psnr(blurred, sharp) + 2


def test_one_motion_needs_no_second_kernel():
    """Where everything moves alike, Hyun Kim's mixture gains more than 1 dB, though less than Xu's kernel."""
    sharp = PICTURES[0]
    blurred = blur(sharp, line(11, 30), 0.003)
    gains = [
        psnr(net(blurred[None])[0][0], sharp) - psnr(blurred, sharp)
        for net in (hyun_kim.Net(hyun_kim.Config(kernel=15)), xu.Net(xu.Config(kernel=15)))
    ]

    assert 1 < gains[0] < gains[1]


def test_two_motions_are_told_apart():
    """Of an object that moves down before a background that moves right, the kernels differ in weight.

    By 0.18 to 0.22 on a Xeon with and without its vector instructions; on the other picture by 0.03 to 0.08
    there and by more than 0.1 on an EPYC: rounded otherwise, the alternation ends in another minimum.
    """
    flow = torch.zeros(*SHAPE, 2)
    flow[..., 0] = 13
    inside = (torch.arange(SHAPE[1]) - 120).abs() < 60
    flow[:, inside] = torch.tensor([0.0, 11.0])
    blurred = operator.lines(flow).forward(PICTURES[1])
    grey = torch.einsum("c,chw->hw", torch.tensor(xu.LUMA), blurred)
    kernels, weights = hyun_kim.estimate(grey, hyun_kim.Config(kernel=17))
    share = weights[:, :, inside].mean((1, 2)) - weights[:, :, ~inside].mean((1, 2))

    assert torch.allclose(weights.sum(0), torch.ones(SHAPE), atol=1e-5)
    assert share.abs().min() > 0.1
    assert [kernel.sum().item() for kernel in kernels] == pytest.approx([1, 1], abs=1e-4)


def test_kernels_are_cleaned():
    """Negative, small and isolated taps go, the centroid is in the middle; an empty kernel is one tap."""
    kernel = torch.zeros(9, 9)
    kernel[1, 1:4], kernel[7, 7], kernel[4, 4], kernel[0, 8] = 1, 0.1, -1, 0.04
    expected = torch.zeros(9, 9)
    expected[4, 3:6] = 1 / 3

    assert torch.allclose(cleaned(kernel), expected)
    assert cleaned(torch.zeros(5, 5))[2, 2] == 1


@pytest.mark.parametrize("name", ["xu", "hyun_kim"])
def test_bad_images_are_one_line(name):
    """A constant, tiny or one-channel image is named, with what is allowed; a tiny one can be padded."""
    run = spec.Run(name, name, "")
    net = nets.build(run)
    with pytest.raises(
        ValueError, match=rf"{name}: image 1 of 1 has one level, 128: .*allowed: levels"
    ) as flat:
        nets.restore(net, torch.full((1, 3, 40, 50), 128 / 255), spec.Normalise())
    with pytest.raises(
        ValueError, match=r"images \(1, 1, 40, 50\); allowed: \(B, 3, H, W\), H and W from 16"
    ):
        net(torch.rand(1, 1, 40, 50))
    with pytest.raises(ValueError, match=r"images \(1, 3, 7, 50\); allowed"):
        net(torch.rand(1, 3, 7, 50))
    with pytest.raises(ValueError, match="image 2 of 2 has values that are no numbers"):
        net(torch.stack([torch.rand(3, 32, 32), torch.full((3, 32, 32), torch.nan)]))

    assert "\n" not in str(flat.value)
    assert nets.restore(net, torch.rand(1, 3, 7, 9), spec.Normalise()).shape == (1, 3, 7, 9)
