"""Stage quality: restore the test images with every run's weights and score them under every metric."""

import shutil
import sys
from pathlib import Path

from PIL import Image

from benchmark import nets, plugins, spec
from benchmark.data import selection
from benchmark.measure.scoring import Metric, score
from benchmark.metrics import _pyiqa
from benchmark.results import Results, read_rows, write
from benchmark.results.schema import Score
from benchmark.training import checkpoint, pool
from pipelines import run_stage


def scores_path(results: Results, name: str) -> Path:
    """Return the path of one run's rows, which its worker writes."""
    return results.images(name) / "scores.csv"


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
                Score(name, dataset, image.name, quantity, value) for quantity, value in image.values.items()
            ]
            tick((index + 1) / len(pairs))
    write(scores_path(results, name), Score, rows)
    return f"{len(rows)} values"


def main() -> int:
    """Score every run of the profile, then join the tables in the order of params.yaml."""
    profile, runs = spec.load()
    results = Results(profile.name)
    shutil.rmtree(results.images(), ignore_errors=True)
    chosen = profile.of(runs)
    failures = pool.each("quality", measure, dict.fromkeys(chosen, 1.0))
    for failure in failures:
        print(f"quality: {failure}", file=sys.stderr)
    if failures:
        return 1
    scores = [row for name in chosen for row in read_rows(scores_path(results, name), Score)]
    write(results.quality, Score, scores)
    return 0


if __name__ == "__main__":
    run_stage("quality", main)
