"""Profile `gpu`, whose networks train under bfloat16, on a CPU at tiny sizes."""

import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from benchmark import nets, spec
from benchmark.losses import Batch
from benchmark.results import COMPLEXITY, Results, read_rows
from benchmark.results.schema import CurvePoint, Measurement
from benchmark.training import Settings, adversary_networks, versions
from benchmark.training.fit import NetworkTrainer
from benchmark.training.objective import build_objective
from pipelines import collect, data, quality, train
from tests.project import ROOT

PROFILE, RUNS = spec.load(ROOT / "params.yaml", "gpu")
THIN = 16


# One run of each model, loss and adversary, the published system rather than its variants.
KINDS = {
    (run.model, run.train.loss["name"], run.train.adversary.get("name")): name
    for name, run in reversed(RUNS.items())
    if run.train
}.values()


@pytest.mark.parametrize("name", KINDS)
def test_every_network_trains_in_bfloat16(name, tmp_path, monkeypatch):
    """Two steps under autocast: losses and gradients are finite, weights stay in single precision."""
    monkeypatch.chdir(tmp_path)  # without VGG19
    run = RUNS[name]
    net = nets.build(run, THIN)
    side = nets.round_up_side(net, 32 if run.train.adversary else 16)
    recipe, _ = replace(PROFILE, batch=2, crop=side).cut(run.train)
    pairs = versions.draw_images(side * recipe.shrink, recipe.extras)
    settings = Settings(2, Path(), amp=PROFILE.amp)
    training = NetworkTrainer({"net": net} | adversary_networks(recipe, THIN), pairs, recipe, settings)

    assert PROFILE.amp == "bfloat16"
    assert all(math.isfinite(training.step(step)) for step in range(2))
    for network in training.networks.values():
        for parameter in network.parameters():
            assert parameter.dtype == torch.float32
            assert parameter.isfinite().all()
            assert parameter.grad is None or parameter.grad.isfinite().all()


class Fixed(nn.Module):
    """Give the same outputs whatever the input is, as a network under autocast gives them."""

    def __init__(self, outputs):
        super().__init__()
        self.outputs = outputs

    def forward(self, x):
        """In half precision where the caller has asked for it."""
        half = torch.is_autocast_enabled("cpu")
        return [output.bfloat16() if half else output for output in self.outputs]


@pytest.mark.parametrize("name", ["cdgnet", "cdgnet_ssim", "mprnet", "mimo_unet"])
def test_losses_are_computed_in_single_precision(name):
    """Of outputs that half precision can hold, a loss under autocast is that without it."""
    rng = torch.Generator().manual_seed(1)
    sharp = torch.rand(1, 3, 32, 32, generator=rng)
    outputs = [(sharp + 0.02 * torch.rand(sharp.shape, generator=rng)).bfloat16().float() for _ in range(3)]
    objective, batch = build_objective(RUNS[name].train), Batch(sharp.roll(1, -1), sharp, spec.Normalise())
    ((_, exact),) = objective({"net": Fixed(outputs)}, batch)
    with torch.autocast("cpu", torch.bfloat16):
        ((_, loss),) = objective({"net": Fixed(outputs)}, batch)

    assert float(loss) == pytest.approx(float(exact), rel=1e-5)


# Pixels alone; a GAN; a loss of frequencies; deformable convolutions; a recurrence.
CHOSEN = ("identity", "dmphn_1", "deblurgan", "mimo_unet", "svdn", "svrnn")
SIZES = {"images": {"train": 2, "validation": 1, "test": 1}, "steps": 2, "batch": 2, "crop": 32, "thin": THIN}


def test_the_profile_goes_through_at_tiny_sizes(tmp_path, monkeypatch):
    """From rendered images to the tables, by the profile as it is but for sizes and downloads."""
    files = {
        "params.yaml": {"profile": "gpu"},
        spec.PROFILES / "gpu.yaml": yaml.safe_load((ROOT / spec.PROFILES / "gpu.yaml").read_text())
        | SIZES
        | {"pretrained": "leave"},
        spec.RUNS / "chosen.yaml": {"runs": chosen()},
    }
    for path, content in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(yaml.safe_dump(content))
    (tmp_path / COMPLEXITY).parent.mkdir()
    shutil.copy(ROOT / COMPLEXITY, tmp_path / COMPLEXITY)
    monkeypatch.chdir(tmp_path)

    data.main()
    for name in CHOSEN:
        train.train(name, lambda share: None)
        quality.measure(name, lambda share: None)
    quality.main()
    collect.main()

    results = Results("gpu")
    measured = {
        (row.run, row.quantity)
        for row in read_rows(results.measurements, Measurement)
        if row.value is not None
    }
    assert {(name, quantity) for name in CHOSEN for quantity in ("psnr", "ssim", "params")} <= measured
    curves = list(read_rows(results.curves, CurvePoint))
    assert {row.run for row in curves} == set(CHOSEN) - {"identity"}
    assert all(math.isfinite(row.loss) for row in curves if row.step)


def chosen():
    """The entries of the chosen runs, without what they are variants of."""
    entries = {}
    for path in (ROOT / spec.RUNS).glob("*.yaml"):
        entries |= {n: run for n, run in spec.read_yaml(path)["runs"].items() if n in CHOSEN}
    return {
        name: {key: value for key, value in run.items() if key != "ablates"} for name, run in entries.items()
    }
