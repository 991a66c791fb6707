"""Stage doctor: examine every real dataset and write its verdicts, one row per split.

A split without images on this machine keeps the row of an earlier examination.
"""

import sys

from benchmark import plugins
from benchmark.data import folders, health
from benchmark.results import DATASETS, read_rows, write
from benchmark.results.schema import DatasetSplit
from pipelines import run_stage


def main() -> None:
    """Examine every real set, print a line for each, and write the table."""
    earlier = {(row.dataset, row.split): row for row in read_rows(DATASETS, DatasetSplit, optional=True)}
    for reason in folders.unusable_folders():
        print(f"doctor: {reason}", file=sys.stderr)
    table, missing = [], False
    for dataset in filter(None, map(health.real_set, plugins.names("datasets"))):
        rows = health.examine_dataset(dataset)
        kept = []
        for row in rows:
            before = earlier.get((row.dataset, row.split), row)
            kept.append(before if row.verdict == "absent" and before.verdict != "absent" else row)
        note = "; the row of an earlier examination is kept" if kept != rows else ""
        print(f"{health.summarise(rows)}{note}", flush=True)
        missing |= any(row.problems.startswith(health.NOWHERE) for row in rows)
        table += kept
    if missing:
        print(
            f"doctor: looked for sets in {', '.join(map(str, folders.data_folders()))}, and one folder below"
        )
    write(DATASETS, DatasetSplit, table)


if __name__ == "__main__":
    run_stage("doctor", main)
