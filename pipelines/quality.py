"""Stage quality: restore the test images with every run's weights and score them under every metric.

A run whose fingerprint is that of its scores is left alone.
"""

import shutil
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path

import torch
from PIL import Image

from benchmark import nets, plugins, spec
from benchmark.data import fetch, selection
from benchmark.measure import motion, scoring
from benchmark.measure.scoring import Metric, score
from benchmark.metrics import _flow, _pyiqa
from benchmark.results import Results, provenance, read_rows, write
from benchmark.results.schema import Score
from benchmark.training import checkpoint, pool
from pipelines import run_stage


def scores_path(results: Results, name: str) -> Path:
    """Return the path of one run's rows, which its worker writes."""
    return results.images(name) / "scores.csv"


def mark(results: Results, name: str) -> Path:
    """Return the file with the fingerprint of one run's scores."""
    return results.images(name) / "fingerprint"


def fingerprint(run: spec.Run, profile: spec.Profile, results: Results, perceptual: Collection[str]) -> str:
    """Hash all that a run's scores depend on; of pyiqa, the names of the metrics that are available."""
    weights = results.train(run.name) / "weights.safetensors"
    metrics = [Path(str(plugins.load("metrics", name).__file__)) for name in plugins.names("metrics")]
    metrics += [Path(motion.__file__), Path(_flow.__file__)] if knows_motion(run, profile) else []
    facts = {
        "weights": fetch.digest(weights) if weights.exists() else "",
        "thin": profile.at(run).thin,
        "config": run.config,
        "normalise": asdict(run.train.normalise) if run.train else {},
        "images": selection.identity(profile, run),
        "datasets": [profile.data] if profile.data else run.test_on,
        "perceptual": sorted(perceptual),
        "code": provenance.model_code(run.model, Path(scoring.__file__), Path(_pyiqa.__file__), *metrics),
        "torch": torch.__version__,
        "device": nets.device(),
    }
    return provenance.digest(facts)


def knows_motion(run: spec.Run, profile: spec.Profile) -> bool:
    """Say whether a run has learnt from true motion and is tested where that is known: in a stand-in set."""
    return bool(profile.data and run.train and motion.EXTRA in run.train.extras)


def measure(name: str, tick: pool.Progress) -> str:
    """Restore and score one run's test images; return a message."""
    profile, runs = spec.load()
    run, results = runs[name], Results(profile.name)
    net = nets.build(run, profile.at(run).thin, profile.seed)
    normalise = run.train.normalise if run.train else spec.Normalise()
    if run.train:
        weights, _ = checkpoint.load(results.train(name) / "weights.safetensors")
        net.load_state_dict(weights)
    metrics: dict[str, Metric] = {key: plugins.load("metrics", key) for key in plugins.names("metrics")}
    perceptual = _pyiqa.available(profile.perceptual, device=nets.device())[0]
    metrics |= perceptual
    rows = []
    for dataset in [profile.data] if profile.data else run.test_on:
        pairs = selection.pairs(profile, dataset, "test")
        with motion.watched(net) as flows:
            scored = score(net, lambda n, x: nets.restore(n, x, normalise), pairs, metrics, nets.device())
            for index, image in enumerate(scored):
                path = results.images(name) / dataset / f"{image.name}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image.image).save(path)
                rows += [Score(name, dataset, image.name, *item) for item in image.values.items()]
                tick((index + 1) / len(pairs))
        if knows_motion(run, profile):
            known = [selection.pairs(profile, dataset, split, (motion.EXTRA,)) for split in ("test", "train")]
            for image_name, values in motion.errors(flows, *known):
                rows += [Score(name, dataset, image_name, *item) for item in values.items()]
    write(scores_path(results, name), Score, rows)
    mark(results, name).write_text(fingerprint(run, profile, results, perceptual), encoding="utf-8")
    return f"{len(rows)} values"


def main() -> int:
    """Score the trained runs that are missing or changed, then join the tables in the order of the runs."""
    profile, runs = spec.load()
    results = Results(profile.name)
    chosen = {name: run for name, run in profile.of(runs).items() if not results.missing(name)}
    stale, perceptual = [], _pyiqa.available(profile.perceptual)[0]
    for name, run in chosen.items():
        current, scored = fingerprint(run, profile, results, perceptual), mark(results, name)
        if not scored.exists() or scored.read_text(encoding="utf-8") != current:
            shutil.rmtree(results.images(name), ignore_errors=True)
            stale.append(name)
    for folder in results.images().glob("*"):
        if folder.name not in chosen:
            shutil.rmtree(folder)
    if pool.each("quality", measure, dict.fromkeys(stale, 1.0)):
        return 1
    scores = [row for name in chosen for row in read_rows(scores_path(results, name), Score)]
    write(results.quality, Score, scores)
    return 0


if __name__ == "__main__":
    run_stage("quality", main)
