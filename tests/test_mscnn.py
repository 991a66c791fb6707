"""MS-CNN: its sizes, its pyramid against scikit-image's, what each scale sees, and the authors' network."""

import numpy as np
import pytest
import torch
from skimage.transform import pyramid_gaussian
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle

from benchmark.losses import pixel
from benchmark.models.mscnn import Config, Net, halve

SMALL = Config(blocks=2, width=4)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (24, 36), (64, 32)])
def test_pyramid_is_scikit_images(height, width):
    """Two levels in 0 to 255, borders and corners included, to the precision of single floats."""
    image = np.random.default_rng(0).random((height, width, 3)).astype(np.float32) * 255
    _, *expected = pyramid_gaussian(image, 2, channel_axis=-1)

    level = torch.from_numpy(image).permute(2, 0, 1)[None]
    for smaller in expected:
        level = halve(level)
        np.testing.assert_allclose(level[0].permute(1, 2, 0), smaller, rtol=0, atol=1e-4)


def test_pyramid_commutes_with_normalisation():
    """The authors build the pyramid of the image and then subtract its mid-grey; here it is the other way."""
    image = torch.rand(2, 3, 16, 24) * 255

    torch.testing.assert_close(halve(image - 127.5), halve(image) - 127.5, rtol=0, atol=1e-4)


class Record(nn.Module):
    """Stands in for a scale's network: keeps what it was given and hands on a constant image."""

    def __init__(self, level: float) -> None:
        super().__init__()
        self.level = level

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, 3, h, w)."""
        self.seen = x
        return torch.full_like(x[:, :3], self.level)


def test_each_scale_sees_its_image_and_the_coarser_answer():
    """Three channels of its own level, then three of the coarser image after 5x5 and pixel shuffle."""
    net = Net(SMALL)
    net.scales = nn.ModuleList(Record(level) for level in (1.0, 2.0, 3.0))
    blurry = torch.rand(1, 3, 16, 24)

    outputs = net(blurry)

    half = halve(blurry)
    torch.testing.assert_close(net.scales[0].seen, halve(half))
    torch.testing.assert_close(net.scales[1].seen[:, :3], half)
    torch.testing.assert_close(net.scales[2].seen[:, :3], blurry)
    for k in range(2):
        enlarged = pixel_shuffle(net.enlarge[k][0](outputs[k]), 2)
        torch.testing.assert_close(net.scales[k + 1].seen[:, 3:], enlarged)
    assert [restored.unique().tolist() for restored in outputs] == [[1.0], [2.0], [3.0]]


def test_scales_do_not_share_weights():
    """Each scale has a network of its own; 2 convolutions and 2 per block, and 2 that enlarge."""
    layers = [m for m in Net(SMALL).modules() if isinstance(m, nn.Conv2d)]

    assert len(layers) == 3 * (2 + 2 * SMALL.blocks) + 2
    assert {layer.kernel_size for layer in layers} == {(5, 5)}


def test_targets_are_the_same_pyramid():
    """The loss makes the sharp image smaller as the network does the blurry one."""
    sharp = torch.rand(1, 3, 16, 24)

    torch.testing.assert_close(pixel.SHRINK["gaussian"](sharp), halve(sharp))
