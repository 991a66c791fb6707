"""Stage collect: per-image values, counts and curves -> the committed tables; the one place that averages."""

import importlib.metadata
import json
import math
import platform
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict

import torch

from benchmark import nets, perceptual, plugins, spec
from benchmark.results import COMPLEXITY, Measurement, Results, columns, read, write
from pipelines import data, pool, train

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
    known = quantities()
    for (name, dataset, quantity), found in values(Results(profile.name)).items():
        recipe = runs[name].train
        value, note = pooled(found, known[quantity])
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
    found = values(Results(profile.name))
    missing = [name for name in profile.perceptual if not any(name == key[2] for key in found)]
    _, reasons = perceptual.available(missing)
    for name, run in runs.items():
        for dataset in [profile.data] if profile.data else run.test_on:
            for quantity, reason in reasons.items():
                unit = perceptual.entry(quantity).quantity.unit
                where = (nets.device_name(), torch.__version__, profile.name)
                yield Measurement(name, dataset, quantity, "", unit, 0, *where, reason)


def quantities() -> dict[str, spec.Quantity]:
    """What each column of numbers means: the files in metrics/, and the perceptual metrics."""
    files = (plugins.load("metrics", name).QUANTITY for name in plugins.names("metrics"))
    offered = (perceptual.entry(name).quantity for name in perceptual.names())
    return {quantity.name: quantity for quantity in (*offered, *files)}


def values(results: Results) -> dict[tuple[str, str, str], list[float]]:
    """Per-image values by run, dataset and quantity."""
    found: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for row in read(results.quality):
        found[row["run"], row["dataset"], row["quantity"]].append(float(row["value"]))
    return found


def pooled(found: list[float], quantity: spec.Quantity) -> tuple[str, str]:
    """One value of many images as its quantity pools them, and how they spread, in words.

    >>> pooled([20.0, 40.0], spec.Quantity("psnr", "dB", "higher", ""))
    ('30.000000', 'sd over images 14.1421')
    >>> pooled([0.01, 0.0001], spec.Quantity("psnr_pooled", "dB", "higher", "", pool="psnr"))
    ('22.967086', 'of the mean over images')
    """
    mean = sum(found) / len(found)
    if quantity.pool == "psnr":
        return f"{-10 * math.log10(mean) if mean else math.inf:.6f}", "of the mean over images"
    spread = math.sqrt(sum((x - mean) ** 2 for x in found) / max(1, len(found) - 1))
    return f"{mean:.6f}", f"sd over images {spread:.4f}" if len(found) > 1 else ""


def floor(profile: spec.Profile, runs: dict[str, spec.Run]) -> float | None:
    """PSNR of the blurred input on the crops that the validation curves are about."""
    still = next((run for run in runs.values() if run.train is None), None)
    if still is None:
        return None
    validate = train.Validator(data.pairs(profile, still.test_on[0], "test"), spec.Normalise())
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
    pool.run("collect", main)
