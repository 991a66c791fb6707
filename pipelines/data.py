"""Stage data: make or find the images of the active profile. Names as arguments: obtain those real sets.

A profile without a stand-in needs the real sets of its runs. They are used in place or downloaded, and
examined: one that is broken is refused, and `data/<profile>/manifest.json` says which images the others have.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from benchmark import plugins, spec
from benchmark.data import health
from benchmark.data.health import KEPT, line, real
from benchmark.data.selection import folder, manifest
from benchmark.metrics import _pyiqa
from benchmark.weights import pretrained
from pipelines import run_stage


def needed(profile: spec.Profile, runs: Iterable[spec.Run]) -> set[tuple[str, str]]:
    """The datasets and splits that the runs train and test on."""
    parts = {(run.train_on, "train") for run in runs if run.train}
    parts |= {(name, "test") for run in runs for name in run.test_on}
    return {(profile.data or name, split) for name, split in parts}


def examined(parts: set[tuple[str, str]]) -> dict[str, str]:
    """Digests of real datasets by name, after a look at them.

    Raises:
        ValueError: a split that is needed is broken, or nothing of it is here.
    """
    digests, refused = {}, []
    for name in sorted({name for name, _ in parts}):
        if dataset := real(name):
            rows = health.look(dataset, KEPT)
            print(line(rows), flush=True)
            wanted = [row for row in rows if (name, row.split) in parts]
            refused += [
                f"{name}/{row.split} is {row.verdict}: {row.problems}"
                for row in wanted
                if row.verdict == "broken" or not row.images
            ]
            digests[name] = " ".join(f"{row.split}:{row.digest}" for row in wanted)
    if refused:
        raise ValueError("; ".join(refused))
    return digests


def obtain(*names: str) -> None:
    """Get real sets that are not at hand, and look at them.

    Raises:
        ValueError: no such real set, or it cannot be had.
    """
    for name in names:
        dataset = real(name)
        if dataset is None:
            raise ValueError(f"{name}: is made by its profile, not obtained")
        dataset.prepare(Path("data"), {})
        print(line(health.look(dataset, KEPT)), flush=True)


def main() -> None:
    """Prepare each dataset the profile's runs train or test on, and get the weights they start from."""
    profile, runs = spec.load()
    chosen = profile.of(runs).values()
    parts = needed(profile, chosen)
    for name in sorted({name for name, _ in parts}):
        plugins.load("datasets", name).prepare(folder(profile), profile.images)
    if digests := examined(parts):
        manifest(profile).parent.mkdir(parents=True, exist_ok=True)
        manifest(profile).write_text(json.dumps(digests, indent=1) + "\n", encoding="utf-8")
    weights = {name for run in chosen if run.train for name in run.train.pretrained}
    asked = profile.pretrained == "fetch"
    pretrained.prepare(sorted(weights) if asked else [])
    _pyiqa.prepare(profile.perceptual if asked else [])


if __name__ == "__main__":
    run_stage("data", *([obtain, *sys.argv[1:]] if sys.argv[1:] else [main]))
