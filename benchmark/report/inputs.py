"""Everything the page is made from, read once. A missing file is an empty table, a malformed one an error."""

import csv
import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar, cast

from benchmark import claims, spec
from benchmark.compare import physics
from benchmark.compare.decode import VERDICTS as DECODED
from benchmark.compare.decode import Decoded
from benchmark.compare.findings import VERDICTS, Finding
from benchmark.compare.times import RESEMBLES, Timed
from benchmark.results import COMPLEXITY, DATASETS, Results, legacy
from benchmark.results.legacy import Measurement
from benchmark.timing import judge
from benchmark.timing.analyse import Timing
from benchmark.timing.prices import Price
from benchmark.timing.record import FOLDER, KINDS, MODES

Row = TypeVar("Row")
Key = tuple[str, str, str]  # run, dataset, quantity
TIMED = (  # columns of numbers
    "seconds",
    "macs_printed",
    "macs_counted",
    "floor_s",
    "least_s",
    "memory_s",
    "eager_memory_s",
    "of_peak",
    "largest_share",
    "claimed_ratio",
    "macs_ratio",
    "measured_s",
    "measured_ratio",
    "asynchronous_ratio",
)
WORDS = {"device", "kind", "run", "mode", "verdict", "reason", "sm_mhz", "against", "torch", "fingerprint"}
TIMING = tuple(name for name in legacy.columns(Timing) if name not in WORDS)
PRICE = tuple(name for name in legacy.columns(Price) if name not in WORDS)
SIGNED = {"psnr_change"}  # what may be below 0, of run times
STATES = ("complete", "partial", "broken", "absent")  # of a dataset's split
COUNTS = ("params", "macs_256", "macs_720p", "macs_720p_torch", "macs_720p_deformable", "traffic_720p")


@dataclass(frozen=True)
class Curve:
    """One run's training: loss at some steps, validation PSNR at fewer."""

    steps: tuple[int, ...]
    losses: tuple[float, ...]
    checks: tuple[int, ...]
    psnrs: tuple[float, ...]

    @property
    def relative(self) -> tuple[float, ...]:
        """Losses over the first one, so that all runs share a unit; never 0, for a logarithmic axis."""
        return tuple(max(loss / (self.losses[0] or 1.0), 1e-6) for loss in self.losses)


@dataclass(frozen=True)
class Counted:
    """One row of complexity.csv."""

    counts: dict[str, int]
    uncounted: str


@dataclass(frozen=True)
class Checked:
    """One row of datasets.csv: a split of a real dataset, as the doctor found it."""

    dataset: str
    split: str
    verdict: str  # one of STATES
    images: int
    expected: int  # 0: no official number
    sequences: int
    expected_sequences: int
    response: str
    digest: str
    source: str
    problems: str


@dataclass(frozen=True)
class Source:
    """A file the page was made from; an empty digest says that it is not there."""

    name: str
    digest: str


@dataclass(frozen=True)
class Inputs:
    """All tables, typed; those whose file is missing are empty."""

    profile: spec.Profile
    runs: dict[str, spec.Run]  # every run of params.yaml, in its order
    papers: list[claims.Paper]
    results: Results
    data: Path
    complexity: dict[str, Counted]
    measurements: dict[Key, Measurement]
    images: dict[Key, dict[str, float]]  # value of each image
    curves: dict[str, Curve]
    findings: list[Finding]
    authors: dict[Key, Measurement]  # with published weights, on real images
    decoded: list[Decoded]
    checked: list[Checked]
    environment: dict[str, Any]
    times: list[Timed]  # printed run times, held against the laws of physics
    timings: list[Timing]
    prices: list[Price]
    clocked: tuple[physics.Clocked, ...]  # cards by their names: published measurements with both clocks
    sources: tuple[Source, ...]

    @property
    def chosen(self) -> dict[str, spec.Run]:
        """The runs that the profile trains and measures."""
        return self.profile.of(self.runs)

    @property
    def blurred(self) -> str:
        """The run with nothing to train: the blurred input, every other run's floor."""
        return next((name for name, run in self.runs.items() if run.train is None), "")

    def dataset(self, claimed: str | None) -> str:
        """Where the profile measures what a paper claims on `claimed`."""
        return self.profile.data or claimed or ""

    def mean(self, run: str, dataset: str, quantity: str) -> float | None:
        """A measured mean, None when there is none."""
        row = self.measurements.get((run, dataset, quantity))
        return float(row.value) if row and row.value else None

    def total(self, dataset: str) -> int:
        """Images of a real dataset's official test set; 0 when the doctor does not know it."""
        found = (one.expected for one in self.checked if (one.dataset, one.split) == (dataset, "test"))
        return next(found, 0)

    def cut(self) -> bool:
        """Whether the profile changes what a paper did, so that its quality numbers prove nothing."""
        cuts = (self.profile.at(run).cuts(run.train) for run in self.chosen.values() if run.train)
        return bool(self.profile.data) or any(cuts)


