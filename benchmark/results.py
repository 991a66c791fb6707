"""Where results live, and the tables that meet there.

dvc.yaml names the same paths; tests/test_pipeline.py keeps the two equal.
"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

COMPLEXITY = Path("results/complexity.csv")
DATASETS = Path("results/datasets.csv")  # one row per real dataset and split
QUALITY = ("run", "dataset", "image", "quantity", "value")  # columns of quality.csv


@dataclass(frozen=True)
class Measurement:
    """One measured number. `value` is text, so that a row is written once and read back unchanged.

    An empty `value` is something that could not be measured; `note` says why.
    """

    run: str
    dataset: str  # empty for what does not depend on one
    quantity: str
    value: str
    unit: str
    n: int  # images, or 1
    device: str
    torch: str
    profile: str
    note: str = ""


@dataclass(frozen=True)
class Results:
    """The files of one profile, or of the authors' weights."""

    profile: str  # or "authors"
    root: Path = Path("results")

    def _at(self, *parts: str) -> Path:
        return self.root.joinpath(self.profile, *parts)

    def train(self, run: str = "") -> Path:
        """Folder of a run's weights.safetensors, curve.csv and record.json (or of all runs)."""
        return self._at("train", run)

    def images(self, run: str = "") -> Path:
        """Folder of a run's restored images (or of all runs)."""
        return self._at("images", run)

    @property
    def quality(self) -> Path:
        """One row per run, dataset, image and quantity."""
        return self._at("quality.csv")

    @property
    def measurements(self) -> Path:
        """One row per run, dataset and quantity."""
        return self._at("measurements.csv")

    @property
    def curves(self) -> Path:
        """Loss and validation PSNR of every run over its steps."""
        return self._at("curves.csv")

    @property
    def environment(self) -> Path:
        """Machine, packages and what the profile cut, as JSON."""
        return self._at("environment.json")

    @property
    def decoded(self) -> Path:
        """One row per printed column of PSNR or SSIM: the protocol it used."""
        return self._at("decoded.csv")

    @property
    def times(self) -> Path:
        """One row per printed run time: what physics and the clocks say of it."""
        return self._at("times.csv")

    @property
    def findings(self) -> Path:
        """One row per claim."""
        return self._at("findings.csv")

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self._at("report.html")


def text(value: float) -> str:
    """A number as tables hold it: six decimals, or nine digits where six decimals are few.

    >>> text(30.7738123), text(0.00083676512)
    ('30.773812', '0.00083676512')
    """
    return f"{value:.6f}" if abs(value) >= 0.1 else f"{value:.9g}"


def write(path: Path, header: Iterable[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write rows as CSV through a temporary file, so that a reader never sees half a table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(path.suffix + ".part")
    with draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(header), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    draft.replace(path)


def read(path: Path) -> list[dict[str, str]]:
    """All rows of a CSV, every cell as text.

    Raises:
        ValueError: the file is missing; the message says which stage makes it.
    """
    if not path.exists():
        raise ValueError(f"{path}: not there yet; `dvc repro` makes it")
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def columns(kind: type) -> list[str]:
    """The header of a table whose rows are this dataclass."""
    return [f.name for f in fields(kind)]
