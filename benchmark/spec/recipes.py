"""What users write in params.yaml, the profiles and the runs, as plain dataclasses.

A run describes a paper's training. A profile says only what this machine cuts from it.
"""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal


@dataclass(frozen=True)
class Optimiser:
    """Adam, the only optimiser these papers use."""

    lr: float
    beta1: float = 0.9
    beta2: float = 0.999
    weight_decay: float = 0.0


@dataclass(frozen=True)
class Normalise:
    """The input range of networks and losses: (image in [0, 1] - mean) * scale."""

    mean: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True)
class Recipe:
    """How a paper trains."""

    epochs: int
    batch: int
    crop: int  # pixels, square
    optimiser: Optimiser
    schedule: dict[str, Any]  # name and arguments of a function in training/schedules.py, in epochs
    loss: dict[str, Any]  # name of a file in losses/, and its settings
    normalise: Normalise = Normalise()
    # The name of a file in adversaries/, and its settings.
    adversary: dict[str, Any] = field(default_factory=dict)
    augment: tuple[str, ...] = ()  # names of files in training/augment/, in order
    before_crop: tuple[str, ...] = ()  # those that change the whole image
    # Which images a batch has; see training/drawing.py.
    drawing: Literal["epochs", "full_batches", "continuous", "batches", "sequences"] = "epochs"
    shrink: int = 1  # images are made so many times smaller before cropping
    extras: tuple[str, ...] = ()  # what the loss needs beside blurry and sharp; see losses.Batch
    pretrained: tuple[str, ...] = ()  # files to start from or for the loss; see weights/pretrained.py
    pairs: int = 2103  # training pairs in one epoch; GoPro_Large has 2103

    @property
    def steps(self) -> int:
        """Count the optimiser steps of the whole recipe.

        >>> Recipe(2400, 6, 256, Optimiser(1e-4), {}, {}).steps
        842400
        """
        return self.iterations(self.epochs)

    def iterations(self, epochs: float) -> int:
        """Count the optimiser steps of a number of epochs; a partial last batch is one of `drawing: epochs`.

        >>> Recipe(4000, 16, 256, Optimiser(1e-4), {}, {}, drawing="continuous").iterations(1)
        131
        """
        batches = math.ceil(self.pairs / self.batch) if self.drawing == "epochs" else self.pairs // self.batch
        return round(epochs * batches)


@dataclass(frozen=True)
class BuiltToFit:
    """What printed numbers shaped a system: agreeing with them says nothing."""

    paper: str  # the claims file that they are in
    quantities: dict[str, str]  # or their first parts, as `setting`, and how each shaped recipe or layout

    def shaped(self, paper: str, quantity: str) -> str:
        """Say how a printed quantity shaped the system; empty where it did not.

        >>> BuiltToFit("p", {"setting": "typed from the text"}).shaped("p", "setting.lr")
        'typed from the text'
        """
        if paper != self.paper:
            return ""
        return self.quantities.get(quantity) or self.quantities.get(quantity.split(".")[0], "")


@dataclass(frozen=True)
class Run:
    """One row of a table or one variant: a model, its configuration, a recipe."""

    name: str
    model: str
    about: str  # one line for the report
    config: dict[str, Any] = field(default_factory=dict)  # differences from the model's Config
    train: Recipe | None = None  # None: nothing to train (the blurred input itself, and solvers)
    train_on: str = "gopro"
    test_on: tuple[str, ...] = ("gopro",)
    unpaired_on: str = ""  # whose blurry images `extras: [unpaired]` are; empty: those of train_on
    ablates: str = ""  # the run this one is a variant of
    weights: str = ""  # the authors', an entry of published.yaml
    pixel_loss: bool = True  # trained for PSNR, so its PSNR should beat the input's
    restores: bool = True  # false: trained to estimate motion, with which a solver restores
    system: str = ""  # its file's name
    built_to_fit: BuiltToFit | None = None  # that of its system
    # What sentences say of its layout, by the words of the claims file: see measure/structure.py.
    structure: dict[str, str] = field(default_factory=dict)

    @property
    def is_input(self) -> bool:
        """Say whether the run is the blurred input itself, which every other run has to exceed."""
        return self.model == "identity"


