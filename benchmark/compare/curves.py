"""What curves tell: whether those of a ladder collapse onto one, and how a run that began will end.

collapse.csv    Normalised so that the start is 0 and the end 1, do the curves of smaller trainings lie on
                that of the full one? If the learning rate suits every size alike, they do.
forecasts.csv   From the first 40 % of a curve, its last value, with a 90 % interval.

Both use gains on fixed crops, in dB, which are logarithms of the squared error and less noisy than the loss
of a step: a collapse those on training crops, which are what the optimiser lowers, a forecast those on
validation crops, so that no run is stopped by what its test images say (docs/ladder.md).

Sources   collapse: Qiu et al. Scaling Collapse Reveals Universal Dynamics in Compute-Optimally Trained Neural
          Networks. arXiv:2507.02119
          interval: Vovk, Gammerman, Shafer. Algorithmic Learning in a Random World. 2005 (split conformal)
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from benchmark import spec
from benchmark.results.finished import Finished
from benchmark.results.schema import Collapse, Forecast, TrainingStep
from benchmark.results.tables import finite

FIRST = 0.4  # share of a curve that a forecast sees
FEWEST = 6  # points of that share for two constants
COVERED = 0.9  # by the interval
CALIBRATED = 9  # curves that such an interval needs at least
TIMES = 2  # a collapsed curve is within so many times the distance between seeds
GRID = np.linspace(0.1, 1, 19)  # shares of the steps at which curves are compared


def gains(curve: Sequence[TrainingStep], split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the shares of the steps at which a split was measured, and its gains in dB."""
    points = [(point.step, getattr(point, split)) for point in curve if getattr(point, split) is not None]
    steps, values = np.array(points, dtype=float).reshape(-1, 2).T
    return steps / steps[-1] if len(steps) else steps, values


def power_law(shares: np.ndarray, values: np.ndarray) -> float:
    """Fit a + b (1 - 1/s) to a curve by least squares, and return a, its value after all steps.

    A third constant, the exponent of s, follows the noise of so few points: free between -1 and 1 it gave
    2.5 dB of a curve that ended at 0.0.

    >>> s = np.linspace(0.05, 0.4, 8)
    >>> round(power_law(s, 0.3 - 0.02 / s), 6)
    0.28
    """
    columns = np.stack([np.ones_like(shares), 1 - 1 / shares], axis=-1)
    return float(np.linalg.lstsq(columns, values, rcond=None)[0][0])


@dataclass(frozen=True)
class Predicted:
    """The first part of a curve, the last value that it predicts, and the last value itself."""

    record: Finished
    points: int
    forecast: float | None
    seen: float | None  # the last value of the first part
    final: float | None


def predict(record: Finished) -> Predicted:
    """Predict the last validation gain of a curve from the first part of it."""
    shares, values = gains(record.curve, "validation")
    first = (shares > 0) & (shares <= FIRST + 1e-9)
    points, final = int(first.sum()), finite(float(values[-1])) if len(values) else None
    if points < FEWEST or final is None:
        return Predicted(record, points, None, None, final)
    return Predicted(record, points, power_law(shares[first], values[first]), float(values[first][-1]), final)


def half_width(residuals: Sequence[float]) -> tuple[float, float] | None:
    """Return the middle of residuals, and how far from it the next one is in 90 % of cases (split conformal).

    None where there are fewer than CALIBRATED.
    """
    if len(residuals) < CALIBRATED:
        return None
    middle = float(np.median(residuals))
    far = sorted(abs(residual - middle) for residual in residuals)
    return middle, far[min(len(far), math.ceil((len(far) + 1) * COVERED)) - 1]


def forecasts(records: Iterable[Finished], runs: Mapping[str, spec.Run]) -> Iterator[Forecast]:
    """Predict the end of every curve: the power law's, shifted by what it missed in other systems' curves.

    Shift and interval come from the curves of the same rung of all other models, so that nothing of the
    system whose end is predicted is in them. The last value seen, shifted likewise, shows what the fit is
    worth.
    """
    told = [predict(record) for record in records if record.curve]
    for one in told:
        model, rung = runs[one.record.run].model, one.record.rung
        others = [o for o in told if o.record.rung == rung and runs[o.record.run].model != model]
        missed = [o.final - o.forecast for o in others if o.final is not None and o.forecast is not None]
        unfitted = [o.final - o.seen for o in others if o.final is not None and o.seen is not None]
        place = (one.record.run, one.record.seed, rung, one.points)
        if one.forecast is None or one.seen is None or one.final is None:
            reason = f"{one.points} points in the first {FIRST:.0%} of the steps; needed: {FEWEST}"
            yield Forecast(*place, None, None, None, one.final, None, None, "", reason)
        elif (calibrated := half_width(missed)) is None:
            reason = f"no interval: {len(missed)} curves of other systems; needed: {CALIBRATED}"
            errors = one.forecast - one.final, one.seen - one.final
            yield Forecast(*place, one.forecast, None, None, one.final, *errors, "", reason)
        else:
            middle, half = calibrated
            value = one.forecast + middle
            inside = abs(value - one.final) <= half
            errors = value - one.final, one.seen + float(np.median(unfitted)) - one.final
            ends = value - half, value + half, one.final
            yield Forecast(*place, value, *ends, *errors, "yes" if inside else "no", "")


def normalised(record: Finished) -> np.ndarray | None:
    """Return training gains at GRID, 0 at the start and 1 at the end; None for a curve that gains nothing."""
    shares, values = gains(record.curve, "train")
    if len(shares) < 3 or not np.all(np.isfinite(values)) or values[-1] <= values[0]:
        return None
    return np.asarray(np.interp(GRID, shares, (values - values[0]) / (values[-1] - values[0])))


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """Return the root mean square difference of two normalised curves."""
    return float(np.sqrt(np.mean((one - other) ** 2)))


def collapses(records: Mapping[str, Finished]) -> Iterator[Collapse]:
    """Compare the normalised curves of each run's rungs with those of its full training, seed by seed."""
    chosen = [record for record in records.values() if record.curve]
    places = dict.fromkeys((record.run, record.rung) for record in chosen if record.rung)
    for run, rung in places:
        full = {r.seed: normalised(r) for r in chosen if r.run == run and not r.rung}
        rungs = {r.seed: normalised(r) for r in chosen if r.run == run and r.rung == rung}
        both = sorted(set(full) & set(rungs))
        pairs = [(full[seed], rungs[seed]) for seed in both]
        if not pairs:
            yield Collapse(run, rung, 0, None, None, "", "the full training is not finished")
            continue
        apart = [distance(a, b) for a, b in pairs if a is not None and b is not None]
        if len(apart) < len(pairs):
            yield Collapse(run, rung, len(both), None, None, "", "a curve that does not rise has no shape")
            continue
        shapes = [shape for shape in full.values() if shape is not None]
        between = [distance(a, b) for a, b in combinations(shapes, 2)]
        mean = float(np.mean(apart))
        if not between:
            yield Collapse(run, rung, len(both), mean, None, "", "one seed tells no noise")
            continue
        level = float(np.mean(between))
        yield Collapse(run, rung, len(both), mean, level, "yes" if mean <= TIMES * level else "no", "")
