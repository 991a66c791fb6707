"""Recordings as JSON lines: one file per device and run, checked on reading."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import msgspec

from benchmark.results import RUNTIME
from benchmark.timing.recording import Burst, Recording, Samples
from benchmark.trouble import reading, write_text

VERSION = 1  # of the protocol; recordings of another version are measured again
# Names of fields whose keys on disk are older.
ON_DISK = {
    "started": "began",
    "position": "order",
    "first_call_ms": "first_ms",
    "end_to_end": "moved",
    "accuracy": "answer",
    "other_processes": "others",
}
OF_PAIRS = ("anchor", "turns", "calls")  # fields that only recordings of pairs have on disk


def slug(device: str) -> str:
    """Turn a device's name into a folder's.

    >>> slug("NVIDIA H100 80GB HBM3")
    'nvidia-h100-80gb-hbm3'
    """
    return re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")


def path(device: str, run: str, folder: Path = RUNTIME) -> Path:
    """Return the file of a run's recordings on a device."""
    return folder / slug(device) / f"{run}.jsonl"


def dump(recording: Recording) -> str:
    """Write one line of JSON; times are kept to 0.1 microseconds, errors of restored images exactly."""
    entry = rounded(asdict(recording)) | {"accuracy": recording.accuracy}
    if recording.kind != "pair":
        entry = {name: value for name, value in entry.items() if name not in OF_PAIRS}
    entry = {ON_DISK.get(name, name): value for name, value in entry.items()}
    return json.dumps({"version": VERSION, **entry}, separators=(",", ":"))


def rounded(value: Any) -> Any:
    """Round floats in nested lists and dicts to four decimals."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return value


def load(line: str, place: str) -> Recording:
    """Read a recording from its line.

    Raises:
        ValueError: it is not a recording of this version; the message names place, field and allowed values.
    """
    try:
        entry: Any = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"{place}: not a recording ({error})") from None
    version = entry.pop("version", None) if isinstance(entry, dict) else None
    if version != VERSION:
        raise ValueError(f"{place}: not a recording (version {version}; allowed: {VERSION})")
    for part, kind in ((entry, Recording), (entry.get("samples"), Samples), (entry.get("burst"), Burst)):
        allowed = [ON_DISK.get(f.name, f.name) for f in fields(kind)]
        if unknown := [key for key in part if key not in allowed] if isinstance(part, dict) else []:
            raise ValueError(f"{place}: unknown field {unknown[0]!r}; allowed: {', '.join(allowed)}")
    names = {key: name for name, key in ON_DISK.items()}
    try:
        return msgspec.convert({names.get(key, key): value for key, value in entry.items()}, Recording)
    except msgspec.ValidationError as error:
        message, _, field = str(error).replace("`", "").partition(" - at $")
        text = f"{field.lstrip('.')}: {message}" if field else message
        text = re.sub(r"^\w+", lambda name: ON_DISK.get(name[0], name[0]), text)
        raise ValueError(f"{place}: {text}") from None


def read(folder: Path = RUNTIME) -> Iterator[Recording]:
    """Read every recording, by device, then run, in the order they were made.

    Raises:
        ValueError: a line is not a recording; the message names file and line.
    """
    for file in sorted(folder.glob("*/*.jsonl")):
        with reading(file, "recordings"):
            lines = file.read_text(encoding="utf-8-sig").splitlines()
        for number, line in enumerate(lines, 1):
            yield load(line, f"{file}, line {number}")


def write(recordings: Iterable[Recording], file: Path) -> None:
    """Write a run's recordings through a draft, so that an interruption loses none."""
    write_text(file, "".join(f"{dump(recording)}\n" for recording in recordings))
