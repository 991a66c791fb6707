"""Perceptual metrics: the table against pyiqa, closed forms, missing parts, agreement with our metrics."""

import socket
import sys
import warnings
from importlib import import_module
from math import log10, sqrt
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from scipy.io import savemat
from skimage.data import astronaut
from skimage.filters import gaussian
from torch.nn.functional import conv2d, max_pool2d

from benchmark import plugins
from benchmark.data import fetch
from benchmark.data.fetch import File
from benchmark.metrics import _pyiqa, ssim
from benchmark.metrics._pyiqa import BLIND, FILES, QUANTITIES, load
from benchmark.metrics.psnr_y import luminance
from tests.hostile import serve

OURS = ("psnr_y", "ssim", "ssim_y", "ssim_matlab", "ssim_uniform", "ssim_cw")
THEIRS = ("psnry", "ssim", "ssimc", "cw_ssim")
FORMULAS = [name for name in QUANTITIES if name not in FILES]
# The networks' modules in pyiqa, and their keys there.
TRAINED = {
    "lpips": ("lpips", "0.1_alex"),
    "lpips-vgg": ("lpips", "0.1_vgg"),
    "dists": ("dists", "url"),
    "niqe": ("niqe", "url"),
    "ilniqe": ("niqe", "ilniqe"),
    "brisque": ("brisque", "url"),
    "musiq": ("musiq", "koniq10k"),
}


@pytest.fixture
def pyiqa():
    """The package, where the dependency group is installed."""
    with warnings.catch_warnings(action="ignore"):
        return pytest.importorskip("pyiqa")


@pytest.fixture(autouse=True)
def offline(tmp_path, monkeypatch):
    """No data folder, and a connection is a failure."""

    def refuse(*_):
        raise AssertionError("a connection to the web")

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DEBLUR_DATA", raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def eight_bit(array):
    """(H, W, 3) in [0, 1] -> (1, 3, H, W) float64 of 8-bit levels."""
    levels = np.round(255 * np.clip(array, 0, 1)).transpose(2, 0, 1)
    return torch.from_numpy(levels.copy())[None] / 255


@pytest.fixture(scope="module")
def images():
    """A photograph, and it blurred a little and a lot, (1, 3, 256, 256) each."""
    sharp = astronaut()[:256, 100:356] / 255
    return [eight_bit(sharp), *(eight_bit(gaussian(sharp, sigma, channel_axis=2)) for sigma in (1, 3))]


def offer(monkeypatch, name, *files):
    """Have these files be the published ones of a metric."""
    published = tuple(File((), file.name, sha256=fetch.digest(file)) for file in files)
    monkeypatch.setitem(FILES, name, published)


def ours(name, x, y):
    """Our metric of two images."""
    return float(plugins.load("metrics", name).measure(x, y))


def theirs(name, x, y, **options):
    """A metric of pyiqa as its default settings, or these, define it."""
    return float(import_module("pyiqa").create_metric(name, device="cpu", **options)(x, y))


@pytest.mark.parametrize("name", QUANTITIES)
def test_the_table_is_pyiqas(name, pyiqa):
    """Direction, and whether there is a reference; no name is also one of ours."""
    config = import_module("pyiqa.default_model_configs").DEFAULT_CONFIGS[name]

    assert (QUANTITIES[name].better == "lower") == config.get("lower_better", False)
    assert ("NR" if name in BLIND else "FR") == config["metric_mode"]
    assert name not in plugins.names("metrics")


@pytest.mark.parametrize("name", FILES)
def test_files_are_those_that_pyiqa_and_torchvision_load(name, pyiqa):
    """Under their names and from their addresses; and a licence is stated."""
    module, key = TRAINED[name]
    model, *classifier = FILES[name]

    url = import_module(f"pyiqa.archs.{module}_arch").default_model_urls[key]
    assert url in model.urls
    assert Path(url).name == model.name
    weights = {"lpips": "AlexNet_Weights", "lpips-vgg": "VGG16_Weights", "dists": "VGG16_Weights"}.get(name)
    expected = [getattr(torchvision.models, weights).IMAGENET1K_V1.url] if weights else []
    assert [file.urls[0] for file in classifier] == expected
    assert all(url.startswith("https://") for file in FILES[name] for url in file.urls)
    assert _pyiqa.LICENCES[name]


def test_a_name_that_is_not_offered():
    """A mistyped name is an error, not a reason."""
    with pytest.raises(ValueError, match="perceptual: no 'musik'; did you mean 'musiq'"):
        _pyiqa.available(["piqe", "musik"])
    with pytest.raises(ValueError, match=r"perceptual: no 'x'; .*: lpips, "):
        _pyiqa.quantity("x")


def test_without_pyiqa_there_are_reasons(monkeypatch):
    """For every metric, one line; importing this part needs no pyiqa."""
    monkeypatch.setitem(sys.modules, "pyiqa", None)

    assert _pyiqa.available(QUANTITIES) == (
        {},
        {name: f"{name}: pyiqa is not installed" for name in QUANTITIES},
    )


