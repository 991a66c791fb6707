"""Tell whether training still computes the same: by the numbers of a short one, kept in versions.yaml.

Weights that took hours stay valid while code is reworded, and are trained again once its arithmetic changes.
So each run has a version: what a training of three steps gives for its thinned networks on tiny drawn images,
in double precision, in which processors, thread counts and orders of summation agree to more digits than are
kept. A version holds for the text of code and recipe that it was computed from. For another text it is
computed again, which takes a second, and within TOLERANCE it is the same version.

    python -m benchmark.training.versions            # name the runs that compute something else
    python -m benchmark.training.versions --accept   # write what they compute: these are trained again

A change of the short training itself changes all versions, and so trains every run again.
"""

import argparse
import contextlib
import math
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from benchmark import nets, spec
from benchmark.data.pairs import UNPAIRED, Pairs
from benchmark.results import provenance
from benchmark.spec import Profile, Recipe, Run
from benchmark.training import checkpoint, crops, trainer
from benchmark.training.drawing import DRAWING
from benchmark.training.objective import build_schedule

Numbers = dict[str, list[float]]

HERE = Path(__file__).parent
FILE = HERE / "versions.yaml"
HEAD = """# What a short training of every run gives, and a hash of code and recipe (see versions.py).
# Written by `python -m benchmark.training.versions --accept`; runs whose numbers change are trained again.
"""
# Three steps pass through all epochs of a recipe; at a higher rate the optimiser's arithmetic reaches losses.
SHORT = Profile("short", "", steps=3, thin=16, lr_times=10, validate=1)
SIDE, BATCH = 16, 2  # the smallest crops, which networks may enlarge
GAN_SIDE, GAN_BATCH = 32, 4  # smaller, batch normalisation leaves a discriminator rounding errors alone
IMAGES, MARGIN = 3, 5
DRAWS = 128  # of crops, so that rare augmentations are among them
CHANNELS = {"motion": 2, "moving": 1}  # of extras that are not images
DIGITS, TOLERANCE = 10, 1e-8


@cache
def read() -> dict[str, dict[str, Any]]:
    """Read the kept version of each run, and under "code" the hash of the text that it holds for."""
    return spec.read_yaml(FILE) or {} if FILE.exists() else {}


def current(run: Run) -> Numbers:
    """Return a run's version: the kept one, unless the code is another and computes something else.

    A run without a kept version, such as one of a user's new model, has its version computed.
    """
    kept = dict(read().get(run.name, {}))
    if kept.pop("code", "") == text(run):
        return kept
    found = numbers(run)
    return kept if agree(kept, found) else found


def agree(kept: Numbers, found: Numbers) -> bool:
    """Compare two versions within TOLERANCE."""
    return [(key, len(values)) for key, values in kept.items()] == [
        (key, len(values)) for key, values in found.items()
    ] and all(
        math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=1e-12)
        for key in kept
        for a, b in zip(kept[key], found[key], strict=True)
    )


def code(run: Run) -> list[Path]:
    """List the files that decide what training a run does: the trainer, its plugins, and their imports."""
    files = [HERE.parent / "models" / f"{run.model}.py", HERE / "trainer.py"]
    if run.train:
        files += [HERE / "augment" / f"{name}.py" for name in (*run.train.before_crop, *run.train.augment)]
        files.append(HERE.parent / "losses" / f"{run.train.loss.get('name')}.py")
        if run.train.adversary:
            files.append(HERE.parent / "adversaries" / f"{run.train.adversary.get('name')}.py")
    return provenance.with_imports(file for file in files if file.exists())


def text(run: Run) -> str:
    """Hash the text of a run's code, its configuration and its recipe."""
    facts = {"code": provenance.hashes(code(run)), "config": run.config}
    return provenance.digest(facts | {"recipe": asdict(run.train) if run.train else {}})[:16]


def numbers(run: Run) -> Numbers:
    """Train a run's thinned networks for three steps in double precision; return what that gives.

    Returns:
        "rates": learning rates at the tenths of the recipe. "images": the order in which they are drawn.
        "crops": means of augmented crops, by kind. "loss" of each step. "gain" in dB, of the validations.
        Then by network: the sums of its absolute weights, and of Adam's moments.
    """
    assert run.train is not None
    least, batch = (GAN_SIDE, GAN_BATCH) if run.train.adversary else (SIDE, BATCH)
    side = nets.round_up_side(nets.build(run, SHORT.thin), least)
    short = replace(SHORT, crop=side, batch=min(batch, run.train.batch))
    recipe, steps = short.cut(run.train)
    sides = {"train": side * recipe.shrink, "test": side}
    splits = {split: draw_images(pixels + MARGIN, recipe.extras) for split, pixels in sides.items()}
    with nothing_at_hand() as folder, double_precision():
        file = folder / "short.safetensors"
        _, curve, _ = trainer.train_on(splits, run, recipe, steps, short, file, folder / "maps")
        tensors, _ = checkpoint.load(file)
        crops = draw_crops(recipe, splits["train"])
    schedule = build_schedule(run.train)
    rates = [run.train.optimiser.lr * schedule(run.train.epochs * tenth / 10) for tenth in range(11)]
    losses = [row.pop("loss") for row in curve][1:]
    gains = [row[split] for row in curve for split in splits if split in row]
    found = {"rates": rates, "images": draw_order(recipe), "crops": crops, "loss": losses, "gain": gains}
    found = {**found, **sums(tensors)}
    return {key: [float(f"{value:.{DIGITS}g}") for value in values] for key, values in found.items()}


