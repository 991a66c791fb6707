"""Build the objective of a training from the loss, adversary and schedule that a recipe names."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from benchmark import plugins, spec
from benchmark.losses import Batch, exact
from benchmark.spec import Recipe
from benchmark.training.schedules import SCHEDULES

Networks = dict[str, nn.Module]  # by name: "net" restores; an adversary adds its discriminators
# Yields (network name, loss) for one batch, in the order in which the networks are updated.
Objective = Callable[[Networks, Batch], Iterator[tuple[str, Tensor]]]


def name_and_settings(entry: dict[str, Any], where: str) -> tuple[str, dict[str, Any]]:
    """Split an entry of a recipe into its name and its settings.

    Raises:
        ValueError: the name is missing.
    """
    if "name" not in entry:
        raise ValueError(f"{where}: 'name' is missing")
    return str(entry["name"]), {key: value for key, value in entry.items() if key != "name"}


def build_loss(recipe: Recipe) -> Callable[[list[Tensor], Batch], Tensor]:
    """Build the recipe's loss, a function of a network's outputs and the batch.

    Raises:
        ValueError: no such loss or setting.
    """
    name, settings = name_and_settings(recipe.loss, "loss")
    return plugins.settings(plugins.load("losses", name).loss, settings, f"loss {name}")


def build_adversary(recipe: Recipe) -> Any:
    """Build the recipe's adversary, or return None.

    Raises:
        ValueError: no such adversary or setting.
    """
    if not recipe.adversary:
        return None
    name, settings = name_and_settings(recipe.adversary, "adversary")
    return spec.build(plugins.load("adversaries", name).Adversary, f"adversary {name}", settings)


def adversary_networks(recipe: Recipe, thin: int) -> Networks:
    """Build the networks that a GAN trains beside the restoring one, with freshly drawn weights."""
    adversary = build_adversary(recipe)
    return {} if adversary is None else adversary.networks(thin)


def build_objective(recipe: Recipe) -> Objective:
    """Build the recipe's objective: the restoring network's loss, or the losses of all networks of a GAN.

    Raises:
        ValueError: no such loss, adversary or setting.
    """
    distance, adversary = build_loss(recipe), build_adversary(recipe)

    def loss(outputs: list[Tensor], batch: Batch) -> Tensor:
        device = batch.blurry.device.type
        if device == "meta" or not torch.is_autocast_enabled(device):
            return distance(outputs, batch)
        # In half precision a loss like SSIM's is a small difference of rounded numbers.
        with torch.autocast(device, enabled=False):
            return distance([exact(x) for x in outputs], batch)

    def single_network(networks: Networks, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        yield "net", loss(networks["net"](batch.blurry), batch)

    def adversarial(networks: Networks, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        yield from adversary.objective(networks, batch, lambda outputs: loss(outputs, batch))

    return single_network if adversary is None else adversarial


def build_schedule(recipe: Recipe) -> Callable[[float], float]:
    """Build the recipe's schedule: the epoch -> the factor of the learning rate.

    Raises:
        ValueError: no such schedule or setting.
    """
    name, settings = name_and_settings(recipe.schedule, "schedule")
    if name not in SCHEDULES:
        raise ValueError(f"schedule: no {name!r}; allowed: {', '.join(SCHEDULES)}")
    schedule = plugins.settings(SCHEDULES[name], settings, f"schedule {name}")
    return lambda epoch: schedule(epoch, recipe.epochs)
