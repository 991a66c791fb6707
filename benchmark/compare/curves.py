"""What curves tell: whether those of a ladder collapse onto one, and how a run that began will end.

collapse.csv    Normalised so that the start is 0 and the end 1, do the curves of smaller trainings lie on
                that of the full one? If the learning rate suits every size alike, they do.
forecasts.csv   From the first 40 % of a curve, its last value, with a 90 % interval.

Both use gains on fixed crops, in dB, which are logarithms of the squared error and less noisy than the loss
of a step: a collapse those on training crops, which are what the optimiser lowers, a forecast those on
validation crops, so that no run is stopped by what its test images say (docs/ladder.md).

Sources   collapse: Qiu et al. Scaling Collapse Reveals Universal Dynamics in Compute-Optimally Trained Neural
          Networks. arXiv:2507.02119
          line: Koenker, Bassett. Regression Quantiles. Econometrica 1978
          interval: Barber et al. Predictive inference with the jackknife+. Annals of Statistics 2021 (by
          residuals of what was left out, here a system at a time)
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from sklearn.linear_model import QuantileRegressor
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict

from benchmark import spec
from benchmark.results.finished import Finished
from benchmark.results.schema import Collapse, Forecast, TrainingStep
from benchmark.results.tables import finite

FIRST = 0.4  # share of a curve that a forecast sees
FEWEST = 6  # points of that share, or nothing is forecast
AVERAGED = 3  # last of them: one is noisier, and earlier ones are further from the end
COVERED = 0.9  # by the interval
CALIBRATED = 9  # curves that such an interval needs at least
TIMES = 2  # a collapsed curve is within so many times the distance between seeds
GRID = np.linspace(0.1, 1, 19)  # shares of the steps at which curves are compared


def gains(curve: Sequence[TrainingStep], split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the shares of the steps at which a split was measured, and its gains in dB."""
    points = [(point.step, getattr(point, split)) for point in curve if getattr(point, split) is not None]
    steps, values = np.array(points, dtype=float).reshape(-1, 2).T
    if not len(steps) or not steps[-1]:  # measured before the first step at most
        return steps[:0], values[:0]
    return steps / steps[-1], values


def power_law(shares: np.ndarray, values: np.ndarray) -> float:
    """Fit a + b (1 - 1/s) to a curve by least squares, and return a, its value after all steps.

    It is what forecasts are compared with. A third constant, the exponent of s, follows the noise of so few
    points: free between -1 and 1 it gave 2.5 dB of a curve that ended at 0.0.

    >>> s = np.linspace(0.05, 0.4, 8)
    >>> round(power_law(s, 0.3 - 0.02 / s), 6)
    0.28
    """
    columns = np.stack([np.ones_like(shares), 1 - 1 / shares], axis=-1)
    return float(np.linalg.lstsq(columns, values, rcond=None)[0][0])


@dataclass(frozen=True)
class Begun:
    """What the first part of a curve says of its last value, and that value."""

    record: Finished
    system: str
    points: int  # of the first part
    guesses: tuple[float, float, float] | None  # dB: level, last point, power law; None of too few points
    final: float | None  # dB


def begin(record: Finished, system: str) -> Begun:
    """Read the first part of a validation curve; its level is the mean of the last points seen."""
    shares, values = gains(record.curve, "validation")
    first = (shares > 0) & (shares <= FIRST + 1e-9)
    points, final = int(first.sum()), finite(float(values[-1])) if len(values) else None
    if points < FEWEST or final is None:
        return Begun(record, system, points, None, final)
    seen = values[first]
    guesses = float(np.mean(seen[-AVERAGED:])), float(seen[-1]), power_law(shares[first], seen)
    return Begun(record, system, points, guesses, final)


@dataclass(frozen=True)
class Line:
    """What finished curves tell of others: the last value, linear in the level after the first part."""

    slope: float
    intercept: float  # dB
    half: float  # dB, of the interval
    rises: tuple[float, float]  # dB, from the last point seen and from the power law to the end, medians

    @classmethod
    def through(cls, curves: Sequence[Begun]) -> "Line":
        """Fit the line of least absolute errors, and find how far from it 90 % of the ends are.

        Each system's ends are held against the line through those of all others, as the end that is to be
        predicted is of another system too.

        Raises:
            ValueError: fewer than CALIBRATED curves, or all of one system.
        """
        known = [(c.guesses, c.final, c.system) for c in curves if c.guesses and c.final is not None]
        systems = [system for _, _, system in known]
        if len(known) < CALIBRATED or len(set(systems)) < 2:
            found = f"{len(known)} curves of {len(set(systems))} other systems"
            raise ValueError(f"{found}; needed: {CALIBRATED} of two or more")
        levels, lasts, laws = np.array([guesses for guesses, _, _ in known]).T
        finals, line = np.array([final for _, final, _ in known]), QuantileRegressor(alpha=0)
        held_out = cross_val_predict(line, levels[:, None], finals, groups=systems, cv=LeaveOneGroupOut())
        far = np.sort(np.abs(finals - held_out))
        half = far[min(len(far), math.ceil((len(far) + 1) * COVERED)) - 1]
        line.fit(levels[:, None], finals)
        rises = float(np.median(finals - lasts)), float(np.median(finals - laws))
        return cls(float(line.coef_[0]), float(line.intercept_), float(half), rises)


def forecasts(records: Iterable[Finished], runs: Mapping[str, spec.Run]) -> Iterator[Forecast]:
    """Predict the end of every curve from its level after 40 % of the steps.

    Line and interval come from the curves of the same rung of all other systems, so that nothing of the
    system whose end is predicted is in them. The last point seen and the power law, each with the rise that
    these curves have in the median, show what the line is worth.
    """
    begun = [begin(record, runs[record.run].model) for record in records if record.curve]
    lines: dict[tuple[str, str], Line | str] = {}
    for one in begun:
        rung = one.record.rung
        place = (one.record.run, one.record.seed, rung, one.points)
        if one.guesses is None or one.final is None:
            reason = f"{one.points} points in the first {FIRST:.0%} of the steps; needed: {FEWEST}"
            yield Forecast(*place, None, None, None, one.final, None, None, None, "", reason)
            continue
        if (rung, one.system) not in lines:
            others = [other for other in begun if other.record.rung == rung and other.system != one.system]
            try:
                lines[rung, one.system] = Line.through(others)
            except ValueError as error:
                lines[rung, one.system] = f"no interval: {error}"
        line, (level, last, law) = lines[rung, one.system], one.guesses
        if isinstance(line, str):
            errors = level - one.final, last - one.final, law - one.final
            yield Forecast(*place, level, None, None, one.final, *errors, "", line)
        else:
            value = line.intercept + line.slope * level
            plain = last + line.rises[0], law + line.rises[1]
            errors = value - one.final, plain[0] - one.final, plain[1] - one.final
            inside: Literal["yes", "no"] = "yes" if abs(value - one.final) <= line.half else "no"
            ends = value - line.half, value + line.half
            yield Forecast(*place, value, *ends, one.final, *errors, inside, "")


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
            reason = "no seed that both have" if full else "the full training is not finished"
            yield Collapse(run, rung, 0, None, None, "", reason)
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
