"""Stage train: train the runs of the profile, or those named as arguments, that are missing or changed.

A training is a run, or `<run>@<seed>` and `<run>@<seed>-steps100` in profiles with seeds or a ladder. One
whose fingerprint is that of its weights is left alone, and an interrupted one goes on from its checkpoint. A
run that needs images which are not on this machine is not trained: its record says what is missing, every
table repeats it, and the next call tries again.

In a profile whose trainings are final, each is scored at once, and its record goes to a folder that git keeps
(results/finished.py). What is there is trained again only when its recipe as cut is another one, or when it
is named as an argument and anything else has changed.

A run whose batch is too large for one GPU, or takes too long there, is trained by several processes, each
with a part of every batch: `torchrun --nproc-per-node=2 -m pipelines.train NAME`.
"""

import contextlib
import json
import shutil
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from filelock import Timeout

from benchmark import claims, engine, nets, spec
from benchmark.compare import differences
from benchmark.data import selection
from benchmark.data.fetch import locked
from benchmark.data.pairs import AbsentError
from benchmark.engine import quiet
from benchmark.measure import finishing
from benchmark.results import COMPLEXITY, Results, finished, provenance, read_rows, write
from benchmark.results.schema import Complexity, TrainingStep
from benchmark.training import checkpoint, parallel, planning, trainer
from benchmark.training.fingerprint import fingerprint
from benchmark.trouble import one_line, write_text
from benchmark.weights import pretrained
from pipelines import run_stage


def current(training: spec.Training, profile: spec.Profile) -> str:
    """Compute the fingerprint that a training would have now."""
    run = training.run
    images = selection.identity(profile, run) or str(selection.manifest(profile))
    paths = map(pretrained.path, run.train.pretrained if run.train else ())
    files = [path.name for path in paths if path]
    return fingerprint(run, training.profile, provenance.digest(images), files)


def recorded(training: spec.Training, results: Results, final: bool = False) -> str:
    """Read the fingerprint of a training's weights; empty when there are none, or a file is damaged.

    Args:
        training: whose record and files to read.
        results: of the profile.
        final: whether its record may have come without weights, from git.
    """
    folder = results.train(training.name)
    if not (folder / "record.json").exists():
        return ""
    try:
        if results.missing(training.name):
            return ""
        if training.run.train:
            if not final or (folder / "weights.safetensors").exists():
                checkpoint.load(folder / "weights.safetensors")
            read_rows(folder / "curve.csv", TrainingStep)
        return str(json.loads((folder / "record.json").read_text(encoding="utf-8"))["fingerprint"])
    except (ValueError, KeyError, TypeError) as error:
        print(f"train {training.name}: {one_line(error)}; it is trained again", file=sys.stderr)
        return ""


