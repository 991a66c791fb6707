"""CDGNet: its sizes, its equations written out, and that every variant learns."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d
from torchvision.ops import deform_conv2d

from benchmark.models import dmphn
from benchmark.models._layers import deform_conv
from benchmark.models.cdgnet import ACDA, OFF, READINGS, Config, Deformable, Net

MIB, MB = 2**20, 10**6
ONE = Config(encoder="res", fusion="none")
VARIANTS = {  # rows of Tables 3 and 4
    "DMPHN 1": replace(ONE, attention="none", branches="dmphn"),
    "DMPHN+ACDA": replace(ONE, branches="dmphn"),
    "DMPHN LD": replace(ONE, attention="none", branches="large"),
    "only CA": replace(ONE, attention="ca", branches="large"),
    "only SA": replace(ONE, attention="sa", branches="large"),
    "Large blur branch": replace(ONE, branches="large"),
    "DMPHN SD": replace(ONE, attention="none", branches="small"),
    "Small blur branch": replace(ONE, branches="small"),
    "Two-branch+concat": Config(encoder="res", fusion="concat"),
    "Two-branch+OFF": Config(encoder="res"),
    "RDB+Two-branch+OFF": Config(),
    # other readings of what the paper leaves open
    "figure": Config(reading="figure"),
    "blocks": Config(reading="blocks"),
    "residual": Config(large="residual"),
    "masked": Config(diagonals="masked"),
}
TABLE_4 = ("DMPHN LD", "only CA", "only SA", "Large blur branch")


def parameters(config: Config) -> int:
    """How many numbers a network learns."""
    with torch.device("meta"):
        return sum(p.numel() for p in Net(config).parameters())


@pytest.mark.parametrize(
    ("reading", "large", "unit", "sizes"),
    [
        ("sizes", "shared_offsets", MIB, [6.73, 6.74, 7.66, 7.67]),
        ("figure", "shared_offsets", MB, [6.73, 6.74, 7.66, 7.67]),
        ("figure", "residual", MB, [6.73, 6.74, 7.66, 7.67]),
        ("blocks", "shared_offsets", MIB, [6.73, 6.74, 7.66, 7.67]),
        ("sizes", "residual", MIB, [6.73, 6.74, 7.67, 7.67]),
    ],
)
def test_sizes_of_table_4(reading, large, unit, sizes):
    """All readings give the four printed sizes, 6.73 6.74 7.66 7.67, as float32 and each in its unit.

    One residual block and one deformable convolution in the large decoder miss one of them in MiB.
    """
    configs = [replace(VARIANTS[name], reading=reading, large=large) for name in TABLE_4]

    assert [round(4 * parameters(config) / unit, 2) for config in configs] == sizes


def test_size_of_table_1():
    """The full network is 25.5635 MiB, 0.03 % off the printed 25.57; with Fig. 4's 1x1 a fifth less.

    With two residual blocks in the spatial attention it is 25.548.
    """
    heads = 2 * (3 * 32 * 9 + 3)

    assert round(4 * parameters(Config()) / MIB, 4) == 25.5635
    assert 4 * parameters(Config()) / MIB == pytest.approx(25.57, rel=3e-4)
    assert round(4 * (parameters(VARIANTS["figure"]) - heads) / MB, 3) == 20.539
    assert round(4 * parameters(Config(reading="blocks")) / MIB, 3) == 25.548


@pytest.mark.parametrize(("branches", "fusion"), [("both", "none"), ("large", "off"), ("dmphn", "concat")])
def test_only_two_branches_are_fused(branches, fusion):
    """Two branches need a fusion and one has nothing to fuse; the error names both keys."""
    with pytest.raises(ValueError, match=f"fusion '{fusion}' .* branches '{branches}'"):
        Net(Config(branches=branches, fusion=fusion))


def test_the_baseline_is_dmphn():
    """Without attention, with DMPHN's encoder and decoder, it is DMPHN(1): same weights, same image."""
    net, baseline = Net(VARIANTS["DMPHN 1"].thin(8)), dmphn.Net(dmphn.Config("1").thin(8))
    order = [place for k in range(3) for place in (f"blocks.{k}.0", f"blocks.{k}.1", f"ups.{k}")][:8]
    places = {f"stages.0.decoders.0.{n}.": f"decoders.dmphn.{place}." for n, place in enumerate(order)}
    places |= {"stages.0.decoders.0.8.": "heads.dmphn.", "stages.0.encoders.0.": "encoder."}
    state = {}
    for key, value in baseline.state_dict().items():
        theirs = next(place for place in places if key.startswith(place))
        state[places[theirs] + key.removeprefix(theirs)] = value
    net.load_state_dict(state)
    blurry = torch.rand(2, 3, 16, 24) - 0.5

    torch.testing.assert_close(net(blurry), baseline(blurry), rtol=0, atol=0)


