"""Collect what published weights reach on real images, under every protocol."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from benchmark.compare.decode import FAMILIES
from benchmark.report.inputs import Inputs
from benchmark.report.measured import Protocol, lay_out, protocols


@dataclass(frozen=True, eq=False)
class Table:
    """Every run with weights on one dataset, the blurred input first."""

    dataset: str
    total: int  # images of the official test set; 0: unknown
    quantities: tuple[Protocol, ...]  # PSNRs, SSIMs, others
    runs: pd.DataFrame  # by run: images, device
    mean: pd.DataFrame  # by run and quantity; NaN where a protocol was not measured


@dataclass(frozen=True)
class Unavailable:
    """The reason why runs could not be measured on datasets."""

    runs: tuple[str, ...]
    datasets: tuple[str, ...]
    reason: str


def tables(inputs: Inputs) -> Iterator[Table]:
    """Lay out a table per dataset on which something was measured."""
    measured = inputs.authors[inputs.authors["value"].notna() & inputs.authors["run"].isin(inputs.runs)]
    order = [*FAMILIES, ""]
    for dataset in filter(None, measured["dataset"].unique()):
        rows = measured[measured["dataset"] == dataset]
        quantities = sorted(protocols(rows), key=lambda protocol: order.index(protocol.family))
        runs = [name for name in inputs.runs if name in set(rows["run"])]
        runs.sort(key=lambda name: name != inputs.blurred)
        yield Table(
            dataset=dataset,
            total=inputs.total(dataset),
            quantities=tuple(quantities),
            runs=rows.groupby("run")[["n", "device"]].first().rename(columns={"n": "images"}).loc[runs],
            mean=lay_out(rows, "value", runs, [protocol.name for protocol in quantities]),
        )


def unavailable(inputs: Inputs) -> tuple[Unavailable, ...]:
    """Collect the reasons of the rows without a value, those with the same reason together."""
    rows = inputs.authors[inputs.authors["value"].isna()]
    return tuple(
        Unavailable(tuple(group["run"].unique()), tuple(group["dataset"].unique()), str(reason))
        for reason, group in rows.groupby("note", sort=False)
    )
