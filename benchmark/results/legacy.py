"""Tables as text: what is left of the old interface until every table is read through `schema`."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

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
