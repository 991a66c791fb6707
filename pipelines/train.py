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

from benchmark import nets, spec
from benchmark.data import selection
from benchmark.results import COMPLEXITY, Results, read, write
from benchmark.training import Settings, adversary_networks, checkpoint, fit, pool
from benchmark.training.validation import Validator
from benchmark.weights import pretrained
from pipelines import run_stage


def fingerprint(run: spec.Run, profile: spec.Profile) -> str:
    """A hash of all that the run's training depends on."""
    manifest = selection.manifest(profile)
    images = hashlib.sha256(manifest.read_bytes()).hexdigest() if manifest.exists() else str(manifest)
    given = [name for name in (run.train.pretrained if run.train else ()) if pretrained.path(name)]
    return nets.fingerprint(run, profile.at(run), images, given)


def done(run: spec.Run, results: Results, mark: str) -> bool:
    """Whether finished weights with this fingerprint are there."""
    record = results.train(run.name) / "record.json"
    return record.exists() and json.loads(record.read_text())["fingerprint"] == mark


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
        notes = nets.load_pretrained(net, recipe.pretrained)
        kept = Path("checkpoints") / f"{name}-{mark[:16]}.safetensors"
        maps = folder / "maps"
        if not kept.exists():
            shutil.rmtree(maps, ignore_errors=True)
        curve = fit(
            {"net": net} | adversary_networks(recipe, cut.thin),
            selection.pairs(profile, run.train_on, "train", recipe.extras),
            recipe,
            Settings(steps, kept, cut.seed, nets.device(), cut.amp, cut.validate),
            Validator(selection.pairs(profile, run.test_on[0], "test"), recipe.normalise, maps),
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
    run_stage("train", main, *sys.argv[1:])
