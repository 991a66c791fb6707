"""Read a CSV table as checked rows or as a pandas frame, and write it whole or not at all."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
import numpy as np
import pandas as pd

from benchmark.spec.checked import allowed
from benchmark.trouble import draft

Row = TypeVar("Row")
NOTHING: Mapping[str, str] = {}


def decimal(value: float) -> str:
    """Write six decimals, or nine significant digits where six decimals are few.

    >>> decimal(30.7738123), decimal(0.00083676512)
    ('30.773812', '0.00083676512')
    """
    return f"{value:.6f}" if abs(value) >= 0.1 else f"{value:.9g}"


def significant(value: float) -> str:
    """Write six significant digits, never with an exponent.

    >>> significant(1415.23456), significant(0.00083676512), significant(30.0)
    ('1415.23', '0.000836765', '30')
    """
    return np.format_float_positional(value, precision=6, fractional=False, trim="-")


def general(value: float) -> str:
    """Write at most ten significant digits.

    >>> general(31.2), general(1.76004e12), general(1e-7)
    ('31.2', '1.76004e+12', '1e-07')
    """
    return f"{value:.10g}"


def whole(value: float) -> str:
    """Write a whole number.

    >>> whole(4724196480000.0)
    '4724196480000'
    """
    return f"{value:.0f}"


WRITERS: dict[str, Callable[[float], str]] = {
    "decimal": decimal,
    "significant": significant,
    "general": general,
    "whole": whole,
    "shortest": lambda value: repr(float(value)),
    "four": lambda value: f"{value:.4f}",
}


def by_quantity(quantity: str, value: float) -> str:
    """Write a value as its quantity is written everywhere: counts whole, qualities with six decimals.

    >>> by_quantity("params", 1808131.0), by_quantity("psnr", 0.05), by_quantity("setting.lr", 1e-4)
    ('1808131', '0.050000', '0.0001')
    """
    kind = quantity.split(".")[0].split("_")[0]
    if kind in ("params", "macs", "size"):
        return whole(value)
    if kind == "setting":
        return general(value)
    return decimal(value) if kind == "seconds" else f"{value:.6f}"


def read_frame(path: Path, row: type[Any], optional: bool = False) -> pd.DataFrame:
    """Read a table as a frame: float64 and Int64 columns with NaN and NA for empty cells, strings else.

    Args:
        path: of a CSV file with a header.
        row: the dataclass of its rows, from benchmark.results.schema.
        optional: whether a missing file is an empty table.

    Raises:
        ValueError: as `read_rows`.
    """
    kinds, dtypes = _kinds(row), {str: "str", int: "Int64", float: "float64"}
    cells = [asdict(entry) for entry in read_rows(path, row, optional)]
    frame = pd.DataFrame(cells, columns=list(kinds), dtype=object)
    return frame.astype({name: dtypes[kind] for name, (kind, _) in kinds.items()})


def read_rows(
    path: Path, row: type[Row], optional: bool = False, defaults: Mapping[str, str] = NOTHING
) -> list[Row]:
    """Read a table as a list of its dataclass, every cell checked.

    Args:
        path: of a CSV file with a header.
        row: the dataclass of its rows, from benchmark.results.schema.
        optional: whether a missing file is an empty table.
        defaults: columns that the file may lack, and what their cells are then.

    Raises:
        ValueError: the file is missing (unless `optional`) or malformed, a column is missing, or a cell is
            not allowed; the message names file, line, column, value and what is allowed.
    """
    if optional and not path.exists():
        return []
    (_, header), *lines = _lines(path)
    hints = get_type_hints(row, include_extras=True)
    for name in header:
        if name and header.count(name) > 1:
            raise ValueError(f"{path}: {header.count(name)} columns {name!r}; allowed: one")
    for name in hints:
        if name not in header and name not in defaults:
            raise ValueError(f"{path}: no column {name!r}; its columns: {', '.join(header)}")
    nullable = {name for name, hint in hints.items() if NoneType in get_args(hint)}
    numbers = [name for name, (kind, _) in _kinds(row).items() if kind is float]
    records = []
    for number, cells in lines:
        if len(cells) != len(header):
            raise ValueError(f"{path}, line {number}: {len(cells)} cells, but the header has {len(header)}")
        record = {**defaults, **dict(zip(header, cells, strict=True))}
        for name in numbers:
            if "nan" in record[name].lower():  # which is a float, but no number
                values = allowed(hints[name], "an empty cell")
                raise ValueError(f"{path}, line {number}: {name} {record[name]!r}; allowed: {values}")
        records.append({k: None if k in nullable and not record[k] else record[k] for k in hints})
    try:
        return msgspec.convert(records, list[row], strict=False)  # type: ignore[valid-type]
    except msgspec.ValidationError as error:
        # A record has all keys, so that only a cell can be wrong.
        index, column = re.findall(r"\$\[(\d+)\]\.(\w+)", str(error))[0]
        value, values = records[int(index)][column], allowed(hints[column], "an empty cell")
        number, _ = lines[int(index)]
        raise ValueError(f"{path}, line {number}: {column} {value!r}; allowed: {values}") from None


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """Read a CSV file as line numbers and cells of text, the header first; blank lines are left out.

    Raises:
        ValueError: it cannot be read, is empty, holds a merge conflict, or separates cells by semicolons.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        lines = [(reader.line_num, cells) for cells in reader if cells]
    except FileNotFoundError:
        raise ValueError(f"{path}: does not exist yet; `dvc repro` makes it") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: cannot be read as a UTF-8 CSV file ({error})") from None
    for number, cells in lines:
        if re.match("<{7}|={7}|>{7}", cells[0]):
            raise ValueError(f"{path}, line {number}: a merge-conflict marker; resolve the conflict first")
    if not lines:
        raise ValueError(f"{path}: is empty; its first line must name the columns")
    if len(lines[0][1]) == 1 and ";" in lines[0][1][0]:
        raise ValueError(f"{path}: its cells are separated by ';'; save it with ',' as separator")
    return lines


def _kinds(row: type) -> dict[str, tuple[type, str]]:
    """Return each column's Python type (str, int or float) and its writer's name."""
    kinds: dict[str, tuple[type, str]] = {}
    for name, hint in get_type_hints(row, include_extras=True).items():
        parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        kinds[name] = (str, "")
        for part in parts:
            base = get_args(part)[0] if get_origin(part) is Annotated else part
            if base in (int, float):
                extras = [meta.extra for meta in getattr(part, "__metadata__", ()) if meta.extra]
                kinds[name] = (base, extras[0]["written"] if extras else "whole")
    return kinds


def write(path: Path, row: type[Row], rows: Iterable[Row]) -> None:
    """Write a table through a temporary file beside it, so that a reader never sees half a table.

    Raises:
        ValueError: the file cannot be written; the message names it.
    """
    kinds = _kinds(row)
    with draft(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(kinds)
        lines.writerows([_text(entry, name, *kind) for name, kind in kinds.items()] for entry in rows)


def _text(entry: Any, name: str, kind: type, writer: str) -> str:
    """Write one cell of a row."""
    value = getattr(entry, name)
    if kind is str:
        return str(value)
    if pd.isna(value):
        return ""
    return by_quantity(entry.quantity, value) if writer == "by_quantity" else WRITERS[writer](value)


def finite(value: float | None) -> float | None:
    """Return a finite number, or None for one that a table leaves empty."""
    return value if value is not None and isfinite(value) else None
