"""Everything the page is made from, read once. A missing file is an empty table, a malformed one an error."""

import csv
import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark import claims, results, spec
from benchmark.compare import VERDICTS, Finding
from benchmark.results import COMPLEXITY, Measurement, Results

Key = tuple[str, str, str]  # run, dataset, quantity
COUNTS = ("params", "macs_256", "macs_720p", "macs_720p_torch", "macs_720p_deformable")


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
    environment: dict[str, Any]
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
        found = results.read(path)
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
    header, found = results.columns(Measurement), {}
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


def verdicts(path: Path) -> list[Finding]:
    """What `benchmark.compare` found."""
    header = results.columns(Finding)
    found = [Finding(**{key: row[key] for key in header}) for row in rows(path, header)]
    for i, finding in enumerate(found, 1):
        if finding.verdict not in VERDICTS:
            raise ValueError(f"{path}, row {i}: verdict {finding.verdict!r}; known: {', '.join(VERDICTS)}")
        for column in ("claimed", "measured"):
            if getattr(finding, column):
                number(path, i, vars(finding), column)
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
    complexity = root / COMPLEXITY.name
    used = [complexity, where.measurements, where.curves, where.findings, where.quality, where.environment]
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
        machine(where.environment),
        tuple(sources),
    )
