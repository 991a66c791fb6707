"""Who learns from what: the loss, adversary and schedule that a recipe names."""

from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor, nn

from benchmark import plugins, spec
from benchmark.losses import Batch
from benchmark.spec import Recipe
from benchmark.training.schedules import SCHEDULES

Players = dict[str, nn.Module]  # "net" restores; an adversary adds others
Objective = Callable[[Players, Batch], Iterator[tuple[str, Tensor]]]  # who learns from which loss, in turn


def named(entry: dict[str, Any], where: str) -> tuple[str, dict[str, Any]]:
    """The name in an entry of params.yaml, and its settings.

    Raises:
        ValueError: it has no name.
    """
    if "name" not in entry:
        raise ValueError(f"{where}: 'name' is missing")
    return str(entry["name"]), {key: value for key, value in entry.items() if key != "name"}


def loss_of(recipe: Recipe) -> Callable[[list[Tensor], Batch], Tensor]:
    """The recipe's loss over a network's outputs.

    Raises:
        ValueError: no such loss or setting.
    """
    name, settings = named(recipe.loss, "loss")
    return plugins.settings(plugins.load("losses", name).loss, settings, f"loss {name}")


def adversary_of(recipe: Recipe) -> Any:
    """The recipe's adversary, or None.

    Raises:
        ValueError: no such adversary or setting.
    """
    if not recipe.adversary:
        return None
    name, settings = named(recipe.adversary, "adversary")
    return spec.build(plugins.load("adversaries", name).Adversary, f"adversary {name}", settings)


def others(recipe: Recipe, thin: int) -> Players:
    """The networks that learn beside the restoring one, with freshly drawn weights."""
    adversary = adversary_of(recipe)
    return {} if adversary is None else adversary.players(thin)


def objective_of(recipe: Recipe) -> Objective:
    """Without an adversary: one player, one loss."""
    loss, adversary = loss_of(recipe), adversary_of(recipe)

    def alone(players: Players, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        yield "net", loss(players["net"](batch.blurry), batch)

    def against(players: Players, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        yield from adversary.objective(players, batch, lambda outputs: loss(outputs, batch))

    return alone if adversary is None else against


def schedule_of(recipe: Recipe) -> Callable[[float], float]:
    """Learning rate as a factor, by epoch.

    Raises:
        ValueError: no such schedule or setting.
    """
    name, settings = named(recipe.schedule, "schedule")
    if name not in SCHEDULES:
        raise ValueError(f"schedule: no {name!r}; known: {', '.join(SCHEDULES)}")
    schedule = plugins.settings(SCHEDULES[name], settings, f"schedule {name}")
    return lambda epoch: schedule(epoch, recipe.epochs)
