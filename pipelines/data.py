"""Stage data: make or find the images of the active profile."""

from pathlib import Path

from benchmark import plugins, spec
from benchmark.pairs import Pairs
from pipelines import pool


def folder(profile: spec.Profile) -> Path:
    """Where the profile's stand-in set lies; real sets are used in place, below data/."""
    return Path("data") / (profile.name if profile.data else "")


def pairs(profile: spec.Profile, dataset: str, split: str) -> Pairs:
    """One split of a dataset, or of the set that stands in for it."""
    name = profile.data or dataset
    return plugins.load("datasets", name).pairs(folder(profile), split)


def main() -> None:
    """Prepare each dataset the profile's runs train or test on."""
    profile, runs = spec.load()
    wanted = {run.train_on for run in runs.values()} | {name for run in runs.values() for name in run.test_on}
    for name in sorted({profile.data} if profile.data else wanted):
        plugins.load("datasets", name).prepare(folder(profile), profile.images)


if __name__ == "__main__":
    pool.run("data", main)
