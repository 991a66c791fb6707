"""The blur operators: against closed forms, SciPy, and blurs that others published."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from scipy.io import loadmat
from torch.nn.functional import interpolate

from benchmark.data import fetch
from benchmark.deconvolution import operator

HEIGHT, WIDTH = 23, 31
# Blurs of aryaman-patel/motion-blur, made by the MATLAB code of Gong et al.: name -> first digits of its
# sha256.
PAGE = (
    "https://raw.githubusercontent.com/aryaman-patel/motion-blur/093467531c7f89c28645a7ae81fa4d0c97f1c5ff/"
    "dataset_old/data_syn/train/"
)
GOLDEN = {
    "8143_002": {"gtimg.png": "fc3b321d", "blurryimg.png": "779105a1", "mfmap.mat": "bb85be02"},
    "8143_003": {"gtimg.png": "7beb406a", "blurryimg.png": "8929cacb", "mfmap.mat": "ee53d774"},
    "8143_004": {"gtimg.png": "86ed7de8", "blurryimg.png": "46a083d2", "mfmap.mat": "01784a7a"},
}
MARGIN = 40


def draw(*shape, dtype=torch.float64, seed=0):
    """Random numbers."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def turn(degrees, focal=50.0):
    """The homography of a camera that turns about its axis."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    middle = np.array([[1, 0, (WIDTH - 1) / 2], [0, 1, (HEIGHT - 1) / 2], [0, 0, 1]])
    return (
        middle @ np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0.1 / focal * sin, 1]]) @ np.linalg.inv(middle)
    )


def mixed(dtype):
    """Two kernels, weighted differently at each pixel."""
    share = draw(HEIGHT, WIDTH, dtype=dtype, seed=5)
    parts = [operator.uniform(draw(5, side, dtype=dtype), HEIGHT, WIDTH) for side in (3, 9)]
    return operator.Mixed(parts, torch.stack([share, 1 - share]))


def blurs(dtype=torch.float64):
    """One of each kind."""
    turns = torch.tensor(np.stack([turn(angle) for angle in (-8, -2, 3, 9)]), dtype=dtype)
    return {
        "uniform": operator.uniform(draw(7, 5, dtype=dtype), HEIGHT, WIDTH),
        "uniform even": operator.uniform(draw(4, 8, dtype=dtype), HEIGHT, WIDTH),
        "uniform large": operator.uniform(draw(41, 55, dtype=dtype), HEIGHT, WIDTH),
        "lines": operator.lines(30 * draw(HEIGHT, WIDTH, 2, dtype=dtype) - 15),
        "displacements": operator.paths(9 * draw(HEIGHT, WIDTH, 6, 2, dtype=dtype) - 3, draw(6)),
        "homographies": operator.paths(turns, draw(4), (HEIGHT, WIDTH)),
        "mixed": mixed(dtype),
    }


@pytest.mark.parametrize("kind", blurs())
def test_adjoint_is_exact(kind):
    """<K x, y> = <x, K' y>, to 1e-12 in double and 1e-5 in single precision, for any number of channels."""
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
        blur = blurs(dtype)[kind]
        x, y = draw(2, 3, HEIGHT, WIDTH, dtype=dtype), draw(2, 3, HEIGHT, WIDTH, dtype=dtype, seed=1)
        ahead, back = (blur.forward(x) * y).sum(), (x * blur.adjoint(y)).sum()

        assert blur.forward(x).dtype == dtype
        assert ahead.item() == pytest.approx(back.item(), rel=tolerance)


@pytest.mark.parametrize("kind", blurs())
def test_a_constant_image_stays(kind):
    """Rows sum to 1, at the border too."""
    flat = torch.full((HEIGHT, WIDTH), 0.7, dtype=torch.float64)

    assert torch.allclose(blurs()[kind].forward(flat), flat, atol=1e-12)


@pytest.mark.parametrize("shape", [(7, 5), (1, 9), (55, 41), (4, 8)])
def test_uniform_blur_is_scipys(shape):
    """A kernel convolves as SciPy's with the nearest border does; the centre is side // 2."""
    kernel, image = draw(*shape), draw(HEIGHT, WIDTH, seed=1)
    expected = ndimage.convolve(image.numpy(), (kernel / kernel.sum()).numpy(), mode="nearest")

    assert np.allclose(operator.uniform(kernel, HEIGHT, WIDTH).forward(image), expected, atol=1e-12)


def test_lines_average_over_the_full_length():
    """A wave of frequency f along a line of length L is multiplied by sin(L f / 2) / (L f / 2)."""
    y, x = (index.astype(float) for index in np.mgrid[:60, :80])
    for u, v in ((11.0, 0.0), (0.0, -7.5), (6.0, 9.0)):
        frequency = np.array([0.07, -0.11])
        wave = torch.from_numpy(np.cos(frequency @ np.stack([x.ravel(), y.ravel()]))).reshape(60, 80)
        flow = torch.tensor([u, v], dtype=torch.float64).expand(60, 80, 2)
        blurred = operator.lines(flow).forward(wave)
        half = (frequency @ [u, v]) / 2
        inner = np.s_[8:-8, 8:-8]

        assert np.allclose(
            blurred[inner], np.sin(half) / half * wave[inner], atol=4e-3
        )  # of linear interpolation


