"""Training loop: draw a batch, update every network, record the loss; resumes bit for bit, refuses NaN.

On a GPU nothing in a step waits for the device: batches are drawn and sent ahead (`ahead.Ahead`), losses are
read later (`pending.Pending`). A processor that draws crops does not compute, so there both are done in turn.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.data.pairs import Pairs
from benchmark.engine import stopping
from benchmark.losses import Batch
from benchmark.spec import Recipe
from benchmark.training import checkpoint, crops, parallel
from benchmark.training.ahead import Ahead
from benchmark.training.objective import Networks, Objective, build_objective, build_schedule
from benchmark.training.pending import DivergedError, Pending

POINTS = 100  # on the loss curve; each is the mean over its share of the steps
AHEAD, UNREAD = 3, 32  # on a GPU: batches drawn ahead, losses that were not looked at


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
    parts: int = 1  # of a batch, one after another; see parallel.py
    ahead: int | None = None  # batches drawn while the device works; None: AHEAD on a GPU, else 0
    unread: int | None = None  # losses; None: UNREAD on a GPU, else 0


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
        self.buffers: crops.Buffers = {}
        gpu = torch.device(settings.device).type == "cuda"
        self.copies = torch.cuda.Stream(settings.device) if gpu else None
        ahead, unread = settings.ahead, settings.unread
        self.batches = Ahead(self.sample, (AHEAD if gpu else 0) if ahead is None else ahead)
        self.losses = Pending((UNREAD if gpu else 0) if unread is None else unread)

    def sample(self, step: int) -> Batch:
        """Draw the batch of a step; on a GPU, wait until its copy is there, which no other work delays."""
        given = self.pairs, self.recipe, self.settings.seed, step, self.settings.device
        if self.copies is None:  # drawn ahead, a batch may not overwrite the one that is in use
            return crops.sample(*given, self.buffers if self.batches.count == 0 else None)
        with torch.cuda.stream(self.copies):
            batch = crops.sample(*given, self.buffers)
            self.copies.synchronize()
        return batch

    def batch(self, step: int) -> Batch:
        """Return the batch of a step, whose memory the device may use again when this step's work is done."""
        batch = self.batches(step)
        if self.copies is not None:
            for images in (batch.blurry, batch.sharp, *batch.extras.values()):
                images.record_stream(torch.cuda.current_stream(images.device))
        return batch

    def rate(self, step: int) -> float:
        """Return the learning rate of a step."""
        epoch = self.recipe.epochs * step / self.settings.steps
        return self.recipe.optimiser.lr * self.schedule(epoch)

    def step(self, step: int) -> Tensor:
        """Update every network on the batch of a step; return the last loss, the restoring network's.

        In a GAN the objective yields the losses of its discriminators before that of the restoring network.
        Losses are added to `self.losses`, which looks at them at once on a CPU, and later on a GPU: until
        `self.losses.read()` has been called, networks may have been updated by a loss that is not finite.

        Args:
            step: counted from 0.

        Raises:
            DivergedError: a loss is NaN or infinite; the message names its step and network.
        """
        settings, lr = self.settings, self.rate(step)
        shares = parallel.shares(self.batch(step), settings.parts)
        # So that dropout and noise resume as crops do; each process draws its own.
        torch.manual_seed(settings.seed * 1_000_003 + step + (parallel.rank() << 40))
        objectives = [(share, self.objective(self.networks, part)) for share, part in shares]
        last = torch.empty(())
        while True:
            name, loss = self.differentiate(objectives)
            if loss is None:
                return last
            last = parallel.add_up(self.networks[name], loss)
            self.losses.add(step, name, lr, last)
            optimiser = self.optimisers[name]
            for group in optimiser.param_groups:
                group["lr"] = lr
            optimiser.step()

    def differentiate(
        self, objectives: list[tuple[float, Iterator[tuple[str, Tensor]]]]
    ) -> tuple[str, Tensor | None]:
        """Compute the next loss of every part of a batch, one part after another, and add up their gradients.

        Returns:
            Which network to update, and the sum of the losses by their shares; None when there is no more.
        """
        device, half = self.settings.device.split(":")[0], self.settings.amp == "bfloat16"
        total = None
        for share, losses in objectives:
            with torch.autocast(device, torch.bfloat16, enabled=half):
                name, loss = next(losses, ("", None))  # the generator computes it here
            if loss is None:
                return name, None
            if total is None:
                self.optimisers[name].zero_grad(set_to_none=True)
            if share != 1:
                loss = share * loss
            loss.backward()
            total = loss.detach() if total is None else total + loss.detach()
        return name, total


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
    uninterrupted run. Of several processes (parallel.py) the first one reads, validates and writes.

    Raises:
        DivergedError: as `NetworkTrainer.step` and `refuse_nan`, before anything that follows is written.
        Stopped: the process was asked to end; the state is saved.
    """
    trainer = NetworkTrainer(networks, pairs, recipe, settings, objective)
    networks, optimisers = trainer.networks, trainer.optimisers
    losses = trainer.losses
    tensors, state = dict[str, Tensor](), dict[str, Any](step=0, rows=[], window=[])
    if settings.checkpoint.exists() and parallel.rank() == 0:
        tensors, state = checkpoint.load(settings.checkpoint)
    if parallel.size() > 1:
        own = {name: values.cpu() for name, values in checkpoint.pack(networks, optimisers).items()}
        tensors, state = parallel.of_first((tensors or own, state))
    if tensors:
        checkpoint.unpack(tensors, networks, optimisers)
    start, rows, window = state["step"], state["rows"], state["window"]
    losses.window = dict(zip(range(start - len(window), start), window, strict=True))

    steps = settings.steps
    points = {math.ceil(steps * k / POINTS) for k in range(1, POINTS + 1)}
    validations = {math.ceil(steps * k / settings.validate) for k in range(1, settings.validate + 1)}
    if start == 0:
        rows = [{"step": 0, "lr": trainer.rate(0), "loss": None, **validate(networks["net"], 0)}]
    saved = time.monotonic()
    for step in range(start, steps):
        trainer.step(step)
        done = step + 1
        if done in points or done in validations:
            losses.read()
            gains = validate(networks["net"], done) if done in validations else {}
            loss = sum(losses.window.values()) / len(losses.window)
            rows.append({"step": done, "lr": trainer.rate(step), "loss": loss, **gains})
            losses.window = {}
        stop = stopping.asked()
        if done == steps or stop or time.monotonic() - saved > settings.save_seconds:
            losses.read()
            refuse_nan(networks, done)
            if parallel.rank() == 0:
                state = {"step": done, "rows": rows, "window": list(losses.window.values())}
                checkpoint.save(settings.checkpoint, checkpoint.pack(networks, optimisers), state)
            saved = time.monotonic()
        progress(done)
        if stop and done < steps:
            raise stopping.Stopped(f"after step {done} of {steps}")
    return rows


def refuse_nan(networks: Networks, done: int) -> None:
    """Look at all weights: a finite loss may have had gradients that are not.

    Raises:
        DivergedError: one is NaN or infinite; the message names the network.
    """
    for name, net in networks.items():
        if not all(bool(weights.isfinite().all()) for weights in net.parameters()):
            raise DivergedError(f"step {done}: weights of {name!r} are not finite")