@dataclass(frozen=True)
class Profile:
    """What this machine cuts; zero or empty cuts nothing, for factors 1."""

    name: str
    about: str
    data: str = ""  # a dataset used in place of every other
    images: dict[str, int] = field(default_factory=dict)  # images per split of the stand-in
    steps: int = 0
    batch: int = 0
    crop: int = 0
    thin: int = 1  # every width is divided by this before training; sizes and MACs stay full
    lr_times: int | float = 1.0  # factor of the learning rate, to compensate for fewer steps
    beta2: float = 0.0  # of Adam: the recipe's may remember longer than a short run lasts
    schedule: dict[str, Any] = field(default_factory=dict)  # in place of the recipe's
    start: str = ""  # how weights are drawn, a key of training.trainer.STARTS; empty: as the model does
    amp: str = "none"  # none or bfloat16: networks under autocast, losses in single precision
    parts: int = 1  # of a batch that is too large for the device, one after another; the batch stays whole
    pretrained: str = "fetch"  # or leave: download no pretrained weights (760 MB)
    perceptual: tuple[str, ...] = ()  # metrics of pyiqa; see metrics/_pyiqa.py
    validate: int = 10  # points on the validation curve
    timing: int | float = 3600.0  # s for what has not been timed on this device; 0 times nothing
    seed: int = 0
    seeds: int = 1  # trainings of each run, with the seeds `seed`, `seed` + 1, ...; see `trainings`
    # Smaller trainings of each run beside the full one, each as a change of cuts, such as {steps: 100}.
    ladder: tuple[dict[str, int], ...] = ()
    final: bool = False  # finished trainings are committed and never done again; see results/finished.py
    cut_from: str = ""  # the profile that a budget of time was cut from; see pipelines/plan.py
    settings: dict[str, Any] = field(default_factory=dict)  # of a solver's Config, in place of its run's
    runs: tuple[str, ...] = ()  # empty: every run; see `of`
    overrides: dict[str, dict[str, Any]] = field(default_factory=dict)  # by model or run; see `at`

    def of(self, runs: "dict[str, Run]") -> "dict[str, Run]":
        """Select the runs to train and measure: those of `self.runs`, or all.

        The first run of each model without a selected run is added, so that a new model is never left out.
        """
        if not self.runs:
            return runs
        covered = {runs[name].model for name in self.runs}
        first = {run.model: name for name, run in reversed(runs.items()) if run.model not in covered}
        return {name: run for name, run in runs.items() if name in self.runs or name in first.values()}

    def trainings(self, runs: "Mapping[str, Run]") -> "dict[str, Training]":
        """List the trainings of the selected runs by name.

        The first seed at full length has the name of its run, others are `<run>@<seed>`, those of a rung
        `<run>@<seed>-steps100`. Runs with nothing to train have one entry.

        >>> runs = {"cdgnet": Run("cdgnet", "cdgnet", "", train=Recipe(9, 2, 32, Optimiser(1e-4), {}, {}))}
        >>> list(Profile("p", "", steps=400, seeds=2, ladder=({"steps": 100},)).trainings(runs))
        ['cdgnet', 'cdgnet@1', 'cdgnet@0-steps100', 'cdgnet@1-steps100']
        """
        rows = {}
        for run in self.of(dict(runs)).values():
            for rung in ({}, *self.ladder) if run.train else ({},):
                for seed in range(self.seed, self.seed + self.seeds) if run.train else (self.seed,):
                    label = "-".join(f"{key}{value}" for key, value in rung.items())
                    name = f"{run.name}@{seed}-{label}" if rung else f"{run.name}@{seed}"
                    name = run.name if seed == self.seed and not rung else name
                    full = self.changed({"seed": seed, "seeds": 1, "ladder": ()})
                    own = full.changed(rung).at(run)
                    if not rung or own != full.at(run):  # a rung may be what the run has anyway
                        rows[name] = Training(name, run, own, label)
        return rows

    def at(self, run: Run) -> "Profile":
        """Return the profile of a run: overridden by its model's entry, then by its own.

        >>> slow = Profile("p", "", steps=200, overrides={"mprnet": {"steps": 50}})
        >>> slow.at(Run("mprnet", "mprnet", "")).steps
        50
        """
        more = self.overrides.get(run.model, {}) | self.overrides.get(run.name, {})
        return replace(self, overrides={}, **more)

    def changed(self, changes: Mapping[str, Any]) -> "Profile":
        """Return the profile with an experiment's changes, which hold for every run.

        >>> slow = Profile("p", "", steps=200, overrides={"mprnet": {"steps": 50, "crop": 32}})
        >>> slow.changed({"steps": 3}).at(Run("mprnet", "mprnet", "")).steps
        3
        """
        overrides = {
            name: {key: value for key, value in cuts.items() if key not in changes}
            for name, cuts in self.overrides.items()
        }
        return replace(self, overrides=overrides, **changes)

    def cut(self, recipe: Recipe) -> tuple[Recipe, int]:
        """Cut a recipe to what this machine trains, and count its steps.

        >>> recipe = Recipe(2400, 6, 256, Optimiser(1e-4), {}, {})
        >>> Profile("p", "", steps=200, crop=64, lr_times=10).cut(recipe)[0].crop
        64
        >>> Profile("p", "").cut(recipe)[1]
        842400
        """
        shorter = replace(
            recipe,
            batch=self.batch or recipe.batch,
            crop=min(recipe.crop, self.crop or recipe.crop),
            optimiser=replace(
                recipe.optimiser,
                lr=recipe.optimiser.lr * self.lr_times,
                beta2=self.beta2 or recipe.optimiser.beta2,
            ),
            schedule=self.schedule or recipe.schedule,
        )
        return shorter, min(recipe.steps, self.steps or recipe.steps)

    def cuts(self, recipe: Recipe | None) -> list[str]:
        """Describe each cut, for the reason column; empty when nothing is cut.

        Of a run without a recipe, a solver, only settings are cut.

        >>> Profile("p", "", steps=200, thin=4).cuts(Recipe(2400, 6, 256, Optimiser(1e-4), {}, {}))
        ['200 of 842,400 steps', 'widths divided by 4']
        >>> Profile("p", "", settings={"iterations": 2}).cuts(None)
        ['iterations: 2']
        """
        if recipe is None:
            return [f"{name}: {value}" for name, value in self.settings.items()]
        shorter, steps = self.cut(recipe)
        start = "at edges" if self.start == "edges" else f"near the {self.start}"
        cuts = {
            f"{steps:,} of {recipe.steps:,} steps": steps < recipe.steps,
            f"batch {shorter.batch} in place of {recipe.batch}": shorter.batch != recipe.batch,
            f"crop {shorter.crop} of {recipe.crop}": shorter.crop < recipe.crop,
            f"widths divided by {self.thin}": self.thin > 1,
            f"learning rate times {self.lr_times:g}": self.lr_times != 1,
            f"Adam's beta2 {self.beta2:g} in place of {recipe.optimiser.beta2:g}": shorter.optimiser
            != replace(recipe.optimiser, lr=shorter.optimiser.lr),
            f"{shorter.schedule.get('name')} schedule": shorter.schedule != recipe.schedule,
            f"weights that start {start}": bool(self.start),
            f"{self.data} data in place of the real set": bool(self.data),
        }
        return [words for words, applies in cuts.items() if applies]


