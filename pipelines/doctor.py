"""Stage doctor: every real dataset that is at hand -> its verdicts, one row per split.

A split that is not at hand keeps the row of an earlier look, and with it the evidence.
"""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from benchmark import doctor, plugins
from benchmark.doctor import Health
from benchmark.realset import RealSet
from benchmark.results import DATASETS, columns, read, write
from pipelines import pool

KEPT = Path("data/doctor")  # what a look at every file found


def real(name: str) -> RealSet | None:
    """The real set of a dataset's file; None for one that is made here."""
    found: RealSet | None = getattr(plugins.load("datasets", name), "SET", None)
    return found


def line(rows: Iterable[Health]) -> str:
    """The verdicts on one dataset.

    >>> line([Health("gopro", "test", "partial", 10, 1111, 6, 11, "linear", "", "", "10 of 1,111 pairs")])
    'gopro: test partial, 10 of 1,111'
    """
    rows = list(rows)
    said = [
        f"{row.split} {row.verdict}, {row.images:,} of {row.expected:,}"
        + (f" ({row.problems})" if row.verdict == "broken" else "")
        for row in rows
    ]
    return f"{rows[0].dataset}: {'; '.join(said)}"


def main() -> None:
    """Look at every real set, print a line for each, and write the table."""
    earlier = read(DATASETS) if DATASETS.exists() else []
    found = {(row["dataset"], row["split"]): row for row in earlier if row["verdict"] != "absent"}
    table: list[dict[str, object]] = []
    for dataset in filter(None, map(real, plugins.names("datasets"))):
        rows = doctor.look(dataset, KEPT)
        kept = {row: found.get((row.dataset, row.split)) for row in rows if row.verdict == "absent"}
        stays = "; what an earlier look found stays" if any(kept.values()) else ""
        print(f"{line(rows)}{stays}", flush=True)
        table += [{**(kept.get(row) or asdict(row))} for row in rows]
    write(DATASETS, columns(Health), table)


if __name__ == "__main__":
    pool.run("doctor", main)
