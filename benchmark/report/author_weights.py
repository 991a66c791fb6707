"""What published weights give on real images, under every protocol."""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmark.compare.decode import FAMILIES
from benchmark.report.inputs import Inputs
from benchmark.report.measured import Protocol, protocols
from benchmark.results.legacy import Measurement


@dataclass(frozen=True)
class Row:
    """One run on one dataset; None where a protocol was not measured."""

    run: str
    about: str
    images: int
    values: tuple[float | None, ...]
    device: str


@dataclass(frozen=True)
class Table:
    """Every run with weights on one dataset, the blurred input first."""

    dataset: str
    total: int  # images of the official test set; 0: not known
    quantities: tuple[Protocol, ...]  # PSNRs, SSIMs, others
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Lack:
    """Why runs could not be measured on datasets."""

    runs: tuple[str, ...]
    datasets: tuple[str, ...]
    reason: str


def tables(inputs: Inputs) -> Iterator[Table]:
    """One table per dataset on which something was measured."""
    known = [row for row in inputs.authors.values() if row.value and row.run in inputs.runs]
    for dataset in dict.fromkeys(row.dataset for row in known if row.dataset):
        here = [row for row in known if row.dataset == dataset]
        order = [*FAMILIES, ""]
        quantities = sorted(protocols(here), key=lambda one: order.index(one.family))
        rows = []
        for name in sorted(inputs.runs, key=lambda name: name != inputs.blurred):
            mine = {row.quantity: row for row in here if row.run == name}
            if mine:
                first = next(iter(mine.values()))
                values = tuple(float(mine[q.name].value) if q.name in mine else None for q in quantities)
                rows.append(Row(name, inputs.runs[name].about, first.n, values, first.device))
        yield Table(dataset, inputs.total(dataset), tuple(quantities), tuple(rows))


def lacks(inputs: Inputs) -> tuple[Lack, ...]:
    """What the rows without a value say, those with the same reason together."""
    found: dict[str, list[Measurement]] = {}
    for row in inputs.authors.values():
        if not row.value:
            found.setdefault(row.note, []).append(row)
    return tuple(
        Lack(
            tuple(dict.fromkeys(row.run for row in rows)),
            tuple(dict.fromkeys(row.dataset for row in rows)),
            reason,
        )
        for reason, rows in found.items()
    )
