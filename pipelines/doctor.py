"""Stage doctor: examine every real dataset and write its verdicts, one row per split.

A split without images on this machine keeps the row of an earlier examination.
"""

from benchmark import plugins
from benchmark.data import health
from benchmark.results import DATASETS, read_rows, write
from benchmark.results.schema import DatasetSplit
from pipelines import run_stage


def main() -> None:
    """Examine every real set, print a line for each, and write the table."""
    earlier = {(row.dataset, row.split): row for row in read_rows(DATASETS, DatasetSplit, optional=True)}
    table = []
    for dataset in filter(None, map(health.real_set, plugins.names("datasets"))):
        rows = health.examine_dataset(dataset)
        kept = []
        for row in rows:
            before = earlier.get((row.dataset, row.split), row)
            kept.append(before if row.verdict == "absent" and before.verdict != "absent" else row)
        note = "; the row of an earlier examination is kept" if kept != rows else ""
        print(f"{health.summarise(rows)}{note}", flush=True)
        table += kept
    write(DATASETS, DatasetSplit, table)


if __name__ == "__main__":
    run_stage("doctor", main)
