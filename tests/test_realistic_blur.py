"""DBGAN's adversary: its networks, its loss in closed form, whose turn it is, and that blur is learnt."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, mse_loss
from torch.utils.flop_counter import FlopCounterMode

from benchmark.adversaries.realistic_blur import (
    BGAN,
    Adversary,
    Discriminator,
    fixed_score,
    relativistic_loss,
)
from benchmark.losses import Batch
from benchmark.spec import Normalise
from tests import golden


def test_discriminator_is_the_authors():
    """14,502,281 parameters; with the same weights, the features and scores of Discriminator_VGG_128."""
    entry = golden.case("dbgan_discriminator")
    weights = golden.weights(entry["shapes"], entry["gain"])
    discriminator = Discriminator()
    used = {name: value for name, value in weights.items() if name in discriminator.state_dict()}
    discriminator.load_state_dict(used)

    assert sum(p.numel() for p in discriminator.parameters()) == 14_502_281
    running = ("running_mean", "running_var", "num_batches_tracked")  # theirs, not used while training
    assert {name.split(".")[-1] for name in set(weights) - set(used)} == set(running)
    golden.check(entry, golden.AsNetwork(lambda x: discriminator.features(x).reshape(1, 2, 64, 64)))
    with torch.inference_mode():
        score = discriminator(golden.picture(128)).item()
    assert score == pytest.approx(entry["scores"]["picture"], abs=1e-5)


def test_small_crops_are_scored():
    """Down to 32 pixels, where one place is left: pooling repeats it for the weights of all sixteen."""
    discriminator = Discriminator(4, 4)
    features = discriminator.features(torch.rand(2, 3, 32, 32))

    assert discriminator(torch.rand(2, 3, 32, 32)).shape == (2, 1)
    assert features.shape == (2, 32, 4, 4)
    torch.testing.assert_close(features, features[..., :1, :1].expand_as(features))


def test_blurring_network_is_the_papers():
    """Nine blocks of five convolutions, three convolutions outside; it sees an image and four maps."""
    net, sharp = BGAN(), torch.rand(1, 3, 8, 8)
    convolutions = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    with FlopCounterMode(display=False) as counter:
        net(sharp, torch.zeros(1, 4))

    assert len(convolutions) == 9 * 5 + 3
    assert convolutions[0].in_channels == 3 + 4
    assert {m.kernel_size for m in convolutions} == {(3, 3)}
    weights = sum(m.weight.numel() for m in convolutions)
    assert weights == 63 * 64 + 9 * 9 * (32 * (64 + 96 + 128 + 160) + 192 * 64) + 64 * 64 * 9 + 64 * 27
    assert counter.get_total_flops() == 2 * 64 * weights


def test_noise_says_how_to_blur():
    """Another vector, another blur, the same everywhere; without its last layer the image is handed on."""
    torch.manual_seed(0)
    net, sharp = BGAN(4, 4, 2), torch.rand(1, 3, 1, 1).expand(2, 3, 40, 40)
    for layer in (m for m in net.modules() if isinstance(m, nn.Conv2d)):
        nn.init.kaiming_normal_(layer.weight)

    one, other = net(sharp, torch.tensor([[0.5, -0.5, 1, 0], [-0.5, 0.5, 1, 0]]))

    inside = one[:, 15:25, 15:25]  # farther from the border than the network sees
    torch.testing.assert_close(inside, inside[:, :1, :1].expand_as(inside))
    assert (one - other).abs().max() > 1e-3
    nn.init.zeros_(net.body[-1].weight)
    torch.testing.assert_close(net(sharp, torch.randn(2, 4)), sharp, rtol=0, atol=0)


def test_loss_is_the_relativistic_averages():
    """Score by score: how surely a real image looks more real than the mean made one, and the other way."""
    real, made = torch.tensor([[1.5], [-0.5], [0.25]]), torch.tensor([[0.75], [-2.0]])

    of_real = (real - made.mean()).sigmoid()  # D(real, made)
    of_made = (made - real.mean()).sigmoid()

    tell_apart = -of_real.log().mean() - (1 - of_made).log().mean()
    confuse = -(1 - of_real).log().mean() - of_made.log().mean()
    torch.testing.assert_close(relativistic_loss(real, made), tell_apart)
    torch.testing.assert_close(relativistic_loss(made, real), confuse)


def test_equal_scores_cost_two_log_two():
    """All probabilities are 1/2; from there made images are pushed up and real ones pulled down alike."""
    real, made = torch.zeros(2, 3, 1).requires_grad_()
    blur_loss = relativistic_loss(made, real)
    of_real, of_made = torch.autograd.grad(blur_loss, (real, made))

    assert blur_loss.item() == pytest.approx(2 * math.log(2))
    torch.testing.assert_close(of_made, torch.full((3, 1), -1 / 3))
    torch.testing.assert_close(of_real, torch.full((3, 1), 1 / 3))


def test_far_scores_do_not_overflow():
    """Neither in single nor in half precision."""
    for kind in (torch.float32, torch.bfloat16):
        high, low = torch.full((2, 1), 300.0, dtype=kind), torch.full((2, 1), -300.0, dtype=kind)
        assert relativistic_loss(low, high).item() == pytest.approx(1200, rel=0.01)
        assert relativistic_loss(high, low).item() == 0


class Brighten(nn.Module):
    """A network of one number; it keeps what it is given."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = nn.Parameter(torch.tensor(by))
        self.seen: list[Tensor] = []

    def forward(self, image: Tensor, *noise: Tensor) -> Tensor:
        """(B, 3, H, W) -> the same."""
        self.seen += [image, *noise]
        return image + self.by