def train(name: str, progress: engine.Progress) -> str:
    """Train a run and write its weights, curve and record; return a message.

    A second process that trains the same run waits for the first.
    """
    profile, runs = spec.load()
    training, results = profile.trainings(runs)[name], Results(profile.name)
    fingerprint, folder = current(training, profile), results.train(name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        done = recorded(training, results) == fingerprint
        if done and profile.final:
            path = results.finished(name)
            done = path.exists() and finished.read(path).fingerprint == fingerprint
        if done:
            return "was trained meanwhile"
        return train_alone(training, profile.final, results, fingerprint, progress)


def train_alone(
    training: spec.Training, final: bool, results: Results, fingerprint: str, progress: engine.Progress
) -> str:
    """Train a run that no other process trains; return a message."""
    run, folder = training.run, results.train(training.name)
    state = state_file(training.name, fingerprint)
    watch = finishing.Watch(state.with_suffix(".seconds"))
    begun, notes, missing = time.monotonic(), list[str](), ""
    if run.train:
        cut, maps = training.profile, folder / "maps"
        forget_damaged(state)
        if not state.exists():
            shutil.rmtree(maps, ignore_errors=True)

        def tick(share: float) -> None:
            if final:
                watch.save()
            progress(share)

        try:
            net, curve, notes = trainer.train(run, run.train, cut, state, maps, tick)
        except AbsentError as error:
            missing = str(error)
            shutil.rmtree(folder, ignore_errors=True)
        else:
            facts = {"run": run.name, "thin": cut.thin}
            weights = finishing.half(net.state_dict()) if final else net.state_dict()
            checkpoint.save(folder / "weights.safetensors", weights, facts)
            write(folder / "curve.csv", TrainingStep, [TrainingStep(**point) for point in curve])
    seconds = time.monotonic() - begun
    record = {"fingerprint": fingerprint, "run": run.name, "seconds": round(seconds, 1)}
    record |= {"device": nets.device_name(), "notes": notes}
    record |= {"missing": missing} if missing else {}
    if final:
        finishing.finish(training, results, record, watch.seconds() / 3600)
    write_text(folder / "record.json", json.dumps(record, indent=1) + "\n")
    state.unlink(missing_ok=True)  # last, so that a kill loses nothing
    watch.path.unlink(missing_ok=True)
    if missing:
        return f"not trained: {missing}"
    return f"trained in {engine.clock(seconds)}" if run.train else "has nothing to train"


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


def urgency(training: spec.Training, tables: Mapping[str, int], rungs: Sequence[str]) -> tuple[int, ...]:
    """Rank a training: every system once, the printed tables with all seeds, the ladder, and then the rest.

    Args:
        training: of which run, seed and length.
        tables: the place of printed runs: -1, or for those of an ablation table its number.
        rungs: of the ladder, in order.
    """
    seed, rung = training.profile.seed, rungs.index(training.rung) if training.rung else -1
    if training.main and not training.run.ablates:
        return 0, 0, 0, 0
    if training.run.name not in tables:
        return 4 if training.main else 5, 0, seed, rung
    table = tables[training.run.name]
    return 3 if training.rung else 1 if table >= 0 else 2, rung, table, seed


def printed_tables(runs: Mapping[str, spec.Run]) -> dict[str, int]:
    """Give each run that a paper prints a PSNR of the number of its ablation table, or -1."""
    papers = claims.read()
    cells = (claim for paper in papers for claim in paper.claims() if claim.quantity == "psnr" and claim.run)
    places = {str(claim.run): -1 for claim in cells}
    for number, table in enumerate(differences.ablation_tables(papers, runs)):
        places |= {str(c.run): number for c in differences.networks(table) if places.get(str(c.run), -1) < 0}
    return places


def main(*names: str) -> int:
    """Train what is missing or changed; return 1 when a run failed."""
    profile, runs = spec.load()
    trainings, results = profile.trainings(runs), Results(profile.name)
    for name in names:
        if name not in trainings:
            raise ValueError(f"no run {name!r}; {spec.nearest(name, trainings)}")
    chosen = {name: trainings[name] for name in names} if names else trainings
    if parallel.join():
        return together(chosen, profile, results)
    final = finishing.restore(results, chosen) if profile.final else set()
    now = {name: current(t, profile) for name, t in chosen.items()}
    stale = [
        name
        for name, t in chosen.items()
        if (profile.final and name not in final) or recorded(t, results, name in final) != now[name]
    ]
    older = [name for name in stale if name in final and not names]
    stale = [name for name in stale if name not in older]
    for name in older:
        finishing.note_older(results, name)
    if older:
        print(f"train: final, though code or images changed since: {', '.join(older)}", flush=True)
    macs = {row.run: float(row.macs_256 or 0) for row in read_rows(COMPLEXITY, Complexity, optional=True)}
    costs = {name: planning.macs(chosen[name], macs.get(chosen[name].run.name, 0.0)) for name in stale}
    if profile.final:
        costs = in_order(costs, chosen, printed_tables(runs))
    for name in chosen.keys() - set(stale) - set(older):  # of a training that was killed at its very end
        state = state_file(name, now[name])
        for path in (state, state.with_suffix(".seconds")):
            path.unlink(missing_ok=True)
    steps = {name: t.profile.cut(t.run.train)[1] for name, t in chosen.items() if t.run.train}
    failed = engine.each("train", train, costs, in_order=profile.final, steps=steps)
    if not names:  # a removed run leaves nothing behind
        remove_others(results, chosen)
    return failed


def remove_others(results: Results, kept: Collection[str]) -> None:
    """Remove what trainings of no run that is kept have left, and the locks of killed processes."""
    for path in results.train().glob("*"):
        if path.suffix == ".lock":
            with contextlib.suppress(Timeout), locked(path.with_suffix(""), timeout=0):
                pass  # and with that it is gone, unless another process holds it
        elif path.name not in kept:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def together(chosen: Mapping[str, spec.Training], profile: spec.Profile, results: Results) -> int:
    """Train one run after another, with a part of every batch in each process; the first one writes results.

    Raises:
        ValueError: the batch of a run cannot be cut.
    """
    for name, training in chosen.items():
        stale, recipe = recorded(training, results) != current(training, profile), training.run.train
        message = "is trained"
        if parallel.of_first(stale):
            with quiet.working(f"train {name}"):
                if parallel.rank() == 0:
                    message = train(name, lambda share: None)
                elif recipe:
                    trainer.train(training.run, recipe, training.profile, Path(), Path())
        if parallel.rank() == 0:
            print(f"train {name}: {message}", flush=True)
    return 0


def in_order(
    costs: Mapping[str, float], trainings: Mapping[str, spec.Training], tables: Mapping[str, int]
) -> dict[str, float]:
    """Sort trainings by urgency, of equally urgent ones the cheapest first."""
    rungs = list(dict.fromkeys(t.rung for t in trainings.values() if t.rung))
    return dict(sorted(costs.items(), key=lambda item: (urgency(trainings[item[0]], tables, rungs), item[1])))


if __name__ == "__main__":
    run_stage("train", main, *sys.argv[1:])
