"""What one timing process leaves behind: a recording with every raw sample, one line of a JSON file.

Nothing here is judged: verdicts are made from recordings by `analyse`, again whenever somebody asks, on any
machine. Times are milliseconds, as floats; moments are seconds since the first sample began.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields
from math import inf
from pathlib import Path
from typing import Any

from benchmark import spec
from benchmark.timing.rules import RULES

VERSION = 1  # of the protocol; recordings of another one are measured again
FOLDER = Path("results/runtime")
KINDS = ("forward", "step", "ceiling")  # a network restores; a recipe trains; the device alone


@dataclass(frozen=True)
class Mode:
    """The declared axes of a measurement: none of them is left to a library's default."""

    name: str
    about: str
    dtype: str = "float32"  # or float16, bfloat16: under autocast
    tf32: bool = False  # convolutions and matrix products in TensorFloat-32
    layout: str = "nchw"  # or channels_last
    search: bool = False  # cudnn.benchmark: convolution algorithms are tried, not guessed
    launch: str = "eager"  # or graph (a replayed CUDA graph), compiled (torch.compile, then a graph)
    cold: bool = False  # the L2 cache is emptied before every sample


MODES = {
    mode.name: mode
    for mode in (
        Mode("strict", "plain eager float32, as the papers' formulas are"),
        Mode("tf32", "eager float32 whose convolutions may use TensorFloat-32", tf32=True),
        Mode("cold", "strict, from an empty L2 cache", cold=True),
        Mode("channels_last", "strict, with channels last in memory", layout="channels_last"),
        Mode(
            "fast",
            "what a user would choose: float16, channels last, searched algorithms, a replayed CUDA graph",
            dtype="float16",
            tf32=True,
            layout="channels_last",
            search=True,
            launch="graph",
        ),
        Mode(
            "fast_bf16",
            "fast, in bfloat16",
            dtype="bfloat16",
            tf32=True,
            layout="channels_last",
            search=True,
            launch="graph",
        ),
        Mode(
            "compiled",
            "fast, compiled first",
            dtype="float16",
            tf32=True,
            layout="channels_last",
            search=True,
            launch="compiled",
        ),
    )
}
USUAL = {"cuda": ("strict", "tf32", "fast"), "cpu": ("strict", "channels_last")}  # by kind of device


@dataclass(frozen=True)
class State:
    """What the device said of itself at a moment (NVML, read only); 0 is what it does not tell."""

    at: float  # s since the first sample began
    sm_mhz: float
    memory_mhz: float
    celsius: float
    watts: float
    reasons: int  # nvmlClocksEventReasons, a bit mask


@dataclass(frozen=True)
class Samples:
    """What the sampling loop saw. Clocks that a device does not have are empty."""

    warm: tuple[float, ...]  # wall ms of each warm-up call
    settled: bool  # whether the warm-up ended because times stood still, not because time was up
    at: tuple[float, ...]  # s since the first sample began, of each sample's begin
    wall: tuple[float, ...]  # synchronised before and after
    asynchronous: tuple[float, ...] = ()  # until the call returns: what the literature printed
    events: tuple[float, ...] = ()  # between two events on the device
    graph: tuple[float, ...] = ()  # a replayed graph, between two events
    states: tuple[State, ...] = ()
    stopped: str = "narrow"  # the interval of the median was narrow; or "time": the time was up


@dataclass(frozen=True)
class Burst:
    """Calls sent back to back, synchronised once at the end: throughput and energy."""

    calls: int
    seconds: float
    joules: float | None = None  # None: the device has no energy counter


@dataclass(frozen=True)
class Recording:
    """One process: one network (or ceiling, or training step) in one mode at one size."""

    kind: str  # one of KINDS
    run: str  # of params.yaml; a ceiling's own name
    mode: str  # one of MODES
    height: int  # pixels as asked for, before padding to the network's stride
    width: int
    batch: int
    round: int  # 1 is the first; rounds of one run are different processes
    device: str  # as its maker calls it
    kind_of_device: str  # "cuda" or "cpu"
    fingerprint: str  # of the code, config and versions that were timed
    began: str  # UTC, ISO 8601
    order: int  # its number among those that one command made
    samples: Samples
    macs: int = 0  # of one call
    traffic: int = 0  # bytes that all operators of one call read and write (measure/traffic.py)
    first_ms: float | None = None  # the very first call, with all its preparations
    moved: tuple[float, ...] = ()  # wall ms from 8-bit image on the host to 8-bit image on the host
    burst: Burst | None = None
    memory: dict[str, float] = field(default_factory=dict)  # MiB: allocated, reserved, device (peaks)
    answer: dict[str, Any] = field(default_factory=dict)  # how far the answer is from strict's
    machine: dict[str, str] = field(default_factory=dict)  # versions, driver, threads
    others: int = 0  # other processes on the device, seen before or after
    notes: tuple[str, ...] = ()  # what could not be had, in words

    @property
    def key(self) -> tuple[str, str, str, int, int, int]:
        """What is the same for all rounds of one measurement on one device."""
        return (self.kind, self.run, self.mode, self.height, self.width, self.batch)


