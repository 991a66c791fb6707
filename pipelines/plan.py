"""Plan a profile's trainings before any starts: how long, on how many devices, for how much.

    python -m pipelines.plan [--profile NAME] [--card NAME] [--devices N] [--list]
    python -m pipelines.plan --budget 10m

Seconds of a training come, in this order, from its finished record, from a timed step of its recipe on that
card (results/runtime), or from its MACs at a rate that is assumed. With a budget, a step and a restored image
of every run are timed on this device instead; a profile is written whose steps fit, and params.yaml names it.
"""

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from benchmark import engine, nets, spec
from benchmark.compare import physics
from benchmark.results import COMPLEXITY, TIMINGS, Results, finished, read_rows
from benchmark.results.schema import Complexity, Timing
from benchmark.timing.prices import read_rates
from benchmark.training import planning
from pipelines import budget, run_stage

# Assumed MACs a second of a core with AVX-512, and of a card as a share of its float32 peak, of which
# synchronised forward passes on an RTX 3090 reach 26 to 43 % (benchmark/compare/cards.yaml, clocked).
CORE, SHARE = 12e9, 0.3
MANY = 10**6  # runs: more than there are devices
STATE = 12  # bytes per parameter of a checkpoint: weights and Adam's two moments, float32


@dataclass(frozen=True)
class Estimate:
    """How long a training takes on one device."""

    seconds: float
    source: str  # "record", "timed step" or "assumed rate"


@dataclass(frozen=True)
class Device:
    """What a plan is for."""

    name: str
    count: int
    rate: float  # MACs/s, assumed
    dollars: float | None  # an hour


def device(card: str, count: int) -> Device:
    """Describe so many devices: those of a card, or those that runs are shared out to.

    Raises:
        ValueError: nothing is known of the card.
    """
    rates, name = read_rates(), card or nets.device_name()
    if not card and not torch.cuda.is_available():
        return Device(name, count or engine.workers(MANY), CORE, rates.get(name))
    cards, _ = physics.read()
    found = next((known for known in cards.values() if known.has_name(name)), None)
    if found is None:
        raise ValueError(
            f"--card: no {name!r}; {spec.nearest(name, [known.name for known in cards.values()])}"
        )
    here = 1 if card else engine.workers(MANY)
    return Device(found.name, count or here, SHARE * found.fp32 * 1e12 / 2, rates.get(found.name))


def estimates(profile: spec.Profile, runs: Mapping[str, spec.Run], on: Device) -> dict[str, Estimate]:
    """Estimate every training of a profile that has a recipe; finished ones take no time any more."""
    trainings = {name: t for name, t in profile.trainings(runs).items() if t.run.train}
    counts = {row.run: row.macs_256 or 0 for row in read_rows(COMPLEXITY, Complexity, optional=True)}
    steps = {
        (row.run, row.batch, row.height): row.median_ms / 1000
        for row in read_rows(TIMINGS, Timing, optional=True)
        if row.kind == "step" and row.mode == "strict" and row.device == on.name and row.median_ms
    }
    results = Results(profile.name)
    kept = set(finished.read_all(results, trainings)) if profile.final else set[str]()
    kept |= {name for name in trainings if (results.train(name) / "record.json").exists()}
    return {
        name: Estimate(0.0, "record") if name in kept else estimate(t, counts.get(t.run.name, 0), steps, on)
        for name, t in trainings.items()
    }


def estimate(
    training: spec.Training, macs: float, steps: Mapping[tuple[str, int, int], float], on: Device
) -> Estimate:
    """Estimate a training from a timed step, by run, batch and crop, or else from its MACs."""
    assert training.run.train
    recipe, count = training.profile.cut(training.run.train)
    timed = steps.get((training.run.name, recipe.batch, recipe.crop))
    if timed and training.profile.thin == 1:
        return Estimate(count * timed, "timed step")
    return Estimate(planning.macs(training, macs) / on.rate, "assumed rate")


