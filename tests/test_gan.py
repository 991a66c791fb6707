"""The GAN of MS-CNN: its discriminator against the authors', whose turn it is, and what each learns from."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from benchmark.adversaries.gan import Adversary, Discriminator, bits
from benchmark.losses import Batch
from benchmark.spec import Normalise

# Layers of the authors' discriminator.py for n_feats 64: kernel, inputs, outputs, stride.
LAYERS = [
    (5, 3, 32, 1),
    (5, 32, 32, 2),
    (5, 32, 64, 1),
    (5, 64, 64, 2),
    (5, 64, 128, 1),
    (5, 128, 128, 4),
    (5, 128, 256, 1),
    (5, 256, 256, 4),
    (5, 256, 512, 1),
    (4, 512, 512, 4),
]


def test_discriminator_is_the_authors():
    """10,725,216 parameters in their layers; crops of 256 shrink by their strides to one number."""
    with torch.device("meta"):
        discriminator, image = Discriminator(), torch.empty(2, 3, 256, 256)

    strides = discriminator.strides(256)
    layers = [
        (layer.kernel_size[0], layer.in_channels, layer.out_channels, stride)
        for layer, stride in zip(discriminator.layers, strides, strict=True)
    ]
    assert layers == LAYERS
    assert sum(p.numel() for p in discriminator.parameters()) == 10_725_216
    assert discriminator(image).shape == (2, 1, 1, 1)


@pytest.mark.parametrize(
    ("side", "strides"),
    [
        (16, [1, 2, 1, 2, 1, 1, 1, 1, 1, 4]),
        (32, [1, 2, 1, 2, 1, 2, 1, 1, 1, 4]),
        (48, [1, 2, 1, 2, 1, 3, 1, 1, 1, 4]),
        (64, [1, 2, 1, 2, 1, 4, 1, 1, 1, 4]),
        (128, [1, 2, 1, 2, 1, 4, 1, 2, 1, 4]),
        (512, [1, 2, 1, 2, 1, 4, 1, 4, 1, 4]),
    ],
)
def test_small_crops_shrink_less(side, strides):
    """Below 256 pixels the later strides are less, so that the last 4x4 convolution still sees 4x4 places."""
    discriminator = Discriminator(4)
    seen: list[Tensor] = []
    discriminator.last.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))

    logits = discriminator(torch.rand(1, 3, side, side))
    logits.sum().backward()

    places = max(1, side // 256)
    assert discriminator.strides(side) == strides
    assert logits.shape == (1, 1, places, places)
    taps = discriminator.layers[-1].weight.grad.abs().sum(dim=(0, 1))
    assert (taps > 0).all()


def test_unsure_costs_one_bit():
    """Cross-entropy in bits: -log2 of the probability given to the truth, averaged."""
    logits = torch.tensor([[0.0], [math.log(3.0)]])  # probabilities 1/2 and 3/4 of being sharp

    assert bits(logits, 1).item() == pytest.approx((1 - math.log2(3 / 4)) / 2)
    assert bits(logits, 0).item() == pytest.approx((1 + 2) / 2)


class Brighten(nn.Module):
    """A network of one number, with a coarser output that nobody should judge."""

    def __init__(self) -> None:
        super().__init__()
        self.by = nn.Parameter(torch.tensor(0.1))

    def forward(self, blurry: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> [(B, 3, H/2, W/2), (B, 3, H, W)]."""
        return [blurry[..., ::2, ::2], blurry + self.by]


class Mean(nn.Module):
    """A discriminator whose logit is a multiple of the mean value, and that keeps what it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.times = nn.Parameter(torch.tensor(2.0))
        self.seen: list[Tensor] = []

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 1, 1, 1)."""
        self.seen.append(image)
        return self.times * image.mean(dim=(1, 2, 3), keepdim=True)


def test_the_discriminator_learns_first_then_the_network():
    """Each learns by its own formula, on images in [0, 1]; the discriminator teaches the network nothing."""
    blurry, sharp = torch.rand(2, 2, 3, 8, 8)
    n = Normalise(0.5, 2.0)
    batch = Batch((blurry - n.mean) * n.scale, (sharp - n.mean) * n.scale, n)
    networks = {"net": Brighten(), "discriminator": Mean()}
    turns = Adversary(weight=0.25).objective(
        networks, batch, lambda outputs: mse_loss(outputs[-1], batch.sharp)
    )

    who, loss = next(turns)
    loss.backward()

    restored = blurry + 0.1 / 2
    of_restored, of_sharp = (torch.sigmoid(2 * x.mean(dim=(1, 2, 3))) for x in (restored, sharp))
    expected = -(1 - of_restored).log2().mean() - of_sharp.log2().mean()
    assert who == "discriminator"
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert networks["discriminator"].times.grad is not None
    assert networks["net"].by.grad is None
    torch.testing.assert_close(networks["discriminator"].seen, [restored, sharp])

    with torch.no_grad():
        networks["discriminator"].times.fill_(3.0)  # its step; the network must face the new one
    who, loss = next(turns)
    loss.backward()

    fooled = -torch.sigmoid(3 * restored.mean(dim=(1, 2, 3))).log2().mean()
    assert who == "net"
    assert loss.item() == pytest.approx((mse_loss(2 * restored, 2 * sharp) + 0.25 * fooled).item(), rel=1e-5)
    assert networks["net"].by.grad is not None
    assert next(turns, None) is None


def test_the_discriminator_learns_to_tell_noise_from_flat():
    """A thin one separates two kinds of small crops within thirty steps: it starts alive and trains."""
    torch.manual_seed(0)
    discriminator = Adversary().networks(4)["discriminator"]
    optimiser = torch.optim.Adam(discriminator.parameters(), lr=1e-3)
    sharp, restored = torch.rand(4, 3, 32, 32), torch.full((4, 3, 32, 32), 0.5)
    losses = []
    for _ in range(30):
        loss = bits(discriminator(restored), 0) + bits(discriminator(sharp), 1)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())

    assert all(p.grad.any() for p in discriminator.parameters())
    assert losses[0] == pytest.approx(2, abs=0.01)  # two guesses at random
    assert min(losses) < 0.5
