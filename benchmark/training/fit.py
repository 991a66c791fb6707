"""Training loop: draw a batch, update every network, record the loss; resumes bit for bit, refuses NaN."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from benchmark import plugins
from benchmark.data.pairs import UNPAIRED, Pairs
from benchmark.engine import stopping
from benchmark.losses import Batch
from benchmark.spec import Normalise, Recipe
from benchmark.training import checkpoint
from benchmark.training.augment import Crop, tensor
from benchmark.training.drawing import DRAWING
from benchmark.training.objective import Networks, Objective, build_objective, build_schedule

POINTS = 100  # on the loss curve; each is the mean over its share of the steps
Buffers = dict[str, Tensor]  # by name: (B, side, side, C), the memory of a batch


class DivergedError(ValueError):
    """A loss is not finite."""


@dataclass(frozen=True)
class Settings:
    """Settings of a training that are not part of the recipe."""

    steps: int
    checkpoint: Path
    seed: int = 0
    device: str = "cpu"
    amp: str = "none"  # none or bfloat16
    validate: int = 10  # points on the validation curve
    save_seconds: float = 30.0  # between checkpoints


def draw(pairs: Pairs, recipe: Recipe, index: int, rng: np.random.Generator) -> Crop:
    """Draw a random crop of a pair and of its extras, after the augmentations of the whole image.

    For a recipe that shrinks its images first (bicubic, antialiased), a larger crop is shrunk, which differs
    from a crop of a shrunk image at its border alone.

    Raises:
        ValueError: the image is smaller than the crop, or the dataset does not have an extra.
    """
    side = recipe.crop * recipe.shrink
    whole: Crop = {"blurry": pairs.blurry[index], "sharp": pairs.sharp[index]}
    for name in recipe.extras:
        if name != UNPAIRED:
            if name not in pairs.extras:
                raise ValueError(f"extras: no {name!r} in this dataset; allowed: {', '.join(pairs.extras)}")
            whole[name] = pairs.extras[name][index]
    for name in recipe.before_crop:
        whole = plugins.load("training.augment", name).augment(whole, rng)
    height, width = whole["blurry"].shape[:2]
    if min(height, width) < side:
        raise ValueError(f"{pairs.names[index]}: {width}x{height} is smaller than the crop of {side}")
    y, x = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
    crop = {name: shrink(image[y : y + side, x : x + side], recipe.shrink) for name, image in whole.items()}
    # Contiguous copies: augmentation that rotates a memory-mapped crop would miss the cache.
    return {
        name: x.astype(x.dtype if x.shape[-1] == 3 else np.float32, order="C") for name, x in crop.items()
    }


def shrink(image: NDArray[Any], times: int) -> NDArray[Any]:
    """Divide the sides of an 8-bit image by `times`.

    Raises:
        ValueError: it is not an image and `times` is not 1.
    """
    if times == 1:
        return image
    if image.dtype != np.uint8 or image.shape[-1] != 3:
        raise ValueError("shrink: only images can be shrunk, not the extras of this recipe")
    size = (image.shape[1] // times, image.shape[0] // times)
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


def sample(
    pairs: Pairs, recipe: Recipe, seed: int, step: int, device: str = "cpu", buffers: Buffers | None = None
) -> Batch:
    """Draw the batch of a step. It depends on seed and step alone, so a resumed run draws the same one.

    With the same `buffers` again, a batch on the CPU overwrites the previous one: allocating memory takes
    longer than filling it.

    Raises:
        ValueError: as `draw`.
    """
    rng = np.random.default_rng([seed, step])
    stacked = {} if buffers is None else buffers
    indices = DRAWING[recipe.drawing](pairs, recipe, seed, step)
    for i, index in enumerate(indices):
        crop = draw(pairs, recipe, index, rng)
        for name in recipe.augment:
            crop = plugins.load("training.augment", name).augment(crop, rng)
        if UNPAIRED in recipe.extras:
            others = pairs.unpaired or pairs
            index = int(rng.integers(len(others)))
            crop[UNPAIRED] = draw(others, replace(recipe, extras=()), index, rng)["blurry"]
        for name, image in crop.items():
            if name not in stacked:
                stacked[name] = torch.empty(recipe.batch, *image.shape)
            put(image, stacked[name][i], recipe.normalise)
    # Permuted NHWC is PyTorch's channels_last, about three times as fast on a CPU.
    filled = {name: images[: len(indices)] for name, images in stacked.items()}
    tensors = {name: images.permute(0, 3, 1, 2).to(device) for name, images in filled.items()}
    if "grey" in recipe.augment:
        # Its networks restore each channel as an image of its own. The three are equal, so one gives the same
        # mean loss and gradients as all of them, in a third of the time.
        tensors = {name: x[:, :1] if x.shape[1] == 3 else x for name, x in tensors.items()}
    return Batch(tensors.pop("blurry"), tensors.pop("sharp"), recipe.normalise, tensors)


def put(image: NDArray[Any], out: Tensor, normalise: Normalise) -> None:
    """Write a crop (side, side, C) into its slot of a batch, images in the network's range."""
    values = tensor(image)
    if image.dtype == np.uint8:
        torch.div(values, 255, out=out)
    else:
        out.copy_(values)
    if image.shape[-1] == 3 and normalise != Normalise():  # subtracting zero takes as long
        out.sub_(normalise.mean).mul_(normalise.scale)


