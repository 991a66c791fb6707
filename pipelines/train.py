"""Stage train: every run of the profile -> its weights and curve. Names as arguments: those runs alone.

A run whose fingerprint (recipe, profile, data, code, torch) is that of its weights is left alone, so this
stage does only what is missing or changed; an interrupted run goes on from its checkpoint.
"""

import hashlib
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from benchmark import nets, pretrained, spec
from benchmark.measure.quality import tensor
from benchmark.metrics import psnr
from benchmark.pairs import Pairs
from benchmark.results import COMPLEXITY, Results, read, write
from benchmark.training import Settings, checkpoint, fit, others
from pipelines import data, pool

VALIDATION, SIDE = 4, 128  # centre crops of the test images; the curve shows them, they choose nothing


def fingerprint(run: spec.Run, profile: spec.Profile) -> str:
    """A hash of all that the run's training depends on."""
    manifest = data.manifest(profile)
    images = hashlib.sha256(manifest.read_bytes()).hexdigest() if manifest.exists() else str(manifest)
    given = [name for name in (run.train.pretrained if run.train else ()) if pretrained.path(name)]
    return nets.fingerprint(run, profile.at(run), images, given)


def done(run: spec.Run, results: Results, mark: str) -> bool:
    """Whether finished weights with this fingerprint are there."""
    record = results.train(run.name) / "record.json"
    return record.exists() and json.loads(record.read_text())["fingerprint"] == mark


class Validator:
    """Callable on a network and a step: mean PSNR in dB over a few centre crops of the test images.

    Where the model has attention maps and `keep` is given, those of the first test image are kept too, one
    file a call (BAG's Fig. 8 shows how they change in training).
    """

    def __init__(self, pairs: Pairs, normalise: spec.Normalise, keep: Path | None = None) -> None:
        self.normalise, self.keep, self.device = normalise, keep, nets.device()
        self.shown = tensor(pairs.blurry[0], torch.float32).to(self.device)
        self.crops = []
        chosen = list(zip(pairs.blurry, pairs.sharp, strict=True))[:: max(1, len(pairs) // VALIDATION)]
        for images in chosen[:VALIDATION]:
            y, x = (max(0, (n - SIDE) // 2) for n in images[0].shape[:2])
            crops = (tensor(i[y : y + SIDE, x : x + SIDE], torch.float32) for i in images)
            self.crops.append([crop.to(self.device) for crop in crops])

    def __call__(self, net: nn.Module, step: int) -> float:
        """Validation PSNR in dB."""
        net.eval()
        with torch.inference_mode():
            answers = [(nets.restore(net, b, self.normalise).clamp(0, 1), s) for b, s in self.crops]
            values = [float(psnr.measure(restored, sharp)) for restored, sharp in answers]
            if self.keep:
                maps = nets.attention(net, self.shown, self.normalise)
                if maps:
                    self.keep.mkdir(parents=True, exist_ok=True)
                    np.savez_compressed(self.keep / f"{step:07d}.npz", **cast(Any, maps))
        net.train()
        return sum(values) / len(values)


def train(name: str, tick: pool.Tick) -> str:
    """One run: its checkpoint, then its weights, curve and record."""
    profile, runs = spec.load()
    run, results = runs[name], Results(profile.name)
    mark = fingerprint(run, profile)
    folder = results.train(name)
    begun = time.monotonic()
    notes: list[str] = []
    if run.train:
        cut = profile.at(run)
        recipe, steps = cut.cut(run.train)
        net = nets.build(run, cut.thin, cut.seed)
        notes = nets.start(net, recipe.pretrained)
        kept = Path("checkpoints") / f"{name}-{mark[:16]}.safetensors"
        maps = folder / "maps"
        if not kept.exists():
            shutil.rmtree(maps, ignore_errors=True)
        curve = fit(
            {"net": net} | others(recipe, cut.thin),
            data.pairs(profile, run.train_on, "train", recipe.extras),
            recipe,
            Settings(steps, kept, cut.seed, nets.device(), cut.amp, cut.validate),
            Validator(data.pairs(profile, run.test_on[0], "test"), recipe.normalise, maps),
            progress=lambda step: tick(step / steps),
        )
        checkpoint.save(folder / "weights.safetensors", net.state_dict(), {"run": name, "thin": cut.thin})
        write(folder / "curve.csv", curve[0], curve)
        kept.unlink()
    seconds = time.monotonic() - begun
    record = {
        "fingerprint": mark,
        "run": name,
        "seconds": round(seconds, 1),
        "device": nets.device_name(),
        "notes": notes,
    }
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
                shutil.rmtree(folder)
    return 1 if failed else 0


if __name__ == "__main__":
    pool.run("train", main, *sys.argv[1:])
