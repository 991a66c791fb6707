"""The training loop: it learns, resumes exactly, and refuses NaN."""

import math
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from benchmark import nets, spec
from benchmark.training import Settings, checkpoint, crops, fit
from benchmark.training.ahead import Ahead
from benchmark.training.fit import NetworkTrainer
from tests.samples import RECIPE, network, pairs

ROOT = Path(__file__).parents[1]


def test_one_pair_is_learnt_by_heart(tmp_path):
    """A network trained on one small pair restores it far better than the blurred input."""
    one = pairs(1, 16)
    net = nets.build(spec.load(ROOT / "params.yaml")[1]["cdgnet_ld"], thin=8)
    settings = Settings(150, tmp_path / "run.safetensors")
    curve = fit({"net": net}, one, replace(RECIPE, batch=1), settings, lambda n, step: {})

    assert curve[-1]["loss"] < curve[1]["loss"] / 20


@pytest.fixture
def settings(tmp_path):
    """Twelve steps that keep a checkpoint after each."""
    return Settings(12, tmp_path / "run.safetensors", validate=3, save_seconds=0)


def test_the_learning_rate_follows_the_recipe():
    """Half of it after the first of two epochs: weights move half as far as without a schedule."""

    def way(schedule):
        net = network()
        recipe = replace(RECIPE, batch=1, epochs=2, schedule=schedule)
        training = NetworkTrainer({"net": net}, pairs(), recipe, Settings(2, Path()))
        training.step(0)
        before = [p.detach().clone() for p in net.parameters()]
        training.step(1)
        return sum(float((a.detach() - b).abs().sum()) for a, b in zip(net.parameters(), before, strict=True))

    ratio = way({"name": "step", "every": 1, "factor": 0.5}) / way({"name": "constant"})

    assert ratio == pytest.approx(0.5, rel=1e-3)


KILLED = """
import torch
torch.set_num_threads(1)
from pathlib import Path
from tests.samples import RECIPE, network, pairs
from benchmark.training import Settings, checkpoint, fit
net = network()
fit({{"net": net}}, pairs(), RECIPE, Settings(150, Path({kept!r}), save_seconds=0),
    lambda n, step: {{"test": 1.0}})
checkpoint.save(Path({out!r}), net.state_dict(), {{}})
"""


def test_a_killed_process_resumes_bit_identically(tmp_path):
    """SIGKILL in the middle, then the same command again: the weights are those of an undisturbed run."""

    def command(name):
        kept, out = str(tmp_path / f"{name}.safetensors"), str(tmp_path / f"{name}-out.safetensors")
        return [sys.executable, "-c", KILLED.format(kept=kept, out=out)], Path(kept), Path(out)

    calm, _, expected = command("calm")
    subprocess.run(calm, check=True, cwd=ROOT)
    killed, kept, out = command("killed")
    with subprocess.Popen(killed, cwd=ROOT) as process:
        while not kept.exists() and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    stopped_at = checkpoint.load(kept)[1]["step"]
    subprocess.run(killed, check=True, cwd=ROOT)

    assert process.returncode == -signal.SIGKILL
    assert 0 < stopped_at < 150
    assert out.read_bytes() == expected.read_bytes()


def test_nan_is_refused_with_its_step(settings):
    """A loss that is not finite stops the run and names the step, the network and the learning rate."""
    factors = iter([1] * 6 + [math.nan])

    def objective(networks, batch):
        yield "net", networks["net"](batch.blurry)[-1].mean() * next(factors)

    with pytest.raises(ValueError, match=r"step 7: the loss of 'net' is nan at learning rate 0.002"):
        fit({"net": network()}, pairs(), RECIPE, settings, lambda net, step: {}, objective)


@pytest.fixture
def clock(monkeypatch):
    """A second passes between two looks at the clock, of which training takes one per step."""
    module = sys.modules[NetworkTrainer.__module__]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=partial(next, count())))


@pytest.mark.parametrize("unread", [0, 3, 32])
def test_a_nan_that_is_read_late_is_named_and_nothing_after_it_is_kept(tmp_path, clock, unread):
    """However long nobody looks: the first one is named, and the checkpoint is of before."""
    factors = iter([1] * 28 + [math.nan] * 90)
    kept = []

    def objective(networks, batch):
        yield "net", networks["net"](batch.blurry)[-1].mean() * next(factors)

    def interrupt(step):
        kept.append(checkpoint.load(settings.checkpoint)[1]["step"] if settings.checkpoint.exists() else 0)

    settings = Settings(10000, tmp_path / "run.safetensors", validate=1, save_seconds=7, unread=unread)
    with pytest.raises(ValueError, match=r"step 29: the loss of 'net' is nan at learning rate 0.002"):
        fit({"net": network()}, pairs(), RECIPE, settings, lambda net, step: {}, objective, interrupt)

    assert (len(kept), max(kept)) == {0: (28, 24), 3: (31, 24), 32: (31, 24)}[unread]
    assert all(values.isfinite().all() for values in checkpoint.load(settings.checkpoint)[0].values())


