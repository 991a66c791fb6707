"""DBGAN: its size, the authors' network, what a block does, and that it learns with its recipe."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from benchmark.models import dbgan
from benchmark.models.dbgan import Block, Config, Dense, Net
from tests import golden

SMALL = Config(width=4, growth=4, blocks=2)


def test_convert_takes_as_many_blocks_as_there_are():
    """Of ESRGAN's other depths too; nothing is lost or named twice."""
    shapes = golden.case("dbgan")["shapes"]
    later = tuple(f"model.1.sub1.{block}." for block in range(2, 16))
    weights = {k: torch.full(v, n) for n, (k, v) in enumerate(shapes.items()) if not k.startswith(later)}
    with torch.device("meta"):
        expected = {k: v.shape for k, v in Net(Config(blocks=2)).state_dict().items()}

    state = dbgan.convert(weights)

    assert {k: v.shape for k, v in state.items()} == expected
    values = [{int(v.flatten()[0]) for v in each.values()} for each in (state, weights)]
    assert values[0] == values[1]


def dense_by_hand(block: Dense, x: Tensor) -> Tensor:
    """A convolution of several images is the sum of one of each."""
    width, found = x.shape[1], [x]
    for n, layer in enumerate(block.convs):
        growth = found[-1].shape[1]
        parts = torch.split(layer.weight, [width] + [growth] * n, dim=1)
        total = layer.bias[:, None, None] + sum(
            conv2d(seen, part, padding=1) for seen, part in zip(found, parts, strict=True)
        )
        found.append(torch.where(total > 0, total, 0.2 * total) if n < 4 else total)
    return x + 0.2 * found[-1]


def test_a_convolution_sees_all_that_was_found_before():
    """And of what the fifth finds a fifth is added; so are three such blocks, once more."""
    torch.manual_seed(0)
    block, x = Block(5, 3), torch.randn(2, 5, 6, 7)

    expected = x
    for dense in block.dense:
        expected = dense_by_hand(dense, expected)

    torch.testing.assert_close(block.dense(x), expected)
    torch.testing.assert_close(block(x), x + 0.2 * expected)


def test_it_finds_what_to_add():
    """Without its last layer it hands the image on; outputs never leave the range, and teach inside alone."""
    net, blurry = Net(SMALL), torch.rand(2, 3, 5, 7)
    last = net.last[2]
    nn.init.zeros_(last.weight)

    torch.testing.assert_close(net(blurry), [blurry], rtol=0, atol=0)

    with torch.no_grad():
        last.bias += torch.tensor([2.0, -2.0, 0.0])
    (restored,) = net(blurry)
    restored.sum().backward()
    torch.testing.assert_close(restored[:, 0], torch.ones(2, 5, 7), rtol=0, atol=0)
    torch.testing.assert_close(restored[:, 1], torch.zeros(2, 5, 7), rtol=0, atol=0)
    assert last.bias.grad.tolist() == [0, 0, 2 * 5 * 7]  # clipped values teach nothing


def test_features_go_around_the_blocks():
    """The last layers read the first one's features plus what the blocks make of them."""
    net, blurry = Net(SMALL), torch.rand(1, 3, 6, 6)
    seen: list[Tensor] = []
    net.last.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))

    net(blurry)

    first = net.first(blurry)
    torch.testing.assert_close(seen, [first + net.after(net.body(first))])


def test_initialisation_is_the_authors():
    """Weights have a tenth of He's standard deviation, sqrt(2 / inputs); biases are zero."""
    for layer in (m for m in Net(Config(blocks=1)).modules() if isinstance(m, nn.Conv2d)):
        inputs = 9 * layer.in_channels
        assert layer.weight.std().item() == pytest.approx(0.1 * (2 / inputs) ** 0.5, rel=0.1)
        assert not layer.bias.any()
