"""Train one run as its recipe and a profile say, from its first weights to its curve."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from benchmark import nets
from benchmark.data import selection
from benchmark.data.pairs import Pairs
from benchmark.spec import Profile, Recipe, Run
from benchmark.training import Settings, adversary_networks, fit
from benchmark.training.validation import Validator


def train(
    run: Run,
    recipe: Recipe,
    profile: Profile,
    checkpoint: Path,
    maps: Path,
    progress: Callable[[float], None] = lambda share: None,
    images: Callable[..., Pairs] = selection.pairs,
) -> tuple[nn.Module, list[dict[str, Any]], list[str]]:
    """Train a run's network; return it, its curve, and notes on pretrained weights that are not available.

    Args:
        run: of which model, and on which datasets.
        recipe: of the paper, uncut.
        profile: as overridden for the run (`Profile.at`).
        checkpoint: file of an interrupted training, which goes on from there.
        maps: folder for the attention maps of models that have some.
        progress: called with the share of the steps that are done.
        images: returns the pairs of a dataset's split, as `selection.pairs` does.
    """
    recipe, steps = profile.cut(recipe)
    net = nets.build(run, profile.thin, profile.seed)
    notes = nets.load_pretrained(net, recipe.pretrained)
    curve = fit(
        {"net": net} | adversary_networks(recipe, profile.thin),
        images(profile, run.train_on, "train", recipe.extras),
        recipe,
        Settings(steps, checkpoint, profile.seed, nets.device(), profile.amp, profile.validate),
        Validator(images(profile, run.test_on[0], "test"), recipe.normalise, maps),
        progress=lambda step: progress(step / steps),
    )
    return net, curve, notes