class Restore(Brighten):
    """The same, in the form of a restoring network with a coarser output that nobody should judge."""

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> [(B, 3, H/2, W/2), (B, 3, H, W)]."""
        return [image[..., ::2, ::2], super().forward(image)]


class Mean(nn.Module):
    """A discriminator whose score is a multiple of the mean value."""

    def __init__(self) -> None:
        super().__init__()
        self.times = nn.Parameter(torch.tensor(2.0))

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 1)."""
        return self.times * image.mean(dim=(1, 2, 3))[:, None]


def crops(count: int = 4, side: int = 8) -> tuple[Tensor, Tensor, Tensor]:
    """Sharp, blurry, and blurry ones of other images."""
    rng = torch.Generator().manual_seed(0)
    return torch.rand(3, count, 3, side, side, generator=rng).unbind()


def test_all_four_learn_in_turn():
    """Each by its own formula, against what the others have just learnt; half the batch is BGAN's."""
    sharp, blurry, real = crops()
    batch = Batch(blurry, sharp, Normalise(), {"unpaired": real})
    networks = {"net": Restore(0.1), "discriminator": Mean(), "blur": Brighten(-0.2)}
    networks["blur_discriminator"] = Mean()

    def score(images: Tensor, times: float) -> Tensor:
        return times * images.mean(dim=(1, 2, 3))[:, None]

    turns = Adversary(weight=0.25).objective(
        networks, batch, lambda outputs: mse_loss(outputs[-1], batch.sharp)
    )
    made, given = sharp - 0.2, torch.cat((sharp[:2] - 0.2, blurry[2:]))
    expected = {
        "blur_discriminator": lambda: relativistic_loss(score(real, 2), score(made, 2)),
        "blur": lambda: 0.04 + 0.25 * relativistic_loss(score(made, 3), score(real, 3)),
        "discriminator": lambda: relativistic_loss(score(sharp, 2), score(given + 0.1, 2)),
        "net": lambda: (
            mse_loss(given + 0.1, sharp) + 0.25 * relativistic_loss(score(given + 0.1, 3), score(sharp, 3))
        ),
    }
    for name, loss in turns:
        assert name == next(iter(expected))
        torch.testing.assert_close(loss.detach(), torch.as_tensor(expected.pop(name)()))
        loss.backward()
        learnt = [who for who, of in networks.items() if next(of.parameters()).grad is not None]
        assert learnt == [name]
        networks[name].zero_grad()
        if name.endswith("discriminator"):
            with torch.no_grad():
                networks[name].times.fill_(3.0)  # its step

    assert expected == {}
    assert networks["blur"].seen[1].shape == (4, 4)  # noise
    torch.testing.assert_close(networks["net"].seen, [given])


