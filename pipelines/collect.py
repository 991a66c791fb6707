"""Stage collect: per-image values, counts and curves -> the committed tables; the one place that averages."""

import importlib.metadata
import json
import math
import platform
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict

import torch

from benchmark import nets, plugins, spec
from benchmark.results import COMPLEXITY, Measurement, Results, columns, read, write
from pipelines import data, pool, train

UNITS = {"params": "1", "macs_256": "MAC", "macs_720p": "MAC"}
PACKAGES = ("torch", "torchvision", "numpy", "pillow", "scikit-image", "fvcore", "dvc")


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
    """Mean over a test set's images, with the spread between them in the note."""
    values: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for row in read(Results(profile.name).quality):
        values[row["run"], row["dataset"], row["quantity"]].append(float(row["value"]))
    units = {name: plugins.load("metrics", name).QUANTITY.unit for name in plugins.names("metrics")}
    for (name, dataset, quantity), found in values.items():
        recipe = runs[name].train
        mean = sum(found) / len(found)
        spread = math.sqrt(sum((x - mean) ** 2 for x in found) / max(1, len(found) - 1))
        note = f"sd over images {spread:.4f}"
        cuts = profile.at(runs[name]).cuts(recipe) if recipe else []
        record = Results(profile.name).train(name) / "record.json"
        notes = json.loads(record.read_text(encoding="utf-8"))["notes"]
        yield Measurement(
            name,
            dataset,
            quantity,
            f"{mean:.6f}",
            units[quantity],
            len(found),
            nets.device_name(),
            torch.__version__,
            profile.name,
            "; ".join([note, *cuts, *notes]),
        )


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
    rows = [*counts(profile, chosen), *means(profile, chosen)]
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
