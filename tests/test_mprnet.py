"""MPRNet: its sizes, the authors' network, which patches see each other, its one slope, and its loss."""

import copy

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate
from torch import Tensor, nn

from benchmark.losses import Batch, charbonnier_edge
from benchmark.models import mprnet
from benchmark.models.mprnet import SAM, ChannelAttention, Config, Net, resize
from benchmark.spec import Normalise
from tests import golden

THIN = Config(blocks=2).thin(12)


def test_all_blocks_share_one_slope():
    """One parameter under 55 names, which copying and changing the memory format leave one."""
    net = copy.deepcopy(Net(Config(width=4, growth=4, extra=4))).to(memory_format=torch.channels_last)
    modules = [m for m in net.modules() if isinstance(m, mprnet.CAB)]

    slopes = [p for p in net.parameters() if p.shape == (1,)]
    assert len(slopes) == 1
    # Three shallow ones, (6 + 6 + 2) in each of two encoder-decoders, three times eight at the end.
    assert len(modules) == 3 + 2 * 14 + 3 * 8
    assert all(m.body[1].weight is slopes[0] for m in modules)


def recorded(net: Net, blurry: Tensor) -> tuple[dict[str, list[Tensor]], list[Tensor]]:
    """What encoders and decoders give, the finest scale of each, and the outputs."""
    seen: dict[str, list[Tensor]] = {}
    hooks = []
    for half in ("encoders", "decoders"):
        for stage, module in enumerate(getattr(net, half)):
            name = f"{half}.{stage}"
            hooks.append(
                module.register_forward_hook(lambda m, given, gives, name=name: seen.update({name: gives}))
            )
    with torch.inference_mode():
        restored_images = net(blurry)
    for hook in hooks:
        hook.remove()
    return seen, restored_images


def test_patches_see_each_other_later_and_later():
    """Stage 1 encodes quarters and decodes halves; stage 2 encodes halves and decodes everything.

    Channel attention takes means over a patch, so a change anywhere in it changes all of it.
    """
    torch.manual_seed(0)
    net = Net(THIN)
    blurry = torch.rand(1, 3, 16, 32)
    changed = blurry.clone()
    changed[..., :8, 16:] += 0.5  # upper right

    (before, restored_images), (after, others) = recorded(net, blurry), recorded(net, changed)

    shapes = {name: (len(x), *x.shape[2:]) for name, (x, *_) in before.items()}
    assert shapes == {
        "encoders.0": (4, 8, 16),
        "decoders.0": (2, 8, 32),
        "encoders.1": (2, 8, 32),
        "decoders.1": (1, 16, 32),
    }
    differ = {
        name: [(a != b).any().item() for a, b in zip(before[name][0], after[name][0], strict=True)]
        for name in before
    }
    assert sum(differ["encoders.0"]) == 1
    assert differ["decoders.0"] == [True, False]  # top, bottom
    assert differ["encoders.1"] == [True, False]
    assert differ["decoders.1"] == [True]
    bottom = [
        not torch.equal(a[..., 8:, :], b[..., 8:, :]) for a, b in zip(restored_images, others, strict=True)
    ]
    assert bottom == [False, True, True]
    assert torch.equal(
        restored_images[0][..., :8, :], recorded(net, blurry[..., :8, :].tile(2, 1))[1][0][..., 8:, :]
    )


