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
from benchmark.data.fetch import locked
from benchmark.data.pairs import AbsentError
from benchmark.results import COMPLEXITY, Results, provenance, read_rows, write
from benchmark.results.schema import Complexity, TrainingStep
from benchmark.training import checkpoint, pool, trainer
from benchmark.training.fingerprint import fingerprint
from benchmark.trouble import one_line, write_text
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
    """Read the fingerprint of a run's weights; empty when there are none, or a file is damaged."""
    folder = results.train(run.name)
    if not (folder / "record.json").exists():
        return ""
    try:
        if results.missing(run.name):
            return ""
        if run.train:
            checkpoint.load(folder / "weights.safetensors")
            read_rows(folder / "curve.csv", TrainingStep)
        return str(json.loads((folder / "record.json").read_text(encoding="utf-8"))["fingerprint"])
    except (ValueError, KeyError, TypeError) as error:
        print(f"train {run.name}: {one_line(error)}; it is trained again", file=sys.stderr)
        return ""


def train(name: str, progress: pool.Progress) -> str:
    """Train a run and write its weights, curve and record; return a message.

    A second process that trains the same run waits for the first.
    """
    profile, runs = spec.load()
    run, results = runs[name], Results(profile.name)
    fingerprint, folder = current(run, profile), results.train(name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        if recorded(run, results) == fingerprint:
            return "was trained meanwhile"
        return train_alone(run, profile, results, fingerprint, progress)


def train_alone(
    run: spec.Run, profile: spec.Profile, results: Results, fingerprint: str, progress: pool.Progress
) -> str:
    """Train a run that no other process trains; return a message."""
    folder, state = results.train(run.name), state_file(run.name, fingerprint)
    begun, notes, missing = time.monotonic(), list[str](), ""
    if run.train:
        cut, maps = profile.at(run), folder / "maps"
        forget_damaged(state)
        if not state.exists():
            shutil.rmtree(maps, ignore_errors=True)
        try:
            net, curve, notes = trainer.train(run, run.train, cut, state, maps, progress)
        except AbsentError as error:
            missing = str(error)
            shutil.rmtree(folder, ignore_errors=True)
        else:
            facts = {"run": run.name, "thin": cut.thin}
            checkpoint.save(folder / "weights.safetensors", net.state_dict(), facts)
            write(folder / "curve.csv", TrainingStep, [TrainingStep(**point) for point in curve])
    seconds = time.monotonic() - begun
    record = {"fingerprint": fingerprint, "run": run.name, "seconds": round(seconds, 1)}
    record |= {"device": nets.device_name(), "notes": notes}
    record |= {"missing": missing} if missing else {}
    write_text(folder / "record.json", json.dumps(record, indent=1) + "\n")
    state.unlink(missing_ok=True)  # last, so that a kill loses nothing
    if missing:
        return f"not trained: {missing}"
    return f"trained in {pool.clock(seconds)}" if run.train else "has nothing to train"


def state_file(name: str, fingerprint: str) -> Path:
    """Return the file from which an interrupted training of a run goes on."""
    return Path("checkpoints") / f"{name}-{fingerprint[:16]}.safetensors"


def forget_damaged(state: Path) -> None:
    """Remove the state of an interrupted training if it is damaged: the run starts again."""
    if state.exists():
        try:
            checkpoint.load(state)
        except ValueError as error:
            print(f"train: {error}; this run starts again", file=sys.stderr)
            state.unlink()


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
    macs = {row.run: float(row.macs_256) for row in read_rows(COMPLEXITY, Complexity, optional=True)}
    costs = {name: cost(chosen[name], profile, macs.get(name, 0.0)) for name in stale}
    for name in chosen.keys() - set(stale):  # of a training that was killed at its very end
        state_file(name, current(chosen[name], profile)).unlink(missing_ok=True)
    failed = pool.each("train", train, costs)
    if not names:  # a removed run leaves nothing behind
        for folder in results.train().glob("*"):
            if folder.name not in chosen:
                shutil.rmtree(folder) if folder.is_dir() else folder.unlink()
    return failed


if __name__ == "__main__":
    run_stage("train", main, *sys.argv[1:])
