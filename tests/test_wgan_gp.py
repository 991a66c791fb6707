"""WGAN-GP: its penalty in closed form, whose turn it is, and what each name learns from."""

import pytest
import torch
from torch import Tensor, nn

from benchmark.adversaries._discriminators import PatchGAN
from benchmark.adversaries.wgan_gp import Adversary, penalty
from benchmark.losses import Batch
from benchmark.spec import Normalise

SHAPE = (2, 3, 4, 5)


class Linear(nn.Module):
    """A critic whose slope is its weight, everywhere."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B,)."""
        self.seen.append(x.detach())
        return (self.weight * x).sum(dim=(1, 2, 3))


class Scale(nn.Module):
    """A network that learns one number."""

    def __init__(self) -> None:
        super().__init__()
        self.times = nn.Parameter(torch.tensor(0.5))
        self.calls = 0

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> a list of one."""
        self.calls += 1
        return [self.times * x]


def images(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Two random batches."""
    rng = torch.Generator().manual_seed(seed)
    return torch.rand(2, *SHAPE, generator=rng).unbind()


def expected(weight: Tensor, norm: str) -> Tensor:
    """The penalty of a linear critic, pixel by pixel where the code has it so."""
    if norm == "sample":
        return (sum(w**2 for w in weight.flatten()) ** 0.5 - 1) ** 2
    _, height, width = weight.shape
    pixels = [sum(w**2 for w in weight[:, y, x]) ** 0.5 for y in range(height) for x in range(width)]
    return sum((length - 1) ** 2 for length in pixels) / len(pixels)


@pytest.mark.parametrize("norm", ["sample", "channel"])
def test_penalty_of_a_linear_critic(norm):
    """Its slope is its weight: the penalty and what the weight learns from it have a closed form."""
    weight = torch.randn(SHAPE[1:], generator=torch.Generator().manual_seed(1))
    critic, same = Linear(weight), weight.clone().requires_grad_()

    found = penalty(critic, *images(), norm)

    torch.testing.assert_close(found, expected(same, norm))
    torch.testing.assert_close(
        torch.autograd.grad(found, critic.weight), torch.autograd.grad(expected(same, norm), same)
    )


@pytest.mark.parametrize(("norm", "one_share"), [("sample", False), ("channel", True)])
def test_the_slope_is_taken_between_the_images(norm, one_share):
    """At one random point per image, or, as in DeblurGAN's code, at one share for the batch."""
    torch.manual_seed(0)
    critic = Linear(torch.randn(SHAPE[1:]))
    sharp, restored = torch.ones(SHAPE), torch.zeros(SHAPE)

    penalty(critic, sharp, restored, norm)

    (between,) = critic.seen
    shares = between[:, 0, 0, 0]
    assert (between == shares.view(2, 1, 1, 1)).all()
    assert ((shares > 0) & (shares < 1)).all()
    assert (shares[0] == shares[1]).item() == one_share


def test_slopes_are_those_of_each_image():
    """Of |x|^2 / 2 the slope is x: an image far out is punished, whatever its neighbour does."""

    class Square(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.square().sum(dim=(1, 2, 3)) / 2

    there = torch.stack([torch.full(SHAPE[1:], 3.0), torch.full(SHAPE[1:], 1 / 60**0.5)])

    found = penalty(Square(), there, there, "sample")

    torch.testing.assert_close(found, torch.tensor((3 * 60**0.5 - 1) ** 2 / 2))


@pytest.mark.parametrize("norm", ["sample", "channel"])
def test_penalty_is_in_single_precision(norm):
    """Mixed precision does not reach it."""
    torch.manual_seed(0)
    critic = PatchGAN(4)
    sharp, restored = torch.rand(2, 2, 3, 16, 16)

    torch.manual_seed(1)
    whole = penalty(critic, sharp, restored, norm)
    torch.manual_seed(1)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = penalty(critic, sharp, restored, norm)

    torch.testing.assert_close(mixed, whole, rtol=0, atol=0)


def test_the_discriminators_turns_come_first():
    """Five for the critic, one for the network, all on one restored image and the same images."""
    sharp, blurry = images()
    batch = Batch(blurry, sharp, Normalise())
    net, critic = Scale(), Linear(torch.full(SHAPE[1:], 0.1))

    turns = []
    networks = {"net": net, "critic": critic}
    for name, loss in Adversary().objective(networks, batch, lambda out: out[0].mean()):
        turns.append(name)
        loss.backward()
        with torch.no_grad():
            critic.weight += 0.01  # it learns between its turns

    assert turns == ["critic"] * 5 + ["net"]
    assert net.calls == 1
    for k in range(5):
        torch.testing.assert_close(critic.seen[3 * k], sharp, rtol=0, atol=0)
        torch.testing.assert_close(critic.seen[3 * k + 1], 0.5 * blurry, rtol=0, atol=0)
    torch.testing.assert_close(critic.seen[15], 0.5 * blurry, rtol=0, atol=0)
    assert len(critic.seen) == 16


def test_losses_are_written_out():
    """The critic: restored minus sharp plus ten times the penalty; the network: content minus judgement."""
    sharp, blurry = images()
    batch = Batch(blurry, sharp, Normalise())
    net, critic = Scale(), Linear(torch.full(SHAPE[1:], 0.1))
    adversary = Adversary(weight=0.5, critic_steps=2, penalty=10)

    (first, of_critic), (second, _), (last, of_net) = adversary.objective(
        {"net": net, "critic": critic}, batch, lambda out: 100 * (out[-1] - sharp).square().mean()
    )

    assert [first, second, last] == ["critic", "critic", "net"]
    judged_sharp, judged_restored = (0.1 * x.sum() / 2 for x in (sharp, 0.5 * blurry))
    slope = (60 * 0.01) ** 0.5
    torch.testing.assert_close(of_critic, judged_restored - judged_sharp + 10 * (slope - 1) ** 2)
    content = 100 * (0.5 * blurry - sharp).square().mean()
    torch.testing.assert_close(of_net, content - 0.5 * judged_restored)


def test_the_critic_finds_the_distance():
    """A linear one ends up pointing from restored to sharp, with the optimal slope 1 + distance / 20."""
    sharp, blurry = images()
    critic = Linear(torch.randn(SHAPE[1:], generator=torch.Generator().manual_seed(1)))
    networks = {"net": Scale(), "critic": critic}
    optimiser = torch.optim.SGD(critic.parameters(), 0.04)

    turns = Adversary(critic_steps=200).objective(
        networks, Batch(blurry, sharp, Normalise()), lambda out: out[0].mean()
    )
    for name, loss in turns:
        if name == "critic":
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    apart = (sharp - 0.5 * blurry).mean(dim=0)
    torch.testing.assert_close(critic.weight.detach(), apart / apart.norm() * (1 + apart.norm() / 20))
