"""Stage complexity: count every run's full network, and measure what papers say of its layout.

A row is kept while its fingerprint (config, code of the model and of the counting, versions) stays the same.
"""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import torch
from tqdm import tqdm

from benchmark import nets, spec
from benchmark.measure import counting, structure
from benchmark.results import COMPLEXITY, STRUCTURE, provenance, read_rows, write
from benchmark.results.schema import Complexity, Structure
from pipelines import run_stage


def count(run: spec.Run) -> Complexity:
    """Count one run's full network, in a worker."""
    torch.set_num_threads(1)
    return counting.count(run.name, nets.build(run))


def fingerprint(run: spec.Run) -> str:
    """Hash all that a count depends on; runs with the same network share a fingerprint."""
    versions = {package: version(package) for package in ("torch", "fvcore")}
    code = provenance.model_code(run.model, Path(counting.__file__))
    return provenance.digest({"config": run.config, "code": code, "versions": versions})[:16]


def layout(run: spec.Run, rows: dict[tuple[str, str], Structure]) -> list[Structure]:
    """Measure what sentences say of a run's layout, unless that is done."""
    code = provenance.model_code(run.model, Path(structure.__file__))
    mark = provenance.digest({"config": run.config, "code": code, "torch": version("torch")})[:16]
    known = {says: rows.get((run.name, says)) for says in run.structure}
    if all(r and (r.measurement, r.fingerprint) == (run.structure[s], mark) for s, r in known.items()):
        return [row for row in known.values() if row]
    with torch.device("meta"):
        net = nets.build(run)
    return [Structure(run.name, s, m, structure.measure(net, m), mark) for s, m in run.structure.items()]


def main() -> None:
    """Write results/complexity.csv and structure.csv; runs with the same network share one count."""
    runs = spec.load()[1]
    old = {(row.run, row.says): row for row in read_rows(STRUCTURE, Structure, optional=True)}
    write(STRUCTURE, Structure, [row for run in runs.values() for row in layout(run, old)])
    fingerprints = {name: fingerprint(run) for name, run in runs.items()}
    rows = {row.fingerprint: row for row in read_rows(COMPLEXITY, Complexity, optional=True)}
    new = {mark: runs[name] for name, mark in reversed(fingerprints.items()) if mark not in rows}
    processes = min(len(os.sched_getaffinity(0)), len(new) or 1)
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as workers:
        counts = tqdm(workers.map(count, new.values()), "complexity", len(new), unit="network", disable=None)
        rows |= dict(zip(new, counts, strict=True))
    write(COMPLEXITY, Complexity, [replace(rows[m], run=n, fingerprint=m) for n, m in fingerprints.items()])


if __name__ == "__main__":
    run_stage("complexity", main)