def rows(path: Path, columns: Iterable[str]) -> list[dict[str, str]]:
    """All rows of a CSV; none when there is no such file.

    Raises:
        ValueError: a column is missing or a row has too few or too many cells.
    """
    if not path.exists():
        return []
    try:
        found = legacy.read(path)
    except (csv.Error, UnicodeDecodeError, OSError) as error:
        raise ValueError(f"{path}: cannot be read as CSV ({error})") from None
    for index, row in enumerate(found, 1):
        for column in columns:
            if column not in row:
                raise ValueError(f"{path}: no column {column!r}; it has {', '.join(map(str, row))}")
        if None in row or None in row.values():
            raise ValueError(f"{path}, row {index}: has not as many cells as the header")
    return found


def number(path: Path, index: int, row: dict[str, str], column: str) -> float:
    """A cell as a number.

    Raises:
        ValueError: it is none; the message names file, row and column.
    """
    try:
        return float(row[column])
    except ValueError:
        raise ValueError(f"{path}, row {index}: {column} {row[column]!r} is not a number") from None


def counts(path: Path) -> dict[str, Counted]:
    """Sizes and arithmetic of each run."""
    return {
        row["run"]: Counted({key: int(number(path, i, row, key)) for key in COUNTS}, row["uncounted"])
        for i, row in enumerate(rows(path, ("run", "uncounted", *COUNTS)), 1)
    }


def measured(path: Path) -> dict[Key, Measurement]:
    """Means over a dataset, sizes and MACs."""
    header, found = legacy.columns(Measurement), {}
    for i, row in enumerate(rows(path, header), 1):
        if row["value"]:
            number(path, i, row, "value")
        entry: dict[str, Any] = {**{key: row[key] for key in header}, "n": int(number(path, i, row, "n"))}
        found[row["run"], row["dataset"], row["quantity"]] = Measurement(**entry)
    return found


def each_image(path: Path) -> dict[Key, dict[str, float]]:
    """The value of each image."""
    found: dict[Key, dict[str, float]] = defaultdict(dict)
    for i, row in enumerate(rows(path, ("run", "dataset", "image", "quantity", "value")), 1):
        found[row["run"], row["dataset"], row["quantity"]][row["image"]] = number(path, i, row, "value")
    return dict(found)


def training(path: Path) -> dict[str, Curve]:
    """Each run's curve."""
    points: dict[str, list[tuple[int, float, float]]] = defaultdict(list)
    for i, row in enumerate(rows(path, ("run", "step", "lr", "loss", "psnr")), 1):
        psnr = number(path, i, row, "psnr") if row["psnr"] else math.nan
        loss = number(path, i, row, "loss")
        if not math.isfinite(loss):
            raise ValueError(f"{path}, row {i}: loss is {loss}")
        points[row["run"]].append((int(number(path, i, row, "step")), loss, psnr))
    made = {}
    for run, found in points.items():
        steps, losses, _ = zip(*found, strict=True)
        checked = [(step, psnr) for step, _, psnr in found if math.isfinite(psnr)]
        made[run] = Curve(steps, losses, tuple(s for s, _ in checked), tuple(p for _, p in checked))
    return made


def allowed(path: Path, index: int, row: dict[str, str], column: str, known: Iterable[str]) -> None:
    """Refuse a cell that is none of the known words.

    Raises:
        ValueError: the message names file, row, column and the known words.
    """
    if row[column] not in known:
        words = ", ".join(filter(None, known))
        raise ValueError(f"{path}, row {index}: {column} {row[column]!r}; known: {words}")


def verdicts(path: Path) -> list[Finding]:
    """What `benchmark.compare` found."""
    header, found = legacy.columns(Finding), []
    for i, row in enumerate(rows(path, header), 1):
        allowed(path, i, row, "physics", ("", *physics.VERDICTS))
        allowed(path, i, row, "verdict", VERDICTS)
        allowed(path, i, row, "authors_verdict", ("", *VERDICTS))
        for column in ("claimed", "measured", "authors", "authors_n"):
            if row[column]:
                number(path, i, row, column)
        found.append(Finding(**{key: row[key] for key in header}))
    return found


