"""A batch in parts, one after another or in two processes, trains as in one piece but for rounding."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmark import nets, spec
from benchmark.training import Settings, checkpoint, crops, fit, parallel, trainer, versions
from benchmark.training.fit import NetworkTrainer
from benchmark.training.objective import build_objective
from tests.samples import RECIPE, network, pairs

ROOT = Path(__file__).parents[1]
RUNS = spec.load(ROOT / "params.yaml")[1]
FIVE = replace(RECIPE, batch=5, pairs=11)  # the third batch of an epoch has one image


@pytest.fixture(autouse=True)
def double():
    """Rounding in single precision is too large to tell it from a mistake."""
    with versions.double_precision():
        yield


def plain():
    """A network whose dropout is off, as its draws are others for every part."""
    net = network()
    net.net[2].p = 0.0
    return {"net": net}


@pytest.mark.parametrize("parts", [2, 3, 7])
def test_a_batch_in_parts_trains_as_in_one_piece(tmp_path, parts):
    """Weights and curve agree, for parts of unequal sizes, more parts than images, and a partial batch."""

    def train(parts):
        networks, settings = plain(), Settings(7, tmp_path / f"{parts}.safetensors", parts=parts)
        return networks["net"], fit(networks, pairs(12), FIVE, settings, lambda net, step: {})

    (whole, expected), (net, curve) = train(1), train(parts)

    assert [row["loss"] for row in curve[1:]] == pytest.approx([r["loss"] for r in expected[1:]], rel=1e-9)
    for a, b in zip(whole.parameters(), net.parameters(), strict=True):
        assert torch.allclose(a, b, rtol=0, atol=1e-9)
    assert not torch.equal(whole.net[0].weight, net.net[0].weight)  # it was another sum


def test_no_more_images_than_a_part_are_worked_on_at_once():
    """The network sees the batch in parts, in its order."""
    networks, seen = plain(), []
    training = NetworkTrainer(networks, pairs(12), FIVE, Settings(9, Path(), parts=2))
    networks["net"].register_forward_hook(lambda net, inputs, outputs: seen.append(inputs[0]))
    training.step(0)

    assert [len(x) for x in seen] == [2, 3]
    assert torch.equal(torch.cat(seen), crops.sample(pairs(12), FIVE, 0, 0).blurry)


LOSSES = {
    json.dumps(run.train.loss): name for name, run in RUNS.items() if run.train and not run.train.adversary
}


@pytest.mark.parametrize("name", LOSSES.values())
def test_every_loss_is_a_mean_over_images_or_says_that_it_is_not(name):
    """The weighted mean of the losses of one image and of two is that of all three, unless it is refused."""
    run = RUNS[name]
    net = nets.build(run, thin=16)
    for layer in net.modules():
        layer.train("Dropout" not in type(layer).__name__)  # it draws other numbers for a part
    side = nets.round_up_side(net, 16)
    recipe, _ = spec.Profile("p", "", crop=side, batch=3).cut(run.train)
    images = versions.draw_images(recipe.crop * recipe.shrink + 5, recipe.extras)
    batch, objective = crops.sample(images, recipe, 0, 0), build_objective(run.train)

    def loss(part):
        torch.manual_seed(1)
        return float(next(objective({"net": net}, part))[1].detach())

    parts = [share * loss(part) for share, part in parallel.shares(batch, 2)]

    assert len(parts) == 2
    agrees = sum(parts) == pytest.approx(loss(batch), rel=1e-9)
    assert agrees == (parallel.refusal(run, 2) == "")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("deblurgan", "deblurgan: parts: 2; allowed: 1, its networks are updated in turn on one batch"),
        ("gong", "gong: parts: 2; allowed: 1, the loss flow_classes is a mean over the known pixels of"),
    ],
)
def test_what_cannot_be_cut_is_refused_with_its_name(name, reason, tmp_path):
    """In one line, before anything is trained."""
    run, profile = RUNS[name], spec.Profile("p", "", crop=32, batch=2, thin=16, parts=2)
    recipe, _ = profile.cut(run.train)
    images = versions.draw_images(69, recipe.extras)
    with pytest.raises(ValueError, match="^" + reason):
        trainer.train_on({"train": images, "test": images}, run, recipe, 1, profile, tmp_path / "x", tmp_path)

    assert parallel.refusal(run, 1) == ""


def test_batch_normalisation_is_noted():
    """Its averages are those of a part; other layers need no note."""
    normalised = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 1), torch.nn.BatchNorm2d(3))

    assert parallel.notes(normalised, 16, 3) == ["batch normalisation over 6 images at a time, not 16"]
    assert parallel.notes(normalised, 16, 1) == parallel.notes(network(), 16, 3) == []


WORKER = """
import torch
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
from pathlib import Path
from benchmark.training import Settings, checkpoint, fit, parallel
from tests.samples import pairs
from tests.test_parallel import FIVE, plain

def interrupt(step):
    if step == 4:
        raise KeyboardInterrupt

assert parallel.join()
folder, number = Path({folder!r}), parallel.rank()
arguments = pairs(12), FIVE, Settings(7, folder / "run.safetensors", parts=2, save_seconds=0)

def validate(net, step):
    return {{"test": 1.5}}

try:
    fit(plain(), *arguments, validate, progress=interrupt)
except KeyboardInterrupt:
    pass
torch.distributed.barrier()
assert checkpoint.load(folder / "run.safetensors")[1]["step"] == 4
networks = plain()
torch.nn.init.constant_(networks["net"].net[0].weight, number)  # the first one's state is that of all
curve = fit(networks, *arguments, validate)
checkpoint.save(folder / f"{{number}}.safetensors", networks["net"].state_dict(), {{"curve": curve}})
"""


def test_two_processes_train_as_one(tmp_path):
    """After an interruption too: weights are the same in both and agree with those of one, as does the curve.

    Each cuts its part of the batch in two again; of the batch with one image the first one has none.
    """
    whole = plain()
    settings = Settings(7, tmp_path / "one.safetensors")
    expected = fit(whole, pairs(12), FIVE, settings, lambda net, step: {"test": 1.5})
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER.format(folder=str(tmp_path))],
            cwd=ROOT,
            env=os.environ | address | {"RANK": str(number), "LOCAL_RANK": str(number)},
        )
        for number in range(2)
    ]
    assert [process.wait() for process in processes] == [0, 0]
    (first, facts), (second, _) = (checkpoint.load(tmp_path / f"{number}.safetensors") for number in range(2))

    for name, weights in whole["net"].state_dict().items():
        assert torch.equal(first[name], second[name])
        assert torch.allclose(first[name], weights, rtol=0, atol=1e-9)
    for row, other in zip(expected, facts["curve"], strict=True):
        assert other == row | {"loss": row["loss"] and pytest.approx(row["loss"], rel=1e-9)}
