"""Stage train: train the runs of the profile, or those named as arguments, that are missing or changed.

A training is a run, or `<run>@<seed>` and `<run>@<seed>-steps100` in profiles with seeds or a ladder. One
whose fingerprint is that of its weights is left alone, and an interrupted one goes on from its checkpoint. A
run that needs images which are not on this machine is not trained: its record says what is missing, every
table repeats it, and the next call tries again.

In a profile whose trainings are final, each is scored at once, and its record goes to a folder that git keeps
(results/finished.py). What is there is trained again only when its recipe as cut is another one, or when it
is named as an argument and anything else has changed.
"""

import json
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmark import claims, nets, spec
from benchmark.compare import differences
from benchmark.data import selection
from benchmark.data.pairs import AbsentError
from benchmark.measure import devices
from benchmark.measure.restoring import restore_and_score
from benchmark.results import COMPLEXITY, Results, finished, provenance, read_rows, write
from benchmark.results.schema import Complexity, TrainingStep
from benchmark.training import checkpoint, pool, trainer
from benchmark.training.fingerprint import fingerprint
from benchmark.weights import pretrained
from pipelines import run_stage

OVERHEAD = 1e9  # MACs in the time that a step of thin networks on small crops takes beside its arithmetic


def current(training: spec.Training, profile: spec.Profile) -> str:
    """Compute the fingerprint that a training would have now."""
    run = training.run
    images = selection.identity(profile, run) or str(selection.manifest(profile))
    paths = map(pretrained.path, run.train.pretrained if run.train else ())
    files = [path.name for path in paths if path]
    return fingerprint(run, training.profile, provenance.digest(images), files)


def recorded(name: str, results: Results) -> str:
    """Read the fingerprint of a training's weights; empty when there are none."""
    record = results.train(name) / "record.json"
    if not record.exists() or results.missing(name):
        return ""
    return str(json.loads(record.read_text())["fingerprint"])


def train(name: str, progress: pool.Progress) -> str:
    """Train a run and write its weights, curve and record; return a message."""
    profile, runs = spec.load()
    training, results = profile.trainings(runs)[name], Results(profile.name)
    run, fingerprint, folder = training.run, current(training, profile), results.train(name)
    begun, notes, missing, watch = time.monotonic(), list[str](), "", Watch(Path("unused"))
    if run.train:
        state = Path("checkpoints") / f"{name}-{fingerprint[:16]}.safetensors"
        watch = Watch(state.with_suffix(".seconds"))
        maps = folder / "maps"
        if not state.exists():
            shutil.rmtree(maps, ignore_errors=True)

        def tick(share: float) -> None:
            watch.save()
            progress(share)

        try:
            net, curve, notes = trainer.train(run, run.train, training.profile, state, maps, tick)
        except AbsentError as error:
            missing = str(error)
            shutil.rmtree(folder, ignore_errors=True)
        else:
            facts = {"run": name, "thin": training.profile.thin}
            weights = half(net.state_dict()) if profile.final else net.state_dict()
            checkpoint.save(folder / "weights.safetensors", weights, facts)
            write(folder / "curve.csv", TrainingStep, [TrainingStep(**point) for point in curve])
    seconds = time.monotonic() - begun
    record = {"fingerprint": fingerprint, "run": run.name, "seconds": round(seconds, 1)}
    record |= {"device": nets.device_name(), "notes": notes}
    record |= {"missing": missing} if missing else {}
    folder.mkdir(parents=True, exist_ok=True)
    if profile.final:
        finish(training, results, record, watch.seconds() / 3600)
    (folder / "record.json").write_text(json.dumps(record, indent=1) + "\n")
    if run.train and not missing:  # now that nothing needs them
        state.unlink()
        watch.path.unlink(missing_ok=True)
    if missing:
        return f"not trained: {missing}"
    return f"trained in {pool.clock(seconds)}" if run.train else "has nothing to train"


class Watch:
    """Count the processor seconds of a training over all its attempts, in a file beside its checkpoint."""

    def __init__(self, path: Path) -> None:
        self.path, self.begun, self.saved = path, time.process_time(), 0.0
        self.before = float(path.read_text()) if path.exists() else 0.0

    def seconds(self) -> float:
        """Return the processor seconds so far."""
        return self.before + time.process_time() - self.begun

    def save(self) -> None:
        """Write them to the file, every 30 s."""
        if self.seconds() - self.saved > 30:
            self.saved = self.seconds()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            replace_text(self.path, f"{self.saved:.1f}")


