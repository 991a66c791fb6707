"""What params.yaml may say, as plain dataclasses.

A run says what a paper did. A profile says only what this machine cuts from it.
"""

import difflib
import math
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import yaml

T = TypeVar("T")

# What a profile cannot override for single runs.
WHOLE = {"name", "about", "data", "images", "perceptual", "runs", "overrides", "timing"}


@dataclass(frozen=True)
class Optimiser:
    """Adam, the only optimiser these papers use."""

    lr: float
    beta1: float = 0.9
    beta2: float = 0.999
    weight_decay: float = 0.0


@dataclass(frozen=True)
class Normalise:
    """What the network sees: (image in [0, 1] - mean) * scale. Losses live in that range too."""

    mean: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True)
class Recipe:
    """How a paper trains. Everything a profile does not cut stays as the paper has it."""

    epochs: int
    batch: int
    crop: int  # pixels, square
    optimiser: Optimiser
    schedule: dict[str, Any]  # name and arguments of a function in training/schedules.py, in epochs
    loss: dict[str, Any]  # name of a file in losses/, and its settings
    normalise: Normalise = Normalise()
    adversary: dict[str, Any] = field(default_factory=dict)  # name of a file in adversaries/, its settings
    augment: tuple[str, ...] = ()  # names of functions in training/augment.py, in order
    shrink: int = 1  # images are made so many times smaller before cropping
    extras: tuple[str, ...] = ()  # what the loss needs beside blurry and sharp; see losses.Batch
    pretrained: tuple[str, ...] = ()  # weights of others it starts from or measures with; see pretrained.py
    pairs: int = 2103  # training pairs in one epoch; GoPro_Large has 2103

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole recipe, the last partial batch of an epoch kept.

        >>> Recipe(2400, 6, 256, Optimiser(1e-4), {}, {}).steps
        842400
        """
        return self.iterations(self.epochs)

    def iterations(self, epochs: float) -> int:
        """Optimiser steps in so many epochs."""
        return round(epochs * math.ceil(self.pairs / self.batch))


@dataclass(frozen=True)
class Run:
    """One network of the tables: a model, its configuration, a recipe."""

    name: str
    model: str
    about: str  # one line for the report
    config: dict[str, Any] = field(default_factory=dict)  # differences from the model's Config
    train: Recipe | None = None  # None: nothing to train (the blurred input itself)
    train_on: str = "gopro"
    test_on: tuple[str, ...] = ("gopro",)
    ablates: str = ""  # the run this one is a variant of
    weights: str = ""  # the authors', an entry of published.yaml
    pixel_loss: bool = True  # trained for PSNR, so its PSNR should beat the input's


@dataclass(frozen=True)
class Profile:
    """What this machine cuts. Zero or empty means: nothing cut."""

    name: str
    about: str
    data: str = ""  # a dataset that stands in for every other
    images: dict[str, int] = field(default_factory=dict)  # images per split of the stand-in
    steps: int = 0
    batch: int = 0
    crop: int = 0
    thin: int = 1  # every width is divided by this before training; sizes and MACs stay full
    lr_times: float = 1.0  # a run cut to a few hundred steps needs longer ones
    amp: str = "none"  # none or bfloat16: forward and loss under autocast
    pretrained: str = "fetch"  # or leave: weights of others are not asked for (760 MB)
    perceptual: tuple[str, ...] = ()  # pyiqa's metrics; see perceptual.py
    validate: int = 10  # points on the validation curve
    timing: float = 3600.0  # s for what has not been timed on this device; 0: nothing is timed
    seed: int = 0
    runs: tuple[str, ...] = ()  # empty: every run; see `of`
    overrides: dict[str, dict[str, Any]] = field(default_factory=dict)  # by model or run; see `at`

    def of(self, runs: "dict[str, Run]") -> "dict[str, Run]":
        """The runs that this profile trains and measures: the named ones, or all.

        The first run of a model that no named run uses is in too, so that a new model is never left out.
        """
        if not self.runs:
            return runs
        covered = {runs[name].model for name in self.runs}
        first = {run.model: name for name, run in reversed(runs.items()) if run.model not in covered}
        return {name: run for name, run in runs.items() if name in self.runs or name in first.values()}

    def at(self, run: Run) -> "Profile":
        """The profile with its overrides for a run: those of its model, then those of the run itself.

        >>> slow = Profile("p", "", steps=200, overrides={"mprnet": {"steps": 50}})
        >>> slow.at(Run("mprnet", "mprnet", "")).steps
        50
        """
        more = self.overrides.get(run.model, {}) | self.overrides.get(run.name, {})
        return replace(self, overrides={}, **more)

    def cut(self, recipe: Recipe) -> tuple[Recipe, int]:
        """The recipe this machine trains, and its number of steps.

        >>> recipe = Recipe(2400, 6, 256, Optimiser(1e-4), {}, {})
        >>> Profile("p", "", steps=200, crop=64, lr_times=10).cut(recipe)[0].crop
        64
        >>> Profile("p", "").cut(recipe)[1]
        842400
        """
        shorter = replace(
            recipe,
            batch=min(recipe.batch, self.batch or recipe.batch),
            crop=min(recipe.crop, self.crop or recipe.crop),
            optimiser=replace(recipe.optimiser, lr=recipe.optimiser.lr * self.lr_times),
        )
        return shorter, min(recipe.steps, self.steps or recipe.steps)

    def cuts(self, recipe: Recipe) -> list[str]:
        """What was cut, in words, for the reason column; empty when nothing was.

        >>> Profile("p", "", steps=200, thin=4).cuts(Recipe(2400, 6, 256, Optimiser(1e-4), {}, {}))
        ['200 of 842,400 steps', 'widths divided by 4']
        """
        shorter, steps = self.cut(recipe)
        said = {
            f"{steps:,} of {recipe.steps:,} steps": steps < recipe.steps,
            f"batch {shorter.batch} of {recipe.batch}": shorter.batch < recipe.batch,
            f"crop {shorter.crop} of {recipe.crop}": shorter.crop < recipe.crop,
            f"widths divided by {self.thin}": self.thin > 1,
            f"learning rate times {self.lr_times:g}": self.lr_times != 1,
            f"{self.data} data in place of the real set": bool(self.data),
        }
        return [words for words, true in said.items() if true]


@dataclass(frozen=True)
class Quantity:
    """What a number means: one protocol of one metric."""

    name: str
    unit: str
    better: str  # "higher" or "lower"
    about: str  # the protocol, in one line
    family: str = ""  # what papers print it as: "psnr", "ssim"; empty where they print its own name
    sees: str = "rounded"  # which restored image: rounded or truncated to 8 bit, clipped, or as it is: float
    pool: str = "mean"  # over a test set: mean of the images' values, or psnr of their mean squared error
    version: int = 1  # another one gives other numbers


def build(kind: type[T], where: str, entries: Any) -> T:
    """Make a dataclass from a mapping.

    Raises:
        ValueError: an unknown or missing key, or a value of the wrong type; the message names the place.

    >>> build(Profile, "profiles.embedded", {"name": "embedded", "stepz": 5})
    Traceback (most recent call last):
    ValueError: profiles.embedded: unknown key 'stepz'; did you mean 'steps'?
    """
    if not isinstance(entries, dict):
        raise ValueError(f"{where}: expected a mapping, got {entries!r}")
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    for key, value in entries.items():
        if key not in known:
            raise ValueError(f"{where}: unknown key {key!r}; {nearest(str(key), list(known))}")
        check(f"{where}.{key}", known[key], value)
    missing = [name for name, f in known.items() if f.default is MISSING and f.default_factory is MISSING]
    for key in missing:
        if key not in entries:
            raise ValueError(f"{where}: {key!r} is missing")
    return kind(**entries)


def check(where: str, declared: "Field[Any]", value: Any) -> None:
    """Refuse a value that is not of its field's declared type, or a negative number."""
    kind = str(getattr(declared.type, "__name__", declared.type))
    plain: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "str": (str,)}
    if kind in plain and (not isinstance(value, plain[kind]) or isinstance(value, bool)):
        raise ValueError(f"{where}: expected {kind}, got {value!r}")
    if isinstance(value, int | float) and value < 0:
        raise ValueError(f"{where}: {value} is negative")


