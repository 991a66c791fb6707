"""Stage doctor: every real dataset that is at hand -> its verdicts, one row per split.

A split that is not at hand keeps the row of an earlier look, and with it the evidence.
"""

from dataclasses import asdict

from benchmark import plugins
from benchmark.data import health
from benchmark.data.health import KEPT, Health, line, real
from benchmark.results import DATASETS
from benchmark.results.legacy import columns, read, write
from pipelines import run_stage


def main() -> None:
    """Look at every real set, print a line for each, and write the table."""
    earlier = read(DATASETS) if DATASETS.exists() else []
    found = {(row["dataset"], row["split"]): row for row in earlier if row["verdict"] != "absent"}
    table: list[dict[str, object]] = []
    for dataset in filter(None, map(real, plugins.names("datasets"))):
        rows = health.look(dataset, KEPT)
        kept = {row: found.get((row.dataset, row.split)) for row in rows if row.verdict == "absent"}
        stays = "; what an earlier look found stays" if any(kept.values()) else ""
        print(f"{line(rows)}{stays}", flush=True)
        table += [{**(kept.get(row) or asdict(row))} for row in rows]
    write(DATASETS, columns(Health), table)


if __name__ == "__main__":
    run_stage("doctor", main)
