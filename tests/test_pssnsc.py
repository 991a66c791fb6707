"""PSS-NSC: its sizes, which layers scales share, its nested skips, and the authors' own output."""

import pytest
import torch
from torch import nn

from benchmark.models.pssnsc import Config, Net, transform
from benchmark.models.srn import double


def test_skips_are_nested():
    """The output is x + f1(x) + f2(x + f1(x)) + ..., the input of each f the sum of all before."""
    module = transform(4)
    x = torch.randn(1, 4, 6, 5)
    steps = [step.body for step in module]

    first = steps[0](x)
    second = steps[1](x + first)
    third = steps[2](x + first + second)
    fourth = steps[3](x + first + second + third)

    torch.testing.assert_close(module(x), x + first + second + third + fourth)


def test_a_scale_learns_from_its_own_image_and_shares_the_rest():
    """The finest image's error updates the shared layers and the finest scale's own, no other scale's."""
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

    outputs = net(blurry)

    for restored, step in zip(outputs, (4, 2, 1), strict=True):
        assert torch.equal(restored, blurry[..., ::step, ::step])
    assert torch.equal(given[0][:, 0], given[0][:, 1])
    assert torch.equal(given[1][:, 1:], double(outputs[0].reshape(6, 1, 4, 8)))


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
