"""Finished trainings of a profile with `final: true`: small records in git, which no machine makes again.

`results/<profile>/finished/<training>.json` has all that the tables need of one run, seed and length: values
per image, the curve, the hours and the machine. A clone of the repository trains only what has no record.
Weights (float16) lie beside the record where the report shows the run's images.

A record also has a fingerprint of all that decides the training (training/fingerprint.py) and one of its
recipe as cut. A record of another cut is not a result of this profile, so that training is done again; one of
an earlier state of the code or the images stays, and every row that it is in says so.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from benchmark.results import provenance
from benchmark.results.paths import Results
from benchmark.results.schema import Score, TrainingStep
from benchmark.spec import Training


@dataclass(frozen=True)
class Finished:
    """The record of one finished training."""

    training: str  # see spec.Profile.trainings
    run: str
    seed: int
    steps: int
    rung: str  # of the ladder, such as "steps100"; empty: the full training
    fingerprint: str  # of all that decides the training
    cut: str  # of the recipe as cut alone
    hours: float  # of one core, all attempts together
    machine: dict[str, str]
    notes: list[str] = field(default_factory=list)
    missing: str = ""  # what it could not be trained without
    curve: list[TrainingStep] = field(default_factory=list)
    scores: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)  # dataset, image, quantity

    def rows(self) -> list[Score]:
        """List the values per image as rows of quality.csv."""
        return [
            Score(self.run, dataset, image, quantity, value)
            for dataset, images in self.scores.items()
            for image, values in images.items()
            for quantity, value in values.items()
        ]


def nested(rows: Iterable[Score]) -> dict[str, dict[str, dict[str, float]]]:
    """Nest rows of quality.csv of one run as a record holds them: by dataset, image and quantity."""
    scores: dict[str, dict[str, dict[str, float]]] = {}
    for row in rows:
        scores.setdefault(row.dataset, {}).setdefault(row.image, {})[row.quantity] = row.value
    return scores


def save(path: Path, record: Finished) -> None:
    """Write a record: a line per point of the curve and per image, complete or not at all."""
    facts = asdict(record)
    curve = [json.dumps(list(point.values())) for point in facts.pop("curve")]
    scores = [
        f"{json.dumps(dataset)}: {{{_lines(f'{json.dumps(k)}: {json.dumps(v)}' for k, v in images.items())}}}"
        for dataset, images in facts.pop("scores").items()
    ]
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in facts.items()]
    lines += [f'"curve": [{_lines(curve)}]', f'"scores": {{{_lines(scores)}}}']
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    draft.write_text(f"{{{_lines(lines)}}}\n", encoding="utf-8")
    draft.replace(path)


def _lines(parts: Iterable[str]) -> str:
    joined = ",\n".join(parts)
    return f"\n{joined}\n" if joined else ""


def read(path: Path) -> Finished:
    """Read a record.

    Raises:
        ValueError: it is not a record; the message names the file and what is wrong.
    """
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        names = list(TrainingStep.__dataclass_fields__)
        facts["curve"] = [dict(zip(names, point, strict=True)) for point in facts.get("curve", [])]
        record = msgspec.convert(facts, Finished)
    except (OSError, ValueError, TypeError, AttributeError, msgspec.ValidationError) as error:
        raise ValueError(
            f"{path}: no record of a finished training ({error}); remove it to train again"
        ) from None
    if record.training != path.stem:
        raise ValueError(f"{path}: is the record of {record.training!r}; allowed: of {path.stem!r}")
    return record


def read_all(results: Results, trainings: Mapping[str, Training]) -> dict[str, Finished]:
    """Read the records of a profile's trainings, in its order; those of other cuts are left out.

    Raises:
        ValueError: as `read`.
    """
    paths = {name: results.finished(name) for name in trainings}
    records = {name: read(path) for name, path in paths.items() if path.exists()}
    return {name: record for name, record in records.items() if record.cut == cut(trainings[name])}


def cut(training: Training) -> str:
    """Hash a training's recipe as it is cut, without code, images and versions of packages."""
    run, profile = training.run, training.profile
    if run.train is None:
        settings = {"settings": profile.settings} if profile.settings else {}
        return provenance.digest({"config": run.config} | settings)
    recipe, steps = profile.cut(run.train)
    names = ("data", "thin", "seed", "amp", "start", "validate")
    facts = {"config": run.config, "recipe": asdict(recipe), "steps": steps}
    return provenance.digest(facts | {name: getattr(profile, name) for name in names})


def of_run(records: Mapping[str, Finished], run: str, rung: str = "") -> list[Finished]:
    """Select the records of a run on one rung that were measured, by seed."""
    chosen = [r for r in records.values() if r.run == run and r.rung == rung and r.scores]
    return sorted(chosen, key=lambda record: record.seed)


def mean_rows(records: Iterable[Finished]) -> list[Score]:
    """Average the values of each image over the seeds of one run, in the order of the first record."""
    values: dict[tuple[str, str, str, str], list[float]] = {}
    for record in records:
        for row in record.rows():
            values.setdefault((row.run, row.dataset, row.image, row.quantity), []).append(row.value)
    return [Score(*key, sum(seeds) / len(seeds)) for key, seeds in values.items()]


def by_seed(records: Mapping[str, Finished], quantity: str, rung: str = "") -> dict[str, pd.DataFrame]:
    """Give one frame per dataset: images down, (run, seed) across, of one rung."""
    frames: dict[str, dict[tuple[str, int], dict[str, float]]] = {}
    for record in records.values():
        for dataset, images in record.scores.items() if record.rung == rung else ():
            column = {image: values[quantity] for image, values in images.items() if quantity in values}
            frames.setdefault(dataset, {})[record.run, record.seed] = column
    return {
        dataset: pd.DataFrame(list(columns.values()), index=pd.MultiIndex.from_tuples(columns)).T
        for dataset, columns in frames.items()
    }
