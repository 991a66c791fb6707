"""DBGAN: its size, the authors' network, what a block does, and that it learns with its recipe."""

import torch
from torch import Tensor
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


def test_features_go_around_the_blocks():
    """The last layers read the first one's features plus what the blocks make of them."""
    net, blurry = Net(SMALL), torch.rand(1, 3, 6, 6)
    seen: list[Tensor] = []
    net.last.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))

    net(blurry)

    first = net.first(blurry)
    torch.testing.assert_close(seen, [first + net.after(net.body(first))])
