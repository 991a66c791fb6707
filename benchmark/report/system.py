"""Describe each compared system: its paper and choices, its runs, sizes, gains and claims."""

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.report.entries import Entry
from benchmark.report.inputs import Inputs
from benchmark.results.schema import Complexity
from benchmark.spec import Run

MODELS = Path(__file__).parents[1] / "models"
FIELD = re.compile(r"^(?P<name>[A-Z][a-z]+) {2,}(?=\S)")


@dataclass(frozen=True)
class Variant:
    """A run of a system, with what was counted and measured of it."""

    run: Run
    counts: Complexity | None
    gain: float | None  # dB over the blurred input, mean of the test images
    psnr: float | None
    images: int
    recipe: dict[str, str]  # of its paper, in words
    cuts: list[str]  # of the profile
    absence: str  # why it has no numbers


@dataclass(frozen=True)
class System:
    """A row of the papers' tables."""

    key: str
    title: str
    about: str  # the first line of its model's file
    facts: dict[str, list[str]]  # Paper, Sources, Unstated and others of that file, an item per line
    variants: list[Variant]
    entries: list[Entry]

    @property
    def main(self) -> Variant | None:
        """Return the first run that is no variant of another."""
        return next((v for v in self.variants if not v.run.ablates), None) or next(iter(self.variants), None)


def described(model: str, folder: Path = MODELS) -> tuple[str, str, dict[str, list[str]]]:
    """Read the docstring of a model's file: title, first line, and fields of several lines each.

    >>> described("dmphn")[0]
    'DMPHN'
    """
    path = folder / f"{model}.py"
    if not path.exists():
        return model, "", {}
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or model
    first, *rest = text.splitlines()
    facts: dict[str, list[str]] = {}
    name, item = "", 0  # the field, and the column at which its items start
    for line in rest:
        if found := FIELD.match(line):
            name, item = found["name"], found.end()
            facts[name] = [line[item:].strip()]
        elif name and line.startswith(" ") and line.strip():
            facts[name].append(line.strip())
        elif line.strip():
            name = ""
    title = first.split(":")[0] if ":" in first else model
    return title, first, facts


def recipe(run: Run) -> dict[str, str]:
    """Write the main entries of a run's recipe."""
    train = run.train
    if train is None:
        return {}
    size = f"{train.batch} × {train.crop} × {train.crop}"
    length = f"{train.steps:,} steps" + (f" ({train.epochs:,g} epochs)" if train.epochs else "")
    loss = {key: value for key, value in train.loss.items() if key != "name"}
    settings = ", ".join(f"{key} {value}" for key, value in loss.items())
    return {
        "trained on": run.train_on,
        "length": length,
        "batch": size,
        "learning rate": f"{train.optimiser.lr:g}, {train.schedule.get('name', 'constant')} schedule",
        "loss": f"{train.loss.get('name', '')}{f' ({settings})' if settings else ''}",
        "augmentation": ", ".join(train.augment) or "none",
    }


def variant(inputs: Inputs, run: Run) -> Variant:
    """Collect what is known of a run."""
    dataset = inputs.dataset(run.test_on[0])
    own = inputs.mean(run.name, dataset, "psnr")
    blurred = inputs.mean(inputs.blurred, dataset, "psnr")
    return Variant(
        run=run,
        counts=inputs.complexity.get(run.name),
        gain=None if own is None or blurred is None else own - blurred,
        psnr=own,
        images=len(inputs.per_image(run.name, dataset, "psnr")),
        recipe=recipe(run),
        cuts=inputs.profile.at(run).cuts(run.train) if run.train and run.name in inputs.chosen else [],
        absence=inputs.absence(run.name),
    )


def systems(inputs: Inputs, entries: Sequence[Entry]) -> list[System]:
    """Describe the systems in the order of their files; the blurred input is one of them."""
    described_once: dict[str, System] = {}
    for run in inputs.runs.values():
        if run.system not in described_once:
            title, about, facts = described(run.model)
            own = [entry for entry in entries if entry.system == run.system]
            described_once[run.system] = System(run.system, title, about, facts, [], own)
        described_once[run.system].variants.append(variant(inputs, run))
    return list(described_once.values())
