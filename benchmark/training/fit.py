"""The training loop: sample, step, record. It resumes bit for bit and refuses NaN."""

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
from benchmark.losses import Batch
from benchmark.spec import Normalise, Recipe
from benchmark.training import checkpoint
from benchmark.training.augment import Crop, tensor
from benchmark.training.objective import Objective, Players, objective_of, schedule_of

POINTS = 100  # on the loss curve; each is a mean over its share of the steps
Room = dict[str, Tensor]  # by name: the (B, side, side, C) memory of a batch


class DivergedError(ValueError):
    """The loss is not finite."""


@dataclass(frozen=True)
class Settings:
    """What is not in the recipe: how far, on what, and where to keep the state."""

    steps: int
    checkpoint: Path
    seed: int = 0
    device: str = "cpu"
    amp: str = "none"  # none or bfloat16
    validate: int = 10  # points on the validation curve
    save_seconds: float = 30.0  # between checkpoints


def draw(pairs: Pairs, recipe: Recipe, rng: np.random.Generator) -> Crop:
    """One random crop of a random pair and of its extras, before augmentation.

    A recipe that shrinks its images first (bicubic, antialiased) gets a larger crop that is shrunk, which
    differs from a crop of a shrunk image at its border alone.

    Raises:
        ValueError: the image is smaller than the crop, or the dataset lacks an extra.
    """
    side = recipe.crop * recipe.shrink
    index = int(rng.integers(len(pairs)))
    whole: dict[str, NDArray[Any]] = {"blurry": pairs.blurry[index], "sharp": pairs.sharp[index]}
    height, width = whole["blurry"].shape[:2]
    if min(height, width) < side:
        raise ValueError(f"{pairs.names[index]}: {width}x{height} is smaller than the crop of {side}")
    y, x = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
    for name in recipe.extras:
        if name != UNPAIRED:
            if name not in pairs.extras:
                raise ValueError(f"extras: no {name!r} in this dataset; known: {', '.join(pairs.extras)}")
            whole[name] = pairs.extras[name][index]
    crop = {name: smaller(image[y : y + side, x : x + side], recipe.shrink) for name, image in whole.items()}
    # A copy in memory's own order: pixels that are first read when they are turned would miss the cache.
    return {
        name: x.astype(x.dtype if x.shape[-1] == 3 else np.float32, order="C") for name, x in crop.items()
    }


