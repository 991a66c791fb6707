"""Stage quality: every run's weights -> one row per image and metric, and the restored images."""

import shutil
import sys
from pathlib import Path

from PIL import Image

from benchmark import nets, plugins, spec
from benchmark.data import selection
from benchmark.measure.scoring import Metric, score
from benchmark.metrics import _pyiqa
from benchmark.results import Results
from benchmark.results.legacy import QUALITY, read, text, write
from benchmark.training import checkpoint, pool
from pipelines import run_stage


def part(results: Results, name: str) -> Path:
    """One run's share of the table, written by its worker."""
    return results.images(name) / "scores.csv"


def measure(name: str, tick: pool.Progress) -> str:
    """Restore and score one run's test images."""
    profile, runs = spec.load()
    run, results = runs[name], Results(profile.name)
    net = nets.build(run, profile.at(run).thin, profile.seed)
    normalise = run.train.normalise if run.train else spec.Normalise()
    if run.train:
        weights, _ = checkpoint.load(results.train(name) / "weights.safetensors")
        net.load_state_dict(weights)
    metrics: dict[str, Metric] = {key: plugins.load("metrics", key) for key in plugins.names("metrics")}
    metrics |= _pyiqa.available(profile.perceptual, device=nets.device())[0]
    rows = []
    for dataset in [profile.data] if profile.data else run.test_on:
        pairs = selection.pairs(profile, dataset, "test")
        scored = score(net, lambda n, x: nets.restore(n, x, normalise), pairs, metrics, nets.device())
        for index, image in enumerate(scored):
            path = results.images(name) / dataset / f"{image.name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.image).save(path)
            rows += [
                dict(zip(QUALITY, (name, dataset, image.name, quantity, text(value)), strict=True))
                for quantity, value in image.values.items()
            ]
            tick((index + 1) / len(pairs))
    write(part(results, name), QUALITY, rows)
    return f"{len(rows)} values"


def main() -> int:
    """Score every run of the profile, then join the tables in the order of params.yaml."""
    profile, runs = spec.load()
    results = Results(profile.name)
    shutil.rmtree(results.images(), ignore_errors=True)
    chosen = profile.of(runs)
    failed = pool.each("quality", measure, dict.fromkeys(chosen, 1.0))
    for complaint in failed:
        print(f"quality: {complaint}", file=sys.stderr)
    if failed:
        return 1
    write(results.quality, QUALITY, (row for name in chosen for row in read(part(results, name))))
    return 0


if __name__ == "__main__":
    run_stage("quality", main)
