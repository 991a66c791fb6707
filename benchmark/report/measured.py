"""Collect what was counted, measured and recorded of every run."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.compare.decode import FAMILIES
from benchmark.metrics import _flow, _pyiqa
from benchmark.report.inputs import Inputs
from benchmark.spec import Quantity

METRICS = Path(__file__).parents[1] / "metrics"
MAIN = ("psnr", "ssim", "ssim_matlab")  # columns of the quality table; the others are folded away below it

# Recipes that differ from their parent's in these entries of the loss belong to one study.
STUDIES = {
    frozenset({"name"}): ("Loss", "loss"),
    frozenset({"distance"}): ("Distance in the loss", "distance"),
    frozenset({"small", "large"}): ("Weight λ of the branch losses", "λ"),
    frozenset({"mu"}): ("Threshold μ of the sharpness mask", "μ"),
}


@dataclass(frozen=True)
class Protocol:
    """A measured quantity: its unit, and what the metric's file declares."""

    name: str
    unit: str
    declared: Quantity | None  # None for a metric that was removed
    about: str  # first sentence of its file

    @property
    def family(self) -> str:
        """Return the name that papers print; empty where they print the quantity's own."""
        return self.declared.family if self.declared else ""


@dataclass(frozen=True, eq=False)
class QualityTable:
    """Runs on one dataset, the blurred input first. Frames have a row per run, NaN where unmeasured."""

    dataset: str
    quantities: list[Protocol]
    unmeasured: dict[str, str]  # quantities without any value, and the reason
    runs: pd.DataFrame  # images (0: not measured), device, note
    mean: pd.DataFrame  # over images; a column per quantity, here and below
    spread: pd.DataFrame  # standard deviation over images
    gain: pd.DataFrame  # mean less that of the blurred input


@dataclass(frozen=True, eq=False)
class Study:
    """Runs that differ in one entry of the loss."""

    title: str
    name: str
    run: str  # their parent
    points: pd.DataFrame  # rows of Inputs.curves with gains, and `label`: the value of the entry
    absent: tuple[str, ...]  # labels without a curve

    @property
    def comparable(self) -> bool:
        """Tell whether at least two runs have a curve."""
        return self.points["label"].nunique() > 1


def protocol(quantity: str, unit: str) -> Protocol:
    """Read what a metric's file declares, without importing it: metrics import torch, the report does not.

    Raises:
        ValueError: the file declares no QUANTITY.
    """
    path = METRICS / f"{quantity}.py"
    if not path.exists():
        if own := _flow.QUANTITIES.get(quantity):
            return Protocol(quantity, unit, own, f"{own.about}.")
        offered = _pyiqa.QUANTITIES.get(quantity)
        return Protocol(quantity, unit, offered, f"pyiqa: {offered.about}." if offered else "")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    about = " ".join((ast.get_docstring(tree) or "").split("\n\n")[0].split())
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name("QUANTITY")], value=ast.Call(args=args, keywords=keywords)):
                settings = {keyword.arg or "": ast.literal_eval(keyword.value) for keyword in keywords}
                return Protocol(quantity, unit, Quantity(*map(ast.literal_eval, args), **settings), about)
    raise ValueError(f"{path}: QUANTITY = Quantity(...) is missing")


def protocols(rows: pd.DataFrame) -> list[Protocol]:
    """Describe every quality with a value, in the order of the rows of schema.Measurement."""
    rows = rows[(rows["dataset"] != "") & rows["value"].notna()].drop_duplicates("quantity")
    return [protocol(*pair) for pair in zip(rows["quantity"], rows["unit"], strict=True)]


def lay_out(rows: pd.DataFrame, column: str, runs: list[str], quantities: list[str]) -> pd.DataFrame:
    """Make a frame of a column's cells, a row per run and a column per quantity; NaN where there is none."""
    return rows.pivot(index="run", columns="quantity", values=column).reindex(index=runs, columns=quantities)


