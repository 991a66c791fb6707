"""MS-CNN: its sizes, its pyramid against scikit-image's, what each scale sees, and the authors' network."""

import numpy as np
import pytest
import torch
from skimage.transform import pyramid_gaussian
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle
from torch.utils.flop_counter import FlopCounterMode

from benchmark.losses import Batch, pixel
from benchmark.models import mscnn
from benchmark.models.mscnn import Config, Net, halve
from benchmark.spec import Normalise
from tests import golden

SMALL = Config(blocks=2, width=4)


def test_size_is_that_of_the_authors_code():
    """11,721,321 parameters and 4,724.2 GMAC at 720p, the pyramid's own 0.02 included."""
    with torch.device("meta"):
        net, blurry = Net(Config()), torch.empty(1, 3, 720, 1280)
    with FlopCounterMode(display=False) as counter:
        answers = net(blurry)

    assert sum(p.numel() for p in net.parameters()) == 11_721_321
    assert counter.get_total_flops() / 2e9 == pytest.approx(4724.196, rel=1e-4)
    assert [tuple(answer.shape[2:]) for answer in answers] == [(180, 320), (360, 640), (720, 1280)]


def test_it_is_the_authors_network():
    """With the same weights it gives what their network gives on scikit-image's pyramid."""
    entry = golden.case("mscnn")
    net = Net(Config())
    net.load_state_dict(mscnn.convert(golden.weights(entry["shapes"], entry["gain"])))

    golden.check(entry, net, mean=0.5, scale=255)


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
    """Three channels of its own level, then three of the coarser answer after 5x5 and pixel shuffle."""
    net = Net(SMALL)
    net.scales = nn.ModuleList(Record(level) for level in (1.0, 2.0, 3.0))
    blurry = torch.rand(1, 3, 16, 24)

    answers = net(blurry)

    half = halve(blurry)
    torch.testing.assert_close(net.scales[0].seen, halve(half))
    torch.testing.assert_close(net.scales[1].seen[:, :3], half)
    torch.testing.assert_close(net.scales[2].seen[:, :3], blurry)
    for k in range(2):
        enlarged = pixel_shuffle(net.enlarge[k][0](answers[k]), 2)
        torch.testing.assert_close(net.scales[k + 1].seen[:, 3:], enlarged)
    assert [answer.unique().tolist() for answer in answers] == [[1.0], [2.0], [3.0]]


def test_scales_do_not_share_weights():
    """Each scale has a network of its own; 2 convolutions and 2 per block, and 2 that enlarge."""
    layers = [m for m in Net(SMALL).modules() if isinstance(m, nn.Conv2d)]

    assert len(layers) == 3 * (2 + 2 * SMALL.blocks) + 2
    assert {layer.kernel_size for layer in layers} == {(5, 5)}


@pytest.mark.parametrize("distance", ["l1", "mse"])
def test_every_parameter_learns(distance):
    """With the recipe's loss at the smallest size allowed; no parameter is left out."""
    net = Net(Config().thin(16))
    side = net.smallest_side
    blurry, sharp = (torch.rand(2, 2, 3, side, side) - 0.5) * 255
    batch = Batch(blurry, sharp, Normalise(0.5, 255))

    pixel.loss(net(blurry), batch, distance=distance, of="all", shrink="gaussian").backward()

    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_targets_are_the_same_pyramid():
    """The loss makes the sharp image smaller as the network does the blurry one."""
    sharp = torch.rand(1, 3, 16, 24)

    torch.testing.assert_close(pixel.SHRINK["gaussian"](sharp), halve(sharp))


def test_thin_keeps_the_structure():
    """A thin network has the same layers, with at least four channels."""
    configs = [Config(), Config().thin(4), Config().thin(99)]
    with torch.device("meta"):
        full, thin, thinnest = (list(Net(config).state_dict()) for config in configs)

    assert [config.width for config in configs] == [64, 16, 4]
    assert full == thin == thinnest


def authors_names(net: Net) -> dict[str, Tensor]:
    """A network's weights as the authors would save them, for small tests."""
    shown = {}
    for name, value in net.state_dict().items():
        part, k, rest = name.split(".", 2)
        if part == "scales":
            shown[f"body_models.{2 - int(k)}.body.{rest}"] = value
        else:
            shown[f"conv_end_models.{2 - int(k)}.uppath.{rest}"] = value
    return shown


def test_convert_undoes_the_authors_names():
    """Weights under the authors' names become the same network's state dict."""
    net = Net(SMALL)

    torch.testing.assert_close(
        mscnn.convert(authors_names(net)), dict(net.state_dict()), rtol=0, atol=0, check_stride=True
    )


def test_convert_names_what_is_wrong():
    """A weight too few or too many is named in the error."""
    weights = authors_names(Net(SMALL))
    few = {name: value for name, value in weights.items() if name != "body_models.1.body.2.body.0.bias"}

    with pytest.raises(ValueError, match=r"missing weight: body_models\.1\.body\.2\.body\.0\.bias"):
        mscnn.convert(few)
    with pytest.raises(ValueError, match=r"unexpected weight: critic\.weight"):
        mscnn.convert(weights | {"critic.weight": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"missing weight: body_models\.0\.body\.0\.weight"):
        mscnn.convert({})
