"""The GAN of MS-CNN: its discriminator against the authors', whose turn it is, and what each learns from."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from benchmark.adversaries.gan import Adversary, Discriminator, bits
from benchmark.losses import Batch
from benchmark.spec import Normalise
from tests import golden

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
        critic, image = Discriminator(), torch.empty(2, 3, 256, 256)

    strides = critic.strides(256)
    layers = [
        (layer.kernel_size[0], layer.in_channels, layer.out_channels, stride)
        for layer, stride in zip(critic.layers, strides, strict=True)
    ]
    assert layers == LAYERS
    assert sum(p.numel() for p in critic.parameters()) == 10_725_216
    assert critic(image).shape == (2, 1, 1, 1)


class Listed(nn.Module):
    """A discriminator in the form of a restoring network: a list, the answer last."""

    def __init__(self, critic: Discriminator) -> None:
        super().__init__()
        self.critic = critic

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> [(B, 1, h, w)]."""
        return [self.critic(image)]


def test_it_judges_as_the_authors_does():
    """With the same weights it gives their four logits of a 512 x 512 image."""
    entry = golden.case("mscnn_discriminator")
    weights = golden.weights(entry["shapes"], entry["gain"])
    critic = Discriminator()
    critic.load_state_dict(
        {k.replace("conv_layers", "layers").replace("dense", "last"): v for k, v in weights.items()}
    )

    golden.check(entry, Listed(critic))


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
    critic = Discriminator(4)
    seen: list[Tensor] = []
    critic.last.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))

    logits = critic(torch.rand(1, 3, side, side))
    logits.sum().backward()

    places = max(1, side // 256)
    assert critic.strides(side) == strides
    assert logits.shape == (1, 1, places, places)
    taps = critic.layers[-1].weight.grad.abs().sum(dim=(0, 1))
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
    players = {"net": Brighten(), "critic": Mean()}
    turns = Adversary(weight=0.25).objective(
        players, batch, lambda outputs: mse_loss(outputs[-1], batch.sharp)
    )

    who, loss = next(turns)
    loss.backward()

    restored = blurry + 0.1 / 2
    of_restored, of_sharp = (torch.sigmoid(2 * x.mean(dim=(1, 2, 3))) for x in (restored, sharp))
    expected = -(1 - of_restored).log2().mean() - of_sharp.log2().mean()
    assert who == "critic"
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert players["critic"].times.grad is not None
    assert players["net"].by.grad is None
    torch.testing.assert_close(players["critic"].seen, [restored, sharp])

    with torch.no_grad():
        players["critic"].times.fill_(3.0)  # its step; the network must face the new one
    who, loss = next(turns)
    loss.backward()

    fooled = -torch.sigmoid(3 * restored.mean(dim=(1, 2, 3))).log2().mean()
    assert who == "net"
    assert loss.item() == pytest.approx((mse_loss(2 * restored, 2 * sharp) + 0.25 * fooled).item(), rel=1e-5)
    assert players["net"].by.grad is not None
    assert next(turns, None) is None


def test_players_are_thinned():
    """Thin discriminators have the same layers, narrower; the smallest still has two channels."""
    full, thin, thinnest = (Adversary().networks(factor)["critic"] for factor in (1, 4, 99))

    assert list(full.state_dict()) == list(thin.state_dict()) == list(thinnest.state_dict())
    assert [critic.layers[0].out_channels for critic in (full, thin, thinnest)] == [32, 8, 2]


def test_the_discriminator_learns_to_tell_noise_from_flat():
    """A thin one separates two kinds of small crops within thirty steps: it starts alive and trains."""
    torch.manual_seed(0)
    critic = Adversary().networks(4)["critic"]
    optimiser = torch.optim.Adam(critic.parameters(), lr=1e-3)
    sharp, restored = torch.rand(4, 3, 32, 32), torch.full((4, 3, 32, 32), 0.5)
    losses = []
    for _ in range(30):
        loss = bits(critic(restored), 0) + bits(critic(sharp), 1)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())

    assert all(p.grad.any() for p in critic.parameters())
    assert losses[0] == pytest.approx(2, abs=0.01)  # two guesses at random
    assert min(losses) < 0.5
