"""Read everything that the page is made from. A missing file is an empty table, a malformed one an error."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmark import claims, spec
from benchmark.compare import physics
from benchmark.results import COMPLEXITY, DATASETS, PRICES, TIMINGS, Results, read_frame, read_rows
from benchmark.results.schema import (
    Complexity,
    CurvePoint,
    DatasetSplit,
    DecodedColumn,
    Finding,
    Measurement,
    Price,
    PrintedTime,
    Score,
    Timing,
)

KEY = ["run", "dataset", "quantity"]
LOWEST = 0.01  # relative loss, for a logarithmic axis: losses with an adversary can reach 0 and less


@dataclass(frozen=True)
class Source:
    """A file behind the page; without a digest, the file does not exist."""

    name: str
    digest: str  # first 12 hexadecimal digits of its SHA-256


@dataclass(frozen=True)
class Inputs:
    """All tables, typed; those without a file are empty."""

    profile: spec.Profile
    runs: dict[str, spec.Run]  # every run of params.yaml, in its order
    papers: list[claims.Paper]
    results: Results
    data: Path
    complexity: dict[str, Complexity]  # by run
    measurements: pd.DataFrame  # schema.Measurement
    authors: pd.DataFrame  # the same, of the authors' weights on real images
    scores: pd.DataFrame  # schema.Score
    curves: (
        pd.DataFrame
    )  # schema.CurvePoint, and `relative`: the loss over the run's first loss, at least LOWEST
    findings: list[Finding]
    decoded: list[DecodedColumn]
    splits: list[DatasetSplit]
    environment: dict[str, Any]
    times: list[PrintedTime]
    timings: list[Timing]
    prices: list[Price]
    clocked: tuple[physics.Clocked, ...]  # published pairs of times by both clocks, with the card's full name
    sources: tuple[Source, ...]

    @property
    def chosen(self) -> dict[str, spec.Run]:
        """Return the runs that the profile trains and measures."""
        return self.profile.of(self.runs)

    @property
    def blurred(self) -> str:
        """Name the run that returns the blurred input unchanged."""
        return next((name for name, run in self.runs.items() if run.train is None), "")

    @cached_property
    def means(self) -> "pd.Series[float]":
        """Index the values of `measurements` by KEY."""
        return self.measurements.set_index(KEY)["value"]

    @cached_property
    def scores_by_key(self) -> "dict[Any, pd.Series[float]]":
        """Split the values of `scores` by KEY, each part indexed by image."""
        return {key: rows.set_index("image")["value"] for key, rows in self.scores.groupby(KEY)}

    def dataset(self, claimed: str | None) -> str:
        """Name the dataset on which the profile measures what a paper claims on `claimed`."""
        return self.profile.data or claimed or ""

    def mean(self, run: str, dataset: str, quantity: str) -> float | None:
        """Look up a measured mean; None when it was not measured."""
        value = self.means.get((run, dataset, quantity))
        return None if pd.isna(value) else float(value)

    def per_image(self, run: str, dataset: str, quantity: str) -> "pd.Series[float]":
        """Select the values of single images, by image."""
        return self.scores_by_key.get((run, dataset, quantity), pd.Series(dtype=float))

    def total(self, dataset: str) -> int:
        """Return the number of images of a real dataset's official test set; 0 when unknown."""
        return next((s.expected for s in self.splits if (s.dataset, s.split) == (dataset, "test")), 0)

    def cut(self) -> bool:
        """Tell whether the profile changes training or data, so that its quality numbers prove nothing."""
        cuts = (self.profile.at(run).cuts(run.train) for run in self.chosen.values() if run.train)
        return bool(self.profile.data) or any(cuts)


def unique_rows(path: Path, row: type, key: Sequence[str]) -> pd.DataFrame:
    """Read a table in which the columns `key` name each row.

    Raises:
        ValueError: two rows have the same key, or as `benchmark.results.read_frame`.
    """
    frame = read_frame(path, row, optional=True)
    repeated = frame.index[frame.duplicated(list(key))]
    if len(repeated):
        values = ", ".join(f"{name} {frame.at[repeated[0], name]!r}" for name in key)
        raise ValueError(
            f"{path}, line {repeated[0] + 2}: a second row of {values}; allowed: one row of each"
        )
    return frame


def read_curves(path: Path) -> pd.DataFrame:
    """Read the training curves of all runs.

    Raises:
        ValueError: a loss is not finite, or as `unique_rows`.
    """
    frame = unique_rows(path, CurvePoint, ["run", "step"])
    wrong = frame.index[~np.isfinite(frame["loss"])]
    if len(wrong):
        loss = frame["loss"][wrong[0]]
        raise ValueError(f"{path}, line {wrong[0] + 2}: loss is {loss}; allowed: finite numbers")
    first = frame.groupby("run")["loss"].transform("first").replace(0.0, 1.0)
    relative = (frame["loss"] / first).clip(lower=LOWEST)
    return frame.assign(relative=relative, step=frame["step"].astype("int64"))


def read_environment(path: Path) -> dict[str, Any]:
    """Read which machine and packages made the numbers.

    Raises:
        ValueError: the file is no JSON object, or its `packages` are none.
    """
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read as JSON ({error})") from None
    if not isinstance(content, dict) or not isinstance(content.get("packages", {}), dict):
        raise ValueError(f"{path}: must be an object whose `packages` is an object")
    return content


def digest(path: Path) -> str:
    """Return the first 12 digits of a file's SHA-256, or nothing for a missing file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12] if path.exists() else ""


def read(
    profile: str = "",
    root: Path = Path("results"),
    params: Path = Path("params.yaml"),
    data: Path = Path("data"),
    papers: Path | None = None,
) -> Inputs:
    """Read all tables of a profile.

    Raises:
        ValueError: there is no such profile, or a file is malformed; the message names it.
    """
    active, runs = spec.load(params, profile)
    own, authors = Results(active.name, root), Results("authors", root).measurements
    complexity, splits, timings, prices = (
        root / path.relative_to("results") for path in (COMPLEXITY, DATASETS, TIMINGS, PRICES)
    )
    tables = (
        *(complexity, splits, authors, own.measurements, own.curves, own.decoded),
        *(own.times, own.findings, own.quality, own.environment, timings, prices),
    )
    folder = papers or Path(claims.__file__).parent
    names = {path: f"{root.name}/{path.relative_to(root).as_posix()}" for path in tables}
    names |= {params: params.name} | {
        path: f"{folder.name}/{path.name}" for path in sorted(folder.glob("*.yaml"))
    }
    cards, clocked = physics.read()
    return Inputs(
        profile=active,
        runs=runs,
        papers=claims.read(folder),
        results=own,
        data=data,
        complexity={row.run: row for row in read_rows(complexity, Complexity, optional=True)},
        measurements=unique_rows(own.measurements, Measurement, KEY),
        authors=unique_rows(authors, Measurement, KEY),
        scores=unique_rows(own.quality, Score, [*KEY, "image"]),
        curves=read_curves(own.curves),
        findings=read_rows(own.findings, Finding, optional=True),
        decoded=read_rows(own.decoded, DecodedColumn, optional=True),
        splits=read_rows(splits, DatasetSplit, optional=True),
        environment=read_environment(own.environment),
        times=read_rows(own.times, PrintedTime, optional=True),
        timings=read_rows(timings, Timing, optional=True),
        prices=read_rows(prices, Price, optional=True),
        clocked=tuple(replace(pair, card=cards[pair.card].name) for pair in clocked),
        sources=tuple(Source(name, digest(path)) for path, name in names.items()),
    )
