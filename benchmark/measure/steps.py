"""Prepare kind "step": a training step of a recipe, from drawing its crops to the optimisers.

It is the step of training itself. It checks that each loss is finite, so it waits for the device, and its
asynchronous time is no shorter than the others. Training keeps weights with channels last whatever the mode
says, and leaves algorithms to cuDNN's guess.

The images are synthetic, as large as GoPro_Large's: colours that change smoothly, and the same shifted.
Pretrained weights are left out, as they change no time.
"""

import copy
import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmark import nets
from benchmark.data.pairs import UNPAIRED, Pairs
from benchmark.losses import Batch
from benchmark.measure.recorder import Work
from benchmark.spec import Recipe, Run
from benchmark.timing.schedule import Job
from benchmark.training.fit import NetworkTrainer, Settings
from benchmark.training.objective import Networks, adversary_networks, build_objective
from benchmark.weights import pretrained

MODES = ("strict", "tf32")
HEIGHT, WIDTH = 720, 1280
IMAGES = 4
GRAIN, SHIFT = 16, 8  # pixels between two random colours, and from sharp to blurry
CHANNELS = {"motion": 2, "moving": 1}  # of extras that are not images


def prepare(job: Job, run: Run, kind: str) -> Work:
    """Prepare the steps of a run's recipe, with the job's batch and crop; each call is the next step.

    Raises:
        ValueError: the run has no recipe, the crop is not square or larger than the images, or training does
            not support the mode.
    """
    if run.train is None:
        raise ValueError(f"{run.name}: it has no recipe, so no training step; name a run that has one")
    recipe = replace(run.train, batch=job.batch, crop=job.height)
    if job.mode not in MODES:
        raise ValueError(f"{run.name}: no training step in mode {job.mode!r}; allowed: {', '.join(MODES)}")
    if job.height != job.width or not 0 < job.height <= HEIGHT // recipe.shrink:
        allowed = f"a square of up to {HEIGHT // recipe.shrink} pixels"
        raise ValueError(f"{run.name}: a crop of {job.width}x{job.height}; allowed: {allowed}")
    networks = {"net": nets.build(run), **adversary_networks(recipe, thin=1)}
    macs, uncounted = arithmetic(networks, recipe)
    lacks = pretrained.fallbacks(name for name in recipe.pretrained if name == "vgg19")
    settings = Settings(recipe.steps, Path(), device=kind)  # no checkpoint is written
    training, steps = NetworkTrainer(networks, images(recipe), recipe, settings), itertools.count()
    return Work(
        lambda: training.step(next(steps)),
        macs,
        notes=(*uncounted, *(f"{words}, so less work than the recipe's" for words in lacks)),
    )


def arithmetic(networks: Networks, recipe: Recipe) -> tuple[int, tuple[str, ...]]:
    """Count the MACs of one step on the meta device (torch's counter: no deformable convolutions).

    Returns:
        The count, and no note; or 0 and a note with the reason.
    """
    shadows = {name: copy.deepcopy(net).to("meta") for name, net in networks.items()}

    def crops(channels: int = 3) -> Tensor:
        return torch.empty(recipe.batch, channels, recipe.crop, recipe.crop, device="meta")

    extras = {name: crops(CHANNELS.get(name, 3)) for name in recipe.extras}
    batch = Batch(crops(), crops(), recipe.normalise, extras)
    try:
        with FlopCounterMode(display=False) as flops:
            for _, loss in build_objective(recipe)(shadows, batch):
                loss.backward()
    except RuntimeError as error:  # a gradient penalty uses autocast, which does not support the meta device
        return 0, (f"the MACs of a step could not be counted without executing it ({error})",)
    return flops.get_total_flops() // 2, ()


def images(recipe: Recipe, height: int = HEIGHT, width: int = WIDTH) -> Pairs:
    """Draw pairs of height x width pixels with the extras that the recipe needs, always the same."""
    rng = np.random.default_rng(0)
    grains = (height // GRAIN, width // GRAIN, 3)
    colours = [Image.fromarray(rng.integers(256, size=grains, dtype=np.uint8)) for _ in range(IMAGES)]
    sharp = [np.asarray(image.resize((width, height), Image.Resampling.BICUBIC)) for image in colours]
    blurry = [image // 2 + np.roll(image, SHIFT, axis=1) // 2 for image in sharp]
    drawn: dict[str, list[NDArray[np.generic]]] = {
        "motion": [np.full((height, width, 2), (SHIFT, 0), np.float16)] * IMAGES,
        "moving": [rng.random((height, width, 1)) < 0.5 for _ in range(IMAGES)],
    }
    extras = {name: drawn.get(name, [*blurry]) for name in recipe.extras if name != UNPAIRED}
    return Pairs([f"drawn/{number}" for number in range(IMAGES)], blurry, sharp, extras)
