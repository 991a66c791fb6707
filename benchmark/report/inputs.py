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
from benchmark.report import ladders
from benchmark.results import (
    COMPLEXITY,
    DATASETS,
    PRICES,
    STRUCTURE,
    TIMINGS,
    Results,
    read_frame,
    read_rows,
    schema,
)

KEY = ["run", "dataset", "quantity"]
LOWEST = 0.01  # relative loss, for a logarithmic axis: losses with an adversary can reach 0 and less
PLACE = ("paper", "table", "row", "column", "run", "dataset", "quantity", "printed")


OURS = ("retrained", "timed", "size", "macs", "setting", "by_construction", "data")  # kinds that we measure


def place(entry: claims.Claim | schema.Place) -> tuple[str, ...]:
    """Return what a claim, its findings and its verdict have in common."""
    return tuple(getattr(entry, name) or "" for name in PLACE)


@dataclass(frozen=True)
class Judged:
    """A claim's verdict with the findings behind it, by kind of evidence."""

    verdict: schema.Verdict
    findings: dict[str, schema.Finding]

    @property
    def ours(self) -> schema.Finding | None:
        """Return what this project measured, first what decides; None where it measured nothing."""
        kinds = (self.verdict.kind, *OURS) if self.verdict.kind in OURS else OURS
        found = (self.findings[kind] for kind in kinds if kind in self.findings)
        return next((finding for finding in found if finding.measured is not None), None)

    @property
    def authors(self) -> schema.Finding | None:
        """Return what the authors' weights give; None where weights decide nothing."""
        return self.findings.get("authors_weights")

    @property
    def protocol(self) -> str:
        """Return the metric that a printed PSNR or SSIM is compared with; empty for other quantities."""
        return next((f.protocol for f in self.findings.values() if f.protocol), "")


@dataclass(frozen=True)
class Inputs:
    """All tables, typed; those without a file are empty."""

    profile: spec.Profile
    runs: dict[str, spec.Run]  # every run, in the order of benchmark/runs
    papers: list[claims.Paper]
    results: Results
    data: Path
    complexity: dict[str, schema.Complexity]  # by run
    measurements: pd.DataFrame  # schema.Measurement
    authors: pd.DataFrame  # the same, of the authors' weights on real images
    scores: pd.DataFrame  # schema.Score
    curves: pd.DataFrame  # schema.CurvePoint, and `relative`: loss over first loss, at least LOWEST
    findings: list[schema.Finding]
    verdicts: list[schema.Verdict]
    decoded: list[schema.DecodedColumn]
    steps: list[schema.AblationStep]
    orders: list[schema.Order]
    detectable: list[schema.Detectable]
    ladders: list[ladders.Ladder]  # of every profile that has one
    splits: list[schema.DatasetSplit]
    environment: dict[str, Any]
    times: list[schema.PrintedTime]
    timings: list[schema.Timing]
    prices: list[schema.Price]
    clocked: tuple[physics.Clocked, ...]  # published pairs of times by both clocks, with the card's full name
    sources: dict[str, str]  # first 12 digits of the SHA-256 by file; empty where it does not exist

    @cached_property
    def chosen(self) -> dict[str, spec.Run]:
        """Return the runs that the profile trains and measures."""
        return self.profile.of(self.runs)

    @property
    def blurred(self) -> str:
        """Name the run that returns the blurred input unchanged."""
        return next((name for name, run in self.runs.items() if run.is_input), "")

    @cached_property
    def judged_by_place(self) -> dict[tuple[str, ...], Judged]:
        """Index verdicts with their findings by what they have in common with their claims."""
        kinds: dict[tuple[str, ...], dict[str, schema.Finding]] = {}
        for finding in self.findings:
            kinds.setdefault(place(finding), {})[finding.kind] = finding
        return {place(verdict): Judged(verdict, kinds.get(place(verdict), {})) for verdict in self.verdicts}

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

    def absence(self, run: str) -> str:
        """Give the reason why a run has no numbers."""
        return "" if run in self.chosen else f"left out by profile {self.profile.name}"

    def cut(self) -> bool:
        """Tell whether the profile changes training or data, so that its quality numbers prove nothing."""
        cuts = (self.profile.at(run).cuts(run.train) for run in self.chosen.values())
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
    """Read the training curves of all runs, whose losses must be finite."""
    frame = unique_rows(path, schema.CurvePoint, ["run", "step"])
    wrong = frame.index[~np.isfinite(frame["loss"]) & (frame["step"] > 0)]  # nothing is trained at step 0
    if len(wrong):
        loss = frame["loss"][wrong[0]]
        raise ValueError(f"{path}, line {wrong[0] + 2}: loss is {loss}; allowed: finite numbers")
    return relative_losses(frame)


