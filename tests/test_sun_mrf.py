"""Sun et al.'s random field: energies written out, exact choices where known, and ICM's as a bound."""

from itertools import product

import numpy as np
import pytest
import torch

from benchmark.models._sun_mrf import energy, min_sum


def problem(height, width, count=4, seed=0, scale=1.0):
    """Draw costs in 0 to 1, as probabilities have them, and points whose distances are of that size."""
    rng = torch.Generator().manual_seed(seed)
    costs = torch.rand(height, width, count, generator=rng)
    return costs, scale * torch.randn(height, width, count, 2, generator=rng)


def written_out(labels, costs, points):
    """The energy, pixel by pixel."""
    height, width, _ = costs.shape
    total = 0.0
    for y, x in product(range(height), range(width)):
        total += float(costs[y, x, labels[y, x]])
        for other in ((y + 1, x), (y, x + 1)):
            if other[0] < height and other[1] < width:
                apart = points[y, x, labels[y, x]] - points[*other, labels[other]]
                total += float(apart.double().square().sum())
    return total


def icm(costs, points):
    """Besag's iterated conditional modes: change one pixel at a time while that lowers the energy."""
    costs, points = costs.double().numpy(), points.double().numpy()
    height, width, _ = costs.shape
    labels = costs.argmin(axis=2)
    changed = True
    while changed:
        changed = False
        for y, x in product(range(height), range(width)):
            total = costs[y, x].copy()
            for r, c in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if 0 <= r < height and 0 <= c < width:
                    total += ((points[y, x] - points[r, c, labels[r, c]]) ** 2).sum(axis=1)
            if total.argmin() != labels[y, x] and total.min() < total[labels[y, x]] - 1e-12:
                labels[y, x], changed = total.argmin(), True
    return torch.from_numpy(labels)


def test_the_energy_is_written_out():
    """Costs of the chosen candidates and squared distances of neighbours, each pair once."""
    costs, points = problem(4, 5)
    labels = torch.randint(4, (4, 5), generator=torch.Generator().manual_seed(1))

    assert energy(labels, costs, points) == pytest.approx(written_out(labels, costs, points), rel=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (6, 1)])
def test_a_row_is_exact(shape):
    """Without loops belief propagation finds the lowest energy of all choices, tried one by one."""
    costs, points = problem(*shape, count=3, seed=2)
    every = [torch.tensor(c).view(shape) for c in product(range(3), repeat=max(shape))]

    best = min(energy(labels, costs, points) for labels in every)

    assert energy(min_sum(costs, points, 20, 0.5), costs, points) == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("scale", [0.1, 0.4, 2.0])
def test_never_above_icm(seed, scale):
    """With loops, at weak and strong smoothness, the energy is at most that of iterated conditional modes."""
    costs, points = problem(9, 11, count=6, seed=seed, scale=scale)

    ours = min_sum(costs, points, 15, 0.5)

    assert energy(ours, costs, points) <= energy(icm(costs, points), costs, points) + 1e-9


def test_neighbours_outvote_a_mistake():
    """One pixel that prefers another motion takes that of all the others."""
    costs = torch.full((7, 7, 2), 1.0)
    costs[..., 0] = 0
    costs[3, 3] = torch.tensor([0.5, 0.0])
    points = torch.tensor([[0.0, 0.0], [1.0, 0.0]]).expand(7, 7, 2, 2)

    assert not min_sum(costs, points, 15, 0.5).any()
    assert min_sum(costs, 0 * points, 15, 0.5)[3, 3] == 1


def test_large_distances_keep_small_costs():
    """Where candidates are hundreds apart, as in Sun et al.'s field, costs below 1 still decide."""
    costs = torch.tensor(np.random.default_rng(3).random((5, 5, 3)), dtype=torch.float32)
    points = torch.tensor([[0.0, 0.0], [2500.0, 0.0], [0.0, 2500.0]]).expand(5, 5, 3, 2)

    labels = min_sum(costs, points, 15, 0.5)

    assert (labels == costs.sum(dim=(0, 1)).argmin()).all()