def test_attention_modules_are_their_formulas():
    """Written out in NumPy: weights from means, and a map from the image."""
    channel, supervised = ChannelAttention(12), SAM(12)
    x, blurry = torch.randn(2, 12, 4, 5), torch.rand(2, 3, 4, 5)
    values, picture = x.double().numpy(), blurry.double().numpy()

    def of(layer: nn.Module, x: np.ndarray) -> np.ndarray:
        return np.einsum("oi,bihw->bohw", layer.weight[..., 0, 0].detach().double().numpy(), x)

    def sigmoid(x: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-x))

    squeezed = np.maximum(of(channel.weights[1], values.mean(axis=(2, 3), keepdims=True)), 0)
    features, image = supervised(x, blurry)
    truth = picture + of(supervised.residual, values)

    assert channel(x).detach().numpy() == pytest.approx(
        values * sigmoid(of(channel.weights[3], squeezed)), abs=1e-5
    )
    assert image.detach().numpy() == pytest.approx(truth, abs=1e-5)
    assert features.detach().numpy() == pytest.approx(
        values + of(supervised.features, values) * sigmoid(of(supervised.map, truth)), abs=1e-5
    )


def test_scales_are_half_as_large():
    """Down is the mean of 2x2, up is bilinear with a quarter and three quarters, then the 1x1."""
    down, up = resize(1, 1, 0.5), resize(1, 1, 2)
    for layer in (down[1], up[1]):
        nn.init.ones_(layer.weight)

    halved = down(torch.tensor([[[[1.0, 3.0, 0.0, 4.0], [5.0, 7.0, 8.0, 0.0]]]]))
    doubled = up(torch.tensor([[[[0.0, 4.0]]]]))

    torch.testing.assert_close(halved, torch.tensor([[[[4.0, 3.0]]]]))
    torch.testing.assert_close(doubled, torch.tensor([0.0, 1.0, 3.0, 4.0]).expand(1, 1, 2, 4))


def images(*sides: int) -> list[Tensor]:
    """Random (2, 3, side, side)."""
    return [torch.rand(2, 3, side, side) for side in sides]


def test_loss_is_the_authors():
    """Figures of their CharbonnierLoss and EdgeLoss on three outputs, summed as their train.py means it."""
    output, sharp = golden.picture(48), golden.picture(96)[..., ::2, ::2]
    outputs = [output, output.flip(-1), (output + sharp) / 2]
    batch = Batch(output, sharp, Normalise())

    assert float(charbonnier_edge.loss([output], batch, edge=0)) == pytest.approx(0.17354068, abs=1e-6)
    assert float(charbonnier_edge.loss([output], batch, edge=1)) == pytest.approx(
        0.17354068 + 0.07948793, abs=1e-6
    )
    assert float(charbonnier_edge.loss(outputs, batch)) == pytest.approx(0.51515609, abs=1e-6)


@pytest.mark.parametrize("shape", [(16, 12), (15, 11)])
def test_laplacian_is_the_image_minus_its_coarser_self(shape):
    """SciPy's filters: smooth, keep every second value times four, smooth again; borders replicated."""
    image = np.random.default_rng(0).random(shape)
    taps = np.outer(charbonnier_edge.TAPS, charbonnier_edge.TAPS)

    sparse = np.zeros(shape)
    sparse[::2, ::2] = 4 * correlate(image, taps, mode="nearest")[::2, ::2]
    expected = image - correlate(sparse, taps, mode="nearest")

    found = charbonnier_edge.laplacian(torch.tensor(image).expand(1, 2, *shape))
    assert found.numpy() == pytest.approx(np.broadcast_to(expected, (1, 2, *shape)), abs=1e-12)


def test_loss_halves_the_sharp_image_for_coarser_outputs():
    """An output that is the mean of its 2x2 or 4x4 sharp pixels has the least loss, epsilon for each term."""
    (sharp,) = images(16)
    means = [nn.functional.avg_pool2d(sharp, 4), nn.functional.avg_pool2d(sharp, 2), sharp]
    batch = Batch(sharp, sharp, Normalise())

    right = charbonnier_edge.loss(means, batch)
    off = charbonnier_edge.loss([x + 0.1 for x in means], batch, edge=0)

    assert float(right) == pytest.approx(3 * (1 + 0.05) * 1e-3, rel=1e-4)
    assert float(off) == pytest.approx(3 * (0.1**2 + 1e-6) ** 0.5, rel=1e-5)
