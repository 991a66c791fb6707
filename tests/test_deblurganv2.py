"""DeblurGAN-v2: its sizes, its backbones' levels and norms, and the authors' own networks."""

import sys

import pytest
import torch
from torch import nn
from torch.nn.functional import batch_norm, conv2d
from torch.utils.flop_counter import FlopCounterMode

from benchmark.models.deblurganv2 import BACKBONES, Config, ImageNorm, Net, separable

timm = pytest.importorskip("timm")

INCEPTION = Config()
MOBILENET = Config("mobilenetv2_100")
DSC = Config("mobilenetv2_100", "separable")
CASES = {"inception_resnet_v2": "deblurganv2_inception", "mobilenetv2_100": "deblurganv2_mobilenet"}


def on_meta(config: Config) -> Net:
    """The network without memory."""
    with torch.device("meta"):
        return Net(config)


def macs(net: nn.Module, height: int, width: int) -> int:
    """Of its convolutions."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(torch.empty(1, 3, height, width, device="meta"))
    return counter.get_total_flops() // 2


@pytest.mark.parametrize("config", [INCEPTION, MOBILENET], ids=lambda config: config.backbone)
@pytest.mark.parametrize(("height", "width"), [(128, 128), (160, 320)])
def test_levels_fit_each_other(config, height, width):
    """What unpadded convolutions took away is mirrored back: halves, quarters, ... of the image exactly."""
    levels = on_meta(config).levels(torch.empty(2, 3, height, width, device="meta"))

    wide = BACKBONES[config.backbone].width
    widths = (wide // 2, wide, wide, wide, wide)
    expected = [(2, w, height // 2**k, width // 2**k) for k, w in enumerate(widths, start=1)]
    assert [tuple(level.shape) for level in levels] == expected


@pytest.mark.parametrize("config", [INCEPTION, MOBILENET], ids=lambda config: config.backbone)
def test_no_smaller_image_will_do(config):
    """At `least` it works, one stride below it does not."""
    net = on_meta(config)
    restored = net(torch.empty(1, 3, net.smallest_side, net.smallest_side, device="meta"))[-1]

    assert restored.shape == (1, 3, net.smallest_side, net.smallest_side)
    with pytest.raises((ValueError, RuntimeError)):
        net(torch.empty(1, 3, net.smallest_side - net.stride, net.smallest_side - net.stride, device="meta"))


def test_macs_are_a_constant_a_share_per_side_and_one_per_pixel():
    """Inception's convolutions are unpadded; a + b (H + W) + c H W from three squares holds for any size."""
    net = on_meta(INCEPTION)
    sides = (128, 160, 192)
    squares = torch.tensor([[1.0, 2 * side, side * side] for side in sides], dtype=torch.float64)
    counts = torch.tensor([[macs(net, side, side)] for side in sides], dtype=torch.float64)
    a, b, c = torch.linalg.solve(squares, counts).flatten().tolist()

    assert b < 0 < c
    for height, width in ((736, 1280),):
        assert a + b * (height + width) + c * height * width == pytest.approx(
            macs(net, height, width), rel=1e-9
        )


def test_norms_are_batch_norms_of_one_image():
    """With timm's activation, for each image of a batch, in training and not: torch's batch norm of each."""
    norm = ImageNorm(5, timm.layers.BatchNormAct2d(5, eps=1e-3, act_layer=nn.ReLU6))
    with torch.no_grad():
        norm.weight.uniform_(0.5, 5)
        norm.bias.uniform_(-1, 1)
    images = torch.randn(3, 5, 4, 6) * 4 + 1

    one_by_one = torch.cat(
        [
            batch_norm(image[None], None, None, norm.weight, norm.bias, training=True, eps=1e-3).clamp(0, 6)
            for image in images
        ]
    )

    torch.testing.assert_close(norm(images), one_by_one)
    torch.testing.assert_close(norm.eval()(images), one_by_one)


@pytest.mark.parametrize("config", [INCEPTION, MOBILENET], ids=lambda config: config.backbone)
def test_an_answer_is_its_images_alone(config):
    """Neither the other images of a batch nor train mode change it: no statistics run, nothing drops out."""
    net = Net(config.thin(8))
    blurry = torch.rand(2, 3, 128, 128) * 2 - 1

    with torch.no_grad():
        together, alone = net(blurry)[-1], net.eval()(blurry[1:])[-1]

    torch.testing.assert_close(together[1:], alone, rtol=0, atol=1e-4)
    assert together.abs().max() <= 1
    assert not torch.equal(together, blurry)


def test_widths_divide_by_powers_of_two():
    """What does not divide every width is rounded down; images keep their channels, depthwise filters one."""
    assert [INCEPTION.thin(factor).divide for factor in (2, 3, 4, 7, 8, 99)] == [2, 2, 4, 4, 8, 8]
    assert INCEPTION.thin(2).thin(2) == INCEPTION.thin(4)
    assert on_meta(INCEPTION.thin(4)).backbone.conv2d_1a.conv.weight.shape == (8, 3, 3, 3)
    assert on_meta(MOBILENET.thin(4)).backbone.blocks[1][0].conv_dw.weight.shape == (24, 1, 3, 3)


def test_backbones_are_timms():
    """The same weights by name and shape, without running statistics and MobileNet's classifier."""
    for config in (INCEPTION, MOBILENET):
        with torch.device("meta"):
            theirs = timm.create_model(config.backbone).state_dict()
        ours = on_meta(config).backbone.state_dict()

        kept = {name: value.shape for name, value in theirs.items() if "running" not in name}
        kept = {name: shape for name, shape in kept.items() if "num_batches" not in name}
        left_out = {"classifier.weight", "classifier.bias"} & kept.keys()
        assert {name: value.shape for name, value in ours.items()} == {
            name: shape for name, shape in kept.items() if name not in left_out
        }


def test_separable_convolution_is_a_full_one_of_less_rank():
    """Its filter from one channel to another is the channel's own filter times a number."""
    layer = separable(6, 4)
    each, mix = layer[0].weight, layer[1].weight  # (6, 1, 3, 3), (4, 6, 1, 1)
    x = torch.randn(2, 6, 7, 5)

    expected = conv2d(x, mix * each.transpose(0, 1), layer[1].bias, padding=1)

    torch.testing.assert_close(layer(x), expected)


def test_backbone_starts_from_imagenet():
    """It takes timm's weights by name, all that is used and nothing else; why not, it says in words."""
    net = Net(DSC)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    state = timm.create_model("mobilenetv2_100").state_dict()

    assert net.load_pretrained("vgg19", {}) == ""
    assert "not for divided widths" in Net(DSC.thin(4)).load_pretrained("mobilenetv2_100", state)
    assert net.load_pretrained("mobilenetv2_100", state) == ""

    taken = {
        name
        for name, value in net.state_dict().items()
        if torch.equal(value, state.get(name[9:], before[name]))
    }
    changed = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    used = {name for name, p in net.named_parameters() if name.startswith("backbone.") and p.requires_grad}
    assert changed <= used <= taken
    assert {name for name in used if "conv" in name} <= changed
    with pytest.raises(ValueError, match=r"mobilenetv2_100: no weight bn1\.bias of shape \(32,\)"):
        net.load_pretrained("mobilenetv2_100", {**state, "bn1.bias": torch.zeros(31)})


def test_without_timm_it_says_what_to_install(monkeypatch):
    """One line, with the package's name."""
    monkeypatch.setitem(sys.modules, "timm", None)

    with pytest.raises(ImportError, match="pip install timm"):
        Net(MOBILENET)
