"""Content loss: which layer of VGG19 sees which images, and the fallback without its weights."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, max_pool2d
from torchvision.models import vgg19
from torchvision.transforms.v2.functional import normalize

from benchmark.data.fetch import File, digest
from benchmark.losses import Batch, perceptual
from benchmark.losses.perceptual import LAYERS, loss
from benchmark.spec import Normalise
from benchmark.weights import pretrained
from benchmark.weights.pretrained import Source

UP_TO_CONV3_3 = {0: (3, 64), 2: (64, 64), 5: (64, 128), 7: (128, 128), 10: (128, 256), 12: (256, 256)}
UP_TO_CONV3_3 |= {14: (256, 256)}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A folder with a file like VGG19's, of random weights up to conv3_3, and its state dict."""
    rng = torch.Generator().manual_seed(0)
    state = {}
    for place, (cin, cout) in UP_TO_CONV3_3.items():
        values = torch.randn(cout, cin, 3, 3, generator=rng) * (2 / (9 * cin)) ** 0.5
        state |= {f"features.{place}.weight": values, f"features.{place}.bias": torch.full((cout,), 0.1)}
    state["classifier.0.bias"] = torch.zeros(3)  # there, and of no use
    folder = tmp_path_factory.mktemp("with_vgg19")
    file = folder / "data" / "pretrained" / "vgg19-test.pth"
    file.parent.mkdir(parents=True)
    torch.save(state, file)
    return folder, file, state


@pytest.fixture
def weights_available(weights, monkeypatch):
    """Its state dict, while the file is where weights are looked for."""
    folder, file, state = weights
    source = Source(File((), file.name, sha256=digest(file)), "MIT", "a test", "without")
    monkeypatch.setattr(pretrained, "WEIGHTS", {"vgg19": source})
    monkeypatch.chdir(folder)
    perceptual.features.cache_clear()
    yield state
    perceptual.features.cache_clear()


def vgg19_by_hand(state: dict[str, Tensor], x: Tensor, layers: tuple[int, ...]) -> Tensor:
    """VGG19 by hand: 3x3 convolutions, ReLU between them, 2x2 maxima before each stage."""
    for place in layers:
        if place != layers[0]:
            x = x.clamp(min=0)
        if place in (5, 10):
            x = max_pool2d(x, 2)
        x = conv2d(x, state[f"features.{place}.weight"], state[f"features.{place}.bias"], padding=1)
    return x


def crops(mean: float = 0.5, scale: float = 2) -> tuple[Tensor, Batch]:
    """A restored image and a batch in a network's range."""
    rng = torch.Generator().manual_seed(1)
    restored, blurry, sharp = (torch.rand(3, 2, 3, 16, 24, generator=rng) - mean) * scale
    return restored, Batch(blurry, sharp, Normalise(mean, scale))


def squared(x: Tensor, y: Tensor) -> Tensor:
    """Mean squared difference."""
    return ((x - y) ** 2).sum() / x.numel()


def test_layers_are_torchvisions():
    """Each name is a convolution of its VGG19; conv3_3 is number 14, and the seventh (BAG's i)."""
    with torch.device("meta"):
        features = vgg19().features

    convolutions = [k for k, layer in enumerate(features) if isinstance(layer, nn.Conv2d)]
    assert list(LAYERS.values()) == convolutions
    assert LAYERS["conv3_3"] == 14
    assert list(LAYERS).index("conv3_3") == 6
    assert list(LAYERS)[::5] == ["conv1_1", "conv3_2", "conv4_3", "conv5_4"]


@pytest.mark.parametrize(("layer", "last"), [("conv3_3", 7), ("conv2_2", 4), ("conv1_1", 1)])
def test_features_are_vgg19s(weights_available, layer, last):
    """Squared difference before the layer's ReLU, of images in the network's range, times the weight."""
    restored, batch = crops()
    layers = tuple(UP_TO_CONV3_3)[:last]

    value = loss([torch.zeros(1), restored], batch, weight=100, layer=layer)

    expected = squared(*(vgg19_by_hand(weights_available, x, layers) for x in (restored, batch.sharp)))
    torch.testing.assert_close(value, 100 * expected)


def test_features_as_vgg19_was_trained(weights_available):
    """DeblurGAN-v2's: ImageNet's normalisation of both, and the pixel term after it."""
    restored, batch = crops()
    layers = tuple(UP_TO_CONV3_3)

    value = loss([restored], batch, weight=0.006, normalise="imagenet", pixel=0.5)

    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    a, s = (normalize((x + 1) / 2, mean, std) for x in (restored, batch.sharp))
    features = squared(*(vgg19_by_hand(weights_available, x, layers) for x in (a, s)))
    torch.testing.assert_close(value, 0.006 * features + 0.5 * squared(a, s))


def test_only_the_restored_image_learns(weights_available):
    """The restored image gets a gradient; VGG19 and the sharp image do not."""
    restored, batch = crops()
    restored.requires_grad_()

    loss([restored], batch).backward()

    assert restored.grad.any()
    vgg = perceptual.features("conv3_3", pretrained.path("vgg19"), restored.device)
    assert not any(p.requires_grad for p in vgg.parameters())
    assert not batch.sharp.requires_grad


def test_the_file_is_read_once(weights_available, monkeypatch):
    """Half a gigabyte is not read at every step."""
    restored, batch = crops()
    loss([restored], batch)
    monkeypatch.setattr(pretrained, "read", None)

    loss([restored], batch)


def test_without_weights_pixels_count_as_features_would(tmp_path, monkeypatch):
    """As large as SRGAN's 0.006 makes features; the pixel term is as ever. Perfection costs nothing."""
    monkeypatch.chdir(tmp_path)
    restored, batch = crops()

    content = squared(restored, batch.sharp)
    torch.testing.assert_close(loss([restored], batch, weight=0.006), content)
    value = loss([restored], batch, weight=2, pixel=0.5, distance="l1")
    pixels = (restored - batch.sharp).abs().mean()
    expected = 2 / 0.006 * content + 0.5 * pixels
    torch.testing.assert_close(value, expected)
    assert pretrained.fallbacks(["vgg19"]) == ["content loss on pixels: VGG19 weights not at hand"]
    assert loss([batch.sharp], batch, weight=100, normalise="imagenet", pixel=1) == 0
