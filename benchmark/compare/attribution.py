"""Rank what could make a measured PSNR or SSIM differ from the printed one, by counterfactuals that are measured.

protocol            another protocol of the same family, on the same restored images
truncation          another form of them: truncated, clipped or not rounded at all (PSNR alone has these)
data variant        another rendering of the same set's images, by the same network or else the blurred input
part of the set     how much the mean depends on which sequences are measured (a standard error over them)
training cut        what the second half of the training added, and what the authors' weights gain beyond ours

An effect is the change of the measured value, in its unit. They are single changes and do not add up.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from benchmark.claims import Claim
from benchmark.compare.decode import FAMILIES, POOLED, Scores, expect
from benchmark.compare.evidence import Evidence
from benchmark.results.schema import CurvePoint, Finding

CAUSES = ("protocol", "truncation", "data variant", "part of the set", "training cut")
FORMS = ("psnr_truncated", "psnr_clipped", "psnr_float")  # of the restored image, beside `psnr`'s rounded one
INPUT = "identity"  # the run that hands the blurred image on
KINDS = {"authors_weights": "the authors' weights", "retrained": "the network trained here"}


@dataclass(frozen=True)
class Effect:
    """One measured counterfactual."""

    cause: str  # of CAUSES
    change: float  # of the measured value, in its unit
    says: str  # what was changed, on what
    either_way: bool = False  # a spread, without a direction


@dataclass(frozen=True)
class Measured:
    """Everything that counterfactuals are read from."""

    scores: Scores  # of this profile and of the authors' weights, by run and dataset
    curves: Mapping[str, list[CurvePoint]]  # by run


def mean(scores: pd.DataFrame, protocol: str) -> float:
    """Average a protocol over images, as measurements.csv does."""
    value = float(scores[protocol].mean())
    if protocol in POOLED:
        return float(-10 * pd.Series([value]).map(pd.NA if value <= 0 else __import__("math").log10).iloc[0])
    return value
