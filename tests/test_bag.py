"""BAG: its sizes, its equations written out, and the columns of its Table 1."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from benchmark.models._layers import InstanceNorm
from benchmark.models.bag import Config, Dense, Module, Net, SpatialAttention

VARIANTS = {  # columns of Table 1
    "Model Plain": Config(body="plain", attention="none"),
    "Model 1": Config(body="res", attention="none"),
    "Model 2": Config(body="dense_bn", attention="none"),
    "Model 3": Config(attention="none"),
    "Model 4": Config(residual="one_level"),
    "BAG": Config(),
    # what the paper leaves open
    "1x1": Config(transition="1x1"),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_all_modules_have_seven_convolutions(name):
    """As Sec. 4.2.1 has it, attention not counted; with batch normalisation in Model 2's modules alone."""
    net = Net(VARIANTS[name].thin(8))

    for module in net.blur_attention:
        kinds = [type(layer) for layer in module.body.modules()]
        norm, other = InstanceNorm, nn.BatchNorm2d
        if name == "Model 2":
            norm, other = other, norm
        assert [kinds.count(kind) for kind in (nn.Conv2d, norm, other)] == [7, 7, 0]
        assert len(module.attend) == (name in ("Model 4", "BAG", "1x1"))
    around = [type(layer) for part in (net.encoder, net.decoder) for layer in part.modules()]
    assert [around.count(kind) for kind in (InstanceNorm, nn.BatchNorm2d)] == [5, 0]
    assert [around.count(kind) for kind in (nn.Conv2d, nn.ConvTranspose2d)] == [3, 3]


def test_dense_block_sees_all_earlier_features():
    """Each of six layers is given the input and what all before it made; the seventh all of them."""
    torch.manual_seed(0)
    dense, x = Dense(8, 5, "instance", 3), torch.randn(2, 8, 6, 7)
    given: list[Tensor] = []
    made: list[Tensor] = []

    def keep(layer, inputs, output):
        given.append(inputs[0])
        made.append(output)

    for layer in [*dense.layers, dense.join]:
        layer.register_forward_hook(keep)

    restored = dense(x)

    for k in range(7):
        torch.testing.assert_close(given[k], torch.cat([x, *(y.clamp(min=0) for y in made[:k])], dim=1))
    torch.testing.assert_close(restored, made[6])
    assert [features.shape[1] for features in given] == [8, 13, 18, 23, 28, 33, 38]


@pytest.mark.parametrize(("norm", "tested"), [("instance", True), ("batch", False)])
def test_normalisation_is_of_each_image(norm, tested):
    """Instance normalisation leaves each channel with mean 0, variance 1; that of batches when it trains."""
    torch.manual_seed(0)
    dense, x = Dense(8, 4, norm, 3), 3 + torch.randn(1, 8, 16, 16)

    def centred(y: Tensor) -> bool:
        means, variances = y.mean(dim=(2, 3)), y.var(dim=(2, 3), unbiased=False)
        return bool((means.abs() < 1e-4).all() and ((variances - 1).abs() < 0.1).all())

    assert centred(dense.train()(x))
    assert centred(dense.eval()(x)) == tested


def test_attention_is_equation_3():
    """A = sigmoid(f([max F', mean F'])), with f a 7x7 convolution."""
    torch.manual_seed(0)
    attend, features = SpatialAttention(), torch.randn(2, 5, 4, 6)

    pooled = torch.stack((features.max(dim=1).values, features.mean(dim=1)), dim=1)
    expected = conv2d(pooled, attend.weigh.weight, attend.weigh.bias, padding=3).sigmoid()
    torch.testing.assert_close(attend(features), expected)


def test_module_is_equation_2():
    """Features times their map, every channel alike; without attention the features."""
    torch.manual_seed(0)
    config, x = Config().thin(8), torch.randn(1, 32, 6, 7)
    attentive, alone = Module(config), Module(replace(config, attention="none"))

    out, weights = attentive(x)
    features = attentive.body(x)
    same, nothing = alone(x)

    for channel in range(32):
        torch.testing.assert_close(out[:, channel], weights[:, 0] * features[:, channel])
    torch.testing.assert_close(same, alone.body(x), rtol=0, atol=0)
    assert nothing is None


class Times(nn.Module):
    """Stands in for a module: a multiple of its input, and no map."""

    def __init__(self, times: float) -> None:
        super().__init__()
        self.times = times

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """(B, C, h, w) -> (B, C, h, w), None."""
        return self.times * x, None


@pytest.mark.parametrize(
    ("residual", "times"),
    [("one_level", 1.5 * 3 * 2 * 5), ("multi_level", (((1.5 + 1) * 3 + 1) * 2 + 1) * 5)],
)
def test_residual_connections(residual, times):
    """Modules that add 0.5, 2, 1 and 4 times their input: multi-level ones are given the first input, too."""
    net = Net(replace(Config(), residual=residual).thin(16))
    net.blur_attention = nn.ModuleList(Times(k) for k in (0.5, 2, 1, 4))
    blurry = torch.rand(1, 3, 16, 16) * 2 - 1

    restored, maps = net.attended(blurry)

    torch.testing.assert_close(restored, times * net.encoder(blurry))
    assert maps == [None] * 4


@pytest.mark.parametrize("body", ["plain", "res"])
def test_only_dense_blocks_have_a_transition(body):
    """The error names both keys."""
    with pytest.raises(ValueError, match=f"transition '1x1' .* body '{body}'"):
        Net(Config(body=body, transition="1x1"))
