"""Choose the images of a batch, as a recipe's `drawing` says; the seed and the step alone decide.

Rules "epochs", "full_batches" and "continuous" draw without repetition: an epoch is a permutation of the set.
A set that is smaller than the recipe's (a stand-in) has no such epochs: its permutations follow one another,
and every batch is full.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from benchmark.data.pairs import Pairs
from benchmark.spec import Recipe

Indices = list[int]


@lru_cache(maxsize=8)  # a batch may go over several epochs of a small set
def permutation(count: int, seed: int, number: int) -> NDArray[np.int64]:
    """Shuffle 0 to count - 1; the same arguments give the same order. Do not write to it."""
    return np.random.default_rng([seed, number, 1]).permutation(count)  # 1: not the numbers of a step's crops


def continuous(pairs: Pairs, recipe: Recipe, seed: int, step: int) -> Indices:
    """Cut a stream of permutations into batches, which go on from one epoch to the next (SRN's queue)."""
    count = len(pairs)
    places = (divmod(place, count) for place in range(step * recipe.batch, (step + 1) * recipe.batch))
    return [int(permutation(count, seed, epoch)[place]) for epoch, place in places]


def epochs(pairs: Pairs, recipe: Recipe, seed: int, step: int) -> Indices:
    """Cut each epoch into batches, the last of which may be smaller (PyTorch's DataLoader, shuffled)."""
    return _of_epoch(pairs, recipe, seed, step, math.ceil(recipe.pairs / recipe.batch))


def full_batches(pairs: Pairs, recipe: Recipe, seed: int, step: int) -> Indices:
    """Cut each epoch into batches, and leave out the images that do not fill one (`drop_last=True`)."""
    return _of_epoch(pairs, recipe, seed, step, recipe.pairs // recipe.batch)


def _of_epoch(pairs: Pairs, recipe: Recipe, seed: int, step: int, batches: int) -> Indices:
    """Return a batch of an epoch that is the beginning of a permutation, `recipe.pairs` images long."""
    if len(pairs) < recipe.pairs:
        return continuous(pairs, recipe, seed, step)
    epoch, batch = divmod(step, batches)
    images = permutation(len(pairs), seed, epoch)[: recipe.pairs]
    return [int(index) for index in images[batch * recipe.batch : (batch + 1) * recipe.batch]]


def batches(pairs: Pairs, recipe: Recipe, seed: int, step: int) -> Indices:
    """Draw every batch from all images, none twice in a batch (SVRNN); twice where there are too few."""
    return _anew(len(pairs), recipe.batch, seed, step)


def sequences(pairs: Pairs, recipe: Recipe, seed: int, step: int) -> Indices:
    """Draw the sequences of a batch, none twice, then an image of each (MS-CNN's Torch7 code).

    An image of a short sequence is drawn more often than one of a long sequence.
    """
    members: dict[str, Indices] = {}
    for index, name in enumerate(pairs.names):
        members.setdefault(name.rpartition("/")[0], []).append(index)
    groups = list(members.values())
    rng = np.random.default_rng([seed, step, 2])
    return [int(rng.choice(groups[number])) for number in _anew(len(groups), recipe.batch, seed, step)]


def _anew(count: int, number: int, seed: int, step: int) -> Indices:
    """Draw some of 0 to count - 1, none twice before all have been drawn."""
    rng = np.random.default_rng([seed, step, 1])
    rounds = [rng.permutation(count) for _ in range(math.ceil(number / count))]
    return [int(index) for index in np.concatenate(rounds)[:number]]


DRAWING: dict[str, Callable[[Pairs, Recipe, int, int], Indices]] = {
    "epochs": epochs,
    "full_batches": full_batches,
    "continuous": continuous,
    "batches": batches,
    "sequences": sequences,
}
