"""Measure how fast runs of a profile train and restore on this device, in about a second each."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

import torch

from benchmark import nets, spec
from benchmark.measure import scoring, steps
from benchmark.measure.restoring import available_metrics
from benchmark.training.fit import NetworkTrainer, Settings
from benchmark.training.objective import adversary_networks

SECONDS = 0.4  # of steps, after the first, which allocates and chooses algorithms
PLAIN = spec.Recipe(1, 1, 32, spec.Optimiser(0.0), {}, {})  # without extras
STAND_IN, REAL = (256, 256), (steps.HEIGHT, steps.WIDTH)  # sizes of test images


def step_seconds(training: spec.Training) -> float:
    """Time a training step in s, crops included, by the recipe as the training's profile cuts it.

    The median of at least two steps after the first. Images are synthetic, so nothing has to be downloaded.

    Raises:
        ValueError: the run has no recipe.
    """
    run, profile = training.run, training.profile
    if run.train is None:
        raise ValueError(f"{run.name}: it has no recipe, so no training step")
    recipe, count = profile.cut(run.train)
    networks = {
        "net": nets.build(run, profile.thin, profile.seed),
        **adversary_networks(recipe, profile.thin),
    }
    settings = Settings(count, Path(), profile.seed, nets.device(), profile.amp, parts=max(1, profile.parts))
    pairs = steps.images(recipe, *(STAND_IN if profile.data else REAL))
    trainer = NetworkTrainer(networks, pairs, recipe, settings)
    trainer.step(0)
    times, begun = list[float](), time.perf_counter()
    while len(times) < 2 or time.perf_counter() - begun < SECONDS:
        times.append(timed(lambda: trainer.step(len(times) + 1)))
    return median(times)


def image_seconds(training: spec.Training) -> float:
    """Time what restoring and scoring a test image takes, in s, after the metrics were loaded for another."""
    run, profile = training.run, training.profile
    if not run.train:
        run = replace(run, config=run.config | profile.settings)
    net = nets.build(run, profile.thin, profile.seed)
    normalise = run.train.normalise if run.train else spec.Normalise()
    pairs = steps.images(PLAIN, *(STAND_IN if profile.data else REAL))
    pairs = replace(pairs, names=pairs.names[:1], blurry=pairs.blurry[:1], sharp=pairs.sharp[:1])
    metrics = available_metrics(profile)

    def work(restore: scoring.Restore) -> Callable[[], object]:
        return lambda: list(scoring.score(net, restore, pairs, metrics, nets.device()))

    timed(work(lambda net, image: image))
    return timed(work(lambda net, image: nets.restore(net, image, normalise)))


def timed(work: Callable[[], object]) -> float:
    """Time a call in s, work on the device included."""
    begun = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - begun
