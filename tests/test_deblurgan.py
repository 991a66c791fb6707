"""DeblurGAN: its sizes, the authors' network, what a block does, and that it learns with its recipe."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from benchmark.models import deblurgan
from benchmark.models._layers import InstanceNorm
from benchmark.models.deblurgan import Block, Config, Net

SMALL = Config(width=4, blocks=2)


def authors_names(net: Net, dropout: bool = True) -> dict[str, Tensor]:
    """A network's weights as the authors would save them, old statistics included."""
    second = "6" if dropout else "5"
    blocks = len(net.body)
    layers = {"1": net.encoder[0][0], "4": net.encoder[1][0], "7": net.encoder[2][0]}
    for k, block in enumerate(net.body):
        layers |= {f"{10 + k}.conv_block.1": block.body[0], f"{10 + k}.conv_block.{second}": block.body[4]}
    layers |= {f"{10 + blocks}": net.decoder[0][0], f"{13 + blocks}": net.decoder[1][0]}
    layers[f"{17 + blocks}"] = net.decoder[2]
    state = {f"model.{k}.{what}": p for k, layer in layers.items() for what, p in layer.state_dict().items()}
    return state | {"model.2.running_mean": torch.zeros(4), "model.2.running_var": torch.ones(4)}


@pytest.mark.parametrize("dropout", [True, False])
@pytest.mark.parametrize("blocks", [6, 9])
def test_convert_undoes_the_authors_names(blocks, dropout):
    """Of both depths, with and without --no_dropout, which renumbers; unused statistics are left."""
    net = Net(replace(SMALL, blocks=blocks))

    state = deblurgan.convert(authors_names(net, dropout))

    torch.testing.assert_close(state, dict(net.state_dict()), rtol=0, atol=0)


def mirrored_by_hand(x: Tensor, layer: nn.Conv2d) -> Tensor:
    """A 3x3 convolution of an image with one more row and column on each side: those beyond the border's."""
    height, width = x.shape[-2:]
    rows, columns = [1, *range(height), height - 2], [1, *range(width), width - 2]
    return conv2d(x[..., rows, :][..., columns], layer.weight, layer.bias)


def normalised_by_hand(x: Tensor) -> Tensor:
    """Each channel of each image with mean 0 and variance 1."""
    mean = x.mean(dim=(2, 3), keepdim=True)
    return (x - mean) / ((x - mean).square().mean(dim=(2, 3), keepdim=True) + 1e-5).sqrt()


def test_a_block_is_two_normalised_convolutions_and_the_identity():
    """Mirrored borders, instance statistics, ReLU after the first alone."""
    torch.manual_seed(0)
    block, x = Block(4, dropout=0.5).eval(), torch.randn(2, 4, 5, 6)

    hidden = normalised_by_hand(mirrored_by_hand(x, block.body[0])).clamp(min=0)
    expected = x + normalised_by_hand(mirrored_by_hand(hidden, block.body[4]))

    torch.testing.assert_close(block(x), expected)


def test_an_image_does_not_see_the_others():
    """Statistics are those of each image, when it is tested too."""
    torch.manual_seed(0)
    net, blurry = Net(SMALL).eval(), torch.rand(3, 3, 16, 20) * 2 - 1

    (together,) = net(blurry)

    alone = torch.cat([net(image[None])[0] for image in blurry])
    torch.testing.assert_close(together, alone)


def test_dropout_is_for_training():
    """Two passes differ while it trains and agree when it is tested."""
    net, blurry = Net(SMALL), torch.rand(1, 3, 16, 16) * 2 - 1

    assert not torch.equal(net(blurry)[0], net(blurry)[0])
    net.eval()
    assert torch.equal(net(blurry)[0], net(blurry)[0])


def test_one_image_is_normalised_where_it_lies():
    """As PyTorch's instance normalisation, with its first two derivatives; channels stay last in memory."""
    ours, theirs = InstanceNorm(4), nn.InstanceNorm2d(4)
    image = torch.randn(1, 4, 5, 6, dtype=torch.float64).contiguous(memory_format=torch.channels_last)
    image.requires_grad_()

    y = ours(image)

    assert y.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(y, theirs(image))
    torch.testing.assert_close(ours(image.expand(2, -1, -1, -1)), theirs(image.expand(2, -1, -1, -1)))
    first = [torch.autograd.grad(f(image).pow(3).sum(), image, create_graph=True)[0] for f in (ours, theirs)]
    torch.testing.assert_close(*first)
    torch.testing.assert_close(*(torch.autograd.grad(g.square().sum(), image)[0] for g in first))