def sums(tensors: Mapping[str, torch.Tensor]) -> Numbers:
    """Sum the absolute values of a checkpoint by network: of its weights, and of each of Adam's moments."""
    totals: dict[str, dict[str, float]] = {}
    for name, values in sorted(tensors.items()):
        network, part, *_, last = name.split(".")
        # A bias in front of a normalisation has no gradient but rounding errors, which Adam makes large.
        if values.is_floating_point() and last not in ("step", "bias"):
            kind = last if part == "opt" else part
            values = values.sqrt() if last == "exp_avg_sq" else values.abs()
            kinds = totals.setdefault(network, {})
            kinds[kind] = kinds.get(kind, 0.0) + float(values.sum())
    return {network: list(kinds.values()) for network, kinds in totals.items()}


def draw_order(recipe: Recipe) -> list[float]:
    """Draw the images of eight batches of four, out of twelve images in sequences of four lengths."""
    names = [f"{len(str(2**i)) % 4}/{i}" for i in range(12)]
    recipe = replace(recipe, pairs=10, batch=4)
    return [i for step in range(8) for i in DRAWING[recipe.drawing](Pairs(names, [], []), recipe, 0, step)]


def draw_crops(recipe: Recipe, pairs: Pairs) -> list[float]:
    """Sum the images and extras of many augmented crops, weighted by place, channel and number."""
    side = SIDE // 2
    batch = crops.sample(pairs, replace(recipe, crop=side, batch=DRAWS), SHORT.seed, 0)
    totals = []
    for values in (batch.blurry, batch.sharp, *(batch.extras[name] for name in sorted(batch.extras))):
        weights = 1 + torch.arange(values.numel()).view(values.shape).sqrt() / math.sqrt(values.numel())
        totals.append(float((weights * values.double()).mean()))
    return totals


@cache
def draw_images(side: int, extras: tuple[str, ...]) -> Pairs:
    """Draw pairs of smooth images, blurred by the mean of three columns, with a recipe's extras."""
    rng = np.random.default_rng(0)
    grains = rng.integers(0, 256, (IMAGES, -(-side // 4) + 1, -(-side // 4) + 1, 3))
    fine = grains.repeat(4, axis=1).repeat(4, axis=2)
    smooth = np.mean([np.roll(fine, (y, x), (1, 2)) for y in range(4) for x in range(4)], axis=0)
    sharp = smooth[:, 4 : side + 4, 4 : side + 4].astype(np.uint8)
    blurred = (smooth + np.roll(smooth, 2, 2) + np.roll(smooth, -2, 2)) / 3
    blurry = blurred[:, 4 : side + 4, 4 : side + 4].astype(np.uint8)
    drawn: dict[str, Any] = {
        "motion": rng.uniform(-8, 8, (IMAGES, side, side, 2)).astype(np.float16),
        "moving": rng.random((IMAGES, side, side, 1)) < 0.5,
    }
    arrays = {
        name: list(drawn.get(name, np.clip(blurry + np.uint8(index), 0, 255)))
        for index, name in enumerate(extras)
        if name != UNPAIRED
    }
    return Pairs([f"drawn/{i}" for i in range(IMAGES)], list(blurry), list(sharp), arrays)


@contextlib.contextmanager
def nothing_at_hand() -> Iterator[Path]:
    """Work in an empty folder, out of which no pretrained weights are found; give its path."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        folders = os.environ.pop("DEBLUR_DATA", None)
        try:
            yield Path(folder)
        finally:
            if folders is not None:
                os.environ["DEBLUR_DATA"] = folders


@contextlib.contextmanager
def double_precision() -> Iterator[None]:
    """Let torch make tensors of 64 bits unless asked for others."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def accept(runs: Iterable[Run], write: bool) -> list[str]:
    """Compute the version of every run; return the names of those whose kept version is another or missing.

    With `write`, versions.yaml then holds the new ones, those that agree as they were, and no others.
    """
    entries, changed = {}, []
    for run in runs:
        kept, found = dict(read().get(run.name, {})), numbers(run)
        kept.pop("code", None)
        if not agree(kept, found):
            changed.append(run.name)
            kept = found
        entries[run.name] = {"code": text(run), **kept}
    if write:
        FILE.write_text(
            HEAD + yaml.safe_dump(entries, sort_keys=False, default_flow_style=None, width=110),
            encoding="utf-8",
        )
        read.cache_clear()
    return changed


def main(*words: str) -> int:
    """Name the runs that compute something else than their version says; return 1 if there are some."""
    parser = argparse.ArgumentParser(prog="python -m benchmark.training.versions", description=__doc__)
    parser.add_argument("--accept", action="store_true", help="write what they compute to versions.yaml")
    accepted = parser.parse_args(words).accept
    torch.set_num_threads(1)  # networks this small are no faster on more
    changed = accept([run for run in spec.load()[1].values() if run.train], accepted)
    for name in changed:
        print(f"{name}: {'accepted' if accepted else 'computes something else, or is new'}; to be trained")
    return int(bool(changed) and not accepted)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
