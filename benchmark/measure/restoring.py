"""Restore and score the test images of one trained run."""

from collections.abc import Callable
from dataclasses import replace

from PIL import Image

from benchmark import nets, plugins, spec
from benchmark.data import selection
from benchmark.measure import motion
from benchmark.measure.scoring import Metric, score
from benchmark.metrics import _pyiqa
from benchmark.results import Results
from benchmark.results.schema import Score
from benchmark.training import checkpoint


def available_metrics(profile: spec.Profile) -> dict[str, Metric]:
    """Return every metric by name, and those of pyiqa that the profile has and that are available."""
    metrics: dict[str, Metric] = {key: plugins.load("metrics", key) for key in plugins.names("metrics")}
    return metrics | _pyiqa.available(profile.perceptual, device=nets.device())[0]


def restore_and_score(
    training: spec.Training, results: Results, tick: Callable[[float], None]
) -> list[Score]:
    """Restore each test image with a training's weights, save it, and score it under every metric.

    Args:
        training: whose weights are in `results`, if its run has any.
        results: of the profile; images go to its folder of the training.
        tick: called with the share of the images that are done.
    """
    run, profile = training.run, training.profile
    if not run.train:  # a solver, of whose work a profile may cut some
        run = replace(run, config=run.config | profile.settings)
    net = nets.build(run, profile.thin, profile.seed)
    normalise = run.train.normalise if run.train else spec.Normalise()
    if run.train:
        weights, _ = checkpoint.load(results.train(training.name) / "weights.safetensors")
        net.load_state_dict(weights)
    metrics = available_metrics(profile)
    rows = []
    for dataset in [profile.data] if profile.data else run.test_on:
        pairs = selection.pairs(profile, dataset, "test")
        with motion.watched(net) as flows:
            scored = score(net, lambda n, x: nets.restore(n, x, normalise), pairs, metrics, nets.device())
            for index, image in enumerate(scored):
                path = results.images(training.name) / dataset / f"{image.name}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image.image).save(path)
                rows += [Score(run.name, dataset, image.name, *item) for item in image.values.items()]
                tick((index + 1) / len(pairs))
        if motion.known(run, profile):
            known = [selection.pairs(profile, dataset, split, (motion.EXTRA,)) for split in ("test", "train")]
            for name, values in motion.errors(flows, *known):
                rows += [Score(run.name, dataset, name, *item) for item in values.items()]
    return rows
