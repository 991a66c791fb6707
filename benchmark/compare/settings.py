"""Printed settings, in figures or in words, and what a run's recipe has in their place."""

import re
from collections.abc import Callable
from typing import Any

from benchmark import spec
from benchmark.claims import Claim

WORDS: dict[str, float] = {
    "zero": 0,
    "one": 1,
    "once": 1,
    "single": 1,
    "two": 2,
    "dual": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
}
WORDS |= {"halved": 0.5}  # of a factor
SIDES = re.compile(r"(\d+)\s*[x×]\s*(\d+)")  # a kernel

FALLING = ("linear", "cosine", "polynomial")  # schedules that end at a share `to` of the rate
# The part of the recipe that a printed setting is about, before any profile cuts it.
SETTINGS: dict[str, Callable[[spec.Recipe], Any]] = {
    "setting.epochs": lambda recipe: recipe.epochs,
    "setting.batch": lambda recipe: recipe.batch,
    "setting.crop": lambda recipe: recipe.crop,
    "setting.lr": lambda recipe: recipe.optimiser.lr,
    "setting.beta1": lambda recipe: recipe.optimiser.beta1,
    "setting.beta2": lambda recipe: recipe.optimiser.beta2,
    "setting.lr_decay": lambda recipe: recipe.schedule.get("factor"),
    "setting.lr_step": lambda recipe: recipe.schedule.get("every"),
    "setting.mu": lambda recipe: recipe.loss.get("mu"),
    "setting.lr_step_iterations": lambda recipe: recipe.iterations(recipe.schedule.get("every", 0)) or None,
    "setting.lr_decay_epochs": lambda recipe: (
        recipe.epochs - recipe.schedule["start"] if "start" in recipe.schedule else None
    ),
    "setting.lr_min": lambda recipe: (
        recipe.optimiser.lr * recipe.schedule.get("to", 0.0) if recipe.schedule["name"] in FALLING else None
    ),
    "setting.epsilon": lambda recipe: recipe.loss.get("epsilon"),
    "setting.critic_steps": lambda recipe: recipe.adversary.get("critic_steps"),
    "setting.input_shift": lambda recipe: recipe.normalise.mean,
}
ENDS = {"setting.input_min": 0, "setting.input_max": 1}
# Which of several weights of a loss a sentence names, by words of it; the first that it contains.
LOSS_WEIGHTS = {
    "lambda 1 and 2": ("small", "large"),
    "lambda 1": ("small",),
    "lambda 2": ("large",),
    "edge": ("edge",),
    "content": ("weight",),
}


def printed(claim: Claim) -> float | str | None:
    """Return a printed setting as a number, or as "3x3"; None for other words.

    >>> def read(text): return printed(Claim("", "", "", "", None, None, "setting.x", text))
    >>> read("3,000"), read("Six"), read("3×3"), read("halved"), read("RTX 3090")
    (3000.0, 6, '3x3', 0.5, None)
    """
    if match := SIDES.fullmatch(claim.printed.strip()):
        return f"{match[1]}x{match[2]}"
    return claim.value if claim.value is not None else WORDS.get(claim.printed.strip().lower())


def same(printed: float | str | None, measured: str) -> bool:
    """Decide whether a printed setting is the measured one.

    >>> same(3.0, "3"), same("1x3", "1x3"), same(3.0, "1x3")
    (True, True, False)
    """
    return printed == measured if isinstance(printed, str) or "x" in measured else printed == float(measured)


def recipe_entry(claim: Claim, recipe: spec.Recipe | None) -> float | None:
    """Return what a recipe has where a claim prints a setting; None where it has no such entry."""
    if recipe is None:
        return None
    if claim.quantity in ENDS:  # of an image in [0, 1], or of what the network sees
        end = ENDS[claim.quantity]
        inner = (end - recipe.normalise.mean) * recipe.normalise.scale
        return float(inner if "network" in claim.row else end)
    if claim.quantity == "setting.loss_weight":
        keys: tuple[str, ...] = next((v for words, v in LOSS_WEIGHTS.items() if words in claim.row), ())
        weights = {recipe.loss.get(key) for key in keys}
        value = weights.pop() if len(weights) == 1 else None
    else:
        value = SETTINGS[claim.quantity](recipe) if claim.quantity in SETTINGS else None
    return float(value) if isinstance(value, int | float) else None
