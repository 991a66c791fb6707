"""Profile `gpu`, whose networks train under bfloat16, on a CPU at tiny sizes."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from benchmark import nets, spec
from benchmark.results import COMPLEXITY, Results, read_rows
from benchmark.results.schema import CurvePoint, Measurement
from benchmark.training import Settings, adversary_networks, versions
from benchmark.training.fit import NetworkTrainer
from pipelines import collect, data, quality, train
from tests.project import ROOT

PROFILE, RUNS = spec.load(ROOT / "params.yaml", "gpu")
THIN = 16


def kind(run):
    """What autocast may treat in another way: the model, its layers' choices, its loss and its adversary."""
    return run.model, run.config, run.train.loss, run.train.adversary


# One run of each kind; numbers in configurations and losses change no operator.
KINDS = {
    json.dumps([part if isinstance(part, str) else {k: v for k, v in part.items() if isinstance(v, str)}
                for part in kind(run)], sort_keys=True): name
    for name, run in reversed(RUNS.items()) if run.train
}.values()  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_every_network_trains_in_bfloat16(name, tmp_path, monkeypatch):
    """Two steps under autocast: losses and gradients are finite, weights stay in single precision."""
    monkeypatch.chdir(tmp_path)  # without VGG19
    run = RUNS[name]
    net = nets.build(run, THIN)
    side = nets.round_up_side(net, 32 if run.train.adversary else 16)
    recipe, _ = replace(PROFILE, batch=2, crop=side).cut(run.train)
    pairs = versions.draw_images(side * recipe.shrink, tuple(run.train.extras))
    settings = Settings(2, Path(), amp=PROFILE.amp)
    training = NetworkTrainer({"net": net} | adversary_networks(recipe, THIN), pairs, recipe, settings)

    assert PROFILE.amp == "bfloat16"
    assert all(math.isfinite(training.step(step)) for step in range(2))
    for network in training.networks.values():
        for parameter in network.parameters():
            assert parameter.dtype == nets.torch.float32
            assert parameter.isfinite().all()
            assert parameter.grad is None or parameter.grad.isfinite().all()


# Pixels alone; a GAN; a loss of frequencies; deformable convolutions; a recurrence.
CHOSEN = ("identity", "dmphn_1", "deblurgan", "mimo_unet", "svdn", "svrnn")
SIZES = {"images": {"train": 2, "test": 1}, "steps": 2, "batch": 2, "crop": 32, "thin": THIN}


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
    measured = {(row.run, row.quantity) for row in read_rows(results.measurements, Measurement) if row.value}
    assert {(name, quantity) for name in CHOSEN for quantity in ("psnr", "ssim", "params")} <= measured
    curves = list(read_rows(results.curves, CurvePoint))
    assert {row.run for row in curves} == set(CHOSEN) - {"identity"}
    assert all(math.isfinite(row.loss) for row in curves)


def chosen():
    """The entries of the chosen runs, without what they are variants of."""
    entries = {}
    for path in (ROOT / spec.RUNS).glob("*.yaml"):
        entries |= {n: run for n, run in spec.read_yaml(path)["runs"].items() if n in CHOSEN}
    return {
        name: {key: value for key, value in run.items() if key != "ablates"} for name, run in entries.items()
    }
