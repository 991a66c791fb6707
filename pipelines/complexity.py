"""Stage complexity: every run's full network -> parameters and MACs, whatever the profile cuts."""

from collections.abc import Iterator
from dataclasses import asdict

from benchmark import nets, spec
from benchmark.measure.complexity import Complexity, count
from benchmark.results import COMPLEXITY, columns, write
from pipelines import pool


def rows() -> Iterator[Complexity]:
    """One row per run; runs with the same network share one count."""
    counted: dict[str, Complexity] = {}
    for name, run in spec.load()[1].items():
        key = f"{run.model} {sorted(run.config.items())}"
        if key not in counted:
            counted[key] = count(name, nets.build(run))
        yield Complexity(**{**asdict(counted[key]), "run": name})


def main() -> None:
    """Write results/complexity.csv."""
    write(COMPLEXITY, columns(Complexity), map(asdict, rows()))


if __name__ == "__main__":
    pool.run("complexity", main)