def slug(device: str) -> str:
    """A device's name as a folder's.

    >>> slug("NVIDIA H100 80GB HBM3")
    'nvidia-h100-80gb-hbm3'
    """
    return re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")


def path(device: str, run: str, folder: Path = FOLDER) -> Path:
    """Where the recordings of a run on a device are."""
    return folder / slug(device) / f"{run}.jsonl"


def dump(recording: Recording) -> str:
    """One line of JSON; times are kept to a tenth of a microsecond, distances of answers as they are."""
    entry = rounded(asdict(recording)) | {"answer": recording.answer}
    entry["samples"]["states"] = [list(state.values()) for state in entry["samples"]["states"]]
    return json.dumps({"version": VERSION, **entry}, separators=(",", ":"))


def rounded(value: Any) -> Any:
    """Floats in nested lists and dicts, to four decimals."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return value


def load(line: str, where: str) -> Recording:
    """A recording from its line.

    Raises:
        ValueError: it is no recording of this version; the message says where and why.
    """
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where}: no recording ({error})") from None
    if not isinstance(entry, dict) or (version := entry.pop("version", None)) != VERSION:
        found = f"version {version}" if isinstance(entry, dict) else f"{line:.20}"
        raise ValueError(f"{where}: no recording ({found}, expected version {VERSION})")
    entry["samples"] = sampled(entry.get("samples"), f"{where}: samples")
    if entry.get("burst") is not None:
        entry["burst"] = spec.build(Burst, f"{where}: burst", entry["burst"])
    entry["moved"] = numbers(entry.get("moved", []), f"{where}: moved")
    entry["notes"] = tuple(listed(entry.get("notes", []), str, f"{where}: notes"))
    for name in ("memory", "answer", "machine"):
        if not isinstance(entry.get(name, {}), dict):
            raise ValueError(f"{where}: {name}: expected a mapping, got {entry[name]!r}")
    numbers(list(entry.get("memory", {}).values()), f"{where}: memory")
    if entry.get("first_ms") is not None:
        numbers([entry["first_ms"]], f"{where}: first_ms")
    for name in ("error", "psnr_change"):
        if not isinstance(entry.get("answer", {}).get(name, 0.0), int | float):
            raise ValueError(f"{where}: answer.{name}: expected a number, got {entry['answer'][name]!r}")
    made = spec.build(Recording, where, entry)
    for name, known in (("kind", KINDS), ("mode", MODES), ("kind_of_device", RULES)):
        if getattr(made, name) not in known:
            raise ValueError(f"{where}: {name} {getattr(made, name)!r}; known: {', '.join(known)}")
    return made


def sampled(entry: Any, where: str) -> Samples:
    """What the sampling loop saw, from its part of a line.

    Raises:
        ValueError: it is none; the message says where and why.
    """
    if not isinstance(entry, dict):
        raise ValueError(f"{where}: expected a mapping, got {entry!r}")
    entry = dict(entry)
    for name in ("warm", "at", "wall", "asynchronous", "events", "graph"):
        entry[name] = numbers(entry.get(name, []), f"{where}.{name}")
    count = len(entry["wall"])
    for name in ("at", "asynchronous", "events", "graph"):
        if len(entry[name]) != count and (name == "at" or entry[name]):
            raise ValueError(f"{where}.{name}: {len(entry[name])} numbers for {count} samples")
    if 0 in entry["wall"]:
        raise ValueError(f"{where}.wall: a sample took no time")
    names = [f.name for f in fields(State)]
    rows = listed(entry.get("states", []), list, f"{where}.states")
    for row in rows:
        if len(row) != len(names):
            raise ValueError(f"{where}.states: {row} is not {', '.join(names)}")
    states = (spec.build(State, f"{where}.states", dict(zip(names, row, strict=True))) for row in rows)
    entry["states"] = tuple(states)
    return spec.build(Samples, where, entry)


def listed(value: Any, kind: type, where: str) -> list[Any]:
    """A list of values of one type.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, list) or not all(isinstance(item, kind) for item in value):
        raise ValueError(f"{where}: expected a list of {kind.__name__}, got {value!s:.60}")
    return value


def numbers(value: Any, where: str) -> tuple[float, ...]:
    """A list of numbers, finite and not negative.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, list) or not all(type(x) in (int, float) and 0 <= x < inf for x in value):
        raise ValueError(f"{where}: expected numbers from 0 on, got {value!s:.60}")
    return tuple(value)


def read(folder: Path = FOLDER) -> Iterator[Recording]:
    """Every recording, by device, then run, in the order they were made.

    Raises:
        ValueError: a line is no recording; the message names file and line.
    """
    for file in sorted(folder.glob("*/*.jsonl")):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            yield load(line, f"{file}, line {number}")


def keep(recordings: Iterable[Recording], file: Path) -> None:
    """Write a run's recordings through a draft, so that nothing is lost when it is interrupted."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".part")
    draft.write_text("".join(dump(one) + "\n" for one in recordings), encoding="utf-8")
    draft.replace(file)
