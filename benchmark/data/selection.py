"""Select the images that a profile uses."""

import json
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


def identity(profile: spec.Profile, run: spec.Run) -> str:
    """Return the part of the manifest that identifies a run's images; empty before stage data has written it.

    Neither real sets other than the run's, nor the code that rendered the same pixels, nor images that its
    recipe does not read make a difference to it.
    """
    path = manifest(profile)
    if not path.exists():
        return ""
    entries = json.loads(path.read_text(encoding="utf-8"))
    if profile.data:
        pixels = entries.get("pixels", entries)
        read = {"blur", "sharp", *(run.train.extras if run.train else ())}
        chosen = {name: value for name, value in pixels.items() if Path(name).parent.name in read}
        return json.dumps(chosen or pixels)
    own = {run.train_on, *run.test_on, extras_of(run)}
    return json.dumps({name: entry for name, entry in entries.items() if name in own})


def extras_of(run: spec.Run) -> str:
    """Return the manifest's name of what a run trains with beside its pairs."""
    return f"extras of {run.name}"


def unpaired(dataset: str) -> Pairs:
    """Load the images of a real set of blurred images alone."""
    unpaired: Pairs = plugins.load("datasets", dataset).SET.unpaired(Path("data"))
    return unpaired


def pairs(profile: spec.Profile, dataset: str, split: str, extras: tuple[str, ...] = ()) -> Pairs:
    """Load one split of a dataset, or of the set that stands in for it, with the extras of a recipe."""
    name = profile.data or dataset
    return plugins.load("datasets", name).pairs(folder(profile), split, tuple(set(extras) - {UNPAIRED}))
