"""Starts: what a network gives before any training."""

import pytest
import torch
from torch import nn

from benchmark import nets, spec
from benchmark.datasets.simulation import photographs
from benchmark.training import start
from benchmark.training.edges import at_edges

_, RUNS = spec.load()
MOTION = ("flow_classes", "kernel_classes")  # losses of networks that estimate motion and give no image
FIRST = {
    run.model: name
    for name, run in reversed(RUNS.items())
    if run.train and run.train.loss["name"] not in MOTION
}


def photograph() -> torch.Tensor:
    """The middle of a photograph, (1, 3, 128, 128) in [0, 1]."""
    return nets.tensor(photographs.levels("astronaut")[192:320, 192:320], torch.float32)


@pytest.mark.parametrize("name", FIRST.values())
def test_an_untrained_network_hands_on_a_photograph(name: str) -> None:
    """Every model, thinned to a quarter, gives the image back with at least 25 dB.

    Its own weights give 5 to 15 dB where it has no global shortcut.
    """
    net, normalise = nets.build(RUNS[name], thin=4), RUNS[name].train.normalise
    start.near_input(net, normalise)
    net.eval()
    with torch.no_grad():
        error = (nets.restore(net, photograph(), normalise) - photograph()).square().mean()

    assert -10 * error.log10() > 25


def test_a_haar_transform_and_back_is_the_identity() -> None:
    """With stride 2 and enough channels nothing is lost: the transposed convolution undoes it."""
    down, up = nn.Conv2d(3, 12, 3, 2, 1), nn.ConvTranspose2d(12, 3, 4, 2, 1)
    for layer in (down, up):
        start.through_coefficients(layer)
    exact = up(down(photograph()))

    assert (exact - photograph()).abs().max() < 0.2  # the small random weights beside it
    with torch.no_grad():
        down.weight[down.weight.abs() < 0.4] = 0
        up.weight[up.weight.abs() < 0.4] = 0
    assert torch.allclose(up(down(photograph())), photograph(), atol=0.05)


def test_the_filters_are_orthonormal() -> None:
    """The rows of an orthogonal 2x2 transform, for an image and for its details."""
    for channels in (3, 12):
        rows = torch.zeros(4 * channels, channels, 2, 2)
        for row, (channel, band) in enumerate(start.haar(channels)):
            rows[row, channel] = band
        assert torch.allclose(rows.flatten(1) @ rows.flatten(1).T, torch.eye(4 * channels))


def test_a_residual_branch_is_found_and_emptied() -> None:
    """Where x is added to conv(relu(conv(x))) there is a branch, else none."""

    class Adds(nn.Module):
        def __init__(self, shortcut: bool) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 3, 3, padding=1))
            self.shortcut = shortcut

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.body(x) if self.shortcut else self.body(x)

    branch, plain = Adds(True), Adds(False)
    found = start.residual_branches(nn.Sequential(branch, plain), photograph())

    assert found == [[branch.body[0], branch.body[2]]]


@pytest.mark.parametrize("name", ["gong", "sun"])
def test_a_classifier_starts_at_edges_and_not_at_brightness(name: str) -> None:
    """Its first layer gives nothing of a flat image, signals keep their size, and no class is preferred."""
    run = RUNS[name]
    net = nets.build(run, thin=4)
    at_edges(net, spec.Normalise())
    first, *_, last = (layer for layer in start.convolutions(net) if layer.weight.any())
    seen: dict[nn.Module, torch.Tensor] = {}
    for layer in (first, last):
        layer.register_forward_hook(lambda layer, args, output: seen.update({layer: output}))
    with torch.no_grad():
        (scores,) = net(photograph())
        size = float(seen[first].std())
        net(torch.full((1, 3, 128, 128), 0.7))

    assert 0.1 < size < 10
    assert float(seen[first][..., 40:-40, 40:-40].abs().max()) < 1e-4
    assert 0 < float(scores.std()) < 1
