"""Stage collect: per-image values, counts and curves -> the committed tables; the one place that averages."""

import importlib.metadata
import json
import platform
from collections.abc import Iterator
from dataclasses import asdict

import torch

from benchmark import nets, spec
from benchmark.data import selection
from benchmark.measure import aggregate
from benchmark.metrics import _pyiqa
from benchmark.results import COMPLEXITY, Results
from benchmark.results.legacy import Measurement, columns, read, write
from benchmark.training.validation import Validator
from pipelines import run_stage

UNITS = {"params": "1", "macs_256": "MAC", "macs_720p": "MAC"}
PACKAGES = ("torch", "torchvision", "numpy", "pillow", "scikit-image", "fvcore", "pyiqa", "dvc")


def counts(profile: spec.Profile, runs: dict[str, spec.Run]) -> Iterator[Measurement]:
    """Parameters and MACs of the full networks."""
    for row in read(COMPLEXITY):
        if row["run"] in runs:
            for quantity, unit in UNITS.items():
                note = f"not counted: {row['uncounted']}" if quantity != "params" and row["uncounted"] else ""
                yield Measurement(
                    row["run"],
                    "",
                    quantity,
                    row[quantity],
                    unit,
                    1,
                    "",
                    torch.__version__,
                    profile.name,
                    note,
                )


def means(profile: spec.Profile, runs: dict[str, spec.Run]) -> Iterator[Measurement]:
    """A test set's value under each metric, with the spread between its images in the note."""
    known = aggregate.quantities()
    for (name, dataset, quantity), found in aggregate.values(Results(profile.name)).items():
        recipe = runs[name].train
        value, note = aggregate.pooled(found, known[quantity])
        cuts = profile.at(runs[name]).cuts(recipe) if recipe else []
        record = Results(profile.name).train(name) / "record.json"
        notes = json.loads(record.read_text(encoding="utf-8"))["notes"]
        yield Measurement(
            name,
            dataset,
            quantity,
            value,
            known[quantity].unit,
            len(found),
            nets.device_name(),
            torch.__version__,
            profile.name,
            "; ".join(filter(None, [note, *cuts, *notes])),
        )


def absent(profile: spec.Profile, runs: dict[str, spec.Run]) -> Iterator[Measurement]:
    """Perceptual metrics that the profile asks for and that could not be had: no value, and why."""
    found = aggregate.values(Results(profile.name))
    missing = [name for name in profile.perceptual if not any(name == key[2] for key in found)]
    _, reasons = _pyiqa.available(missing)
    for name, run in runs.items():
        for dataset in [profile.data] if profile.data else run.test_on:
            for quantity, reason in reasons.items():
                unit = _pyiqa.entry(quantity).quantity.unit
                where = (nets.device_name(), torch.__version__, profile.name)
                yield Measurement(name, dataset, quantity, "", unit, 0, *where, reason)


def floor(profile: spec.Profile, runs: dict[str, spec.Run]) -> float | None:
    """PSNR of the blurred input on the crops that the validation curves are about."""
    still = next((run for run in runs.values() if run.train is None), None)
    if still is None:
        return None
    validate = Validator(selection.pairs(profile, still.test_on[0], "test"), spec.Normalise())
    return round(validate(nets.build(still).to(nets.device()), 0), 6)


def environment(profile: spec.Profile) -> dict[str, object]:
    """What the numbers were made on."""
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
    rows = [*counts(profile, chosen), *means(profile, chosen), *absent(profile, chosen)]
    write(results.measurements, columns(Measurement), map(asdict, rows))
    curves = (
        {"run": name, **row}
        for name, run in chosen.items()
        if run.train
        for row in read(results.train(name) / "curve.csv")
    )
    write(results.curves, ["run", "step", "lr", "loss", "psnr"], curves)
    facts = {**environment(profile), "validation_floor": floor(profile, chosen)}
    results.environment.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run_stage("collect", main)
