"""A timed training step, against training itself, whose functions it uses."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark import nets, spec
from benchmark.measure import steps
from benchmark.timing.schedule import Job
from benchmark.training.augment import simulated_line
from benchmark.training.crops import sample
from benchmark.training.fit import NetworkTrainer, Settings
from benchmark.training.objective import adversary_networks
from benchmark.weights import pretrained

ROOT = Path(__file__).parents[1]
RUNS = spec.load(ROOT / "params.yaml")[1]
ASKED = {extra for run in RUNS.values() if run.train for extra in run.train.extras}
PAIRS = steps.images(replace(RUNS["dmphn_1"].train, extras=tuple(sorted(ASKED))))


@pytest.fixture(autouse=True)
def nobody_elses_weights(monkeypatch):
    """Make VGG19 unavailable, whatever this machine has."""
    monkeypatch.setattr(pretrained, "path", lambda name, folder=None: None)


def prepare(name, mode="strict", batch=1, height=16, width=16):
    """Prepare a step on the processor."""
    return steps.prepare(Job("step", name, mode, height, width, batch, 1), RUNS[name], "cpu")


def networks(name, recipe):
    """Build the networks that a run trains."""
    return {"net": nets.build(RUNS[name]), **adversary_networks(recipe, thin=1)}


@pytest.mark.parametrize("name", ["dmphn_1", "mscnn_gan"])
def test_a_call_is_the_next_step_of_training(name):
    """Its losses are, bit for bit, those of the recipe's first steps at that batch and crop.

    DMPHN learns alone, MS-CNN with a discriminator.
    """
    recipe = replace(RUNS[name].train, batch=2, crop=32)
    settings = Settings(recipe.steps, Path())
    training = NetworkTrainer(networks(name, recipe), steps.images(recipe), recipe, settings)
    work = prepare(name, batch=2, height=32, width=32)

    losses = [float(work.call()) for _ in range(3)]
    assert losses == [float(training.step(step)) for step in range(3)]
    assert len(set(losses)) == 3


def test_images_are_as_training_expects_them():
    """Pairs of 720x1280 in 8 bits that differ, and each extra in its own shape, for every recipe."""
    recipe = replace(RUNS["dmphn_1"].train, extras=tuple(ASKED), batch=1, crop=64)
    batch = sample(PAIRS, recipe, 0, 0)

    assert len(PAIRS) >= 2
    assert {x.shape for x in (*PAIRS.blurry, *PAIRS.sharp)} == {(720, 1280, 3)}
    for blurry, sharp in zip(PAIRS.blurry, PAIRS.sharp, strict=True):
        assert np.abs(np.subtract(blurry, sharp, dtype=int)).max() > 20
    assert batch.extras["motion"].shape == (1, 2, 64, 64)
    assert set(batch.extras["moving"].unique().tolist()) == {0.0, 1.0}
    assert batch.extras.keys() == ASKED


@pytest.mark.parametrize("name", [name for name, run in RUNS.items() if run.train])
def test_every_recipe_can_draw_its_crops(name):
    """A batch of two at the recipe's own crop: its extras are there and its images are large enough."""
    recipe = replace(RUNS[name].train, batch=2)
    batch = sample(PAIRS, recipe, 0, 0)

    channels = 1 if "grey" in recipe.augment else 3  # three equal ones would be the same work thrice
    side = recipe.crop - (2 * simulated_line.MARGIN if "simulated_line" in recipe.augment else 0)
    assert batch.blurry.shape == (2, channels, side, side)


def test_a_step_takes_three_times_the_arithmetic_of_forward():
    """DMPHN at its batch and crop: forward, and backward to weights and to inputs, but for the first."""
    recipe = RUNS["dmphn_1"].train
    macs, why = steps.arithmetic(networks("dmphn_1", recipe), recipe)

    # The image itself needs no gradient: its first convolution, 3 to 32 channels, is done twice, not thrice.
    forward = 6 * 16_286_482_432
    assert macs == 3 * forward - 6 * 9 * 3 * 32 * 256 * 256
    assert why == ()


def test_work_has_the_jobs_batch_and_crop():
    """Twice the batch and twice the side: eight times the arithmetic; the call gives a loss."""
    one = prepare("dmphn_1")
    eight = prepare("dmphn_1", batch=2, height=32, width=32)

    assert eight.macs == 8 * one.macs > 0
    assert 0 < one.call() < 1
    assert one.notes == ()


def test_without_vgg19_a_step_says_that_it_does_less():
    """DeblurGAN's content loss then compares pixels; its gradient penalty cannot be counted from shapes."""
    work = prepare("deblurgan", height=32, width=32)

    assert work.macs == 0
    uncounted, less = work.notes
    assert uncounted.startswith("the MACs of a step could not be counted")
    assert less == "content loss on pixels: VGG19 weights not at hand, so less work than the recipe's"


@pytest.mark.parametrize(
    ("job", "message"),
    [
        (("identity",), "identity: it has no recipe"),
        (("dmphn_1", "fast"), "dmphn_1: no training step in mode 'fast'; allowed: strict, tf32"),
        (("dmphn_1", "strict", 1, 16, 32), "dmphn_1: a crop of 32x16; allowed: a square of up to 720 pixels"),
        (("deblurgan", "strict", 1, 361, 361), "deblurgan: .*; allowed: a square of up to 360 pixels"),
        (("dmphn_1", "strict", 1, 0, 0), "dmphn_1: a crop of 0x0"),
    ],
)
def test_what_cannot_be_a_step_is_refused(job, message):
    """With what can."""
    with pytest.raises(ValueError, match="^" + message):
        prepare(*job)
