"""What every run of params.yaml promises, ablation variants included. No list to maintain."""

from pathlib import Path

import pytest
import torch

from benchmark import nets, plugins, spec
from benchmark.training.fit import Batch, pixel_objective

ROOT = Path(__file__).parents[1]
_, RUNS = spec.load(ROOT / "params.yaml")
TRAINED = [name for name, run in RUNS.items() if run.train]
THIN = 8


def batch(run, side=48, count=2):
    """A random batch in the network's range."""
    rng = torch.Generator().manual_seed(3)
    x, y = torch.rand(2, count, 3, side, side, generator=rng)
    n = run.train.normalise
    return Batch((x - n.mean) * n.scale, (y - n.mean) * n.scale, n)


@pytest.mark.parametrize("name", RUNS)
def test_the_answer_has_the_inputs_size(name):
    """The last output is a full image, also for sizes that do not divide by the network's stride."""
    net = nets.build(RUNS[name], THIN).eval()
    with torch.inference_mode():
        answer = nets.restore(net, torch.rand(1, 3, 37, 51), spec.Normalise())

    assert answer.shape == (1, 3, 37, 51)
    assert answer.min() >= 0
    assert answer.max() <= 1


@pytest.mark.parametrize("name", TRAINED)
def test_every_parameter_learns(name):
    """The recipe's loss gives each parameter a gradient: no block is built and then unused."""
    net = nets.build(RUNS[name], THIN)
    ((_, loss),) = pixel_objective(RUNS[name].train)({"net": net}, batch(RUNS[name]))
    loss.backward()

    assert [key for key, p in net.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("name", TRAINED)
def test_the_seed_decides_the_weights(name):
    """The same seed gives the same weights, another one does not."""
    one, same, other = (nets.build(RUNS[name], THIN, seed).state_dict() for seed in (0, 0, 1))

    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("name", RUNS)
def test_thinning_keeps_the_structure(name):
    """A thinned network has the same blocks, only narrower."""
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