def relative_losses(frame: pd.DataFrame) -> pd.DataFrame:
    """Add a column with each run's loss relative to its first."""
    first = frame.groupby("run")["loss"].transform("first").replace(0.0, 1.0)
    relative = (frame["loss"] / first).clip(lower=LOWEST)
    return frame.assign(relative=relative, step=frame["step"].astype("int64"))


def read_environment(path: Path) -> dict[str, Any]:
    """Read which machine and packages made the numbers."""
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read as JSON ({error})") from None
    if not isinstance(content, dict) or not isinstance(content.get("packages", {}), dict):
        raise ValueError(f"{path}: must be an object whose `packages` is an object")
    return content


def read(
    profile: str = "",
    root: Path = Path("results"),
    params: Path = Path("params.yaml"),
    data: Path = Path("data"),
) -> Inputs:
    """Read all tables of a profile.

    Raises:
        ValueError: there is no such profile, or a file is malformed; the message names it.
    """
    active, runs = spec.load(params, profile)
    own, authors = Results(active.name, root), Results("authors", root).measurements
    complexity, splits, timings, prices, structure = (
        root / path.relative_to("results") for path in (COMPLEXITY, DATASETS, TIMINGS, PRICES, STRUCTURE)
    )
    tables = (
        *(complexity, structure, splits, authors, own.measurements, own.curves, own.decoded),
        *(own.times, own.findings, own.verdicts, own.steps, own.orders, own.detectable),
        *(own.quality, own.environment, timings, prices),
    )
    files = {f"{root.name}/{path.relative_to(root).as_posix()}": path for path in tables}
    folder = Path(claims.__file__).parent
    files |= {params.name: params} | {
        f"benchmark/claims/{path.name}": path for path in sorted(folder.glob("*.yaml"))
    }
    cards, clocked = physics.read()
    return Inputs(
        profile=active,
        runs=runs,
        papers=claims.read(),
        results=own,
        data=data,
        complexity={row.run: row for row in read_rows(complexity, schema.Complexity, optional=True)},
        measurements=unique_rows(own.measurements, schema.Measurement, KEY),
        authors=unique_rows(authors, schema.Measurement, KEY),
        scores=unique_rows(own.quality, schema.Score, [*KEY, "image"]),
        curves=read_curves(own.curves),
        findings=read_rows(own.findings, schema.Finding, optional=True),
        verdicts=read_rows(own.verdicts, schema.Verdict, optional=True),
        decoded=read_rows(own.decoded, schema.DecodedColumn, optional=True),
        steps=read_rows(own.steps, schema.AblationStep, optional=True),
        orders=read_rows(own.orders, schema.Order, optional=True),
        detectable=read_rows(own.detectable, schema.Detectable, optional=True),
        ladders=ladders.read(root),
        splits=read_rows(splits, schema.DatasetSplit, optional=True),
        environment=read_environment(own.environment),
        times=read_rows(own.times, schema.PrintedTime, optional=True),
        timings=read_rows(timings, schema.Timing, optional=True),
        prices=read_rows(prices, schema.Price, optional=True),
        clocked=tuple(replace(pair, card=cards[pair.card].name) for pair in clocked),
        sources={
            name: hashlib.sha256(path.read_bytes()).hexdigest()[:12] if path.exists() else ""
            for name, path in files.items()
        },
    )
