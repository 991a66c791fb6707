"""Stage quality: restore the test images with every run's weights and score them under every metric.

A run whose fingerprint is that of its scores is left alone. In a profile whose trainings are final
the values are those of their records, averaged over seeds; what has no record yet has no row.
"""

import shutil
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path

import torch

from benchmark import engine, plugins, spec
from benchmark.data import fetch, selection
from benchmark.measure import motion, scoring
from benchmark.measure.restoring import restore_and_score
from benchmark.metrics import _flow, _pyiqa
from benchmark.results import Results, finished, provenance, read_rows, write
from benchmark.results.schema import Score
from benchmark.trouble import write_text
from pipelines import run_stage


def scores_path(results: Results, name: str) -> Path:
    """Return the path of one run's rows, which its worker writes."""
    return results.images(name) / "scores.csv"


def weights_path(results: Results, name: str) -> Path:
    """Return the path of a run's trained weights."""
    return results.train(name) / "weights.safetensors"


def mark(results: Results, name: str) -> Path:
    """Return the file with the fingerprint of one run's scores."""
    return results.images(name) / "fingerprint"


def fingerprint(run: spec.Run, profile: spec.Profile, results: Results, perceptual: Collection[str]) -> str:
    """Hash all that a run's scores depend on; of pyiqa, the names of the metrics that are available."""
    weights = weights_path(results, run.name)
    metrics = [Path(str(plugins.load("metrics", name).__file__)) for name in plugins.names("metrics")]
    metrics += [Path(motion.__file__), Path(_flow.__file__)] if motion.known(run, profile) else []
    facts = {
        "weights": fetch.digest(weights) if weights.exists() else "",
        "thin": profile.at(run).thin,
        "config": run.config | ({} if run.train else profile.at(run).settings),
        "normalise": asdict(run.train.normalise) if run.train else {},
        "images": selection.identity(profile, run),
        "datasets": [profile.data] if profile.data else run.test_on,
        "perceptual": sorted(perceptual),
        "code": provenance.model_code(run.model, Path(scoring.__file__), Path(_pyiqa.__file__), *metrics),
        "torch": torch.__version__,
        "device": engine.device(),
    }
    return provenance.digest(facts)


def measure(name: str, tick: engine.Progress) -> str:
    """Restore and score one run's test images; return a message."""
    profile, runs = spec.load()
    run, results = runs[name], Results(profile.name)
    training = profile.trainings(runs)[name]
    rows = restore_and_score(training, results, tick)
    perceptual = _pyiqa.available(profile.perceptual)[0]
    write(scores_path(results, name), Score, rows)
    write_text(mark(results, name), fingerprint(run, profile, results, perceptual))
    return f"{len(rows)} values"


def sound(results: Results, name: str) -> bool:
    """Check that one run's rows can be read; damaged ones are measured again."""
    try:
        read_rows(scores_path(results, name), Score)
    except ValueError:
        return False
    return True


def main() -> int:
    """Score the trained runs that are missing or changed, then join the tables in the order of the runs."""
    profile, runs = spec.load()
    results = Results(profile.name)
    records = finished.read_all(results, profile.trainings(runs)) if profile.final else {}
    chosen = {name: run for name, run in profile.of(runs).items() if not results.missing(name)}
    if profile.final:  # images can be restored where there are weights
        chosen = {n: r for n, r in chosen.items() if not r.train or weights_path(results, n).exists()}
    stale, perceptual = [], _pyiqa.available(profile.perceptual)[0]
    for name, run in chosen.items():
        current, scored = fingerprint(run, profile, results, perceptual), mark(results, name)
        if not scored.exists() or scored.read_text(encoding="utf-8") != current or not sound(results, name):
            shutil.rmtree(results.images(name), ignore_errors=True)
            stale.append(name)
    for folder in results.images().glob("*"):
        if folder.name not in chosen:
            shutil.rmtree(folder) if folder.is_dir() else folder.unlink()
    if engine.each("quality", measure, dict.fromkeys(stale, 1.0)):
        return 1
    own = profile.of(runs) if profile.final else chosen
    scores = [row for name in own for row in rows_of(name, results, records)]
    write(results.quality, Score, scores)
    return 0


def rows_of(name: str, results: Results, records: Mapping[str, finished.Finished]) -> list[Score]:
    """Return a run's values: those of its records, or where it has none, those of its scored images."""
    if recorded := finished.of_run(records, name):
        return finished.mean_rows(recorded)
    path = scores_path(results, name)
    return read_rows(path, Score, optional=bool(records))


if __name__ == "__main__":
    run_stage("quality", main)
