"""Read all that claims are compared with, as measurements by (run, dataset, quantity)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pandas as pd

from benchmark import results, spec
from benchmark.claims import Claim, Paper
from benchmark.compare import decode, times
from benchmark.results import COMPLEXITY, DATASETS, Measurement, Results, read_frame, read_rows
from benchmark.results.schema import Complexity, DatasetSplit, DecodedColumn, PrintedTime, Score

KEY = ["run", "dataset", "quantity"]

# Printed settings are compared with the recipe of a run, before any profile cuts it.
SETTINGS: dict[str, Callable[[spec.Recipe], Any]] = {
    "setting.epochs": lambda recipe: recipe.epochs,
    "setting.batch": lambda recipe: recipe.batch,
    "setting.crop": lambda recipe: recipe.crop,
    "setting.lr": lambda recipe: recipe.optimiser.lr,
    "setting.beta1": lambda recipe: recipe.optimiser.beta1,
    "setting.beta2": lambda recipe: recipe.optimiser.beta2,
    "setting.lr_decay": lambda recipe: recipe.schedule.get("factor"),
    "setting.lr_step": lambda recipe: recipe.schedule.get("every"),
    "setting.mu": lambda recipe: recipe.loss.get("mu"),
    "setting.lr_step_iterations": lambda recipe: recipe.iterations(recipe.schedule.get("every", 0)) or None,
    "setting.lr_decay_epochs": lambda recipe: recipe.epochs - recipe.schedule.get("start", recipe.epochs),
    "setting.lr_min": lambda recipe: recipe.optimiser.lr * recipe.schedule.get("to", 0.0),
    "setting.loss_weight": lambda recipe: next(
        (recipe.loss[key] for key in ("small", "edge", "weight") if key in recipe.loss), None
    ),
    "setting.epsilon": lambda recipe: recipe.loss.get("epsilon"),
    "setting.critic_steps": lambda recipe: recipe.adversary.get("critic_steps"),
    "setting.input_shift": lambda recipe: recipe.normalise.mean,
}


@dataclass(frozen=True)
class Evidence:
    """All measurements that claims are compared with."""

    profile: spec.Profile
    runs: dict[str, spec.Run]  # every run, by name
    measured: pd.DataFrame  # counts, settings and this profile's qualities: KEY, value, n, note
    authors: pd.DataFrame  # qualities with the authors' weights: KEY, value, n, note
    totals: dict[str, int]  # official number of test images of each real dataset
    decoded: list[DecodedColumn]
    times: dict[Claim, PrintedTime] = field(default_factory=dict)  # of every printed run time

    def part(self, dataset: str, images: int) -> str:
        """Say which part of its test set a measurement covers; empty for the whole."""
        total = self.totals.get(dataset, 0)
        if images == total:
            return ""
        if not total:
            return f"{images:,} images; {DATASETS} has no size of the set"
        return f"{images:,} of {total:,} images"


class Match(NamedTuple):
    """The measurement that a claim was merged with."""

    value: float | None
    n: int  # images
    note: str


def gather(papers: list[Paper], profile: str = "") -> Evidence:
    """Read runs, counts, measurements, sizes of the real sets and run times.

    Raises:
        ValueError: a file is missing or malformed.
    """
    active, runs = spec.load(profile=profile)
    complexity = read_rows(COMPLEXITY, Complexity)
    splits = read_rows(DATASETS, DatasetSplit, optional=True)
    totals = {row.dataset: row.expected for row in splits if row.split == "test"}
    scores = decode.scores_by_image(read_frame(results.AUTHORS.quality, Score, optional=True))
    qualities = read_frame(Results(active.name).measurements, Measurement, optional=True)
    return Evidence(
        active,
        runs,
        pd.concat([counted(complexity, runs), qualities[qualities["dataset"] != ""]]),
        read_frame(results.AUTHORS.measurements, Measurement, optional=True),
        totals,
        list(decode.tables(papers, scores, totals)),
        dict(times.times(papers, times.sources(complexity))),
    )


def counted(complexity: list[Complexity], runs: dict[str, spec.Run]) -> pd.DataFrame:
    """Return sizes, MACs and recipe entries as measurements; the size is that of float32 weights in bytes."""
    rows: list[tuple[str, str, str, float]] = []
    for row in complexity:
        sizes = {"params": row.params, "size": 4 * row.params}
        macs = {"macs_256": row.macs_256, "macs_720p": row.macs_720p}
        rows += [(row.run, "", quantity, value) for quantity, value in (sizes | macs).items()]
    for name, run in runs.items():
        entries = {quantity: entry(run.train) for quantity, entry in SETTINGS.items()} if run.train else {}
        rows += [(name, "", q, value) for q, value in entries.items() if isinstance(value, int | float)]
    return pd.DataFrame(rows, columns=[*KEY, "value"]).astype({"value": float}).assign(n=1, note="")


def merge(keys: list[tuple[str, str, str]], measurements: pd.DataFrame) -> list[Match | None]:
    """Merge claims, each as (run, dataset, quantity), with measurements; None where there is none."""
    measurements = measurements[[*KEY, "value", "n", "note"]].drop_duplicates(KEY, keep="last")
    merged = pd.DataFrame(keys, columns=KEY).merge(measurements, how="left", on=KEY)
    return [
        None if pd.isna(n) else Match(None if pd.isna(value) else value, int(n), note)
        for value, n, note in merged[["value", "n", "note"]].itertuples(index=False, name=None)
    ]
