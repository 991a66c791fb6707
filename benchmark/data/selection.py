"""Which images a profile uses, and where they lie."""

from pathlib import Path

from benchmark import plugins, spec
from benchmark.data.pairs import UNPAIRED, Pairs


def folder(profile: spec.Profile) -> Path:
    """Where the profile's stand-in set lies; without one, where real sets are downloaded to."""
    return Path("data") / (profile.name if profile.data else "")


def manifest(profile: spec.Profile) -> Path:
    """What the profile's images are: another text, other images."""
    return Path("data") / profile.name / "manifest.json"


def pairs(profile: spec.Profile, dataset: str, split: str, extras: tuple[str, ...] = ()) -> Pairs:
    """One split of a dataset, or of the set that stands in for it, with the extras a recipe asks for."""
    name = profile.data or dataset
    return plugins.load("datasets", name).pairs(folder(profile), split, tuple(set(extras) - {UNPAIRED}))