@dataclass(frozen=True)
class Training:
    """One training of a run in a profile: its seed and its length."""

    name: str
    run: Run
    profile: Profile  # as overridden for the run, with the training's own seed and steps
    rung: str = ""  # of the profile's ladder, such as "steps100"; empty: the full training

    @property
    def main(self) -> bool:
        """Tell whether it is the training that every table names by its run alone."""
        return self.name == self.run.name


@dataclass(frozen=True)
class Quantity:
    """A protocol of a metric."""

    name: str
    unit: str
    better: str  # "higher" or "lower"
    about: str  # the protocol, in one line
    family: str = ""  # what papers print it as: "psnr", "ssim"; empty where they print its own name
    sees: str = "rounded"  # form of the restored image: rounded or truncated to 8 bits, clipped, or float
    pool: str = "mean"  # over a test set: mean of the images' values, or psnr of their mean squared error
    version: int = 1  # raised when the numbers change


@dataclass(frozen=True)
class Params:
    """The content of params.yaml: what one experiment changes."""

    profile: str
    steps: int | None = None  # of every run, whatever the profile and its overrides say
    seed: int | None = None
    rates: dict[str, Any] = field(default_factory=dict)  # see pipelines/runtime.py


@dataclass(frozen=True)
class System:
    """The content of a file of benchmark/runs: a system and its variants."""

    runs: dict[str, dict[str, Any]]
    recipes: dict[str, Recipe] = field(default_factory=dict)  # for the runs, by YAML anchor
    order: int = sys.maxsize  # of the system in every table; files without it come last, by name
    built_to_fit: BuiltToFit | None = (
        None  # None: recipe and layout are those of code, or of no printed table
    )
