"""PSS-NSC: its sizes, which layers scales share, its nested skips, and the authors' own output."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmark.losses import Batch, pixel
from benchmark.models import pssnsc
from benchmark.models.pssnsc import Config, Net, transform
from benchmark.models.srn import double
from benchmark.spec import Normalise
from tests import golden
from tests.test_srn import variables


def count(module):
    """Parameters."""
    return sum(p.numel() for p in module.parameters())


def test_sizes_are_those_of_the_authors_weights():
    """As many parameters as their checkpoint holds, shared and of each scale; MACs as of their code."""
    with torch.device("meta"):
        net = Net(Config())
        with FlopCounterMode(display=False) as counter:
            net(torch.empty(1, 3, 720, 1280))

    assert count(net) == 3_871_715
    assert count(net.encoders) + count(net.decoders) == 3_100_160
    assert [count(own) for own in net.scales] == [257_185] * 3
    assert counter.get_total_flops() / 2e9 == pytest.approx(3306.563, rel=1e-4)


def test_the_authors_network_gives_the_same():
    """Their graph, run by TensorFlow with weights drawn by name, and ours with the same weights agree."""
    case = golden.case("pssnsc")
    net = Net(Config())

    net.load_state_dict(pssnsc.convert(variables(case)))

    golden.check(case, net)


def test_every_parameter_learns():
    """Three answers, as large as the input at the smallest size allowed; no parameter is left out."""
    net = Net(Config().thin(8))
    blurry, sharp = torch.rand(2, 2, 3, 16, 48)
    answers = net(blurry)

    pixel.loss(answers, Batch(blurry, sharp, Normalise()), of="all", shrink="subsample").backward()

    assert net.stride == 16
    assert [tuple(answer.shape) for answer in answers] == [(2, 3, 4, 12), (2, 3, 8, 24), (2, 3, 16, 48)]
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_thin_keeps_the_structure():
    """A thin network has the same layers, with at least four channels."""
    full, thin, thinnest = Config(), Config().thin(4), Config().thin(99)

    assert [full.width, thin.width, thinnest.width] == [32, 8, 4]
    assert list(Net(full).state_dict()) == list(Net(thin).state_dict()) == list(Net(thinnest).state_dict())


def test_skips_are_nested():
    """The answer is x + f1(x) + f2(x + f1(x)) + ..., each f seeing the sum of all before."""
    module = transform(4)
    x = torch.randn(1, 4, 6, 5)
    steps = [step.body for step in module]

    first = steps[0](x)
    second = steps[1](x + first)
    third = steps[2](x + first + second)
    fourth = steps[3](x + first + second + third)

    torch.testing.assert_close(module(x), x + first + second + third + fourth)


def test_a_scale_learns_from_its_own_image_and_shares_the_rest():
    """The finest answer's error teaches the shared layers and the finest scale's own, no other scale's."""
    net = Net(Config().thin(8))

    net(torch.rand(1, 3, 16, 16))[-1].square().mean().backward()

    learned = {name for name, p in net.named_parameters() if p.grad is not None}
    own = {name for name, _ in net.named_parameters() if name.startswith(("scales.0", "scales.1"))}
    assert learned == {name for name, _ in net.named_parameters()} - own


def test_every_transform_is_applied_twice():
    """At each of three scales, by the same weights."""
    seen = []
    net = Net(Config().thin(8))
    for name, module in [*net.encoders.named_children(), *net.decoders.named_children()]:
        module.register_forward_hook(
            lambda module, inputs, output, name=name: seen.append((name, inputs, output))
        )

    net(torch.rand(1, 3, 16, 16))

    assert [name for name, _, _ in seen] == list("001122001122") * 3
    assert all(
        second[0] is first for (_, _, first), (_, second, _) in zip(seen[::2], seen[1::2], strict=True)
    )


def test_an_answer_is_added_to_the_blurry_image():
    """With last layers of zero, each scale gives its blurry image; and the first guess is that image too."""
    net = Net(Config().thin(8))
    for own in net.scales:
        nn.init.zeros_(own.leaves[-1].weight)
    given = []
    for own in net.scales:
        own.enters[0].register_forward_pre_hook(lambda layer, inputs: given.append(inputs[0]))
    blurry = torch.rand(2, 3, 16, 32)

    answers = net(blurry)

    for answer, step in zip(answers, (4, 2, 1), strict=True):
        assert torch.equal(answer, blurry[..., ::step, ::step])
    assert torch.equal(given[0][:, 0], given[0][:, 1])
    assert torch.equal(given[1][:, 1:], double(answers[0].reshape(6, 1, 4, 8)))


def test_channels_are_restored_alone():
    """Red, green and blue are three grey images, in whatever order."""
    net = Net(Config().thin(8))
    blurry = torch.rand(2, 3, 16, 16)

    torch.testing.assert_close(net(blurry)[-1], net(blurry.flip(1))[-1].flip(1))


@pytest.mark.parametrize(
    ("place", "deviation"),
    [
        ("scales.0.enters.1", 0.03),  # "enc2_1_0" of the graph, and so on
        ("encoders.2.0.body.0", 0.02),
        ("scales.1.leaves.0", 0.02),
        ("decoders.1.3.body.2", 0.01),
        ("decoders.2.0.body.0", 0.01),
    ],
)
def test_initialisation_is_that_of_the_authors_graph(place, deviation):
    """Normal, cut off at two deviations, which leaves 0.880 of one; biases are zero."""
    layer = Net(Config()).get_submodule(place)

    assert layer.weight.abs().max().item() == pytest.approx(2 * deviation, rel=0.01)
    assert layer.weight.std().item() == pytest.approx(0.880 * deviation, rel=0.03)
    assert not layer.bias.any()


def test_convert_names_what_is_wrong():
    """A variable too few or too many is named in the error; what Adam keeps is not one."""
    whole = variables(golden.case("pssnsc"))
    kept = {"Variable": np.zeros(()), "beta2_power": np.zeros(()), "g_net/enc1_1_0/biases/Adam": np.zeros(3)}

    assert pssnsc.convert(whole | kept).keys() == Net(Config().thin(8)).state_dict().keys()
    with pytest.raises(ValueError, match="missing variable: g_net/dec1_0_2/weights"):
        pssnsc.convert({k: v for k, v in whole.items() if k != "g_net/dec1_0_2/weights"})
    with pytest.raises(ValueError, match="unexpected variable: g_net/dec1_0_3/biases"):
        pssnsc.convert(whole | {"g_net/dec1_0_3/biases": np.zeros(1, np.float32)})
