"""Load what a run trains on: pairs, and what its recipe needs beside them, with notes on what is missing."""

from dataclasses import replace

from benchmark import plugins
from benchmark.data import selection
from benchmark.data.pairs import UNPAIRED, Pairs
from benchmark.spec import Profile, Recipe, Run
from benchmark.training.objective import name_and_settings


def load(profile: Profile, run: Run, recipe: Recipe) -> tuple[Recipe, Pairs]:
    """Load a run's training pairs; return its recipe too, less the extras that its loss has to do without.

    `Pairs.notes` says what those are (`WITHOUT` of the loss), how others were made, and which images were
    left out. In a profile with a stand-in set, unpaired images are the stand-in's own blurred ones.

    Raises:
        AbsentError: the set, or another one that its extras need, is not on this machine.
        ValueError: the set cannot have an extra that the loss needs.
    """
    name, notes = profile.data or run.train_on, []
    dataset = getattr(plugins.load("datasets", name), "SET", None)
    if dataset:  # a real set
        loss = plugins.load("losses", name_and_settings(recipe.loss, "loss")[0])
        without: dict[str, str] = getattr(loss, "WITHOUT", {})
        lacking = [extra for extra in recipe.extras if extra in without and extra not in dataset.derive]
        notes = [f"{name} has no extra {extra!r}: {without[extra]}" for extra in lacking]
        recipe = replace(recipe, extras=tuple(extra for extra in recipe.extras if extra not in lacking))
    pairs = selection.pairs(profile, run.train_on, "train", recipe.extras)
    if UNPAIRED in recipe.extras and run.unpaired_on:
        if profile.data:
            notes.append(f"unpaired images are the blurred ones of {profile.data}, not {run.unpaired_on}")
        else:
            pairs = replace(pairs, unpaired=selection.unpaired(run.unpaired_on))
    return recipe, replace(pairs, notes=(*pairs.notes, *notes))