def test_lines_are_paths():
    """A line is the path of displacements t (u, v), and its sign does not matter."""
    flow, image = 8 * draw(HEIGHT, WIDTH, 2) - 4, draw(HEIGHT, WIDTH, seed=1)
    times = (torch.arange(64, dtype=torch.float64) + 0.5) / 64 - 0.5
    path = operator.paths(times[:, None] * flow[:, :, None], torch.ones(64))

    assert torch.allclose(operator.lines(flow).forward(image), path.forward(image), atol=0.02)
    assert torch.allclose(
        operator.lines(flow).forward(image), operator.lines(-flow).forward(image), atol=1e-12
    )


def test_homographies_gather():
    """A path of one homography interpolates the image where that takes its pixels; the border is repeated."""
    image, matrix = draw(HEIGHT, WIDTH), turn(7)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    points = matrix @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    expected = ndimage.map_coordinates(image.numpy(), points[1::-1] / points[2], order=1, mode="nearest")
    blur = operator.paths(torch.from_numpy(matrix)[None], torch.ones(1), (HEIGHT, WIDTH))

    assert np.allclose(blur.forward(image).numpy().ravel(), expected, atol=1e-12)


def test_large_blurs_are_built_in_parts(monkeypatch):
    """The matrix does not depend on how many rows are built at once."""
    flow, image = 8 * draw(HEIGHT, WIDTH, 2), draw(HEIGHT, WIDTH, seed=1)
    whole = operator.lines(flow).forward(image)
    monkeypatch.setattr(operator, "ENTRIES", 999)

    assert torch.allclose(
        operator.lines(flow).forward(image), whole, atol=0.02
    )  # as many samples as the part needs


@pytest.mark.parametrize("name", GOLDEN)
def test_published_blurs_are_reproduced(name, tmp_path):
    """The authors' flow and sharp image give their blurred image to 40 dB; u and v swapped do not."""
    files = {}
    for part, digits in GOLDEN[name].items():
        file = f"{name}_{part}"
        try:
            found = fetch.find(f"motion-blur/{file}")
            files[part] = found or fetch.download(fetch.File((PAGE + file,), file, sha256=digits), tmp_path)
        except ValueError as error:
            pytest.skip(f"no motion-blur/{file} in a data folder, and not downloaded: {error}")
    sharp, blurred = (
        torch.from_numpy(np.array(Image.open(files[part]).convert("RGB"))).permute(2, 0, 1).float() / 255
        for part in ("gtimg.png", "blurryimg.png")
    )
    flow = torch.from_numpy(loadmat(files["mfmap.mat"])["mfmap"].astype(np.float32)).permute(2, 0, 1)
    # Sharp images were not resized as the blurred ones are, which costs most of the difference.
    sharp, flow = (interpolate(x[None], blurred.shape[1:], mode="bilinear")[0] for x in (sharp, flow))
    inner = np.s_[:, MARGIN:-MARGIN, MARGIN:-MARGIN]

    def psnr(motion):
        made = operator.lines(motion.permute(1, 2, 0)).forward(sharp)
        return -10 * np.log10(float((made - blurred)[inner].square().mean()))

    assert psnr(flow) > 40
    if name == "8143_003":
        assert psnr(flow.flip(0)) < 30


FLOW = torch.zeros(4, 5, 2)
BAD = {
    "a flow without y": (
        lambda: operator.lines(FLOW[..., :1]),
        r"flow \(4, 5, 1\): allowed: \(H, W, 2\), finite",
    ),
    "an infinite flow": (lambda: operator.lines(FLOW / 0), r"flow \(4, 5, 2\): allowed: .* finite"),
    "an empty kernel": (
        lambda: operator.uniform(torch.zeros(3, 3), 4, 5),
        r"kernel \(3, 3\): .* sum above 0",
    ),
    "a vector": (lambda: operator.uniform(torch.ones(3), 4, 5), r"kernel \(3,\): allowed: a matrix"),
    "weights of zero": (
        lambda: operator.paths(torch.zeros(4, 5, 2, 2), torch.zeros(2)),
        r"weights .* above 0",
    ),
    "too few weights": (lambda: operator.paths(torch.zeros(4, 5, 2, 2), torch.ones(3)), r"with 3 weights"),
    "no shape": (lambda: operator.paths(torch.ones(2, 3, 3), torch.ones(2)), r"\(T, 3, 3\) and a shape"),
    "another size": (
        lambda: operator.lines(FLOW).forward(torch.ones(5, 4)),
        r"a blur of 4x5 images got \(5, 4\)",
    ),
    "levels": (lambda: operator.lines(FLOW).adjoint(torch.ones(4, 5).byte()), r"got \(4, 5\) torch.uint8"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_named(what):
    """An error has the bad shape and the allowed ones."""
    make, message = BAD[what]
    with pytest.raises(ValueError, match=message):
        make()
