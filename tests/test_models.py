"""What every run of params.yaml promises, ablation variants included. No list to maintain."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark import nets, plugins, spec
from benchmark.losses import Batch
from benchmark.training.objective import adversary_networks, build_objective

ROOT = Path(__file__).parents[1]
_, RUNS = spec.load(ROOT / "params.yaml")
TRAINED = [name for name, run in RUNS.items() if run.train]
THIN = 8


def batch(run, side, count=2):
    """A random batch in the network's range, with the extras of the recipe."""
    rng = torch.Generator().manual_seed(3)
    n = run.train.normalise

    def draw(channels):
        values = torch.rand(count, channels, side, side, generator=rng)
        return (values - n.mean) * n.scale if channels == 3 else values.round()

    extras = {name: draw({"motion": 2, "moving": 1}.get(name, 3)) for name in run.train.extras}
    return Batch(draw(3), draw(3), n, extras)


@pytest.mark.parametrize("name", RUNS)
def test_the_answer_has_the_inputs_size(name):
    """The last output is a full image, also for sizes that do not divide by the network's stride."""
    net = nets.build(RUNS[name], THIN).eval()
    with torch.inference_mode():
        answer = nets.restore(net, torch.rand(1, 3, 37, 51), spec.Normalise())

    assert answer.shape == (1, 3, 37, 51)
    assert answer.isfinite().all()


@pytest.mark.parametrize("name", TRAINED)
def test_every_parameter_learns(name):
    """Each parameter of each player gets a gradient: no block is built and then unused.

    Those that the authors built and never used are there for the count, and frozen.
    """
    recipe = RUNS[name].train
    net = nets.build(RUNS[name], THIN)
    players = {"net": net} | adversary_networks(recipe, THIN)
    for _, loss in build_objective(recipe)(players, batch(RUNS[name], nets.round_up_side(net, 32))):
        loss.backward()

    learning = {
        f"{who}.{k}": p for who, of in players.items() for k, p in of.named_parameters() if p.requires_grad
    }
    assert [key for key, p in learning.items() if p.grad is None] == []


@pytest.mark.parametrize("name", TRAINED)
def test_the_seed_decides_the_weights(name):
    """The same seed gives the same weights, another one does not."""
    one, same, other = (nets.build(RUNS[name], THIN, seed).state_dict() for seed in (0, 0, 1))

    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("name", RUNS)
def test_thinning_keeps_the_structure(name):
    """A thinned network has the same blocks, only narrower."""
    with torch.device("meta"):  # shapes only
        full, thin = (nets.build(RUNS[name], factor).state_dict() for factor in (1, 4))

    assert full.keys() == thin.keys()
    assert sum(v.numel() for v in thin.values()) <= sum(v.numel() for v in full.values())


def test_padding_is_invisible():
    """Padding to the stride changes only what the network sees near the border."""
    net = nets.build(RUNS["cdgnet_ld"], THIN).eval()
    image = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        whole = nets.restore(net, image, spec.Normalise())
        odd = nets.restore(net, image[..., :63, :], spec.Normalise())

    assert torch.allclose(whole[..., :4, :], odd[..., :4, :], atol=1e-6)


@pytest.mark.parametrize("name", {run.model: name for name, run in RUNS.items()}.values())
def test_any_size_is_padded_restored_and_cropped(name):
    """What comes out of an odd image is the network's answer for the image with its border repeated."""
    net = nets.build(RUNS[name], THIN).eval()
    stride, least = nets.size_constraint(net)
    height, width = least + stride - 1, least + 2 * stride - 3 if stride > 3 else least + 1
    image = torch.rand(1, 3, height, width)
    bottom, right = nets.round_up_side(net, height) - height, nets.round_up_side(net, width) - width
    mode = {"replicate": "edge"}.get(getattr(net, "padding", "replicate"), getattr(net, "padding", ""))
    padded = np.pad(image.numpy(), ((0, 0), (0, 0), (0, bottom), (0, right)), mode=mode)
    with torch.inference_mode():
        restored = nets.restore(net, image, spec.Normalise(0.5))
        answer = net(torch.from_numpy(padded).to(memory_format=torch.channels_last) - 0.5)[-1] + 0.5

    assert torch.allclose(restored, answer[..., :height, :width], atol=1e-6)


@pytest.mark.parametrize("model", plugins.names("models"))
def test_every_model_has_a_run_and_its_header(model):
    """Each model file is used by a run and says its sources and what the paper leaves open."""
    text = plugins.load("models", model).__doc__

    assert model in {run.model for run in RUNS.values()}
    assert all(head in text for head in ("Paper", "Sources", "Unstated", "Shapes"))


def test_an_unknown_config_key_is_named():
    """A run whose config has a key the model lacks fails with the nearest known one."""
    run = spec.Run("x", "dmphn", "", {"level": "1"})

    with pytest.raises(ValueError, match=r"runs.x.config: unknown key 'level'; did you mean 'levels'"):
        nets.build(run)


def test_an_unknown_choice_is_named():
    """A mistyped choice fails with the run's name and where the choices stand."""
    run = spec.Run("x", "dmphn", "", {"levels": "1-4"})

    with pytest.raises(
        ValueError, match=r"runs.x.config: no choice '1-4'; see the tables in benchmark/models/dmphn.py"
    ):
        nets.build(run)
