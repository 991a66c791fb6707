"""The training loop: it learns, resumes exactly, refuses NaN, and follows its recipe."""

import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate

from benchmark import nets, spec
from benchmark.metrics import ssim
from benchmark.pairs import Pairs
from benchmark.spec import Normalise, Optimiser, Recipe
from benchmark.training import DivergedError, Settings, checkpoint, fit
from benchmark.training.augment import rotate, saturate
from benchmark.training.fit import Batch, sample
from benchmark.training.losses import LOSSES, components, local_ssim
from benchmark.training.schedules import SCHEDULES

ROOT = Path(__file__).parents[1]
RECIPE = Recipe(10, 2, 16, Optimiser(2e-3), {"name": "constant"}, {"name": "pixel"}, Normalise(0.5))


def pairs(count=3, side=24):
    """Smooth random images and their means over three columns."""
    rng = torch.Generator().manual_seed(5)
    sharp = interpolate(torch.rand(count, 3, 6, 6, generator=rng), size=side, mode="bicubic").clamp(0, 1)
    blurry = (sharp + sharp.roll(1, -1) + sharp.roll(-1, -1)) / 3
    images = [[(i.permute(1, 2, 0) * 255).byte().numpy() for i in kind] for kind in (blurry, sharp)]
    return Pairs([f"s/{i}" for i in range(count)], *images)


def network():
    """A small convolutional network whose weights the seed fixes."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Dropout2d(0.2), nn.Conv2d(8, 3, 3, padding=1)
    )

    class Listing(nn.Module):
        stride = 1

        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            return [self.net(x)]

    return Listing()


def test_one_pair_is_learnt_by_heart():
    """A network trained on one small pair restores it far better than the blurred input."""
    one = pairs(1, 16)
    net = nets.build(spec.load(ROOT / "params.yaml")[1]["cdgnet_ld"], thin=8)
    curve = fit(
        {"net": net}, one, replace(RECIPE, batch=1), Settings(150, Path(os.devnull + "-none")), lambda n: 0.0
    )

    assert curve[-1]["loss"] < curve[0]["loss"] / 20


@pytest.fixture
def settings(tmp_path):
    """Twelve steps that keep a checkpoint after each."""
    return Settings(12, tmp_path / "run.safetensors", validate=3, save_seconds=0)


def test_resuming_is_bit_identical(settings, tmp_path):
    """Stopped after five steps and begun again in fresh objects, a run ends with the very same bits."""
    whole = network()
    expected = fit({"net": whole}, pairs(), RECIPE, settings, lambda net: 1.5)

    class Stop(Exception):  # noqa: N818 (no error: it stands for a kill)
        pass

    def stop(step):
        if step == 5:
            raise Stop

    again = replace(settings, checkpoint=tmp_path / "again.safetensors")
    with pytest.raises(Stop):
        fit({"net": network()}, pairs(), RECIPE, again, lambda net: 1.5, progress=stop)
    resumed = network()
    curve = fit({"net": resumed}, pairs(), RECIPE, again, lambda net: 1.5)

    assert curve == expected
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))


KILLED = """
import sys
sys.path[:0] = [{tests!r}, {root!r}]
import torch
torch.set_num_threads(1)
from pathlib import Path
from test_training import RECIPE, network, pairs
from benchmark.training import Settings, checkpoint, fit
net = network()
fit({{"net": net}}, pairs(), RECIPE, Settings(150, Path({kept!r}), save_seconds=0), lambda n: 1.0)
checkpoint.save(Path({out!r}), net.state_dict(), {{}})
"""


def test_a_killed_process_resumes_bit_identically(tmp_path):
    """SIGKILL in the middle, then the same command again: the weights are those of an undisturbed run."""

    def command(name):
        kept, out = str(tmp_path / f"{name}.safetensors"), str(tmp_path / f"{name}-out.safetensors")
        code = KILLED.format(tests=str(ROOT / "tests"), root=str(ROOT), kept=kept, out=out)
        return [sys.executable, "-c", code], Path(kept), Path(out)

    calm, _, expected = command("calm")
    subprocess.run(calm, check=True)
    killed, kept, out = command("killed")
    with subprocess.Popen(killed) as process:
        while not kept.exists() and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    stopped_at = checkpoint.load(kept)[1]["step"]
    subprocess.run(killed, check=True)

    assert process.returncode == -signal.SIGKILL
    assert 0 < stopped_at < 150
    assert out.read_bytes() == expected.read_bytes()


def test_nan_is_refused_with_its_step(settings):
    """A loss that is not finite stops the run and names the step, player and learning rate."""

    def objective(players, batch):
        out = players["net"](batch.blurry)[-1].mean()
        yield "net", out * (math.nan if step[0] == 7 else 1)

    step = [1]

    def count(done):
        step[0] = done + 1

    with pytest.raises(DivergedError, match=r"step 7: the loss of 'net' is nan at learning rate 0.002"):
        fit({"net": network()}, pairs(), RECIPE, settings, lambda net: 0.0, objective, count)


def test_two_players_train_and_resume(settings):
    """An adversary is a second player with its own optimiser; both resume from one checkpoint."""

    class Critic(nn.Module):
        def __init__(self):
            super().__init__()
            self.score = nn.Conv2d(3, 1, 4, 2)

        def forward(self, x):
            return self.score(x).mean()

    def wasserstein(players, batch):
        fake = players["net"](batch.blurry)[-1]
        for _ in range(2):
            yield "critic", players["critic"](fake.detach()) - players["critic"](batch.sharp)
        yield "net", -players["critic"](fake) + (fake - batch.sharp).square().mean()

    def players():
        net = network()
        torch.manual_seed(1)
        return {"net": net, "critic": Critic()}

    both, before = players(), players()
    expected = fit(both, pairs(), RECIPE, settings, lambda net: 0.0, wasserstein)
    settings.checkpoint.unlink()
    half = replace(settings, steps=12)
    with pytest.raises(KeyboardInterrupt):
        fit(
            players(),
            pairs(),
            RECIPE,
            half,
            lambda net: 0.0,
            wasserstein,
            lambda s: s == 4 and signal.raise_signal(2),
        )
    again = players()
    curve = fit(again, pairs(), RECIPE, half, lambda net: 0.0, wasserstein)

    assert curve == expected
    for who in both:
        for a, b, c in zip(*(p[who].parameters() for p in (both, again, before)), strict=True):
            assert torch.equal(a, b)
            assert a.ndim == 1 or not torch.equal(a, c)  # the critic's bias cancels in its loss


def test_a_damaged_checkpoint_is_named(settings):
    """A torn checkpoint gives one clear line, not a wrong resume."""
    settings.checkpoint.write_bytes(b"torn")

    with pytest.raises(ValueError, match=r"run.safetensors: damaged .* delete it"):
        fit({"net": network()}, pairs(), RECIPE, settings, lambda net: 0.0)


def test_batches_depend_on_seed_and_step_alone():
    """The same step draws the same crops; blurry and sharp crops come from the same place."""
    data = Pairs(["a"], [np.arange(48 * 48 * 3, dtype=np.uint8).reshape(48, 48, 3)] * 1,
                 [np.arange(48 * 48 * 3, dtype=np.uint8).reshape(48, 48, 3)] * 1)  # fmt: skip
    one, same, other = (sample(data, RECIPE, 0, step) for step in (4, 4, 5))

    assert torch.equal(one.blurry, same.blurry)
    assert not torch.equal(one.blurry, other.blurry)
    assert torch.equal(one.blurry, one.sharp)
    assert one.blurry.shape == (2, 3, 16, 16)
    assert one.blurry.min() >= -0.5
    assert one.blurry.max() <= 0.5


def test_crops_larger_than_an_image_are_refused():
    """A crop that does not fit names the image and both sizes."""
    with pytest.raises(ValueError, match="s/0: 12x12 is smaller than the crop of 16"):
        sample(pairs(1, 12), RECIPE, 0, 0)


def test_augmentations_do_the_same_to_both_images():
    """Rotation never leaves a crop as it is; saturation keeps the luma and both images in step."""
    rng = np.random.default_rng(0)
    crop = rng.random((2, 8, 8, 3)).astype(np.float32) * 0.5 + 0.25
    crop[1] = crop[0]
    for _ in range(10):
        turned, stronger = rotate(crop, rng), saturate(crop, rng)
        luma = np.array([0.299, 0.587, 0.114])

        assert any(np.array_equal(turned, np.rot90(crop, k, (1, 2))) for k in (1, 2, 3))
        assert np.array_equal(stronger[0], stronger[1])
        assert np.allclose(stronger @ luma, crop @ luma, atol=1e-5)


@pytest.mark.parametrize("name", [n for n, r in spec.load(ROOT / "params.yaml")[1].items() if r.train])
def test_recipes_name_what_exists(name):
    """Each recipe's loss and schedule exist and take its arguments."""
    recipe = spec.load(ROOT / "params.yaml")[1][name].train
    schedule, loss = dict(recipe.schedule), dict(recipe.loss)

    assert SCHEDULES[schedule.pop("name")](0.0, **schedule) == 1.0
    assert loss["name"] in LOSSES