def protocols(path: Path) -> list[Decoded]:
    """What `benchmark.compare.decode` inferred of each printed column."""
    header, found = legacy.columns(Decoded), []
    for i, row in enumerate(rows(path, header), 1):
        allowed(path, i, row, "verdict", DECODED)
        entry: dict[str, Any] = {**{k: row[k] for k in header}, "rows": int(number(path, i, row, "rows"))}
        found.append(Decoded(**entry))
    return found


def datasets(path: Path) -> list[Checked]:
    """What the doctor found."""
    header, found = legacy.columns(Checked), []
    for i, row in enumerate(rows(path, header), 1):
        allowed(path, i, row, "verdict", STATES)
        entry: dict[str, Any] = {key: row[key] for key in header}
        for column in ("images", "expected", "sequences", "expected_sequences"):
            entry[column] = int(number(path, i, row, column)) if row[column] else 0
        found.append(Checked(**entry))
    return found


def typed(
    path: Path, kind: type[Row], numbers: Iterable[str], words: Mapping[str, Collection[str]]
) -> list[Row]:
    """Rows of a table whose cells stay text, the cells of some columns checked; an empty cell is unknown.

    Args:
        path: A CSV.
        kind: The dataclass of its rows. Whole numbers of it become whole numbers.
        numbers: Columns of numbers from 0 on.
        words: Columns that hold one of some words.

    Raises:
        ValueError: a cell is not allowed; the message names file, row and column.
    """
    header = {field.name: field.type for field in fields(kind)}  # type: ignore[arg-type]
    make, found = cast(Callable[..., Row], kind), []
    for i, row in enumerate(rows(path, header), 1):
        for column, known in words.items():
            allowed(path, i, row, column, known)
        for column in numbers:
            least = -math.inf if column in SIGNED else 0.0
            if row[column] and not least <= number(path, i, row, column) < math.inf:
                raise ValueError(f"{path}, row {i}: {column} is {row[column]}; allowed: numbers from 0 on")
        whole = {key: int(number(path, i, row, key)) for key, of in header.items() if of is int}
        found.append(make(**{key: row[key] for key in header} | whole))
    return found


def machine(path: Path) -> dict[str, Any]:
    """What the numbers were made on."""
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read as JSON ({error})") from None
    if not isinstance(found, dict) or not isinstance(found.get("packages", {}), dict):
        raise ValueError(f"{path}: expected an object with an object of packages")
    return found


def source(path: Path, name: str) -> Source:
    """A file's name on the page and the first 12 digits of its SHA-256."""
    return Source(name, hashlib.sha256(path.read_bytes()).hexdigest()[:12] if path.exists() else "")


def read(
    profile: str = "",
    root: Path = Path("results"),
    params: Path = Path("params.yaml"),
    data: Path = Path("data"),
    papers: Path | None = None,
) -> Inputs:
    """Read all that is there.

    Raises:
        ValueError: no such profile, or a file says something that is not allowed; the message names it.
    """
    active, runs = spec.load(params, profile)
    where = Results(active.name, root)
    complexity, checked = root / COMPLEXITY.name, root / DATASETS.name
    authors = Results("authors", root).measurements
    timings, prices = (root / FOLDER.name / name for name in ("timings.csv", "prices.csv"))
    used = [
        complexity,
        checked,
        authors,
        where.measurements,
        where.curves,
        where.decoded,
        where.times,
        where.findings,
        where.quality,
        where.environment,
        timings,
        prices,
    ]
    cards, clocked = physics.read()
    folder = papers or Path(claims.__file__).parent
    sources = [source(path, f"{root.name}/{path.relative_to(root).as_posix()}") for path in used]
    sources += [source(params, params.name)]
    sources += [source(path, f"{folder.name}/{path.name}") for path in sorted(folder.glob("*.yaml"))]
    return Inputs(
        active,
        runs,
        claims.read(folder),
        where,
        data,
        counts(complexity),
        measured(where.measurements),
        each_image(where.quality),
        training(where.curves),
        verdicts(where.findings),
        measured(authors),
        protocols(where.decoded),
        datasets(checked),
        machine(where.environment),
        typed(where.times, Timed, TIMED, {"verdict": physics.VERDICTS, "resembles": RESEMBLES}),
        typed(timings, Timing, TIMING, {"verdict": judge.VERDICTS, "kind": KINDS, "mode": MODES}),
        typed(prices, Price, PRICE, {"verdict": judge.VERDICTS, "mode": MODES}),
        tuple(replace(pair, card=cards[pair.card].name) for pair in clocked),
        tuple(sources),
    )
