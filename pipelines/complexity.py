"""Stage complexity: every run's full network -> parameters and MACs, whatever the profile cuts."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace

import torch
from tqdm import tqdm

from benchmark import nets, spec
from benchmark.measure.complexity import Complexity, count
from benchmark.results import COMPLEXITY, columns, write
from pipelines import pool


def one(run: spec.Run) -> Complexity:
    """The count of one run's full network."""
    torch.set_num_threads(1)
    return count(run.name, nets.build(run))


def rows() -> Iterator[Complexity]:
    """One row per run; runs with the same network share one count."""
    runs = spec.load()[1].values()
    first = {network(run): run for run in reversed(runs)}
    processes, _ = pool.workers(len(first))
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as workers:
        counts = tqdm(
            workers.map(one, first.values()), "complexity", len(first), unit="network", disable=None
        )
        counted = dict(zip(first, counts, strict=True))
    for run in runs:
        yield replace(counted[network(run)], run=run.name)


def network(run: spec.Run) -> str:
    """The same for runs with the same network."""
    return f"{run.model} {sorted(run.config.items())}"


def main() -> None:
    """Write results/complexity.csv."""
    write(COMPLEXITY, columns(Complexity), map(asdict, rows()))


if __name__ == "__main__":
    pool.run("complexity", main)
