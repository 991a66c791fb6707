"""Say what small trainings predict: the order of runs, the shape of a curve and its end (docs/ladder.md).

Read from ladder.csv, collapse.csv and forecasts.csv of every profile that has them, so that the page of one
profile shows what the trainings of another found.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

from benchmark.compare.ladder import ALL
from benchmark.results import Results, read_rows, schema

KINDS = {"systems": "systems of a table", "ablation": "rows of an ablation table", "variants": "variants"}


@dataclass(frozen=True)
class Ladder:
    """The rows of one profile's three tables."""

    profile: str
    rungs: list[schema.Rung]
    collapses: list[schema.Collapse]
    forecasts: list[schema.Forecast]


@dataclass(frozen=True)
class Agreement:
    """How a rung orders the runs, by kind of table."""

    profile: str
    rung: str  # in words; empty: the profile's full trainings
    by_kind: Mapping[str, schema.Rung]
    tables: list[schema.Rung]  # one by one


@dataclass(frozen=True)
class Curves:
    """What the curves of a rung tell."""

    profile: str
    rung: str  # in words
    predicted: int  # curves with a forecast and its interval
    inside: int  # of these, whose last value is in the interval
    error: float | None  # dB, mean size of the forecasts' errors
    half: float | None  # dB, of the interval to either side, median
    error_of_last: float | None  # dB, mean size of errors if the last value seen is the forecast
    error_of_law: float | None  # and if a power law's is
    collapsed: int  # curves with the shape of the full training's
    compared: int
    distance: float | None  # between the shapes, median
    noise: float | None  # the same between seeds


def read(root: Path) -> list[Ladder]:
    """Read the tables of all profiles below `results/`.

    Raises:
        ValueError: a table is malformed; the message names it.
    """
    profiles = sorted(path.parent.name for path in root.glob("*/ladder.csv"))
    tables = {profile: Results(profile, root) for profile in profiles}
    return [
        Ladder(
            profile,
            read_rows(table.ladder, schema.Rung),
            read_rows(table.collapse, schema.Collapse, optional=True),
            read_rows(table.forecasts, schema.Forecast, optional=True),
        )
        for profile, table in tables.items()
    ]


def in_words(rung: str) -> str:
    """Write what a rung cuts, to follow the name of its profile.

    >>> in_words("steps1250"), in_words("thin8"), in_words("")
    (', 1,250 steps', ', widths divided by 8', '')
    """
    if found := re.fullmatch(r"steps(\d+)", rung):
        return f", {int(found[1]):,} steps"
    if found := re.fullmatch(r"thin(\d+)", rung):
        return f", widths divided by {found[1]}"
    return f", {rung}" if rung else ""


def agreements(ladders: Sequence[Ladder], against: str) -> Iterator[Agreement]:
    """Give every profile and rung its agreement with the print, or with the full trainings of its profile."""
    for ladder in ladders:
        chosen = [row for row in ladder.rungs if row.against == against]
        for rung in dict.fromkeys(row.rung for row in chosen):
            tables = [row for row in chosen if row.rung == rung]
            by_kind = {str(row.kind): row for row in tables if row.share is not None}  # that of all is last
            if by_kind:
                single = [row for row in tables if row.table != ALL]
                yield Agreement(ladder.profile, in_words(rung), by_kind, single)


def mean_size(errors: Iterable[float | None]) -> float | None:
    """Average the sizes of errors, those that are known."""
    sizes = [abs(error) for error in errors if error is not None]
    return fmean(sizes) if sizes else None


def curves(ladders: Sequence[Ladder]) -> Iterator[Curves]:
    """Count the curves of every profile and rung that end as predicted, and those that collapse."""
    for ladder in ladders:
        rungs = [*(row.rung for row in ladder.forecasts), *(row.rung for row in ladder.collapses)]
        for rung in dict.fromkeys(rungs):
            told = [row for row in ladder.forecasts if row.rung == rung and row.inside]
            halves = [
                (row.high - row.low) / 2 for row in told if row.low is not None and row.high is not None
            ]
            shapes = [row for row in ladder.collapses if row.rung == rung and row.distance is not None]
            judged = [row for row in shapes if row.collapses]
            if told or shapes:
                yield Curves(
                    ladder.profile,
                    in_words(rung),
                    len(told),
                    sum(row.inside == "yes" for row in told),
                    mean_size(row.error for row in told),
                    median(halves) if halves else None,
                    mean_size(row.error_of_last for row in told),
                    mean_size(row.error_of_law for row in told),
                    sum(row.collapses == "yes" for row in judged),
                    len(judged),
                    median(row.distance for row in shapes if row.distance is not None) if shapes else None,
                    median(row.noise for row in judged if row.noise is not None) if judged else None,
                )
