"""SRN: its sizes, what it takes from TensorFlow, what scales hand on, and the authors' own output."""

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate, map_coordinates
from torch import nn

from benchmark.models import srn
from benchmark.models.srn import Config, ConvLSTM, Down, Net, double


def test_double_is_tensorflows_bilinear():
    """Output k lies at input k / 2, and past the border at the border: SciPy's linear interpolation there."""
    image = torch.rand(2, 3, 5, 4, dtype=torch.float64)
    places = np.meshgrid(np.arange(10) / 2, np.arange(8) / 2, indexing="ij")

    doubled = double(image)

    for theirs, ours in zip(image.flatten(0, 1), doubled.flatten(0, 1), strict=True):
        expected = map_coordinates(theirs.numpy(), places, order=1, mode="nearest")
        torch.testing.assert_close(ours, torch.tensor(expected))


@pytest.mark.parametrize(("kernel", "before"), [(5, 1), (3, 0)])
def test_down_pads_as_tensorflow_does(kernel, before):
    """Of the padding that "SAME" needs, half comes first, rounded down: output i starts at 2i - before."""
    layer, image = Down(1, 1, kernel).double(), torch.rand(1, 1, 8, 6, dtype=torch.float64)
    needed = (8 // 2 - 1) * 2 + kernel - 8
    every = correlate(image[0, 0], layer.weight[0, 0].detach(), mode="constant")  # centred at each pixel

    first = kernel // 2 - before  # the centre of output 0
    assert needed // 2 == before
    np.testing.assert_allclose(layer(image)[0, 0].detach(), every[first::2, first::2] + layer.bias.item())


def test_conv_lstm_is_an_lstm_at_each_pixel():
    """On images of one pixel it is PyTorch's LSTM, whose gates are i, f, g, o, with 1 added to f's bias."""
    width = 5
    ours, theirs = ConvLSTM(width), nn.LSTMCell(width, width)
    i, j, f, o = ours.gates.weight[..., 1, 1].chunk(4)
    of_i, of_j, of_f, of_o = ours.gates.bias.chunk(4)
    weights = torch.cat((i, f, j, o)).detach()
    theirs.weight_ih.data, theirs.weight_hh.data = weights[:, :width], weights[:, width:]
    theirs.bias_ih.data = torch.cat((of_i, of_f + 1, of_j, of_o)).detach()
    theirs.bias_hh.data.zero_()
    state, expected = None, None

    for x in torch.randn(3, 2, width):
        h, state = ours(x[..., None, None], state)
        expected = theirs(x, expected)

        torch.testing.assert_close(h[..., 0, 0], expected[0])
        torch.testing.assert_close(state[0][..., 0, 0], expected[1])


def calls(net, blurry):
    """What each scale was given: blurry image, guess, state; and the outputs."""
    given = []
    net.scale.register_forward_pre_hook(lambda scale, inputs: given.append(inputs))
    return given, net(blurry)


def test_scales_go_from_coarse_to_fine():
    """Scales take every fourth, second and every pixel, and the previous image; the first takes its own."""
    blurry = torch.rand(2, 3, 32, 16)

    given, outputs = calls(Net(Config("color").thin(8)), blurry)

    images, guesses, _ = zip(*given, strict=True)
    for image, step in zip(images, (4, 2, 1), strict=True):
        assert torch.equal(image, blurry[:, :, ::step, ::step])
    assert guesses[0] is images[0]
    assert torch.equal(guesses[1], double(outputs[0]))
    assert torch.equal(guesses[2], double(outputs[1]))


def test_the_memory_starts_near_zero():
    """The ConvLSTM's deviation is 0.001, cut off at two deviations, which keeps 0.880 of it."""
    gates = Net(Config()).scale.memory.gates.weight

    assert gates.std().item() == pytest.approx(0.880e-3, rel=0.01)
    assert gates.abs().max() <= 2e-3


@pytest.mark.parametrize("variant", srn.VARIANTS)
def test_the_memory_alone_learns_across_scales(variant):
    """No gradient flows back by the guess; by the ConvLSTM's state it does, which doubles in size too."""
    given, _ = calls(Net(Config(variant).thin(8)), torch.rand(1, 3, 16, 32))

    _, guesses, states = zip(*given, strict=True)
    assert not any(guess.requires_grad for guess in guesses)
    assert states[0] is None
    if variant == "lstm":
        assert [tuple(c.shape) for c, _ in states[1:]] == [(3, 16, 2, 4), (3, 16, 4, 8)]
        assert all(part.requires_grad for state in states[1:] for part in state)
    else:
        assert states[1:] == (None, None)
