"""What to time, in which order, and about how long it will take."""

import argparse
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmark import claims, spec
from benchmark.timing import record
from benchmark.timing.record import MODES, USUAL, Recording
from benchmark.timing.rules import RULES

SIZES = {"cuda": (720, 1280), "cpu": (128, 128)}  # papers'; the smallest that every network takes
BATCHES = {"cuda": (1, 2, 4, 8), "cpu": (1,)}
SQUARE = 256  # side of the images of a batch of several
ROUNDS = 2
# For the budget: s until a process calls its network, and MACs per second: half of a slow card's, two cores'.
START = {"cuda": 15.0, "cpu": 8.0}
RATE = {"cuda": 5e12, "cpu": 3e10}


@dataclass(frozen=True)
class Order:
    """A measurement to make; `benchmark.measure.work.Task` without the network."""

    kind: str
    run: str
    mode: str
    height: int
    width: int
    batch: int
    round: int

    @property
    def key(self) -> tuple[str, str, str, int, int, int]:
        """As Recording.key."""
        return (self.kind, self.run, self.mode, self.height, self.width, self.batch)

    def __str__(self) -> str:
        """For the line that is printed."""
        size = f" {self.height}x{self.width}" if self.kind == "forward" else ""
        batch = f" batch {self.batch}" if self.batch > 1 else ""
        return f"{self.kind} {self.run} {self.mode}{size}{batch}, round {self.round}"


@dataclass(frozen=True)
class Asked:
    """The command line."""

    runs: tuple[str, ...]
    kinds: tuple[str, ...]
    modes: tuple[str, ...]  # empty: the usual ones of the device
    size: tuple[int, int] | None
    batches: tuple[int, ...]
    rounds: int
    budget: float  # s
    seed: int


@dataclass(frozen=True)
class Host:
    """The device of this machine, as a process that has touched it says."""

    kind: str
    name: str
    torch: str
    ceilings: dict[str, str]  # name -> mode


def timed() -> set[str]:
    """The runs that a paper prints a time of."""
    printed = (c for paper in claims.read() for c in paper.claims() if c.quantity == "seconds" and c.value)
    return {claim.run for claim in printed if claim.run}


def plan(asked: Asked, host: Host, runs: Mapping[str, spec.Run]) -> list[Order]:
    """Every measurement that is wanted, in the order of their making.

    Ceilings first, as they tell what can be believed; then systems with a printed time, other systems,
    batches of several, training steps. Rounds of one sort are shuffled; the second begins after the first.
    """
    systems = [name for name, run in runs.items() if not run.ablates]
    chosen, first = list(asked.runs) or systems, timed()
    modes = asked.modes or USUAL[host.kind]
    height, width = asked.size or SIZES[host.kind]
    usual = asked.batches or BATCHES[host.kind]
    small = asked.size or ((SQUARE, SQUARE) if host.kind == "cuda" else SIZES["cpu"])
    eager = next((mode for mode in ("tf32", "strict") if mode in modes), modes[0])

    def ceiling(turn: int) -> Iterator[Order]:
        yield from (Order("ceiling", name, mode, 0, 0, 1, turn) for name, mode in host.ceilings.items())

    def forward(some: Sequence[str], turn: int) -> Iterator[Order]:
        yield from (Order("forward", name, mode, height, width, 1, turn) for name in some for mode in modes)

    def batches(turn: int) -> Iterator[Order]:
        sizes = usual if small != (height, width) else [size for size in usual if size > 1]
        if len(usual) > 1:
            yield from (Order("forward", n, eager, *small, size, turn) for n in chosen for size in sizes)

    def step(turn: int) -> Iterator[Order]:
        for name in chosen:
            recipe = runs[name].train
            if recipe:
                yield Order("step", name, eager, recipe.crop, recipe.crop, recipe.batch, turn)

    printed = partial(forward, [name for name in chosen if name in first])
    others = partial(forward, [name for name in chosen if name not in first])
    kinds: dict[str, list[Callable[[int], Iterator[Order]]]]
    kinds = {"ceiling": [ceiling], "forward": [printed, others, batches], "step": [step]}
    shuffle, orders = random.Random(asked.seed), []
    for kind in asked.kinds:
        for tier in kinds[kind]:
            for turn in range(1, asked.rounds + 1):
                made = list(tier(turn))
                shuffle.shuffle(made)
                orders += made
    return orders


def call(order: Order, host: Host, known: Mapping[Any, Recording], macs: Mapping[str, float]) -> float:
    """About how many seconds one call takes: as it did before, or by its arithmetic."""
    if before := known.get(order.key):
        return mean(before)
    passes = 3 if order.kind == "step" else 1  # forward, and twice as much backward
    images = order.batch * order.height * order.width / SQUARE**2  # of the size that MACs are counted at
    return passes * macs.get(order.run, 0.0) * images / RATE[host.kind]


def estimate(seconds: float, host: Host) -> float:
    """About how many seconds a process takes whose calls take so many, its start included."""
    rules = RULES[host.kind]
    warm = min(max(rules.warm_seconds, rules.warm_least * seconds), rules.warm_cap + seconds)
    return START[host.kind] + warm + min(2 * rules.least * seconds, rules.cap + seconds)


def mean(recording: Recording) -> float:
    """Seconds of one call."""
    return sum(recording.samples.wall) / len(recording.samples.wall) / 1000


def names(text: str, known: Iterable[str], what: str) -> tuple[str, ...]:
    """A list with commas.

    Raises:
        ValueError: one of them is not known.
    """
    found = tuple(filter(None, text.split(",")))
    for name in found:
        if name not in known:
            raise ValueError(f"{what}: no {name!r}; {spec.nearest(name, list(known))}")
    return found


def arguments(words: Sequence[str], profile: spec.Profile, runs: Mapping[str, spec.Run]) -> Asked:
    """The command line, checked.

    Raises:
        ValueError: an argument is not one of the allowed values.
    """
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.runtime", description="Time networks; docs/runtime.md has the protocol."
    )
    parser.add_argument("runs", nargs="*", metavar="RUN", help="default: every system of the tables")
    parser.add_argument(
        "--budget", type=float, default=profile.timing, metavar="SECONDS", help="0: judge only"
    )
    parser.add_argument("--kinds", default="ceiling,forward,step")
    parser.add_argument("--modes", default="", help=f"of {', '.join(MODES)}")
    parser.add_argument("--size", default="", metavar="HEIGHTxWIDTH")
    parser.add_argument("--batches", default="", metavar="1,2,...")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seed", type=int, default=0, help="of the order")
    given = parser.parse_args(words)
    for name in given.runs:
        names(name, runs, "RUN")
    sides = given.size.split("x") if given.size else []
    batches = list(filter(None, given.batches.split(",")))
    whole = all(number.isdecimal() and int(number) for number in [*sides, *batches])
    if not whole or len(sides) not in (0, 2):
        raise ValueError("--size is HEIGHTxWIDTH, --batches numbers with commas, all from 1 on")
    if given.rounds < 1:
        raise ValueError(f"--rounds {given.rounds}: from 1 on")
    if given.budget < 0:
        raise ValueError(f"--budget {given.budget:g}: seconds, or 0 for none")
    return Asked(
        tuple(given.runs),
        names(given.kinds, record.KINDS, "--kinds"),
        names(given.modes, MODES, "--modes"),
        (int(sides[0]), int(sides[1])) if sides else None,
        tuple(map(int, batches)),
        given.rounds,
        given.budget,
        given.seed,
    )