def quality_table(
    inputs: Inputs, dataset: str, rows: pd.DataFrame, runs: list[str], quantities: list[Protocol]
) -> QualityTable:
    """Lay out the rows of one dataset; the note of a run says why a value is missing."""
    names = [quantity.name for quantity in quantities]
    runs = sorted(runs, key=lambda name: name != inputs.blurred)
    mean = lay_out(rows, "value", runs, names)
    scores = inputs.scores[inputs.scores["dataset"] == dataset]
    spreads = scores.groupby(["run", "quantity"])[["value"]].std().reset_index()
    gain = mean - mean.reindex([inputs.blurred]).iloc[0]
    gain.loc[gain.index == inputs.blurred] = float("nan")
    missing = rows[rows["value"].isna()]
    notes = lay_out(missing, "note", runs, names)
    reasons = dict(zip(missing["quantity"], missing["note"], strict=True))
    by_run = rows[rows["value"].notna()].groupby("run")
    described = {
        "images": by_run["n"].max().reindex(runs, fill_value=0),
        "device": by_run["device"].first().reindex(runs, fill_value=""),
        "note": [
            "; ".join(dict.fromkeys(filter(None, [inputs.absence(run), *notes.loc[run].dropna()])))
            for run in runs
        ],
    }
    return QualityTable(
        dataset=dataset,
        quantities=quantities,
        unmeasured={quantity: note for quantity, note in reasons.items() if quantity not in names},
        runs=pd.DataFrame(described, index=runs),
        mean=mean,
        spread=lay_out(spreads, "value", runs, names),
        gain=gain,
    )


def quality(inputs: Inputs) -> Iterator[QualityTable]:
    """Lay out all runs on each dataset on which something was measured, the main quantities first."""
    for dataset, rows in inputs.measurements.groupby("dataset", sort=False):
        if dataset:
            quantities = sorted(protocols(rows), key=lambda quantity: quantity.name not in MAIN)
            runs = [n for n, run in inputs.runs.items() if inputs.profile.data or dataset in run.test_on]
            yield quality_table(inputs, str(dataset), rows, runs, quantities)


def weights(inputs: Inputs) -> Iterator[QualityTable]:
    """Lay out the runs with published weights on each real dataset: PSNRs, SSIMs, others."""
    measured = inputs.authors[inputs.authors["value"].notna() & inputs.authors["run"].isin(inputs.runs)]
    order = [*FAMILIES, ""]
    for dataset, rows in measured.groupby("dataset", sort=False):
        if dataset:
            quantities = sorted(protocols(rows), key=lambda quantity: order.index(quantity.family))
            runs = [name for name in inputs.runs if name in set(rows["run"])]
            yield quality_table(inputs, str(dataset), rows, runs, quantities)


def entry(value: Any) -> str:
    """Write an entry of a recipe as a label."""
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def studies(inputs: Inputs) -> Iterator[Study]:
    """Group runs with one network and one recipe but for one thing in the loss."""
    for parent in inputs.runs.values():
        by_entries: dict[frozenset[str], list[tuple[Any, str]]] = {}
        for run in inputs.runs.values():
            if run.ablates != parent.name or run.config != parent.config or not run.train or not parent.train:
                continue
            loss, parents = run.train.loss, parent.train.loss
            changed = frozenset(key for key in loss if key in parents and loss[key] != parents[key])
            if changed:
                own = (parents[min(changed)], parent.name)
                by_entries.setdefault(changed, [own]).append((loss[min(changed)], run.name))
        for changed, runs in by_entries.items():
            title, symbol = STUDIES.get(changed, (f"Loss entry {', '.join(sorted(changed))}", "value"))
            runs.sort(key=lambda pair: (isinstance(pair[0], str), pair[0]))
            labels = {name: f"{symbol} {entry(value)}" for value, name in runs}
            points = inputs.curves[inputs.curves["run"].isin(labels) & inputs.curves["test"].notna()]
            points = pd.concat([points[points["run"] == name].assign(label=labels[name]) for name in labels])
            drawn = set(points["run"])
            yield Study(
                title=title,
                name=f"study-{parent.name}-{'-'.join(sorted(changed))}",
                run=parent.name,
                points=points,
                absent=tuple(label for name, label in labels.items() if name not in drawn),
            )
