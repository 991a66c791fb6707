"""Values of single images -> one value per run, dataset and quantity: the one place that averages."""

import math
from collections import defaultdict

from benchmark import plugins, spec
from benchmark.metrics import _pyiqa
from benchmark.results import Results
from benchmark.results.legacy import read


def quantities() -> dict[str, spec.Quantity]:
    """What each column of numbers means: the files in metrics/, and the perceptual metrics."""
    files = (plugins.load("metrics", name).QUANTITY for name in plugins.names("metrics"))
    offered = (_pyiqa.entry(name).quantity for name in _pyiqa.names())
    return {quantity.name: quantity for quantity in (*offered, *files)}


def values(results: Results) -> dict[tuple[str, str, str], list[float]]:
    """Per-image values by run, dataset and quantity."""
    found: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for row in read(results.quality):
        found[row["run"], row["dataset"], row["quantity"]].append(float(row["value"]))
    return found


def pooled(found: list[float], quantity: spec.Quantity) -> tuple[str, str]:
    """One value of many images as its quantity pools them, and how they spread, in words.

    >>> pooled([20.0, 40.0], spec.Quantity("psnr", "dB", "higher", ""))
    ('30.000000', 'sd over images 14.1421')
    >>> pooled([0.01, 0.0001], spec.Quantity("psnr_pooled", "dB", "higher", "", pool="psnr"))
    ('22.967086', 'of the mean over images')
    """
    mean = sum(found) / len(found)
    if quantity.pool == "psnr":
        return f"{-10 * math.log10(mean) if mean else math.inf:.6f}", "of the mean over images"
    spread = math.sqrt(sum((x - mean) ** 2 for x in found) / max(1, len(found) - 1))
    return f"{mean:.6f}", f"sd over images {spread:.4f}" if len(found) > 1 else ""
