"""Train one run as its recipe and a profile say, from its first weights to its curve."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from benchmark import nets
from benchmark.data import selection
from benchmark.data.pairs import Pairs
from benchmark.spec import Profile, Recipe, Run
from benchmark.training import Settings, adversary_networks, fit, images, parallel, start
from benchmark.training.edges import at_edges
from benchmark.training.validation import Validator

STARTS = start.STARTS | {"edges": at_edges}  # by `start` of a profile


def train(
    run: Run,
    recipe: Recipe,
    profile: Profile,
    checkpoint: Path,
    maps: Path,
    progress: Callable[[float], None] = lambda share: None,
) -> tuple[nn.Module, list[dict[str, Any]], list[str]]:
    """Train a run's network; return it, its curve, and notes on weights that are not available and on images.

    Args:
        run: of which model, and on which datasets.
        recipe: of the paper, uncut.
        profile: as overridden for the run (`Profile.at`).
        checkpoint: file of an interrupted training, which goes on from there.
        maps: folder for the attention maps of models that have some.
        progress: called with the share of the steps that are done.

    Raises:
        AbsentError: images that the recipe needs are not on this machine.
    """
    recipe, steps = profile.cut(recipe)
    recipe, pairs = images.load(profile, run, recipe)
    splits = {"train": pairs} | selection.checks(profile, run.test_on[0])
    net, curve, notes = train_on(splits, run, recipe, steps, profile, checkpoint, maps, progress)
    return net, curve, [*notes, *pairs.notes]


def train_on(
    splits: Mapping[str, Pairs],
    run: Run,
    recipe: Recipe,
    steps: int,
    profile: Profile,
    checkpoint: Path,
    maps: Path,
    progress: Callable[[float], None] = lambda share: None,
) -> tuple[nn.Module, list[dict[str, Any]], list[str]]:
    """Train a run's network on loaded images, by a recipe that is cut; return what `train` returns.

    `splits` are those that the curve shows: "train", on which the network is trained, "test", and perhaps
    "validation".

    Raises:
        ValueError: the batch cannot be cut into the profile's parts, or for several processes.
    """
    net = nets.build(run, profile.thin, profile.seed)
    if profile.start:
        STARTS[profile.start](net, recipe.normalise)
    parts = max(1, profile.parts)
    if why := parallel.refusal(run, parts):
        raise ValueError(why)
    notes = nets.load_pretrained(net, recipe.pretrained)
    notes += parallel.notes(net, recipe.batch, parts)
    curve = fit(
        {"net": net} | adversary_networks(recipe, profile.thin),
        splits["train"],
        recipe,
        Settings(steps, checkpoint, profile.seed, nets.device(), profile.amp, profile.validate, parts=parts),
        Validator(splits, recipe.normalise, maps) if parallel.rank() == 0 else lambda net, step: {},
        progress=lambda step: progress(step / steps),
    )
    return net, curve, notes
