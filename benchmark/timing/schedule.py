"""What to measure, in which order, and about how long it takes."""

import argparse
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Any

from benchmark import claims, spec
from benchmark.timing.recording import DEFAULT_MODES, KINDS, MODES, Recording, timing_key
from benchmark.timing.rules import PAIR_RULES, RULES
from benchmark.timing.sampler import FEWEST

SIZES = {"cuda": (720, 1280), "cpu": (128, 128)}  # the papers'; the smallest that every network accepts
BATCHES = {"cuda": (1, 2, 4, 8), "cpu": (1,)}
SQUARE = 256  # side of the images of a batch of several
ROUNDS = 2
# For the budget: s until a process calls its network, and MACs per second: half of a slow card's, two cores'.
START_SECONDS = {"cuda": 15.0, "cpu": 8.0}
MACS_PER_SECOND = {"cuda": 5e12, "cpu": 3e10}


@dataclass(frozen=True)
class Job:
    """Name a piece of work to time in a process of its own."""

    kind: str  # one of KINDS
    run: str  # or a ceiling's name
    mode: str  # one of MODES
    height: int  # pixels; of a step: the crop; of a ceiling: 0
    width: int
    batch: int
    round: int
    anchor: str = ""  # of a pair: the run that `run` is compared with

    def __str__(self) -> str:
        """Describe the job for the progress line."""
        size = f" {self.height}x{self.width}" if self.kind in ("forward", "pair") else ""
        batch = f" batch {self.batch}" if self.batch > 1 else ""
        over = f" over {self.anchor}" if self.anchor else ""
        return f"{self.kind} {self.run}{over} {self.mode}{size}{batch}, round {self.round}"


@dataclass(frozen=True)
class Options:
    """Hold the command line."""

    runs: tuple[str, ...]
    kinds: tuple[str, ...]
    modes: tuple[str, ...]  # empty: the default ones of the device
    size: tuple[int, int] | None
    batches: tuple[int, ...]
    rounds: int
    budget: float  # s
    seed: int


@dataclass(frozen=True)
class Host:
    """Describe this machine's device, as a process that has used it reports it."""

    kind: str
    name: str
    torch: str
    ceilings: dict[str, str]  # name -> mode


def runs_with_printed_time() -> set[str]:
    """Return the runs of which a paper prints a time."""
    printed = (c for paper in claims.read() for c in paper.claims() if c.quantity == "seconds" and c.value)
    return {claim.run for claim in printed if claim.run}


def table_pairs() -> list[tuple[str, str]]:
    """Return each system of a table with run times and its table's anchor, as runs; first anchors themselves.

    A cell without a number counts too. A system of several tables has a pair for each of their anchors.
    """
    pairs = []
    for paper in claims.read():
        for table in paper.tables:
            cells = [claim for claim in table.claims.values() if claim.quantity == "seconds" and claim.run]
            anchor = next((claim.run for claim in cells if claim.row == table.anchor), None)
            pairs += [(claim.run or "", anchor) for claim in cells if anchor]
    return sorted(dict.fromkeys(pairs), key=lambda pair: pair[0] != pair[1])


def plan(options: Options, host: Host, runs: Mapping[str, spec.Run]) -> list[Job]:
    """List every requested job in the order of execution.

    Ceilings first, because later timings are checked against them; then systems with a printed time, other
    systems, batches of several, training steps, pairs. Within each of these, a round is shuffled, and the
    second follows the first. Without names, pairs are all of the tables; without modes, eager.
    """
    systems = [name for name, run in runs.items() if not run.ablates]
    chosen, printed = list(options.runs) or systems, runs_with_printed_time()
    modes = options.modes or DEFAULT_MODES[host.kind]
    height, width = options.size or SIZES[host.kind]
    batches = options.batches or BATCHES[host.kind]
    small = options.size or ((SQUARE, SQUARE) if host.kind == "cuda" else SIZES["cpu"])
    eager = next((mode for mode in ("tf32", "strict") if mode in modes), modes[0])

    def ceilings(number: int) -> Iterator[Job]:
        yield from (Job("ceiling", name, mode, 0, 0, 1, number) for name, mode in host.ceilings.items())

    def forwards(names: Sequence[str], number: int) -> Iterator[Job]:
        yield from (Job("forward", name, mode, height, width, 1, number) for name in names for mode in modes)

    def larger_batches(number: int) -> Iterator[Job]:
        sizes = batches if small != (height, width) else [size for size in batches if size > 1]
        if len(batches) > 1:
            yield from (Job("forward", n, eager, *small, size, number) for n in chosen for size in sizes)

    def steps(number: int) -> Iterator[Job]:
        for name in chosen:
            if recipe := runs[name].train:
                yield Job("step", name, eager, recipe.crop, recipe.crop, recipe.batch, number)

    def pairs(number: int) -> Iterator[Job]:
        of_tables = [pair for pair in table_pairs() if runs.keys() >= {*pair}]
        anchors = {anchor for name, anchor in of_tables if not options.runs or name in options.runs}
        for name, anchor in of_tables:
            if not options.runs or name in options.runs or (name == anchor and anchor in anchors):
                for mode in options.modes or (eager,):
                    yield Job("pair", name, mode, height, width, 1, number, anchor)

    first = partial(forwards, [name for name in chosen if name in printed])
    others = partial(forwards, [name for name in chosen if name not in printed])
    tiers: dict[str, list[Callable[[int], Iterator[Job]]]]
    tiers = {
        "ceiling": [ceilings],
        "forward": [first, others, larger_batches],
        "step": [steps],
        "pair": [pairs],
    }
    shuffle, jobs = random.Random(options.seed), []
    for kind in options.kinds:
        for tier in tiers[kind]:
            for number in range(1, options.rounds + 1):
                round_jobs = list(tier(number))
                shuffle.shuffle(round_jobs)
                jobs += round_jobs
    return jobs