def test_without_weights_there_are_reasons(pyiqa):
    """The reason names the missing files; nothing is downloaded."""
    metrics, reasons = _pyiqa.available([*FILES, "piqe"])

    assert list(metrics) == ["piqe"]
    assert list(reasons) == list(FILES)
    missing = "LPIPS_v0.1_alex-df73285e.pth, alexnet-owt-7be5be79.pth"
    assert reasons["lpips"] == f"lpips: weights not at hand: {missing}"


def test_other_weights_are_refused(tmp_path, pyiqa):
    """By their sum, before anything reads them."""
    file = tmp_path / "data" / "somewhere" / FILES["musiq"][0].name
    file.parent.mkdir(parents=True)
    file.write_bytes(b"not MUSIQ")

    with pytest.raises(ValueError, match=r"ckpt-e95806b9.pth: its sha256 starts \w{8}, not e95806b9"):
        load("musiq")


class Pickled:
    """What runs when it is unpickled."""

    def __reduce__(self):
        return print, ("ran",)


def test_a_file_cannot_run_anything(tmp_path, monkeypatch, capfd, pyiqa):
    """Whatever pyiqa would unpickle, only tensors are read. What was set before is set again after."""
    file = tmp_path / "brisque_svm_weights.pth"
    torch.save((Pickled(), torch.zeros(1)), file)
    offer(monkeypatch, "brisque", file)
    hub = torch.hub.get_dir()

    with pytest.raises(
        ValueError, match=r"^brisque: pyiqa cannot load it: Weights only load failed.*$"
    ) as raised:
        load("brisque", tmp_path)

    assert "\n" not in str(raised.value)
    assert capfd.readouterr() == ("", "")
    assert torch.hub.get_dir() == hub
    assert not set(_pyiqa.SWITCHES) & set(_pyiqa.os.environ)


def test_musiq_is_its_file(tmp_path, monkeypatch, images, pyiqa):
    """A network of zeros returns its last bias for each image."""
    with torch.device("meta"):
        net = import_module("pyiqa.archs.musiq_arch").MUSIQ(pretrained=False)
    state = {key: torch.zeros(()).expand(value.shape) for key, value in net.state_dict().items()}
    file = tmp_path / "musiq.pth"
    torch.save(state | {"head.bias": torch.tensor([42.0])}, file)
    offer(monkeypatch, "musiq", file)

    x, y = (torch.cat(pair)[..., :64, :64] for pair in (images[:2], images[1:]))
    values = load("musiq", tmp_path).measure(x, y)

    assert values.dtype == torch.float64
    assert values.tolist() == [42, 42]


def test_niqe_is_its_file(tmp_path, monkeypatch, images, pyiqa):
    """Far from any image, NIQE is the distance to the model: sqrt(m' ((C + ~0) / 2)^-1 m) (Eq. 10)."""
    file = tmp_path / "niqe.mat"
    savemat(file, {"mu_prisparam": np.full((1, 36), 1e6), "cov_prisparam": 1e8 * np.eye(36)})
    offer(monkeypatch, "niqe", file)

    value = float(load("niqe", tmp_path).measure(images[0], images[0]))

    assert value == pytest.approx(sqrt(36 * 1e12 / (1e8 / 2)), rel=1e-5)


def test_lpips_is_its_files(tmp_path, monkeypatch, images, pyiqa):
    """Weighted squared differences of AlexNet's features of unit length (Zhang et al. 2018, Eq. 1)."""
    rng = torch.Generator().manual_seed(0)
    with torch.device("meta"):
        shapes = {key: value.shape for key, value in torchvision.models.alexnet().state_dict().items()}
    state = {key: torch.zeros(()).expand(shape) for key, shape in shapes.items()}
    for key in (key for key in state if key.startswith("features") and key.endswith("weight")):
        state[key] = torch.randn(shapes[key], generator=rng) * sqrt(2 / shapes[key][1:].numel())
    linear = {
        f"lin{k}.model.1.weight": torch.rand((1, width, 1, 1), generator=rng)
        for k, width in enumerate((64, 192, 384, 256, 256))
    }
    torch.save(state, tmp_path / "alexnet-owt-7be5be79.pth")
    torch.save(linear, tmp_path / "linear.pth")
    offer(monkeypatch, "lpips", tmp_path / "linear.pth", tmp_path / "alexnet-owt-7be5be79.pth")

    def features(image):
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in ([-0.030, -0.088, -0.188], [0.458, 0.448, 0.450]))
        x = (2 * image.float() - 1 - mean) / std
        for place, stride, padding in ((0, 4, 2), (3, 1, 2), (6, 1, 1), (8, 1, 1), (10, 1, 1)):
            x = max_pool2d(x, 3, 2) if place in (3, 6) else x
            x = conv2d(x, state[f"features.{place}.weight"], stride=stride, padding=padding).relu()
            yield x / (x.square().sum(dim=1, keepdim=True).sqrt() + 1e-10)

    expected = sum(
        (conv2d((a - b).square(), weight)).mean()
        for a, b, weight in zip(features(images[1]), features(images[0]), linear.values(), strict=True)
    )
    assert float(load("lpips", tmp_path).measure(images[1], images[0])) == pytest.approx(
        float(expected), rel=1e-4
    )