def test_outputs_are_in_order():
    """Large-blur image, small-blur image, then the fusion of both branches' features."""
    net = Net(Config().thin(8))
    blurry = torch.rand(1, 3, 16, 24) - 0.5

    large, small, restored = net(blurry)

    shown = net.attention(blurry)
    torch.testing.assert_close(large, net.heads["large"](shown["large_features"]))
    torch.testing.assert_close(small, net.heads["small"](shown["small_features"]))
    torch.testing.assert_close(restored, net.fuse[0](shown["large_features"], shown["small_features"]))


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("attention", ["none", "ca", "sa", "ca_sa"])
def test_attention_is_equations_4_and_5(attention, reading):
    """F * Mc * Ms + F at each place, with Mc from the means of F, and Ms from F * Mc; an absent map is 1."""
    torch.manual_seed(0)
    acda = ACDA(16, attention, READINGS[reading])
    f = torch.randn(2, 16, 3, 4)

    attended, maps = acda(f)

    weighted = f
    if "ca" in attention:
        _, squeeze, _, excite, _ = acda.maps["channel"]
        hidden = f.mean(dim=(2, 3)) @ squeeze.weight[:, :, 0, 0].T + squeeze.bias
        mc = (hidden.relu() @ excite.weight[:, :, 0, 0].T + excite.bias).sigmoid()
        weighted = torch.einsum("bchw,bc->bchw", weighted, mc)
    if "sa" in attention:
        ms = acda.maps["spatial"](weighted)
        weighted = torch.einsum("bchw,bhw->bchw", weighted, ms[:, 0])
    expected = f if attention == "none" else weighted + f
    torch.testing.assert_close(attended, expected)
    assert len(maps) == {"none": 0, "ca_sa": 2}.get(attention, 1)


SQUARE = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
TAPS = {  # where the taps of the four orientations lie, in the order of their weights
    "plain": [[(0, -1), (0, 0), (0, 1)], [(-1, 0), (0, 0), (1, 0)], SQUARE, SQUARE],
    "masked": [
        [(0, -1), (0, 0), (0, 1)],
        [(-1, 0), (0, 0), (1, 0)],
        [(-1, -1), (0, 0), (1, 1)],
        [(-1, 1), (0, 0), (1, -1)],
    ],
}


def filtered(x: Tensor, layer: torch.nn.Module, taps: list[tuple[int, int]]) -> Tensor:
    """A 3x3 convolution of (C, H, W) with weights at these taps alone."""
    kernel = torch.zeros(*layer.weight.shape[:2], 3, 3)
    for weight, (dy, dx) in zip(layer.weight.flatten(2).unbind(-1), taps, strict=True):
        kernel[..., 1 + dy, 1 + dx] = weight
    return conv2d(x, kernel, layer.bias, padding=1)


@pytest.mark.parametrize("diagonals", TAPS)
def test_fusion_is_equations_10_to_12(diagonals):
    """Four orientations per branch, a 1x1 on each pair, a 3x3 on all; masked diagonals touch no other tap."""
    torch.manual_seed(0)
    fuse = OFF(4, diagonals)
    large, small = torch.randn(2, 1, 4, 5, 6)

    image = fuse(large, small)

    pairs = []
    for k, taps in enumerate(TAPS[diagonals]):
        of_large = filtered(large[0], fuse.large[k], taps)  # Eq. 10
        of_small = filtered(small[0], fuse.small[k], taps)
        pairs.append(filtered(torch.cat((of_large, of_small)), fuse.pairs[k], [(0, 0)]))  # Eq. 11
    torch.testing.assert_close(image[0], filtered(torch.cat(pairs), fuse.last, SQUARE))  # Eq. 12


@pytest.mark.parametrize("convs", [1, 3])
def test_offsets_of_zero_are_an_ordinary_convolution(convs):
    """A new network's deformable convolutions do what ordinary ones with their weights do."""
    net = Net(Config().thin(8))
    layer = next(m for m in net.modules() if isinstance(m, Deformable) and len(m.convs) == convs)
    x = torch.randn(2, layer.offsets.in_channels, 12, 9)

    expected = x
    for held in layer.convs:
        expected = conv2d(expected, held.weight, held.bias, padding=1).relu()
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize(("height", "width", "reach"), [(7, 10, 0.5), (7, 10, 8.0), (16, 16, 0.0)])
def test_deformable_convolution_is_torchvisions(height, width, reach):
    """Values and all derivatives agree, far outside the image too, and where every offset is zero."""
    torch.manual_seed(0)
    shapes = (2, 4, height, width), (2, 18, height, width), (5, 4, 3, 3), (5,)
    x, offsets, weight, bias = (torch.randn(shape, dtype=torch.float64) for shape in shapes)
    given = [tensor.requires_grad_() for tensor in (x, reach * offsets, weight, bias)]

    ours, theirs = deform_conv(*given), deform_conv2d(*given, padding=1)

    torch.testing.assert_close(ours, theirs)
    derivatives = [torch.autograd.grad(y.square().sum(), given) for y in (ours, theirs)]
    torch.testing.assert_close(*derivatives)


def test_deformable_convolution_keeps_precise_places_under_autocast():
    """From pixel 256 on bfloat16 cannot tell neighbours apart: places stay in float32, as in torchvision."""
    x, offsets = torch.randn(1, 4, 5, 600), torch.randn(1, 18, 5, 600).bfloat16()
    weight = torch.randn(4, 4, 3, 3)

    with torch.autocast("cpu", torch.bfloat16):
        ours = deform_conv(x.bfloat16(), offsets, weight).float()

    theirs = deform_conv2d(x.bfloat16().float(), offsets.float(), weight, padding=1)
    assert (ours - theirs).abs().max() < 0.02 * theirs.abs().max()


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_deformable_convolution_is_one_operator_when_traced():
    """Counters of MACs find torchvision's operator by its name."""
    layer = Deformable(4, 1, bias=False)

    graph = torch.jit.trace(layer, torch.randn(1, 4, 8, 8)).inlined_graph

    assert "torchvision::deform_conv2d" in str(graph)
    assert "grid_sampler" not in str(graph)
