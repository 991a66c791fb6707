"""Stage data: make or find the images of the active profile."""

from pathlib import Path

from benchmark import plugins, pretrained, spec
from benchmark.pairs import Pairs
from benchmark.training.fit import UNPAIRED
from pipelines import pool


def folder(profile: spec.Profile) -> Path:
    """Where the profile's stand-in set lies; real sets are used in place, below data/."""
    return Path("data") / (profile.name if profile.data else "")


def pairs(profile: spec.Profile, dataset: str, split: str, extras: tuple[str, ...] = ()) -> Pairs:
    """One split of a dataset, or of the set that stands in for it, with the extras a recipe asks for."""
    name = profile.data or dataset
    return plugins.load("datasets", name).pairs(folder(profile), split, tuple(set(extras) - {UNPAIRED}))


def main() -> None:
    """Prepare each dataset the profile's runs train or test on, and get the weights they start from."""
    profile, runs = spec.load()
    wanted = {run.train_on for run in runs.values()} | {name for run in runs.values() for name in run.test_on}
    for name in sorted({profile.data} if profile.data else wanted):
        plugins.load("datasets", name).prepare(folder(profile), profile.images)
    recipes = [run.train for run in profile.of(runs).values() if run.train]
    weights = {name for recipe in recipes for name in recipe.pretrained}
    pretrained.prepare(sorted(weights) if profile.pretrained == "fetch" else [])


if __name__ == "__main__":
    pool.run("data", main)
