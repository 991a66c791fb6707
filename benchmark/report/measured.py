"""What was counted, measured and recorded of every run."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import stdev
from typing import Any

from benchmark.metrics import _pyiqa
from benchmark.report.inputs import Counted, Curve, Inputs
from benchmark.results.legacy import Measurement
from benchmark.spec import Quantity

METRICS = Path(__file__).parents[1] / "metrics"
MAIN = ("psnr", "ssim", "ssim_matlab")  # the quality table's own; the others are folded away below it

# Recipes that differ from their parent's in these entries of the loss belong to one study.
STUDIES = {
    frozenset({"name"}): ("Loss", "loss"),
    frozenset({"distance"}): ("Distance in the loss", "distance"),
    frozenset({"small", "large"}): ("Weight λ of the branch losses", "λ"),
    frozenset({"mu"}): ("Threshold μ of the sharpness mask", "μ"),
}


@dataclass(frozen=True)
class Size:
    """One run's size and arithmetic; `counted` is None before they are counted."""

    run: str
    about: str
    counted: Counted | None


@dataclass(frozen=True)
class Protocol:
    """A measured quantity: its unit, and what its file says it is."""

    name: str
    unit: str
    declared: Quantity | None  # None for what is no longer here
    about: str  # the first sentence of its file

    @property
    def family(self) -> str:
        """What papers print it as; empty where they print its own name."""
        return self.declared.family if self.declared else ""


@dataclass(frozen=True)
class Quality:
    """One metric of one run: mean and spread over images, and how far above the blurred input."""

    mean: float
    spread: float | None
    gain: float | None


@dataclass(frozen=True)
class QualityRow:
    """One run on one dataset; `note` says why something is not there."""

    run: str
    about: str
    images: int
    cells: tuple[Quality | None, ...]  # one for each main quantity, then one for each other
    note: str


@dataclass(frozen=True)
class QualityTable:
    """Every run on one dataset, the blurred input first."""

    dataset: str
    main: tuple[Protocol, ...]
    others: tuple[Protocol, ...]
    lacking: tuple[tuple[str, str], ...]  # a quantity that no run has, and the reason
    rows: tuple[QualityRow, ...]


@dataclass(frozen=True)
class Trained:
    """One run's curve, or the reason why there is none."""

    run: str
    about: str
    curve: Curve | None
    note: str


@dataclass(frozen=True)
class Study:
    """Runs that differ in one entry of the loss: label and curve of each."""

    title: str
    name: str
    run: str  # the run they are variants of
    curves: tuple[tuple[str, Curve], ...]
    absent: tuple[str, ...]  # labels without a curve


def sizes(inputs: Inputs) -> tuple[Size, ...]:
    """Size and arithmetic of every run of params.yaml."""
    return tuple(Size(name, run.about, inputs.complexity.get(name)) for name, run in inputs.runs.items())


def absence(inputs: Inputs, run: str) -> str:
    """Why a run has no numbers."""
    return "" if run in inputs.chosen else f"left out by profile {inputs.profile.name}"


def quality_row(inputs: Inputs, run: str, dataset: str, quantities: Iterable[Protocol]) -> QualityRow:
    """One run's row; an unmeasurable value leaves its reason in the note."""
    cells: list[Quality | None] = []
    images, notes = 0, [absence(inputs, run)]
    for quantity in quantities:
        key = run, dataset, quantity.name
        row, mean = inputs.measurements.get(key), inputs.mean(*key)
        if row is None or mean is None:
            cells.append(None)
            notes.append(row.note if row else "")
            continue
        images = row.n
        values = list(inputs.images.get(key, {}).values())
        spread = stdev(values) if len(values) > 1 else None
        floor = inputs.mean(inputs.blurred, dataset, quantity.name)
        cells.append(Quality(mean, spread, None if floor is None or run == inputs.blurred else mean - floor))
    said = "; ".join(dict.fromkeys(note for note in notes if note))
    return QualityRow(run, inputs.runs[run].about, images, tuple(cells), said)


def protocol(quantity: str, unit: str) -> Protocol:
    """What a metric's file says; it is read, not imported, since metrics import torch."""
    path = METRICS / f"{quantity}.py"
    if not path.exists():
        offered = _pyiqa.entry(quantity).quantity if quantity in _pyiqa.names() else None
        return Protocol(quantity, unit, offered, f"pyiqa: {offered.about}." if offered else "")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    about = " ".join((ast.get_docstring(tree) or "").split("\n\n")[0].split())
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name("QUANTITY")], value=ast.Call(args=args, keywords=named)):
                entries = {entry.arg or "": ast.literal_eval(entry.value) for entry in named}
                return Protocol(quantity, unit, Quantity(*map(ast.literal_eval, args), **entries), about)
    raise ValueError(f"{path}: QUANTITY = Quantity(...) is missing")


def protocols(measured: Iterable[Measurement]) -> list[Protocol]:
    """Every quality that has a value, in the order of the rows."""
    units = {row.quantity: row.unit for row in measured if row.dataset and row.value}
    return [protocol(*pair) for pair in units.items()]


def quality(inputs: Inputs) -> Iterator[QualityTable]:
    """One table per dataset on which something was measured."""
    datasets: dict[str, list[Measurement]] = {}
    for row in inputs.measurements.values():
        if row.dataset:
            datasets.setdefault(row.dataset, []).append(row)
    for dataset, found in datasets.items():
        wanted = [name for name, run in inputs.runs.items() if inputs.profile.data or dataset in run.test_on]
        first = sorted(wanted, key=lambda name: name != inputs.blurred)
        known = protocols(found)
        main = tuple(one for one in known if one.name in MAIN)
        others = tuple(one for one in known if one.name not in MAIN)
        names = {one.name for one in known}
        lacking = {row.quantity: row.note for row in found if row.quantity not in names}
        rows = tuple(quality_row(inputs, name, dataset, (*main, *others)) for name in first)
        yield QualityTable(dataset, main, others, tuple(lacking.items()), rows)


def curves(inputs: Inputs) -> tuple[Trained, ...]:
    """The curve of every run that is trained at all."""
    return tuple(
        Trained(name, run.about, inputs.curves.get(name), absence(inputs, name))
        for name, run in inputs.runs.items()
        if run.train
    )


def entry(value: Any) -> str:
    """An entry of a recipe as a label."""
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def studies(inputs: Inputs) -> Iterator[Study]:
    """Groups of runs that are one network and one recipe but for one thing in the loss."""
    for parent in inputs.runs.values():
        found: dict[frozenset[str], list[tuple[Any, str]]] = {}
        for run in inputs.runs.values():
            if run.ablates != parent.name or run.config != parent.config or not run.train or not parent.train:
                continue
            mine, theirs = run.train.loss, parent.train.loss
            changed = frozenset(key for key in mine if key in theirs and mine[key] != theirs[key])
            if changed:
                found.setdefault(changed, []).append((mine[min(changed)], run.name))
        for changed, runs in found.items():
            title, symbol = STUDIES.get(changed, (f"Loss entry {', '.join(sorted(changed))}", "value"))
            assert parent.train
            everyone = [*runs, (parent.train.loss[min(changed)], parent.name)]
            everyone.sort(key=lambda pair: (isinstance(pair[0], str), pair[0]))
            labels = {name: f"{symbol} {entry(value)}" for value, name in everyone}
            yield Study(
                title,
                f"study-{parent.name}-{'-'.join(sorted(changed))}",
                parent.name,
                tuple(
                    (label, inputs.curves[name]) for name, label in labels.items() if name in inputs.curves
                ),
                tuple(label for name, label in labels.items() if name not in inputs.curves),
            )
