"""Read a CSV table as checked rows or as a pandas frame, and write it whole or not at all."""

import csv
import io
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, fields
from math import isfinite
from pathlib import Path
from types import UnionType
from typing import Annotated, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
import numpy as np
import pandas as pd

from benchmark.spec.checked import allowed

Row = TypeVar("Row")


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


def column_names(row: type) -> list[str]:
    """Return the header of a table whose rows are this dataclass."""
    return [field.name for field in fields(row)]


def read_frame(path: Path, row: type, optional: bool = False) -> pd.DataFrame:
    """Read a table as a frame: float64 and Int64 columns with NaN and NA for empty cells, strings else.

    Args:
        path: of a CSV file with a header.
        row: the dataclass of its rows, from benchmark.results.schema.
        optional: whether a missing file is an empty table.

    Raises:
        ValueError: as `read_rows`.
    """
    return to_frame(read_rows(path, row, optional), row)


def read_rows(path: Path, row: type[Row], optional: bool = False) -> list[Row]:
    """Read a table as a list of its dataclass, every cell checked.

    Raises:
        ValueError: the file is missing (unless `optional`) or malformed, a column is missing, or a cell is
            not allowed; the message names file, line, column, value and what is allowed.
    """
    if optional and not path.exists():
        return []
    (_, header), *lines = _lines(path)
    names, hints = column_names(row), get_type_hints(row, include_extras=True)
    for name in names:
        if name not in header:
            raise ValueError(f"{path}: no column {name!r}; its columns: {', '.join(header)}")
    nullable = {name for name in names if type(None) in get_args(hints[name])}
    records = []
    for number, cells in lines:
        if len(cells) != len(header):
            raise ValueError(f"{path}, line {number}: {len(cells)} cells, but the header has {len(header)}")
        record = dict(zip(header, cells, strict=True))
        records.append({k: None if k in nullable and not record[k] else record[k] for k in names})
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


def to_frame(rows: Iterable[Row], row: type[Row]) -> pd.DataFrame:
    """Make a frame of rows, with the columns and dtypes of their dataclass."""
    frame = pd.DataFrame([asdict(entry) for entry in rows], columns=column_names(row), dtype=object)  # type: ignore[call-overload]
    dtypes = {str: "str", int: "Int64", float: "float64"}
    return frame.astype({name: dtypes[kind] for name, (kind, _) in _kinds(row).items()})


def to_rows(frame: pd.DataFrame, row: type[Row]) -> list[Row]:
    """Make rows of a frame; NaN and NA become None."""
    columns = [frame[name].astype(object).where(frame[name].notna(), None) for name in column_names(row)]
    return [row(*cells) for cells in zip(*columns, strict=True)]


def write(path: Path, row: type[Row], rows: Iterable[Row] | pd.DataFrame) -> None:
    """Write a table through a temporary file beside it, so that a reader never sees half a table.

    Raises:
        ValueError: the file cannot be written; the message names it.
    """
    frame = rows if isinstance(rows, pd.DataFrame) else to_frame(rows, row)
    kinds = _kinds(row)
    texts = {}
    for name, (kind, writer) in kinds.items():
        values = frame[name]
        if kind is str:
            texts[name] = values.astype(str).tolist()
        elif writer == "by_quantity":
            pairs = zip(frame["quantity"], values, strict=True)
            texts[name] = ["" if pd.isna(v) else by_quantity(str(q), float(v)) for q, v in pairs]
        else:
            texts[name] = ["" if pd.isna(v) else WRITERS[writer](v) for v in values]
    draft = path.with_suffix(f"{path.suffix}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("w", newline="", encoding="utf-8") as file:
            writer_ = csv.writer(file, lineterminator="\n")
            writer_.writerow(texts)
            writer_.writerows(zip(*texts.values(), strict=True))
        os.replace(draft, path)
    except OSError as error:
        raise ValueError(f"{path}: cannot be written ({error.strerror})") from None
    finally:
        if draft.is_file():
            draft.unlink()


def finite(value: float | None) -> float | None:
    """Return a finite number, or None for one that a table leaves empty."""
    return value if value is not None and isfinite(value) else None
