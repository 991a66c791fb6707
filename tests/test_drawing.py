"""Which images a batch has: as the authors' loaders draw them, from the seed and the step alone."""

from collections import Counter
from dataclasses import replace
from itertools import chain, pairwise

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from benchmark import spec
from benchmark.data.pairs import Pairs
from benchmark.training.crops import sample
from benchmark.training.drawing import DRAWING
from tests.project import ROOT
from tests.samples import RECIPE, pairs


def named(count, sequences=1):
    """Pairs of names alone."""
    return Pairs([f"{number % sequences}/{number}" for number in range(count)], [None] * count, [])


def batches(drawing, count, steps, batch=4, seed=0, pairs=None):
    """The images of each step."""
    recipe = replace(RECIPE, drawing=drawing, batch=batch, pairs=pairs or count)
    return [DRAWING[drawing](named(count), recipe, seed, step) for step in range(steps)]


@pytest.mark.parametrize(("drawing", "drop"), [("epochs", False), ("full_batches", True)])
def test_epochs_are_those_of_pytorchs_loader(drawing, drop):
    """Sizes of batches as the DataLoader's, each image once in an epoch, another order in the next."""
    loader = DataLoader(range(10), batch_size=4, shuffle=True, drop_last=drop)
    steps = replace(RECIPE, drawing=drawing, batch=4, pairs=10).iterations(1)
    first, second = (batches(drawing, 10, 2 * steps)[part] for part in (slice(steps), slice(steps, None)))

    assert [len(batch) for batch in first] == [len(batch) for batch in loader]
    for epoch in (first, second):
        assert len(set(chain(*epoch))) == sum(len(batch) for batch in loader)
    assert first != second


def test_an_epoch_may_be_a_part_of_the_set():
    """DeblurGAN-v2's epochs are 1,001 images of a new shuffling of all."""
    first, second = (
        batches("epochs", 50, 20, batch=2, pairs=20)[part] for part in (slice(10), slice(10, 20))
    )

    assert [len(set(chain(*epoch))) for epoch in (first, second)] == [20, 20]
    assert set(chain(*first)) != set(chain(*second))


@pytest.mark.parametrize("drawing", ["continuous", "epochs", "full_batches"])
@pytest.mark.parametrize(("count", "batch"), [(10, 4), (3, 8), (1, 2)])
def test_small_sets_fill_every_batch(drawing, count, batch):
    """In a stand-in smaller than the recipe's set, each image comes once before any comes again."""
    drawn = batches(drawing, count, 20, batch, pairs=2103)
    stream = list(chain(*drawn))

    assert {len(images) for images in drawn} == {batch}
    for start in range(0, len(stream) - count + 1, count):
        assert sorted(stream[start : start + count]) == list(range(count))


def test_svrnn_draws_each_batch_anew():
    """No image twice in a batch, but long before all have come."""
    drawn = batches("batches", 10, 50)

    assert all(len(set(images)) == 4 for images in drawn)
    assert any(set(a) & set(b) for a, b in pairwise(drawn))


def test_mscnn_draws_sequences():
    """Four sequences in a batch of four, all with the same probability, however long they are."""
    names = [f"long/{number}" for number in range(90)] + [f"short{number}/0" for number in range(4)]
    recipe = replace(RECIPE, batch=4)
    data = Pairs(names, [None] * len(names), [])
    drawn = [DRAWING["sequences"](data, recipe, 0, step) for step in range(1500)]
    counts = Counter(names[index].split("/")[0] for images in drawn for index in images)

    assert all(len({names[index].split("/")[0] for index in images}) == 4 for images in drawn)
    assert all(count / 1500 == pytest.approx(4 / 5, abs=0.05) for count in counts.values())
    assert len({index for images in drawn for index in images}) == len(names)
    assert len(DRAWING["sequences"](named(3), recipe, 0, 0)) == 4  # one sequence is enough


@pytest.mark.parametrize("drawing", DRAWING)
def test_a_step_repeats_whatever_came_before(drawing):
    """The same seed and step give the same images in any order of asking; another seed gives others."""
    forward = batches(drawing, 30, 40)
    recipe = replace(RECIPE, drawing=drawing, batch=4, pairs=30)
    backward = [DRAWING[drawing](named(30), recipe, 0, step) for step in reversed(range(40))]

    assert backward[::-1] == forward
    assert batches(drawing, 30, 40, seed=1) != forward


def test_a_partial_batch_holds_its_images_alone():
    """The third batch of five images by two has one, in the memory of the batch before."""
    recipe, room = replace(RECIPE, batch=2, pairs=5), {}
    drawn = [sample(pairs(5), recipe, 0, step, "cpu", room).sharp for step in range(3)]

    assert [len(images) for images in drawn] == [2, 2, 1]
    assert torch.equal(drawn[2], sample(pairs(5), recipe, 0, 2).sharp)


def test_lengths_are_those_of_the_official_training():
    """SRN's code stops at 524,000 steps (test: 523,000), PSS-NSC's at 1,048,000; DMPHN has 351 batches."""
    runs = spec.load(ROOT / "params.yaml")[1]

    assert runs["srn"].train.steps == 4000 * (2103 // 16) == 524_000
    assert runs["pssnsc"].train.steps == 1_048_000
    assert runs["dmphn_1"].train.iterations(1) == np.ceil(2103 / 6) == 351
    assert runs["mscnn"].train.iterations(1) == 2103 // 16  # drop_last=True
    assert runs["mscnn_gan"].train.iterations(1) == 1000  # epochbatchSize / minibatchSize
    assert runs["hamd"].train.steps == pytest.approx(524_000, rel=1e-3)
