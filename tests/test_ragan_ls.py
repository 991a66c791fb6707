"""DeblurGAN-v2's adversary: its discriminators, what they remember, and 53 steps of the authors' training."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from benchmark.adversaries.ragan_ls import POOL, Adversary, Discriminator, Memory
from benchmark.losses import Batch
from benchmark.spec import Normalise
from benchmark.training import checkpoint
from tests import golden

SMALL = Adversary(width=8, weight=0.5)


class Times(nn.Module):
    """The image times a learnt number."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(0.9))

    def forward(self, blurry: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> [(B, 3, H, W)]."""
        return [blurry * self.factor]


def networks(adversary: Adversary) -> dict[str, nn.Module]:
    """The smallest network and its discriminators."""
    return {"net": Times()} | adversary.networks(1)


def batch(count: int = 2, side: int = 32) -> Batch:
    """Random images in [-1, 1]."""
    blurry, sharp = torch.rand(2, count, 3, side, side) * 2 - 1
    return Batch(blurry, sharp, Normalise(0.5, 2))


def content_of(given: Batch):
    """Squared difference of the restored image to the sharp image."""
    return lambda outputs: mse_loss(outputs[-1], given.sharp)


def test_discriminators_are_the_authors():
    """70 and 286 pixels decide a number; 2,764,737 and 11,154,369 parameters in the authors' code."""
    with torch.device("meta"):
        discriminators = Adversary().networks(1)["discriminators"]
        full = torch.empty(1, 3, 256, 256)

    assert [sum(p.numel() for p in c.parameters()) for c in discriminators.children()] == [
        2_764_737,
        11_154_369,
    ]
    assert [tuple(c.score(full).shape) for c in discriminators.children()] == [(1, 1, 35, 35), (1, 1, 11, 11)]
    seen = []
    for discriminator in discriminators.children():
        reach = 1
        for layer in reversed([m for m in discriminator.score.modules() if isinstance(m, nn.Conv2d)]):
            reach = (reach - 1) * layer.stride[0] + layer.kernel_size[0]
        seen.append(reach)
    assert seen == [70, 286]


def test_it_trains_as_the_authors_code_does():
    """Both losses and the network stay with theirs, past the moment when memory is full (50 images)."""
    entry = golden.case("deblurganv2_ragan_ls")
    adversary = Adversary(width=entry["width"])
    both = networks(adversary)
    weights = golden.weights(entry["shapes"], entry["gain"])
    named = {name.replace(".model.", ".score.body.", 1): value for name, value in weights.items()}
    missing, unexpected = both["discriminators"].load_state_dict(named, strict=False)
    assert unexpected == []
    assert {name.split(".")[1] for name in missing} == {"sharp", "restored"}
    rates = {"discriminators": 1e-4, "net": 1e-2}
    optimisers = {who: torch.optim.Adam(name.parameters(), rates[who]) for who, name in both.items()}
    picture = golden.picture(entry["side"]) * 2 - 1

    kept: dict[str, list[float]] = {"discriminators": [], "net": [], "k": []}
    for step in range(len(entry["k"])):
        sharp = picture.roll(step, -1)
        given = Batch((sharp + sharp.roll(1, -1)) / 2, sharp, Normalise(0.5, 2))
        for who, loss in adversary.objective(both, given, content_of(given)):
            kept[who].append(loss.item())
            optimisers[who].zero_grad()
            loss.backward()
            optimisers[who].step()
        kept["k"].append(both["net"].factor.item())

    assert len(entry["k"]) > POOL
    for what, values in kept.items():
        assert values == pytest.approx(entry[what], rel=1e-5), what


def test_memory_is_the_mean_of_the_last_fifty_images():
    """One at a time, in batches and in more than it holds: the mean of the last 50 images' scores."""
    memory, scores = Memory(), []
    for count in (1, 3, 47, 1, 60, 2):
        judged = torch.randn(count, 1, 5, 4)
        memory.add(judged)
        scores += judged.mean(dim=(1, 2, 3)).tolist()

        last = scores[-POOL:]
        assert float(memory.mean()) == pytest.approx(sum(last) / len(last), rel=1e-4, abs=1e-6)


def test_losses_are_those_of_the_equations():
    """Written out for one discriminator that has only seen this batch: squares about the other's average."""
    discriminator = Discriminator(3, 8)
    given = batch()
    restored, sharp = given.blurry, given.sharp
    with torch.no_grad():
        of_restored, of_sharp = discriminator.score(restored).flatten(), discriminator.score(sharp).flatten()
        above, below = of_sharp - of_restored.mean(), of_restored - of_sharp.mean()
        apart = ((above - 1) ** 2).mean() + ((below + 1) ** 2).mean()
        confused = ((above + 1) ** 2).mean() + ((below - 1) ** 2).mean()

        torch.testing.assert_close(discriminator.own_loss(restored, sharp), apart / 2)
        torch.testing.assert_close(discriminator.net_loss(restored, sharp), confused / 2)


def test_the_network_learns_from_content_and_scores():
    """The weight scales the discriminators' part; the averages they keep have no gradients."""
    given, both = batch(), networks(SMALL)
    turns = SMALL.objective(both, given, content_of(given))

    next(turns)
    _, loss = next(turns)
    output = both["net"](given.blurry)[-1]
    discriminators = both["discriminators"]
    expected = mse_loss(output, given.sharp) + 0.5 * discriminators.net_loss(output, given.sharp)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    (wanted,) = torch.autograd.grad(expected, both["net"].factor)
    loss.backward()
    assert float(both["net"].factor.grad) == pytest.approx(float(wanted), rel=1e-5)


def test_memory_is_kept_with_the_discriminators():
    """A checkpoint of the networks goes on with the same averages: nothing is remembered elsewhere."""
    torch.manual_seed(0)
    both, given = networks(SMALL), batch()
    for _, loss in SMALL.objective(both, given, content_of(given)):
        loss.backward()
    again = networks(SMALL)
    checkpoint.unpack(checkpoint.pack(both, {}), again, {})

    following = batch()
    expected = [loss.item() for _, loss in SMALL.objective(both, following, content_of(following))]
    got = [loss.item() for _, loss in SMALL.objective(again, following, content_of(following))]

    assert got == expected
    assert float(again["discriminators"].patch.sharp.count) == 4
