"""Stage train: every run of the profile -> its weights and curve. Names as arguments: those runs alone.

A run whose fingerprint (recipe, profile, data, code, torch) is that of its weights is left alone, so this
stage does only what is missing or changed; an interrupted run goes on from its checkpoint.
"""

import hashlib
import json
import sys
import time
from pathlib import Path

import torch
from torch import nn

from benchmark import nets, spec
from benchmark.measure.quality import tensor
from benchmark.metrics import psnr
from benchmark.pairs import Pairs
from benchmark.results import COMPLEXITY, Results, read, write
from benchmark.training import Settings, checkpoint, fit
from pipelines import data, pool

VALIDATION = 4  # centre crops of the test images; the curve only shows them, nothing is chosen by them


def fingerprint(run: spec.Run, profile: spec.Profile) -> str:
    """A hash of all that the run's training depends on."""
    manifest = data.folder(profile) / "manifest.json"
    images = hashlib.sha256(manifest.read_bytes()).hexdigest() if manifest.exists() else str(manifest)
    return nets.fingerprint(run, profile, images, nets.code(run))


def done(run: spec.Run, results: Results, mark: str) -> bool:
    """Whether finished weights with this fingerprint are there."""
    record = results.train(run.name) / "record.json"
    return record.exists() and json.loads(record.read_text())["fingerprint"] == mark


def validator(pairs: Pairs, normalise: spec.Normalise, device: str) -> "Validator":
    """Mean PSNR over a few centre crops."""
    side = 128
    crops = []
    for blurry, sharp in list(zip(pairs.blurry, pairs.sharp, strict=True))[
        :: max(1, len(pairs) // VALIDATION)
    ]:
        y, x = (max(0, (n - side) // 2) for n in blurry.shape[:2])
        crops.append(
            [tensor(i[y : y + side, x : x + side], torch.float32).to(device) for i in (blurry, sharp)]
        )
    return Validator(crops[:VALIDATION], normalise)


class Validator:
    """Callable on a network; a class because a closure cannot say so much of itself."""

    def __init__(self, crops: list[list[torch.Tensor]], normalise: spec.Normalise) -> None:
        self.crops, self.normalise = crops, normalise

    def __call__(self, net: nn.Module) -> float:
        """Validation PSNR in dB."""
        net.eval()
        with torch.inference_mode():
            values = [float(psnr.measure(nets.restore(net, b, self.normalise), s)) for b, s in self.crops]
        net.train()
        return sum(values) / len(values)


def train(name: str, tick: pool.Tick) -> str:
    """One run: its checkpoint, then its weights, curve and record."""
    profile, runs = spec.load()
    run, results = runs[name], Results(profile.name)
    mark = fingerprint(run, profile)
    folder = results.train(name)
    begun = time.monotonic()
    if run.train:
        recipe, steps = profile.cut(run.train)
        device = nets.device()
        net = nets.build(run, profile.thin, profile.seed)
        kept = Path("checkpoints") / f"{name}-{mark[:16]}.safetensors"
        settings = Settings(steps, kept, profile.seed, device, profile.amp, profile.validate)
        curve = fit(
            {"net": net},
            data.pairs(profile, run.train_on, "train"),
            recipe,
            settings,
            validator(data.pairs(profile, run.test_on[0], "test"), recipe.normalise, device),
            progress=lambda step: tick(step / steps),
        )
        checkpoint.save(folder / "weights.safetensors", net.state_dict(), {"run": name, "thin": profile.thin})
        write(folder / "curve.csv", curve[0], curve)
        kept.unlink()
    seconds = time.monotonic() - begun
    record = {"fingerprint": mark, "run": name, "seconds": round(seconds, 1), "device": nets.device_name()}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "record.json").write_text(json.dumps(record, indent=1) + "\n")
    return f"trained in {pool.clock(seconds)}" if run.train else "has nothing to train"


def main(*names: str) -> int:
    """Train what is missing; the exit status is 1 when a run failed."""
    profile, runs = spec.load()
    for name in names:
        if name not in runs:
            raise ValueError(f"no run {name!r}; {spec.nearest(name, list(runs))}")
    results = Results(profile.name)
    chosen = {name: runs[name] for name in names} if names else profile.of(runs)
    stale = [n for n, run in chosen.items() if not done(run, results, fingerprint(run, profile))]
    macs = {row["run"]: float(row["macs_256"]) for row in read(COMPLEXITY)} if COMPLEXITY.exists() else {}
    failed = pool.each("train", train, {name: macs.get(name, 0.0) + 1e9 for name in stale})
    for complaint in failed:
        print(f"train: {complaint}", file=sys.stderr)
    if not names:  # a run that is gone from params.yaml leaves nothing behind
        for folder in results.train().glob("*"):
            if folder.name not in chosen:
                for file in folder.iterdir():
                    file.unlink()
                folder.rmdir()
    return 1 if failed else 0


if __name__ == "__main__":
    pool.run("train", main, *sys.argv[1:])
