"""Stage train: train the runs of the profile, or those named as arguments, that are missing or changed.

A run whose fingerprint is that of its weights is left alone, and an interrupted run goes on from its
checkpoint. A run that needs images which are not on this machine is not trained: its record says what is
missing, every table repeats it, and the next call tries again.
"""

import json
import shutil
import sys
import time
from pathlib import Path

from benchmark import nets, spec
from benchmark.data import selection
from benchmark.data.pairs import AbsentError
from benchmark.results import COMPLEXITY, Results, provenance, read_rows, write
from benchmark.results.schema import Complexity, TrainingStep
from benchmark.training import checkpoint, pool, trainer
from benchmark.training.fingerprint import fingerprint
from benchmark.weights import pretrained
from pipelines import run_stage

OVERHEAD = 1e9  # MACs in the time that a step of thin networks on small crops takes beside its arithmetic


def current(run: spec.Run, profile: spec.Profile) -> str:
    """Compute the fingerprint that a training of the run would have now."""
    images = selection.identity(profile, run) or str(selection.manifest(profile))
    paths = map(pretrained.path, run.train.pretrained if run.train else ())
    files = [path.name for path in paths if path]
    return fingerprint(run, profile.at(run), provenance.digest(images), files)


def recorded(run: spec.Run, results: Results) -> str:
    """Read the fingerprint of a run's weights; empty when there are none."""
    record = results.train(run.name) / "record.json"
    if not record.exists() or results.missing(run.name):
        return ""
    return str(json.loads(record.read_text())["fingerprint"])


def train(name: str, progress: pool.Progress) -> str:
    """Train a run and write its weights, curve and record; return a message."""
    profile, runs = spec.load()
    run, results = runs[name], Results(profile.name)
    fingerprint, folder = current(run, profile), results.train(name)
    begun, notes, missing = time.monotonic(), list[str](), ""
    if run.train:
        cut = profile.at(run)
        state = Path("checkpoints") / f"{name}-{fingerprint[:16]}.safetensors"
        maps = folder / "maps"
        if not state.exists():
            shutil.rmtree(maps, ignore_errors=True)
        try:
            net, curve, notes = trainer.train(run, run.train, cut, state, maps, progress)
        except AbsentError as error:
            missing = str(error)
            shutil.rmtree(folder, ignore_errors=True)
        else:
            checkpoint.save(folder / "weights.safetensors", net.state_dict(), {"run": name, "thin": cut.thin})
            write(folder / "curve.csv", TrainingStep, [TrainingStep(**point) for point in curve])
            state.unlink()
    seconds = time.monotonic() - begun
    record = {"fingerprint": fingerprint, "run": name, "seconds": round(seconds, 1)}
    record |= {"device": nets.device_name(), "notes": notes}
    record |= {"missing": missing} if missing else {}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "record.json").write_text(json.dumps(record, indent=1) + "\n")
    if missing:
        return f"not trained: {missing}"
    return f"trained in {pool.clock(seconds)}" if run.train else "has nothing to train"


def cost(run: spec.Run, profile: spec.Profile, macs: float) -> float:
    """Estimate how long a run trains beside the others, from its network's MACs at 256x256: in MACs."""
    if not run.train:
        return OVERHEAD
    cut = profile.at(run)
    recipe, steps = cut.cut(run.train)
    images = recipe.batch * (recipe.crop / 256) ** 2
    return steps * (macs * images / cut.thin**2 + OVERHEAD)


def main(*names: str) -> int:
    """Train what is missing or changed; return 1 when a run failed."""
    profile, runs = spec.load()
    for name in names:
        if name not in runs:
            raise ValueError(f"no run {name!r}; {spec.nearest(name, runs)}")
    results = Results(profile.name)
    chosen = {name: runs[name] for name in names} if names else profile.of(runs)
    stale = [name for name, run in chosen.items() if recorded(run, results) != current(run, profile)]
    macs = {row.run: float(row.macs_256 or 0) for row in read_rows(COMPLEXITY, Complexity, optional=True)}
    costs = {name: cost(chosen[name], profile, macs.get(name, 0.0)) for name in stale}
    failed = pool.each("train", train, costs)
    if not names:  # a removed run leaves nothing behind
        for folder in results.train().glob("*"):
            if folder.name not in chosen:
                shutil.rmtree(folder)
    return failed


if __name__ == "__main__":
    run_stage("train", main, *sys.argv[1:])