def describe(profile: spec.Profile, found: Mapping[str, Estimate], on: Device, disk: float) -> str:
    """Write the plan of a profile in a few lines."""
    costs = {name: e.seconds for name, e in found.items() if e.source != "record"}
    if not costs:
        return (
            f"profile {profile.name}: all {len(found)} trainings have finished; changed ones are done again"
        )
    hours = sum(costs.values()) / 3600
    assumed = sum(e.seconds for e in found.values() if e.source == "assumed rate") / 3600
    longest = max(costs, key=lambda name: costs[name])
    end = planning.finish(planning.schedule(costs, on.count))
    bound = planning.lower_bound(costs.values(), on.count)
    rows = {
        "device": f"{on.count} x {on.name}",
        "trainings": f"{len(costs)} of {len(found)}; the others have finished",
        "work": f"{hours:,.1f} hours of one device, {assumed / hours:.0%} of them at an assumed rate",
        "longest": f"{longest}, {costs[longest] / 3600:,.1f} hours",
        "finish": f"after {end / 3600:,.1f} hours on {on.count}; no schedule ends before {bound / 3600:,.1f}",
        "disk": f"{disk / 1e9:,.1f} GB of weights and checkpoints",
        "money": f"{on.dollars * hours:,.0f} at {on.dollars:g} an hour (params.yaml, rates)"
        if on.dollars
        else "unknown: params.yaml, rates has no price of this device",
    }
    width = max(map(len, rows))
    return "\n".join(
        [f"profile {profile.name}: {profile.about}", *(f"  {k:<{width}}  {v}" for k, v in rows.items())]
    )


def consent(hours: float = 3.0) -> bool:
    """Ask before trainings that take longer than so many hours in all; without a terminal, YES=1 agrees.

    Nothing is asked when some of the profile's trainings have finished: it was agreed to.
    """
    profile, runs = spec.load()
    on = device("", 0)
    found = estimates(profile, runs, on)
    costs = {name: row.seconds for name, row in found.items()}
    agreed = os.environ.get("YES") == "1" or any(row.source == "record" for row in found.values())
    if agreed or planning.finish(planning.schedule(costs, on.count)) < 3600 * hours:
        return True
    print(describe(profile, found, on, disk(profile, runs, on.count)), flush=True)
    if not sys.stdin.isatty():
        print("pipelines: nothing is started; YES=1 in the environment starts it", file=sys.stderr)
        return False
    return input("start? [y/N] ").strip().lower() in ("y", "yes")


def disk(profile: spec.Profile, runs: Mapping[str, spec.Run], devices: int) -> float:
    """Estimate the bytes of all weights, float32, and of the checkpoints of trainings that run at once."""
    counts = {row.run: row.params for row in read_rows(COMPLEXITY, Complexity, optional=True)}
    sizes = [counts.get(t.run.name, 0) / t.profile.thin**2 for t in profile.trainings(runs).values()]
    return 4 * sum(sizes) + STATE * sum(sorted(sizes)[-devices:])


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.plan", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument(
        "--profile", default="", help="a file of benchmark/profiles; else that of params.yaml"
    )
    parser.add_argument("--card", default="", help="plan for this card, by its name; else for this machine")
    parser.add_argument("--devices", type=int, default=0, help="how many; else those of this machine")
    parser.add_argument(
        "--list", action="store_true", help="every training with its hours, the longest first"
    )
    parser.add_argument("--budget", default="", help="write a profile that ends in this time, such as 10m")
    arguments = parser.parse_args(words)
    if arguments.devices < 0:
        raise ValueError(f"--devices {arguments.devices}; allowed: from 1")
    return arguments


def main(*words: str) -> int:
    """Print a plan, or write the profile of a budget."""
    begun, options = time.monotonic(), parse(words)
    profile, runs = spec.load(profile=options.profile)
    if options.budget and options.profile:  # the processes that time its runs read params.yaml
        raise ValueError(
            "--budget cuts the profile that params.yaml names; --profile is not allowed beside it"
        )
    if options.budget:
        path = budget.save(budget.cut(profile, runs, options.budget, begun))
        print(f"plan: {path} is written, and params.yaml names it")
        return 0
    on = device(options.card, options.devices)
    found = estimates(profile, runs, on)
    print(describe(profile, found, on, disk(profile, runs, on.count)))
    if options.list:
        for name, row in sorted(found.items(), key=lambda item: -item[1].seconds):
            print(f"  {row.seconds / 3600:10.2f} h  {name} ({row.source})")
    return 0


if __name__ == "__main__":
    run_stage("plan", main, *sys.argv[1:])
