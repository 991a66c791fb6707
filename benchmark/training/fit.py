"""The training loop: sample, step, record. It resumes bit for bit and refuses NaN."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.pairs import Pairs
from benchmark.spec import Recipe
from benchmark.training import checkpoint
from benchmark.training.augment import AUGMENT
from benchmark.training.losses import LOSSES, Batch
from benchmark.training.schedules import SCHEDULES

POINTS = 100  # on the loss curve; each is a mean over its share of the steps

Players = dict[str, nn.Module]  # "net" restores; a GAN adds "critic"
Objective = Callable[[Players, Batch], Iterator[tuple[str, Tensor]]]  # who learns from which loss, in turn


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


def choose(table: dict[str, Callable[..., Any]], what: str, spec: dict[str, Any]) -> Callable[..., Any]:
    """The function a recipe names, with its other entries as arguments.

    Raises:
        ValueError: no such function; the message lists them.
    """
    spec = dict(spec)
    name = spec.pop("name", None)
    if name not in table:
        raise ValueError(f"{what}: no {name!r}; known: {', '.join(table)}")
    return lambda *args: table[name](*args, **spec)


def pixel_objective(recipe: Recipe) -> Objective:
    """One player, one loss: every recipe without an adversary."""
    loss = choose(LOSSES, "loss", recipe.loss)

    def objective(players: Players, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        yield "net", loss(players["net"](batch.blurry), batch)

    return objective


def sample(pairs: Pairs, recipe: Recipe, seed: int, step: int, device: str = "cpu") -> Batch:
    """The batch of a step: it depends on seed and step alone, so a resumed run draws the same one.

    Raises:
        ValueError: an image is smaller than the crop.
    """
    rng = np.random.default_rng([seed, step])
    side = recipe.crop
    crops = np.empty((recipe.batch, 2, side, side, 3), np.float32)
    for crop in crops:
        index = int(rng.integers(len(pairs)))
        height, width = pairs.blurry[index].shape[:2]
        if min(height, width) < side:
            raise ValueError(f"{pairs.names[index]}: {width}x{height} is smaller than the crop of {side}")
        y, x = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
        for slot, image in enumerate((pairs.blurry[index], pairs.sharp[index])):
            crop[slot] = image[y : y + side, x : x + side]
        crop /= 255
        for name in recipe.augment:
            crop[:] = AUGMENT[name](crop, rng)
    crops = (crops - recipe.normalise.mean) * recipe.normalise.scale
    # NHWC in memory is channels_last, about three times as fast on CPU.
    both = torch.from_numpy(crops).permute(1, 0, 4, 2, 3).to(device)
    return Batch(both[0].to(dtype=torch.float32), both[1].to(dtype=torch.float32), recipe.normalise)


def fit(
    players: Players,
    pairs: Pairs,
    recipe: Recipe,
    settings: Settings,
    validate: Callable[[nn.Module], float],
    objective: Objective | None = None,
    progress: Callable[[int], None] = lambda step: None,
) -> list[dict[str, Any]]:
    """Train the players in place; return the curve: one row {step, lr, loss, psnr} per point.

    `psnr` is validation PSNR in dB, None between validations. A checkpoint of an interrupted
    run is taken up where it stopped, with the same result as an uninterrupted run.

    Raises:
        DivergedError: a loss is NaN or infinite; the message names the step and player.
    """
    objective = objective or pixel_objective(recipe)
    schedule = choose(SCHEDULES, "schedule", recipe.schedule)
    o = recipe.optimiser
    players = {
        who: net.to(settings.device).to(memory_format=torch.channels_last) for who, net in players.items()
    }
    optimisers = {
        who: torch.optim.Adam(net.parameters(), lr=o.lr, betas=(o.beta1, o.beta2), fused=True)
        for who, net in players.items()
    }
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
        lr = o.lr * schedule(recipe.epochs * step / steps)
        batch = sample(pairs, recipe, settings.seed, step, settings.device)
        torch.manual_seed(settings.seed * 1_000_003 + step)  # dropout and noise, as resumable as the crops
        loss = turn(players, optimisers, objective, batch, lr, settings, step)
        window.append(loss)
        done = step + 1
        if done in points or done in validations:
            psnr = validate(players["net"]) if done in validations else None
            rows.append({"step": done, "lr": lr, "loss": sum(window) / len(window), "psnr": psnr})
            window = []
        if done == steps or time.monotonic() - saved > settings.save_seconds:
            facts = {"step": done, "rows": rows, "window": window}
            checkpoint.save(settings.checkpoint, checkpoint.pack(players, optimisers), facts)
            saved = time.monotonic()
        progress(done)
    return rows


def turn(
    players: Players,
    optimisers: dict[str, torch.optim.Adam],
    objective: Objective,
    batch: Batch,
    lr: float,
    settings: Settings,
    step: int,
) -> float:
    """One step of every player; the loss of the last one, which is the restoring network."""
    value = math.nan
    cast = torch.autocast(settings.device.split(":")[0], torch.bfloat16, enabled=settings.amp == "bfloat16")
    losses = objective(players, batch)
    while True:
        with cast:
            player, loss = next(losses, ("", None))
        if loss is None:
            return value
        value = float(loss.detach())
        if not math.isfinite(value):
            raise DivergedError(f"step {step + 1}: the loss of {player!r} is {value} at learning rate {lr:g}")
        for group in optimisers[player].param_groups:
            group["lr"] = lr
        optimisers[player].zero_grad(set_to_none=True)
        loss.backward()
        optimisers[player].step()
