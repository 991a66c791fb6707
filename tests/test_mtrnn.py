"""MT-RNN: its sizes, the authors' network, what an iteration hands on, and what each is asked for."""

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmark.losses import Batch, temporal
from benchmark.models.mtrnn import Config, Net
from benchmark.spec import Normalise

LEVELS = (3, 5, 7, 9, 11)
RANGE = Normalise(scale=255)


def test_an_iteration_hands_on_its_answer_and_features():
    """The second's inputs: the blurry image, the first's restored image and features of half and quarter."""
    net = Net(Config(iterations=2).thin(8))
    seen: dict[str, list[Tensor]] = {name: [] for name, _ in net.named_modules()}
    for name, module in net.named_modules():
        module.register_forward_hook(lambda module, inputs, output, name=name: seen[name].append(output))
    for name in ("enter", "down_half.merge", "down_quarter.merge"):
        module = net.get_submodule(name)
        seen[f"{name} given"] = []
        module.register_forward_pre_hook(
            lambda module, inputs, name=name: seen[f"{name} given"].append(*inputs)
        )
    blurry = 255 * torch.rand(1, 3, 8, 12)
    mean = 255 * torch.tensor([0.4488, 0.4371, 0.4040]).view(3, 1, 1)

    first, _ = net(blurry)

    pairs = {
        name: [x.chunk(2, dim=1) for x in seen[f"{name} given"]] for name in ("enter", "down_half.merge")
    }
    torch.testing.assert_close(pairs["enter"][0], (blurry - mean, blurry - mean))
    torch.testing.assert_close(pairs["enter"][1], (blurry - mean, first - mean))
    for scale, memory in (("down_half", "up_half"), ("down_quarter", "down_quarter")):
        own = seen[f"{scale}.resize"]
        given = [x.chunk(2, dim=1) for x in seen[f"{scale}.merge given"]]
        torch.testing.assert_close(given[0], (own[0], own[0]))  # nothing is remembered yet
        torch.testing.assert_close(given[1], (own[1], seen[memory][0]))


def test_more_iterations_change_none_before():
    """All iterations are the same network; how many follow does not matter."""
    net = Net(Config(iterations=3).thin(8)).eval()
    blurry = 255 * torch.rand(1, 3, 8, 8)
    three = net(blurry)
    net.iterations = 2

    torch.testing.assert_close(net(blurry), three[:2], rtol=0, atol=0)


def exposures(*frames: int) -> Batch:
    """One image each of so many frames: level n is all n, sharp all 1, in a range of 255."""
    levels = {f"level_{n}": torch.tensor([float(min(n, own)) for own in frames]) for n in LEVELS}
    images = {name: values.view(-1, 1, 1, 1).expand(-1, 3, 4, 4) for name, values in levels.items()}
    blurry = torch.tensor(frames, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 3, 4, 4)
    return Batch(blurry, torch.ones_like(blurry), RANGE, images)


def test_each_image_comes_down_from_its_own_level():
    """By two frames an iteration, and from one frame on it stays sharp."""
    wanted = temporal.targets(exposures(13, 11, 9, 7, 5, 3), iterations=7)

    frames = torch.stack(wanted)[..., 0, 0, 0].T
    assert frames.tolist() == [
        [11, 9, 7, 5, 3, 1, 1],
        [9, 7, 5, 3, 1, 1, 1],
        [7, 5, 3, 1, 1, 1, 1],
        [5, 3, 1, 1, 1, 1, 1],
        [3, 1, 1, 1, 1, 1, 1],
        [1, 1, 1, 1, 1, 1, 1],
    ]


def test_where_nothing_moves_any_level_will_do():
    """A crop whose levels are all alike aims at the sharp image at once; its neighbour is not touched."""
    batch = exposures(13, 1)

    frames = torch.stack(temporal.targets(batch, iterations=6))[..., 0, 0, 0].T

    assert frames.tolist() == [[11, 9, 7, 5, 3, 1], [1, 1, 1, 1, 1, 1]]


def test_one_differing_pixel_makes_a_level():
    """An image's own level is the one with the same values everywhere."""
    batch = exposures(11)
    other = batch.extras["level_11"].clone()
    other[0, 2, 3, 3] += 1

    wanted = temporal.targets(Batch(batch.blurry, batch.sharp, RANGE, batch.extras | {"level_11": other}), 6)

    assert torch.equal(wanted[0], other)


def test_loss_is_the_sum_of_mean_differences():
    """NumPy's formula over all iterations and images."""
    rng = np.random.default_rng(0)
    batch = exposures(13, 7)
    outputs = 255 * rng.random((6, 2, 3, 4, 4), dtype=np.float32)

    aims = np.array([[11, 5], [9, 3], [7, 1], [5, 1], [3, 1], [1, 1]]).reshape(6, 2, 1, 1, 1)
    expected = np.abs(outputs - aims).mean(axis=(1, 2, 3, 4)).sum()

    assert temporal.loss(list(torch.from_numpy(outputs)), batch).item() == pytest.approx(expected, rel=1e-6)


def test_loss_names_what_is_wrong():
    """Levels that the recipe forgot, and iterations that could not come down."""
    batch = exposures(13)

    with pytest.raises(ValueError, match=r"no level_3, level_5, \.\.\. in the batch; a recipe's extras"):
        temporal.targets(Batch(batch.blurry, batch.sharp, RANGE), 6)
    with pytest.raises(ValueError, match="5 iterations are too few to get below level 11; allowed: from 6"):
        temporal.targets(batch, 5)