class NetworkTrainer:
    """Train networks by a recipe. A step depends on its number and on the networks' state alone."""

    def __init__(
        self,
        networks: Networks,
        pairs: Pairs,
        recipe: Recipe,
        settings: Settings,
        objective: Objective | None = None,
    ) -> None:
        """Move the networks to the device, with channels last in memory, and give each its own Adam."""
        self.pairs, self.recipe, self.settings = pairs, recipe, settings
        self.objective = objective or build_objective(recipe)
        self.schedule = build_schedule(recipe)
        self.networks = {
            name: net.to(settings.device).to(memory_format=torch.channels_last)
            for name, net in networks.items()
        }
        o = recipe.optimiser
        self.optimisers = {
            name: torch.optim.Adam(
                (p for p in net.parameters() if p.requires_grad),
                o.lr,
                (o.beta1, o.beta2),
                weight_decay=o.weight_decay,
                fused=True,
            )
            for name, net in self.networks.items()
        }
        self.buffers: Buffers = {}

    def rate(self, step: int) -> float:
        """Return the learning rate of a step."""
        epoch = self.recipe.epochs * step / self.settings.steps
        return self.recipe.optimiser.lr * self.schedule(epoch)

    def step(self, step: int) -> float:
        """Update every network on the batch of a step; return the last loss, the restoring network's.

        In a GAN the objective yields the losses of its discriminators before that of the restoring network.

        Args:
            step: counted from 0.

        Raises:
            DivergedError: a loss is NaN or infinite; the message names the step and the network.
        """
        settings = self.settings
        batch = sample(self.pairs, self.recipe, settings.seed, step, settings.device, self.buffers)
        torch.manual_seed(settings.seed * 1_000_003 + step)  # so that dropout and noise resume as crops do
        half = settings.amp == "bfloat16"
        autocast = torch.autocast(settings.device.split(":")[0], torch.bfloat16, enabled=half)
        value, lr = math.nan, self.rate(step)
        losses = self.objective(self.networks, batch)
        while True:
            with autocast:  # the generator computes the next loss here
                name, loss = next(losses, ("", None))
            if loss is None:
                return value
            value = float(loss.detach())
            if not math.isfinite(value):
                raise DivergedError(
                    f"step {step + 1}: the loss of {name!r} is {value} at learning rate {lr:g}"
                )
            self.update_network(name, loss, lr)

    def update_network(self, name: str, loss: Tensor, lr: float) -> None:
        """Update one network, the restoring one or a discriminator, by its own optimiser."""
        optimiser = self.optimisers[name]
        for group in optimiser.param_groups:
            group["lr"] = lr
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()


def fit(
    networks: Networks,
    pairs: Pairs,
    recipe: Recipe,
    settings: Settings,
    validate: Callable[[nn.Module, int], dict[str, float]],
    objective: Objective | None = None,
    progress: Callable[[int], None] = lambda step: None,
) -> list[dict[str, Any]]:
    """Train the networks in place; return the curve: one row {step, lr, loss, ...} per point.

    At validations, step 0 included, a row has the gains of `validate(net, step)` too, in dB by split. The row
    of step 0 has no loss. An interrupted run continues from its checkpoint, with the same result as an
    uninterrupted run.

    Raises:
        DivergedError: as `NetworkTrainer.step`.
        Stopped: the process was asked to end; the state is saved.
    """
    trainer = NetworkTrainer(networks, pairs, recipe, settings, objective)
    networks, optimisers = trainer.networks, trainer.optimisers
    start, rows, losses = 0, list[dict[str, Any]](), list[float]()
    if settings.checkpoint.exists():
        tensors, state = checkpoint.load(settings.checkpoint)
        checkpoint.unpack(tensors, networks, optimisers)
        start, rows, losses = state["step"], state["rows"], state["window"]

    steps = settings.steps
    points = {math.ceil(steps * k / POINTS) for k in range(1, POINTS + 1)}
    validations = {math.ceil(steps * k / settings.validate) for k in range(1, settings.validate + 1)}
    if start == 0:
        rows = [{"step": 0, "lr": trainer.rate(0), "loss": None, **validate(networks["net"], 0)}]
    saved = time.monotonic()
    for step in range(start, steps):
        losses.append(trainer.step(step))
        done = step + 1
        if done in points or done in validations:
            gains = validate(networks["net"], done) if done in validations else {}
            loss = sum(losses) / len(losses)
            rows.append({"step": done, "lr": trainer.rate(step), "loss": loss, **gains})
            losses = []
        stop = stopping.asked()
        if done == steps or stop or time.monotonic() - saved > settings.save_seconds:
            state = {"step": done, "rows": rows, "window": losses}
            checkpoint.save(settings.checkpoint, checkpoint.pack(networks, optimisers), state)
            saved = time.monotonic()
        progress(done)
        if stop and done < steps:
            raise stopping.Stopped(f"after step {done} of {steps}")
    return rows