def test_without_blur_two_learn():
    """DBGAN(-) sees GoPro's blurry images alone and needs no unpaired ones."""
    sharp, blurry, _ = crops()
    networks = {"net": Restore(0.1), "discriminator": Mean()}

    turns = Adversary(blur="none").objective(networks, Batch(blurry, sharp, Normalise()), lambda out: 0)

    assert [name for name, _ in turns] == ["discriminator", "net"]
    torch.testing.assert_close(networks["net"].seen, [blurry])
    assert list(Adversary(blur="none").networks(8)) == ["discriminator"]


def test_missing_blurry_images_are_named():
    """A recipe that forgets them says what it lacks."""
    sharp, blurry, _ = crops()
    networks = {"blur": Brighten(0.0), "blur_discriminator": Mean(), "net": Restore(0.1)}
    networks["discriminator"] = Mean()

    with pytest.raises(ValueError, match=r"blur 'bgan' needs extras: \[unpaired\]"):
        next(Adversary().objective(networks, Batch(blurry, sharp, Normalise()), lambda out: 0))


def test_who_judges_does_not_learn():
    """The judged image does."""
    discriminator, image = Discriminator(4, 4), torch.rand(2, 3, 32, 32).requires_grad_()

    scores = fixed_score(discriminator, image)
    scores.sum().backward()

    torch.testing.assert_close(scores, discriminator(image))
    assert image.grad.any()
    assert all(p.grad is None and p.requires_grad for p in discriminator.parameters())


def test_noise_follows_the_seed():
    """Which the training loop sets at every step: the same step, the same blur. So training can resume."""
    sharp, blurry, real = crops(2, 32)
    batch, networks = Batch(blurry, sharp, Normalise(), {"unpaired": real}), Adversary().networks(16)
    networks["net"] = Restore(0.1)

    losses = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        turns = Adversary().objective(networks, batch, lambda out: mse_loss(out[-1], sharp))
        losses.append([loss.item() for _, loss in turns])

    assert losses[0] == losses[1] != losses[2]
    assert [who for who, of in networks.items() if list(of.buffers())] == []  # nothing but weights is kept


def detail(images: Tensor) -> Tensor:
    """Mean distance from the mean of the neighbourhood, (B, 3, H, W) -> (B, 1)."""
    return (images - avg_pool2d(images, 3, 1, 1)).abs().mean(dim=(1, 2, 3))[:, None]


def test_the_discriminator_learns_to_tell_blur_from_noise():
    """A thin one separates small crops within thirty steps: it starts alive and trains."""
    torch.manual_seed(0)
    discriminator = Adversary().networks(8)["blur_discriminator"]
    optimiser = torch.optim.Adam(discriminator.parameters(), lr=1e-3)
    made, other = torch.rand(2, 4, 3, 32, 32)
    real = avg_pool2d(other, 5, 1, 2)
    losses = []
    for _ in range(30):
        loss = relativistic_loss(discriminator(real), discriminator(made))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())

    assert all(p.grad is not None for p in discriminator.parameters())
    assert losses[0] > 1
    assert min(losses) < 0.3


class Smoothness(nn.Module):
    """A discriminator that has learnt already: less detail looks more like blur."""

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 1)."""
        return -20 * detail(image)


def test_bgan_learns_to_blur():
    """Where real images have less detail than sharp ones, it takes detail away."""
    torch.manual_seed(0)
    blur = Adversary().networks(8)["blur"]
    networks = {"net": Restore(0.0), "discriminator": Mean(), "blur": blur}
    networks["blur_discriminator"] = Smoothness()
    optimiser = torch.optim.Adam(blur.parameters(), lr=2e-3)
    sharp, other = 0.25 + 0.5 * torch.rand(2, 4, 3, 16, 16)
    batch = Batch(other, sharp, Normalise(), {"unpaired": avg_pool2d(other, 5, 1, 2)})
    for _ in range(60):
        for name, loss in Adversary().objective(networks, batch, lambda out: mse_loss(out[-1], sharp)):
            if name == "blur":
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
    with torch.no_grad():
        made = blur(sharp, torch.randn(4, 4))

    assert detail(made).mean() < 0.8 * detail(sharp).mean()
    assert mse_loss(made, sharp) < sharp.var()