def test_prepare_downloads_what_is_available(tmp_path, monkeypatch, capsys):
    """One line for each file; an available file is not requested again."""
    monkeypatch.undo()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve() as server:
        files = File((server.url("right", "a.pth"),), "a.pth"), File((server.url("gone", "b.pth"),), "b.pth")
        server.times = 3
        monkeypatch.setitem(FILES, "lpips", files)
        for _ in range(2):
            _pyiqa.prepare(["lpips"], tmp_path)
        requested = [trouble for trouble, _ in server.requests]

    first, gone, *again = capsys.readouterr().out.splitlines()
    assert requested == ["right", "gone", "gone"]
    assert again == [first, gone]
    assert first == f"lpips: {tmp_path / 'a.pth'}"
    assert gone.startswith(f"lpips: {files[1].urls[0]}: HTTP")
    assert gone.endswith("; without it there is no lpips")


@pytest.mark.parametrize(
    ("name", "other", "options", "within"),
    [
        ("psnr", "psnr", {}, 1e-3),  # pyiqa adds 1e-8 to the squared error
        ("psnr_y", "psnry", {"color_space": "ycbcr"}, 1e-3),
        ("ssim", "ssimc", {}, 1e-6),
        ("ssim_y", "ssim", {"color_space": "ycbcr"}, 2e-3),  # pyiqa rounds Y
    ],
)
def test_same_definitions_agree(name, other, options, within, images, pyiqa):
    """Ours is pyiqa's, to what it rounds or adds."""
    sharp, blurred, _ = images

    assert ours(name, blurred, sharp) == pytest.approx(theirs(other, blurred, sharp, **options), abs=within)


def test_rounding_is_all_that_differs(images, pyiqa):
    """The SSIM of luminances that are rounded is pyiqa's."""
    sharp, blurred, _ = ((255 * luminance(image)).round() / 255 for image in images)

    expected = theirs("ssim", images[1], images[0], color_space="ycbcr")
    assert ours("ssim", blurred, sharp) == pytest.approx(expected, abs=1e-6)


def test_other_definitions_differ(images, pyiqa):
    """What pyiqa means by names that papers print is mostly something else than ours."""
    sharp, _, blurred = images
    own = {name: ours(name, blurred, sharp) for name in OURS}
    other = {name: theirs(name, blurred, sharp) for name in THEIRS}

    # Y of YIQ has 255 levels, that of BT.601 219.
    assert own["psnr_y"] - other["psnry"] == pytest.approx(20 * log10(255 / 219), abs=1e-3)
    # `ssim` is one on Y of YIQ, `ssimc` the one on RGB, and cw_ssim is not pyssim's.
    assert min(abs(own[name] - other["ssim"]) for name in OURS if "ssim" in name) > 0.002
    assert min(abs(own[name] - other["ssimc"]) for name in OURS if name != "ssim") > 0.01
    assert abs(own["ssim_cw"] - other["cw_ssim"]) > 0.01
    # Where blur turns structure over, SSIM is negative (Eq. 13 of Wang et al. 2004), and 0 for pyiqa.
    assert own["ssim"] < other["ssimc"] - 1e-4
    clamped = float(ssim.ssim_map(blurred, sharp).clamp(min=0).mean())
    assert clamped == pytest.approx(other["ssimc"], abs=1e-6)


def test_images_can_be_too_small(images, pyiqa):
    """Five scales of an 11-pixel window need 161 pixels; smaller images are an error in one line."""
    small = images[0][..., :160, :]

    with pytest.raises(ValueError, match=r"^ms_ssim: pyiqa does not measure 160x256: .*$"):
        load("ms_ssim").measure(small, small)


@pytest.mark.parametrize("name", FORMULAS)
def test_formulas_see_blur(name, images, pyiqa):
    """More blur is worse, and equal images are best where there is a reference. A batch is its images."""
    metric = load(name)

    same, little, lot = metric.measure(torch.cat(images), images[0].expand(3, -1, -1, -1)).tolist()

    sign = 1 if metric.QUANTITY.better == "higher" else -1
    assert sign * little > sign * lot
    if name not in BLIND:
        assert same == pytest.approx({"lower": 0, "higher": 1}[metric.QUANTITY.better], abs=1e-5)
        assert sign * same > sign * little
    assert lot == pytest.approx(float(metric.measure(images[2], images[0])), rel=1e-5)


def test_the_sharp_image_is_the_reference(images, pyiqa):
    """VIF of an image with more contrast than its reference is above 1 (Sheikh and Bovik 2006, Sec. III)."""
    flat = eight_bit(0.5 + 0.6 * (images[0][0].permute(1, 2, 0).numpy() - 0.5))

    assert float(load("vif").measure(images[0], flat)) > 1
    assert float(load("vif").measure(flat, images[0])) < 1
