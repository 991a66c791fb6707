"""Stage collect: write the committed tables from per-image values, counts and curves."""

import importlib.metadata
import json
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from itertools import product

import pandas as pd
import torch

from benchmark import nets, spec
from benchmark.measure import aggregate
from benchmark.metrics import _flow, _pyiqa
from benchmark.results import COMPLEXITY, Measurement, Results, finished, read_frame, read_rows, write
from benchmark.results.schema import Complexity, CurvePoint, Score, TrainingStep
from benchmark.trouble import write_text
from pipelines import run_stage

PACKAGES = ("torch", "torchvision", "numpy", "pillow", "scikit-image", "fvcore", "pyiqa", "dvc")


def counts(runs: dict[str, spec.Run]) -> Iterator[Measurement]:
    """Yield parameters and MACs of the full networks."""
    for row in read_rows(COMPLEXITY, Complexity):
        if row.run in runs:
            note = f"not counted: {row.uncounted}" if row.uncounted else ""
            note = row.uncounted if row.macs_256 is None else note
            yield Measurement(row.run, "", "params", row.params, "1", 1, "", "", "")
            yield Measurement(row.run, "", "macs_256", row.macs_256, "MAC", 1, "", "", "", note)
            yield Measurement(row.run, "", "macs_720p", row.macs_720p, "MAC", 1, "", "", "", note)


def qualities(profile: spec.Profile, runs: dict[str, spec.Run]) -> Iterator[Measurement]:
    """Yield the value of each run under each metric; then what has no value, with the reason.

    That is each metric that is not available and each run that could not be trained. Notes of values have the
    spread between images and what was cut.
    """
    results, device = Results(profile.name), nets.device_name()
    scores = read_frame(results.quality, Score)
    records = finished.read_all(results, profile.trainings(runs)) if profile.final else {}
    for row in aggregate.pool(scores):
        if row.run not in runs:
            raise ValueError(f"{results.quality}: run {row.run!r} is not in profile {profile.name}")
        run = runs[row.run]
        cuts = profile.at(run).cuts(run.train)
        kept = finished.of_run(records, run.name)
        names = [record.training for record in kept] or [run.name]
        notes = dict.fromkeys(note for name in names for note in training_notes(results, name))
        note = "; ".join(filter(None, [row.note, *seed_note(kept, row.dataset, row.quantity), *cuts, *notes]))
        yield replace(row, device=device, note=note)
    measured = set(scores["quantity"])
    _, reasons = _pyiqa.available([name for name in profile.perceptual if name not in measured])
    for name, run in runs.items():
        for dataset in [profile.data] if profile.data else run.test_on:
            for quantity, reason in reasons.items():
                unit = _pyiqa.QUANTITIES[quantity].unit
                yield Measurement(name, dataset, quantity, None, unit, 0, device, "", "", reason)
    for name, run in runs.items():
        missing, datasets = results.missing(name), [profile.data] if profile.data else run.test_on
        for dataset, quantity in (
            product(datasets, sorted(measured - set(_flow.QUANTITIES))) if missing else ()
        ):
            unit, reason = aggregate.quantities()[quantity].unit, f"not trained: {missing}"
            yield Measurement(name, dataset, quantity, None, unit, 0, device, "", "", reason)


def seed_note(records: Sequence[finished.Finished], dataset: str, quantity: str) -> list[str]:
    """Say that a value is a mean over seeds, with the mean over images of each that has it."""
    values = []
    for record in records:
        rows = [row for row in record.rows() if (row.dataset, row.quantity) == (dataset, quantity)]
        if rows:
            (mean,) = aggregate.pool(pd.DataFrame(rows))
            values.append(f"{record.seed}: {mean.value:.4f}")
    return [f"mean over {len(values)} seeds ({', '.join(values)})"] if len(values) > 1 else []


def training_notes(results: Results, run: str) -> list[str]:
    """Read what training noted about a run, such as pretrained weights that were not available."""
    path = results.train(run) / "record.json"
    try:
        return list(json.loads(path.read_text(encoding="utf-8"))["notes"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: no record of a finished training ({error})") from None


def environment(profile: spec.Profile) -> dict[str, object]:
    """Describe the machine, the packages and the profile behind the numbers."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "profile": asdict(profile),
        "device": nets.device_name(),
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "packages": versions,
    }


def main() -> None:
    """Write measurements.csv, curves.csv and environment.json."""
    profile, runs = spec.load()
    results, chosen = Results(profile.name), profile.of(runs)
    rows = [*counts(chosen), *qualities(profile, chosen)]
    rows = [replace(row, torch=torch.__version__, profile=profile.name) for row in rows]
    write(results.measurements, Measurement, rows)
    curves = [
        CurvePoint(name, **asdict(step))
        for name, run in chosen.items()
        if run.train and not results.missing(name)
        if not profile.final or results.finished(name).exists()
        for step in read_rows(results.train(name) / "curve.csv", TrainingStep)
    ]
    write(results.curves, CurvePoint, curves)
    write_text(results.environment, json.dumps(environment(profile), indent=1) + "\n")


if __name__ == "__main__":
    run_stage("collect", main)