def replace_text(path: Path, text: str) -> None:
    """Write a file through another one beside it, so that a reader never sees half of it."""
    draft = path.with_suffix(".part")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def half(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Round weights to float16, as git keeps them, so that scores are those of the kept weights."""
    return {name: x.half() if x.is_floating_point() else x for name, x in weights.items()}


def finish(training: spec.Training, results: Results, record: Mapping[str, Any], hours: float) -> None:
    """Score a training and write its committed record, with the weights where the report shows images."""
    missing = record.get("missing", "")
    rows = [] if missing else restore_and_score(training, results, lambda share: None)
    weights, recipe = results.train(training.name) / "weights.safetensors", training.run.train
    points = results.train(training.name) / "curve.csv"
    if training.main and recipe and not training.run.ablates and not missing:
        kept = results.finished(training.name, ".safetensors")
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(weights, kept)
    done = finished.Finished(
        training=training.name,
        run=training.run.name,
        seed=training.profile.seed,
        steps=training.profile.cut(recipe)[1] if recipe else 0,
        rung=training.rung,
        fingerprint=record["fingerprint"],
        cut=finished.cut(training),
        hours=round(hours, 6),
        machine={
            "cpu": devices.processor(),
            "isa": torch.backends.cpu.get_cpu_capability(),
            "torch": torch.__version__,
            "threads": str(torch.get_num_threads()),
        },
        notes=list(record["notes"]),
        missing=missing,
        curve=read_rows(points, TrainingStep) if recipe and not missing else [],
        scores=finished.nested(rows),
    )
    finished.save(results.finished(training.name), done)


def restore(results: Results, trainings: Mapping[str, spec.Training]) -> set[str]:
    """Lay out what the records of finished trainings hold as if this machine had trained; return their names.

    A record of another cut than the profile's is left out.
    """
    records = finished.read_all(results, trainings)
    final = {name for name, record in records.items() if not record.missing}
    for name in sorted(final):
        record = records[name]
        folder, kept = results.train(name), results.finished(name, ".safetensors")
        folder.mkdir(parents=True, exist_ok=True)
        if kept.exists():
            shutil.copyfile(kept, folder / "weights.safetensors")
        if record.curve:
            write(folder / "curve.csv", TrainingStep, record.curve)
        facts = {"fingerprint": record.fingerprint, "run": record.run, "seconds": 3600 * record.hours}
        facts |= {"device": "cpu", "notes": record.notes}
        replace_text(folder / "record.json", json.dumps(facts, indent=1) + "\n")
    return final


def note_older(results: Results, name: str) -> None:
    """Note in a training's record, and so in every row, that the code or the images have changed since."""
    path = results.train(name) / "record.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["notes"].append(f"{name} was trained by an earlier state of the code or on earlier images")
    replace_text(path, json.dumps(record, indent=1) + "\n")


def cost(training: spec.Training, macs: float) -> float:
    """Estimate how long a run trains beside the others, from its network's MACs at 256x256: in MACs."""
    if not training.run.train:
        return OVERHEAD
    recipe, steps = training.profile.cut(training.run.train)
    images = recipe.batch * (recipe.crop / 256) ** 2
    return steps * (macs * images / training.profile.thin**2 + OVERHEAD)


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
    final = restore(results, trainings) if profile.final else set()
    stale = [name for name, entry in chosen.items() if recorded(name, results) != current(entry, profile)]
    older = [name for name in stale if name in final and not names]
    stale = [name for name in stale if name not in older]
    for name in older:
        note_older(results, name)
    if older:
        print(f"train: final, though code or images changed since: {', '.join(older)}", flush=True)
    macs = {row.run: float(row.macs_256) for row in read_rows(COMPLEXITY, Complexity, optional=True)}
    costs = {name: cost(chosen[name], macs.get(chosen[name].run.name, 0.0)) for name in stale}
    if profile.final:
        tables, rungs = (
            printed_tables(runs),
            list(dict.fromkeys(t.rung for t in trainings.values() if t.rung)),
        )
        costs = dict(
            sorted(costs.items(), key=lambda item: (urgency(chosen[item[0]], tables, rungs), item[1]))
        )
    failed = pool.each("train", train, costs, in_order=profile.final)
    if not names:  # a removed run leaves nothing behind
        for folder in results.train().glob("*"):
            if folder.name not in chosen:
                shutil.rmtree(folder)
    return failed


if __name__ == "__main__":
    run_stage("train", main, *sys.argv[1:])