def call_seconds(job: Job, host: Host, latest: Mapping[Any, Recording], macs: Mapping[str, float]) -> float:
    """Estimate the seconds of one call: as measured before, else by the run's MACs at 256x256."""
    if before := latest.get(timing_key(job)):
        return mean_seconds(before)
    passes = 3 if job.kind == "step" else 1  # forward, and twice as much backward
    images = job.batch * job.height * job.width / SQUARE**2
    slowest = max(macs.get(name, 0.0) for name in (job.run, job.anchor))
    return passes * slowest * images / MACS_PER_SECOND[host.kind]


def process_seconds(seconds: float, host: Host, pair: bool = False) -> float:
    """Estimate the seconds of a process whose calls take so many, its start included; of a pair at most."""
    rules = (PAIR_RULES if pair else RULES)[host.kind]
    if pair:  # turns of both take about as long
        warm = 2 * max(rules.warm_seconds, rules.warm_calls * seconds)
        return START_SECONDS[host.kind] + warm + max(2 * FEWEST * seconds, rules.max_seconds)
    warm = min(max(rules.warm_seconds, rules.warm_calls * seconds), rules.warm_max_seconds + seconds)
    return START_SECONDS[host.kind] + warm + min(2 * rules.min_samples * seconds, rules.max_seconds + seconds)


def mean_seconds(recording: Recording) -> float:
    """Return the mean seconds of one call."""
    return fmean(recording.samples.wall) / 1000


def names(text: str, allowed: Iterable[str], option: str) -> tuple[str, ...]:
    """Split a list with commas.

    Raises:
        ValueError: a name is not allowed.
    """
    found = tuple(filter(None, text.split(",")))
    for name in found:
        if name not in allowed:
            raise ValueError(f"{option}: no {name!r}; {spec.nearest(name, list(allowed))}")
    return found


def parse(words: Sequence[str], profile: spec.Profile, runs: Mapping[str, spec.Run]) -> Options:
    """Parse and check the command line.

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
    parser.add_argument(
        "--kinds", default="ceiling,forward,step", metavar="A,B", help=f"of {', '.join(KINDS)}"
    )
    parser.add_argument(
        "--paired",
        action="store_const",
        const="pair",
        dest="kinds",
        help="time each system and its table's anchor in turn, as --kinds pair",
    )
    parser.add_argument("--modes", default="", help=f"of {', '.join(MODES)}")
    parser.add_argument("--size", default="", metavar="HEIGHTxWIDTH")
    parser.add_argument("--batches", default="", metavar="1,2,...")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seed", type=int, default=0, help="of the order")
    arguments = parser.parse_args(words)
    for name in arguments.runs:
        names(name, runs, "RUN")
    sides = arguments.size.split("x") if arguments.size else []
    batches = list(filter(None, arguments.batches.split(",")))
    whole = all(number.isdecimal() and int(number) for number in [*sides, *batches])
    if not whole or len(sides) not in (0, 2):
        raise ValueError("--size is HEIGHTxWIDTH, --batches numbers with commas, all from 1 on")
    if arguments.rounds < 1:
        raise ValueError(f"--rounds {arguments.rounds}: from 1 on")
    if arguments.budget < 0:
        raise ValueError(f"--budget {arguments.budget:g}: seconds, or 0 for none")
    return Options(
        tuple(arguments.runs),
        names(arguments.kinds, KINDS, "--kinds"),
        names(arguments.modes, MODES, "--modes"),
        (int(sides[0]), int(sides[1])) if sides else None,
        tuple(map(int, batches)),
        arguments.rounds,
        arguments.budget,
        arguments.seed,
    )
