"""Make a training final: score it, write its record for git; lay out records as if this machine had trained.

What a record holds, and when it counts, is in results/finished.py.
"""

import contextlib
import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from filelock import Timeout

from benchmark import spec
from benchmark.data.fetch import locked
from benchmark.measure import devices
from benchmark.measure.restoring import restore_and_score
from benchmark.results import Results, finished, read_rows, write
from benchmark.results.schema import TrainingStep
from benchmark.trouble import write_text

EVERY = 30.0  # s of processor time between two notes of it
LARGEST = 4_000_000  # bytes of weights that git keeps; without them a clone has no images of the run


class Watch:
    """Count the processor seconds of a training over all its attempts, in a file beside its checkpoint."""

    def __init__(self, path: Path) -> None:
        self.path, self.begun, self.saved = path, time.process_time(), 0.0
        self.before = float(path.read_text()) if path.exists() else 0.0

    def seconds(self) -> float:
        """Return the processor seconds so far."""
        return self.before + time.process_time() - self.begun

    def save(self) -> None:
        """Write them to the file, now and then."""
        if self.seconds() - self.saved > EVERY:
            self.saved = self.seconds()
            write_text(self.path, f"{self.saved:.1f}")


def half(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Round weights to float16, as git keeps them, so that scores are those of the kept weights."""
    return {name: x.half() if x.is_floating_point() else x for name, x in weights.items()}


def finish(training: spec.Training, results: Results, record: Mapping[str, Any], hours: float) -> None:
    """Score a training and write its committed record, with the weights where the report shows images.

    Weights larger than LARGEST are left out.
    """
    missing = record.get("missing", "")
    rows = [] if missing else restore_and_score(training, results, lambda share: None)
    weights, recipe = results.train(training.name) / "weights.safetensors", training.run.train
    points = results.train(training.name) / "curve.csv"
    shown = training.main and recipe and not training.run.ablates and not missing
    if shown and weights.stat().st_size <= LARGEST:
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

    Left out are records of another cut than the profile's, and what another process is training right now.
    """
    done = set()
    results.train().mkdir(parents=True, exist_ok=True)
    for name, record in finished.read_all(results, trainings).items():
        if not record.missing:
            with contextlib.suppress(Timeout), locked(results.train(name), timeout=0):
                lay_out(results, record)
                done.add(name)
    return done


def lay_out(results: Results, record: finished.Finished) -> None:
    """Write what a record holds into the folder of its training."""
    folder, kept = results.train(record.training), results.finished(record.training, ".safetensors")
    weights, told = folder / "weights.safetensors", folder / "record.json"
    folder.mkdir(parents=True, exist_ok=True)
    if kept.exists():
        shutil.copyfile(kept, weights)
    elif not told.exists() or record.fingerprint not in told.read_text(encoding="utf-8", errors="replace"):
        weights.unlink(missing_ok=True)  # of another training than the one whose values are shown
    if record.curve:
        write(folder / "curve.csv", TrainingStep, record.curve)
    facts = {"fingerprint": record.fingerprint, "run": record.run, "seconds": 3600 * record.hours}
    facts |= {"device": "cpu", "notes": record.notes}
    write_text(told, json.dumps(facts, indent=1) + "\n")


def note_older(results: Results, name: str) -> None:
    """Note in a training's record, and so in every row, that the code or the images have changed since."""
    path = results.train(name) / "record.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["notes"].append(f"{name} was trained by an earlier state of the code or on earlier images")
    write_text(path, json.dumps(record, indent=1) + "\n")
