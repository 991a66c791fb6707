"""Select the images that a profile uses."""

from pathlib import Path

from benchmark import plugins, spec
from benchmark.data.pairs import UNPAIRED, Pairs


def folder(profile: spec.Profile) -> Path:
    """Return the folder of the profile's stand-in set; without one, the folder of downloaded real sets."""
    return Path("data") / (profile.name if profile.data else "")


def manifest(profile: spec.Profile) -> Path:
    """Return the file that identifies the profile's images: its content changes when they change."""
    return Path("data") / profile.name / "manifest.json"


def checks(profile: spec.Profile, dataset: str) -> dict[str, Pairs]:
    """Load the splits that are not trained on: "test", and "validation" where the dataset has one."""
    splits = ["validation", "test"] if "validation" in profile.images else ["test"]
    return {split: pairs(profile, dataset, split) for split in splits}


def pairs(profile: spec.Profile, dataset: str, split: str, extras: tuple[str, ...] = ()) -> Pairs:
    """Load one split of a dataset, or of the set that stands in for it, with the extras of a recipe."""
    name = profile.data or dataset
    return plugins.load("datasets", name).pairs(folder(profile), split, tuple(set(extras) - {UNPAIRED}))