def test_weights_that_are_not_finite_are_never_written(settings):
    """A finite loss may have a gradient that is not: the root of zero."""

    def objective(networks, batch):
        yield "net", (networks["net"](batch.blurry)[-1] * 0).sqrt().mean()

    with pytest.raises(ValueError, match=r"step 1: weights of 'net' are not finite"):
        fit({"net": network()}, pairs(), RECIPE, settings, lambda net, step: {}, objective)
    assert not settings.checkpoint.exists()


def test_batches_drawn_ahead_and_losses_read_late_change_no_bit(tmp_path, clock):
    """Curve, weights and window of a checkpoint are those of drawing and looking at every step in turn."""

    def train(name, **more):
        net, settings = network(), Settings(230, tmp_path / name, validate=3, save_seconds=7, **more)
        return net, fit({"net": net}, pairs(), RECIPE, settings, lambda n, step: {"test": 1.0})

    (plain, expected), (other, curve) = train("plain"), train("ahead", ahead=3, unread=32)

    assert curve == expected
    for a, b in zip(plain.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


def test_any_step_can_be_asked_for_and_its_error_comes_with_it():
    """In any order; in sequence each is drawn once; one that fails does so when it is asked for."""
    drawn = []

    def sample(step):
        drawn.append(step)
        if step == 9:
            raise ValueError("too small")
        return step

    ahead = Ahead(sample, 2)

    assert [ahead(step) for step in (0, 1, 2, 3, 4, 1, 7, 6)] == [0, 1, 2, 3, 4, 1, 7, 6]
    assert drawn[:5] == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="too small"):
        ahead(9)
    assert ahead(10) == 10


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_batches_on_a_gpu_are_those_of_the_processor():
    """Sent ahead from pinned memory that is used again, while the device is busy with other work."""
    recipe = replace(RECIPE, crop=20, batch=8)
    trainer = NetworkTrainer({"net": network()}, pairs(), recipe, Settings(50, Path(), device="cuda"))
    work = torch.rand(2000, 2000, device="cuda")
    sums = []
    for step in range(50):
        batch = trainer.batch(step)
        for _ in range(20):
            work = work @ work / 1000
        sums.append(batch.blurry.double().sum())  # after the work
    for step, total in enumerate(sums):
        expected = crops.sample(pairs(), recipe, 0, step).blurry
        assert float(total) == pytest.approx(float(expected.double().sum()), rel=1e-12)


class Critic(nn.Module):
    """Score an image by the mean of one convolution."""

    def __init__(self):
        super().__init__()
        self.score = nn.Conv2d(3, 1, 4, 2)

    def forward(self, x):
        """Average the scores."""
        return self.score(x).mean()


def test_the_networks_of_a_gan_train_and_resume(settings):
    """Each has its own optimiser; stopped after four steps, both resume to the same curve and bits."""

    def wasserstein(networks, batch):
        fake = networks["net"](batch.blurry)[-1]
        for _ in range(2):
            yield "critic", networks["critic"](fake.detach()) - networks["critic"](batch.sharp)
        yield "net", -networks["critic"](fake) + (fake - batch.sharp).square().mean()

    def interrupt(step):
        if step == 4:
            raise KeyboardInterrupt

    def networks():
        net = network()
        torch.manual_seed(1)
        return {"net": net, "critic": Critic()}

    both, again, before = networks(), networks(), networks()
    arguments = (pairs(), RECIPE, settings, lambda net, step: {"test": 1.5}, wasserstein)
    expected = fit(both, *arguments)
    settings.checkpoint.unlink()
    with pytest.raises(KeyboardInterrupt):
        fit(networks(), *arguments, interrupt)

    assert fit(again, *arguments) == expected
    for name in both:
        for a, b, c in zip(*(group[name].parameters() for group in (both, again, before)), strict=True):
            assert torch.equal(a, b)
            assert a.ndim == 1 or not torch.equal(a, c)  # the critic's bias cancels in its loss


def test_a_damaged_checkpoint_is_named(settings):
    """A torn checkpoint gives one clear line, not a wrong resume."""
    settings.checkpoint.write_bytes(b"torn")

    with pytest.raises(ValueError, match=r"run.safetensors: damaged .* delete it"):
        fit({"net": network()}, pairs(), RECIPE, settings, lambda net, step: {})
