"""Tables under `results/`: where each is, its columns, and how it is read and written.

paths        of the tables; dvc.yaml names the same ones
schema       the row of each table as a dataclass: columns, types, units, allowed values
ratios       the row of ratios.csv
tables       CSV to checked rows or pandas frames and back
provenance   fingerprints: whether a result still holds
"""

from benchmark.results.paths import (
    AUTHORS,
    COMPLEXITY,
    DATASETS,
    PRICES,
    RATIOS,
    RUNTIME,
    STRUCTURE,
    TIMINGS,
    Results,
)
from benchmark.results.schema import Measurement
from benchmark.results.tables import read_frame, read_rows, write

__all__ = [
    "AUTHORS",
    "COMPLEXITY",
    "DATASETS",
    "PRICES",
    "RATIOS",
    "RUNTIME",
    "STRUCTURE",
    "TIMINGS",
    "Measurement",
    "Results",
    "read_frame",
    "read_rows",
    "write",
]