def nearest(name: str, known: list[str]) -> str:
    """A hint for a mistyped name: the nearest known one, or all of them."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"


def recipe(where: str, entry: dict[str, Any]) -> Recipe:
    """A recipe from its entry in params.yaml."""
    entry = dict(entry)
    for key, kind in (("optimiser", Optimiser), ("normalise", Normalise)):
        if key in entry:
            entry[key] = build(kind, f"{where}.{key}", entry[key])
    for key in ("augment", "extras", "pretrained"):
        entry[key] = tuple(entry.get(key, ()))
    return build(Recipe, where, entry)


def load(path: Path = Path("params.yaml"), profile: str = "") -> tuple[Profile, dict[str, Run]]:
    """The active profile (or the named one) and every run, in the file's order.

    Raises:
        ValueError: the file is missing or says something that is not allowed.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: cannot be read ({error})") from None
    for part in ("profile", "profiles", "runs"):
        if not isinstance(raw, dict) or part not in raw:
            raise ValueError(f"{path}: {part!r} is missing")
    name = profile or raw["profile"]
    if name not in raw["profiles"]:
        raise ValueError(f"{path}: no profile {name!r}; {nearest(name, list(raw['profiles']))}")
    runs: dict[str, Run] = {}
    for key, entry in raw["runs"].items():
        where = f"runs.{key}"
        if not isinstance(entry, dict):
            raise ValueError(f"{where}: expected a mapping, got {entry!r}")
        entry = {"name": key, **entry}
        if entry.get("train"):
            entry["train"] = recipe(f"{where}.train", entry["train"])
        entry["test_on"] = tuple(entry.get("test_on", Run.test_on))
        runs[key] = build(Run, where, entry)
    for run in runs.values():
        if run.ablates and run.ablates not in runs:
            raise ValueError(
                f"runs.{run.name}.ablates: no run {run.ablates!r}; {nearest(run.ablates, list(runs))}"
            )
    entry = {"name": name, **raw["profiles"][name]}
    for key in ("runs", "perceptual"):
        entry[key] = tuple(entry.get(key, ()))
    active = build(Profile, f"profiles.{name}", entry)
    for wanted in active.runs:
        if wanted not in runs:
            raise ValueError(f"profiles.{name}.runs: no run {wanted!r}; {nearest(wanted, list(runs))}")
    known = [*runs, *{run.model for run in runs.values()}]
    for wanted, cuts in active.overrides.items():
        where = f"profiles.{name}.overrides.{wanted}"
        if wanted not in known:
            raise ValueError(f"{where}: no such run or model; {nearest(wanted, known)}")
        build(Profile, where, {"name": name, "about": "", **cuts})
        if shared := set(cuts) & WHOLE:
            raise ValueError(f"{where}: {min(shared)!r} holds for a whole profile, not for one run")
    return active, runs
