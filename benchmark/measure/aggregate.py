"""Average the values of single images per run, dataset and quantity; nothing else averages over images."""

import math

import numpy as np
import pandas as pd

from benchmark import plugins, spec
from benchmark.metrics import _flow, _pyiqa
from benchmark.results import Measurement


def quantities() -> dict[str, spec.Quantity]:
    """Return the protocol of each metric: perceptual ones, those of motion, then the files in metrics/."""
    files = (plugins.load("metrics", name).QUANTITY for name in plugins.names("metrics"))
    offered = _pyiqa.QUANTITIES | _flow.QUANTITIES
    return {quantity.name: quantity for quantity in (*offered.values(), *files)}


def pool(scores: pd.DataFrame) -> list[Measurement]:
    """Reduce rows of schema.Score to one measurement per run, dataset and quantity, in the order of the rows.

    A note has the spread between images; device, torch and profile stay empty.

    Raises:
        ValueError: there is no metric of a quantity.
    """
    protocols, rows = quantities(), []
    for (run, dataset, quantity), group in scores.groupby(["run", "dataset", "quantity"], sort=False):
        if quantity not in protocols:
            raise ValueError(f"no metric {quantity!r}; {spec.nearest(str(quantity), protocols)}")
        values, protocol = group["value"].to_numpy(), protocols[str(quantity)]
        # From first to last: means of six decimals are often halfway between two of them, and another order
        # of summation, as of pandas or of `sum` from Python 3.12 on, would round some the other way.
        value, n = float(np.cumsum(values)[-1]) / len(values), len(values)
        note = f"sd over images {values.std(ddof=1):.4f}" if n > 1 else ""
        if protocol.pool == "psnr":
            value, note = psnr(value), "of the mean over images"
        key = (str(run), str(dataset), protocol.name)
        rows.append(Measurement(*key, value, protocol.unit, n, "", "", "", note))
    return rows


def psnr(squared_error: float) -> float:
    """Convert a mean squared error of images in [0, 1] to dB.

    >>> psnr(0.01), psnr(0.0)
    (20.0, inf)
    """
    return -10 * math.log10(squared_error) if squared_error > 0 else math.inf
