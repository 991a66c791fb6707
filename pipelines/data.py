"""Stage data: prepare the images of the active profile. With names as arguments: download those real sets.

A profile without a stand-in needs the real sets of its runs. They are used in place or downloaded, and
examined: a broken set is refused, and `data/<profile>/manifest.json` identifies the images of the others.
What recipes need beside the pairs (`extras`) is made or downloaded here too; a run whose extras cannot be had
stops nobody else.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from benchmark import nets, plugins, spec
from benchmark.data import flow, health
from benchmark.data.pairs import AbsentError
from benchmark.data.selection import extras_of, folder, manifest
from benchmark.metrics import _pyiqa
from benchmark.training import images
from benchmark.trouble import write_text
from benchmark.weights import pretrained, raft
from pipelines import run_stage


def required_splits(profile: spec.Profile, runs: Iterable[spec.Run]) -> set[tuple[str, str]]:
    """Return the datasets and splits that the runs train and test on."""
    splits = {(run.train_on, "train") for run in runs if run.train}
    splits |= {(name, "test") for run in runs for name in run.test_on}
    return {(profile.data or name, split) for name, split in splits}


def check_real_sets(required: set[tuple[str, str]]) -> dict[str, str]:
    """Examine these real datasets; return their images' digests, or refuse a broken or absent split."""
    digests, refused = {}, []
    for name in sorted({name for name, _ in required}):
        if dataset := health.real_set(name):
            rows = health.examine_dataset(dataset)
            print(health.summarise(rows), flush=True)
            rows = [row for row in rows if (name, row.split) in required]
            refused += [
                f"{name}/{row.split} is {row.verdict}: {row.problems}"
                for row in rows
                if row.verdict == "broken" or not row.images
            ]
            digests[name] = " ".join(f"{row.split}:{row.digest}" for row in rows)
    if refused:
        raise ValueError("; ".join(refused))
    return digests


def prepare_extras(profile: spec.Profile, runs: Iterable[spec.Run]) -> dict[str, str]:
    """Make what the recipes of a profile with real sets need beside pairs; return what identifies it.

    That is masks, motion, temporal levels and unpaired images. Prints what a run has to do without.
    """
    identities = {}
    asking = [(run, run.train) for run in runs if run.train and run.train.extras]
    moving = {run.train_on for run, recipe in asking if "motion" in recipe.extras}
    if moving and profile.pretrained == "fetch":
        pretrained.prepare([raft.NAME])
    estimate = raft.estimator(nets.device()) if moving else None
    for name in sorted(moving):
        dataset = health.real_set(name)
        if dataset and estimate:
            flow.prepare(dataset, "train", folder(profile), estimate)
    for run, recipe in asking:
        try:
            fetch_others(run, recipe)
            kept, pairs = images.load(profile, run, recipe)
            unpaired = len(pairs.unpaired or ())
            facts = [*kept.extras, f"{len(pairs):,} pairs", f"{unpaired:,} unpaired", *pairs.notes]
            identities[extras_of(run)] = "; ".join(facts)
        except AbsentError as error:
            identities[extras_of(run)] = f"cannot be trained: {error}"
        print(f"{run.name}: {identities[extras_of(run)]}", flush=True)
    return identities


def fetch_others(run: spec.Run, recipe: spec.Recipe) -> None:
    """Download the sets that a recipe's extras are made from, or print why not."""
    names = {run.unpaired_on}
    if any(name.startswith("level_") for name in recipe.extras):
        names.add(getattr(health.real_set(run.train_on), "frames", ""))
    for name in sorted(names - {""}):
        try:
            plugins.load("datasets", name).prepare(Path("data"), {})
        except ValueError as error:
            print(f"{run.name}: {error}", flush=True)


def download_sets(*names: str) -> None:
    """Download real sets into `data/` unless a data folder has them, and examine them."""
    for name in names:
        dataset = health.real_set(name)
        if dataset is None:
            raise ValueError(f"{name}: is rendered by its profile, not downloaded")
        dataset.prepare(Path("data"), {})
        print(health.summarise(health.examine_dataset(dataset)), flush=True)


def main() -> None:
    """Prepare each dataset the profile's runs train or test on, and download the weights they load."""
    profile, runs = spec.load()
    selected = profile.of(runs).values()
    required = required_splits(profile, selected)
    for name in sorted({name for name, _ in required}):
        plugins.load("datasets", name).prepare(folder(profile), profile.images)
    if digests := check_real_sets(required):
        digests |= prepare_extras(profile, selected)
        write_text(manifest(profile), json.dumps(digests, indent=1) + "\n")
    weights = {name for run in selected if run.train for name in run.train.pretrained}
    fetch_weights = profile.pretrained == "fetch"
    pretrained.prepare(sorted(weights) if fetch_weights else [])
    _pyiqa.prepare(profile.perceptual if fetch_weights else [])


if __name__ == "__main__":
    run_stage("data", *([download_sets, *sys.argv[1:]] if sys.argv[1:] else [main]))