def smaller(image: NDArray[Any], times: int) -> NDArray[Any]:
    """An 8-bit image, so many times smaller; anything else is not resampled.

    Raises:
        ValueError: it is no image.
    """
    if times == 1:
        return image
    if image.dtype != np.uint8 or image.shape[-1] != 3:
        raise ValueError("shrink: only images can be made smaller, not the extras of this recipe")
    size = (image.shape[1] // times, image.shape[0] // times)
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


def sample(
    pairs: Pairs, recipe: Recipe, seed: int, step: int, device: str = "cpu", room: Room | None = None
) -> Batch:
    """The batch of a step: it depends on seed and step alone, so a resumed run draws the same one.

    Given the same `room` again, a batch on the CPU lies where the last one lay, whose values are gone: new
    memory takes longer to come by than to fill.

    Raises:
        ValueError: as `draw`.
    """
    rng = np.random.default_rng([seed, step])
    stacked = {} if room is None else room
    for i in range(recipe.batch):
        crop = draw(pairs, recipe, rng)
        for name in recipe.augment:
            crop = plugins.load("training.augment", name).augment(crop, rng)
        if UNPAIRED in recipe.extras:
            crop[UNPAIRED] = draw(pairs, replace(recipe, extras=()), rng)["blurry"]
        for name, image in crop.items():
            if name not in stacked:
                stacked[name] = torch.empty(recipe.batch, *image.shape)
            put(image, stacked[name][i], recipe.normalise)
    # NHWC in memory is channels_last, about three times as fast on CPU.
    tensors = {name: images.permute(0, 3, 1, 2).to(device) for name, images in stacked.items()}
    return Batch(tensors.pop("blurry"), tensors.pop("sharp"), recipe.normalise, tensors)


def put(image: NDArray[Any], out: Tensor, normalise: Normalise) -> None:
    """Write a crop, (side, side, C), into its place in a batch; an image in the network's range."""
    values = tensor(image)
    if image.dtype == np.uint8:
        torch.div(values, 255, out=out)
    else:
        out.copy_(values)
    if image.shape[-1] == 3 and normalise != Normalise():  # subtracting nothing takes as long
        out.sub_(normalise.mean).mul_(normalise.scale)


class Training:
    """Players that learn by a recipe. What a step does depends on its number and on what they have learnt."""

    def __init__(
        self,
        players: Players,
        pairs: Pairs,
        recipe: Recipe,
        settings: Settings,
        objective: Objective | None = None,
    ) -> None:
        """Take the players to the device, with channels last in memory, and give each an Adam."""
        self.pairs, self.recipe, self.settings = pairs, recipe, settings
        self.objective = objective or objective_of(recipe)
        self.schedule = schedule_of(recipe)
        self.players = {
            who: net.to(settings.device).to(memory_format=torch.channels_last) for who, net in players.items()
        }
        o = recipe.optimiser
        self.optimisers = {
            who: torch.optim.Adam(
                (p for p in net.parameters() if p.requires_grad),
                o.lr,
                (o.beta1, o.beta2),
                weight_decay=o.weight_decay,
                fused=True,
            )
            for who, net in self.players.items()
        }
        self.room: Room = {}

    def rate(self, step: int) -> float:
        """The learning rate of a step."""
        epoch = self.recipe.epochs * step / self.settings.steps
        return self.recipe.optimiser.lr * self.schedule(epoch)

    def step(self, step: int) -> float:
        """Every player learns from the batch of a step; the loss of the last one, the restoring network.

        Args:
            step: counted from 0.

        Raises:
            DivergedError: a loss is NaN or infinite; the message names the step and player.
        """
        settings = self.settings
        batch = sample(self.pairs, self.recipe, settings.seed, step, settings.device, self.room)
        torch.manual_seed(settings.seed * 1_000_003 + step)  # dropout and noise, as resumable as the crops
        half = settings.amp == "bfloat16"
        cast = torch.autocast(settings.device.split(":")[0], torch.bfloat16, enabled=half)
        value, lr = math.nan, self.rate(step)
        losses = self.objective(self.players, batch)
        while True:
            with cast:
                player, loss = next(losses, ("", None))
            if loss is None:
                return value
            value = float(loss.detach())
            if not math.isfinite(value):
                raise DivergedError(
                    f"step {step + 1}: the loss of {player!r} is {value} at learning rate {lr:g}"
                )
            optimiser = self.optimisers[player]
            for group in optimiser.param_groups:
                group["lr"] = lr
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()


def fit(
    players: Players,
    pairs: Pairs,
    recipe: Recipe,
    settings: Settings,
    validate: Callable[[nn.Module, int], float],
    objective: Objective | None = None,
    progress: Callable[[int], None] = lambda step: None,
) -> list[dict[str, Any]]:
    """Train the players in place; return the curve: one row {step, lr, loss, psnr} per point.

    `psnr` is what `validate(net, step)` gives, in dB, None between validations. A checkpoint of an
    interrupted run is taken up where it stopped, with the same result as an uninterrupted run.

    Raises:
        DivergedError: as `Training.step`.
    """
    training = Training(players, pairs, recipe, settings, objective)
    players, optimisers = training.players, training.optimisers
    start, rows, window = 0, [], []
    if settings.checkpoint.exists():
        tensors, facts = checkpoint.load(settings.checkpoint)
        checkpoint.unpack(tensors, players, optimisers)
        start, rows, window = facts["step"], facts["rows"], facts["window"]

    steps = settings.steps
    points = {math.ceil(steps * k / POINTS) for k in range(1, POINTS + 1)}
    validations = {math.ceil(steps * k / settings.validate) for k in range(1, settings.validate + 1)}
    saved = time.monotonic()
    for step in range(start, steps):
        window.append(training.step(step))
        done = step + 1
        if done in points or done in validations:
            psnr = validate(players["net"], done) if done in validations else None
            rows.append(
                {"step": done, "lr": training.rate(step), "loss": sum(window) / len(window), "psnr": psnr}
            )
            window = []
        if done == steps or time.monotonic() - saved > settings.save_seconds:
            facts = {"step": done, "rows": rows, "window": window}
            checkpoint.save(settings.checkpoint, checkpoint.pack(players, optimisers), facts)
            saved = time.monotonic()
        progress(done)
    return rows
