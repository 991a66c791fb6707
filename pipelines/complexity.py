"""Stage complexity: every run's full network -> parameters and MACs, whatever the profile cuts.

A row is kept while its fingerprint (config, code of the model and of the counting, versions) is what it was.
"""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from benchmark import nets, spec
from benchmark.measure import counting
from benchmark.measure.counting import Complexity, count
from benchmark.results import COMPLEXITY, provenance
from benchmark.results.legacy import columns, read, write
from benchmark.training import pool
from pipelines import run_stage

HEADER = [*columns(Complexity), "fingerprint"]


def one(run: spec.Run) -> Complexity:
    """The count of one run's full network."""
    torch.set_num_threads(1)
    return count(run.name, nets.build(run))


def fingerprint(run: spec.Run) -> str:
    """A hash of all that a count depends on; the same for runs with the same network."""
    versions = {package: version(package) for package in ("torch", "fvcore")}
    made_by = {
        "config": run.config,
        "code": provenance.model_code(run.model, Path(counting.__file__)),
        "versions": versions,
    }
    return provenance.digest(made_by)[:16]


def rows() -> Iterator[dict[str, Any]]:
    """One row per run; runs with the same network share one count."""
    runs = spec.load()[1]
    marks = {name: fingerprint(run) for name, run in runs.items()}
    old = read(COMPLEXITY) if COMPLEXITY.exists() else []
    known = {row["fingerprint"]: row for row in old if row.keys() == set(HEADER)}
    new = {mark: runs[name] for name, mark in reversed(marks.items()) if mark not in known}
    processes, _ = pool.workers(len(new) or 1)
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as workers:
        counts = tqdm(workers.map(one, new.values()), "complexity", len(new), unit="network", disable=None)
        counted = {mark: asdict(made) for mark, made in zip(new, counts, strict=True)}
    for name, mark in marks.items():
        yield (known | counted)[mark] | {"run": name, "fingerprint": mark}


def main() -> None:
    """Write results/complexity.csv."""
    write(COMPLEXITY, HEADER, list(rows()))


if __name__ == "__main__":
    run_stage("complexity", main)