def test_the_step_schedule_is_torchs():
    """CDGNet's halving every 500 epochs equals torch's StepLR."""
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = torch.optim.lr_scheduler.StepLR(optimiser, 500, 0.5)
    ours = []
    theirs = []
    for epoch in range(1600):
        ours.append(SCHEDULES["step"](epoch, every=500, factor=0.5))
        theirs.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        reference.step()

    assert ours == theirs


def test_component_loss_is_equation_17():
    """CDGNet's loss equals Eqs. 14 to 17 written out pixel by pixel."""
    rng = torch.Generator().manual_seed(2)
    blurry, sharp, large, small, answer = (
        torch.rand(5, 1, 3, 20, 20, generator=rng, dtype=torch.float64) - 0.5
    )
    blurry = sharp + 0.02 * blurry
    batch = Batch(blurry, sharp, Normalise(0.5))
    sharpness = local_ssim(blurry + 0.5, sharp + 0.5)
    mu = float(sharpness.median())
    mask = torch.clamp(torch.sign(sharpness - mu), min=0)

    def squared(a, b):
        return sum(float((p - q) ** 2) for p, q in zip(a.flatten(), b.flatten(), strict=True)) / a.numel()

    expected = (
        squared(answer, sharp) + 0.2 * squared(small, mask * sharp) + 0.3 * squared(large, (1 - mask) * sharp)
    )

    assert 0 < float(mask.mean()) < 1
    assert float(
        components([large, small, answer], batch, "mse", small=0.2, large=0.3, mu=mu)
    ) == pytest.approx(expected)


def test_sharpness_is_local_ssim():
    """Sharpness is the SSIM map, so an unblurred pixel has 1; inside, it is the metric's own map."""
    x = torch.rand(1, 3, 30, 30, dtype=torch.float64)
    y = (x + 0.1 * torch.rand_like(x)).clamp(0, 1)

    assert torch.allclose(local_ssim(x, x), torch.ones(1, 1, 30, 30, dtype=torch.float64))
    assert torch.allclose(local_ssim(x, y)[..., 5:-5, 5:-5], ssim.ssim_map(x, y).mean(1, keepdim=True))
