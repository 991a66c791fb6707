"""Plan the trainings of a profile before any starts: how long on how many devices, and what fits in a budget.

Durations come from measured steps (`measure/rates.py`); here they are only added up.
"""

import heapq
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmark.spec import Training

# MACs in the time that a training takes beside its arithmetic: to start, and in each step of thin networks on
# small crops. A step's gradients cost twice its forward pass.
START, OVERHEAD, PASSES = 1e9, 3e9, 3
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def macs(training: Training, of_256: float) -> float:
    """Estimate a training's work in MACs, its overhead included.

    Args:
        training: of which run, as cut; a run without a recipe has a start alone.
        of_256: MACs of one forward pass of the full network at 256x256 (complexity.csv).
    """
    if not training.run.train:
        return START
    recipe, steps = training.profile.cut(training.run.train)
    images = recipe.batch * (recipe.crop / 256) ** 2
    return START + steps * (PASSES * of_256 * images / training.profile.thin**2 + OVERHEAD)


@dataclass(frozen=True)
class Slot:
    """When and where a training runs, in s from the beginning."""

    name: str
    device: int
    begin: float
    end: float


def seconds(text: str) -> int:
    """Read a length of time: a number and s, m, h or d.

    >>> seconds("10m"), seconds("1.5 h")
    (600, 5400)

    Raises:
        ValueError: it is no such length, or zero.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd])\s*", text)
    if not match or not (value := round(float(match[1]) * UNITS[match[2]])):
        raise ValueError(
            f"{text!r} is no length of time; allowed: a number above 0 and s, m, h or d, as in 10m"
        )
    return value


def schedule(costs: Mapping[str, float], devices: int) -> list[Slot]:
    """Give each training, the longest first, to the device that is free first, as the engine does.

    Graham (1969): the last one ends at most 4/3 - 1/(3 devices) times as late as in the best schedule.

    >>> schedule({"a": 3, "b": 2, "c": 2}, 2)[-1]
    Slot(name='c', device=1, begin=2.0, end=4.0)
    """
    free = [(0.0, device) for device in range(devices)]
    slots = []
    for name in sorted(costs, key=lambda name: -costs[name]):
        begin, device = heapq.heappop(free)
        slots.append(Slot(name, device, begin, begin + costs[name]))
        heapq.heappush(free, (slots[-1].end, device))
    return slots


def finish(slots: Iterable[Slot]) -> float:
    """Return when the last training ends, in s."""
    return max((slot.end for slot in slots), default=0.0)


def lower_bound(costs: Iterable[float], devices: int) -> float:
    """Bound the end of the last training from below: all work shared evenly, or the longest training."""
    costs = list(costs)
    return max(sum(costs) / devices, max(costs, default=0.0))


@dataclass(frozen=True)
class Group:
    """Runs that train equally many steps: the variants of a table, or a run by itself."""

    steps: Mapping[str, int]  # by run, before the cut
    rates: Mapping[str, float]  # by run: s per step
    starts: Mapping[str, float]  # by run: s beside the steps, such as those of validation

    def cut(self, share: float) -> int:
        """Count the steps that all train so that the mean run trains `share` s: at least one, at most all."""
        mean = sum(self.rates.values()) / len(self.rates)
        return max(1, min([int(share / mean), *self.steps.values()]))

    def costs(self, share: float) -> dict[str, float]:
        """Return the s that each run takes when the mean one trains `share` s."""
        return {run: self.starts[run] + self.cut(share) * rate for run, rate in self.rates.items()}


def fit(groups: Sequence[Group], devices: int, budget: float) -> dict[str, int]:
    """Cut the steps of every run so that all end in `budget` s; return them by run.

    Every group has the same share of seconds for each of its runs, except those that need less to train in
    full. The greatest such share is found by bisection.

    >>> fit([Group({"a": 999}, {"a": 0.1}, {"a": 5}), Group({"b": 10}, {"b": 0.1}, {"b": 0})], 1, 16)
    {'a': 100, 'b': 10}

    Raises:
        ValueError: a step of every run takes longer than the budget.
    """

    def end(share: float) -> float:
        costs = {run: cost for group in groups for run, cost in group.costs(share).items()}
        return finish(schedule(costs, devices))

    if (least := end(0.0)) > budget:
        raise ValueError(
            f"one step of every run and its validations take {least:.0f} s, of which the budget leaves "
            f"{max(0.0, budget):.0f} s"
        )
    low, high = 0.0, budget * devices
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if end(middle) <= budget else (low, middle)
    return {run: group.cut(low) for group in groups for run in group.steps}
