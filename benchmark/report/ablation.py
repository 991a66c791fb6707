"""Lay out the changes to networks that benchmark/compare/differences.py compared, by table and by parent."""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmark.claims import Table
from benchmark.report.entries import short
from benchmark.report.inputs import Inputs
from benchmark.results.schema import AblationStep


@dataclass(frozen=True)
class AblationTable:
    """A printed ablation table, row by row; `whole` goes from its first row to its last."""

    paper: str
    printed: Table
    steps: list[AblationStep]
    whole: AblationStep


def tables(inputs: Inputs) -> Iterator[AblationTable]:
    """Select the rows of each printed ablation table, in printed order."""
    for paper in inputs.papers:
        for table in paper.tables:
            rows = [row for row in inputs.steps if (row.paper, row.table) == (paper.key, table.name)]
            whole = next((row for row in rows if row.kind == "whole"), None)
            if whole:
                yield AblationTable(short(paper), table, [row for row in rows if row.kind == "step"], whole)


def groups(inputs: Inputs) -> dict[str, list[tuple[AblationStep, str]]]:
    """Group the variants by their parent, each with the place where a paper prints both, if one does."""
    shorts = {paper.key: short(paper) for paper in inputs.papers}
    variants: dict[str, list[tuple[AblationStep, str]]] = {}
    for row in inputs.steps:
        if row.kind == "variant" and row.first in inputs.runs and row.second in inputs.runs:
            place = f"{shorts.get(row.paper, row.paper)}, {row.table}" if row.paper else ""
            variants.setdefault(row.first, []).append((row, place))
    return variants
