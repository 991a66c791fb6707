"""The solvers: against closed forms, SciPy, scikit-image, and what they are printed to gain."""

import numpy as np
import pytest
import skimage.data
import skimage.restoration
import torch
from scipy.ndimage import binary_dilation
from scipy.stats import multivariate_normal
from torch import Tensor

from benchmark.deconvolution import conjugate, fit, gradients, hyper_laplacian, mixture, operator
from benchmark.deconvolution.epll import epll
from benchmark.deconvolution.richardson_lucy import REACH, _grown, response, richardson_lucy

SHARP = torch.from_numpy(skimage.data.astronaut()[:160, 120:300].astype(np.float32) / 255).permute(2, 0, 1)
GREY = SHARP.mean(0)
SHAPE = tuple(GREY.shape)
NOISE = 0.01


def psnr(image, sharp, margin=0):
    """PSNR of an image clipped to [0, 1], without a margin."""
    inner = np.s_[..., margin : -margin or None, margin : -margin or None]
    error = torch.as_tensor(image).clamp(0, 1) - sharp
    return -10 * float(error[inner].square().mean().log10())


def noisy(image, seed=0):
    """Add normal noise."""
    return image + NOISE * torch.randn(image.shape, generator=torch.Generator().manual_seed(seed))


def bent():
    """A kernel with a corner, as of a shaking camera."""
    kernel = torch.zeros(15, 15)
    kernel[7, 2:13], kernel[3:7, 2] = 1, 0.5
    return kernel


def rotating():
    """Lines that turn and grow over the image."""
    x = torch.linspace(-8, 8, SHAPE[1]).expand(SHAPE)
    return operator.lines(torch.stack([torch.full(SHAPE, 9.0), x], -1))


BLURS = {"uniform": operator.uniform(bent(), *SHAPE), "lines": rotating()}


@pytest.mark.parametrize("exponent", [0.5, 2 / 3, 0.8, 1.0])
@pytest.mark.parametrize("beta", [1.0, 16.0, 181.0])
def test_shrinking_finds_the_minimum(exponent, beta):
    """No value on a fine grid has a smaller |w|^exponent + beta / 2 (w - v)^2."""
    values, grid = torch.linspace(-1.2, 1.2, 49).double(), torch.linspace(-1.3, 1.3, 40_001).double()

    def cost(w: Tensor) -> Tensor:
        return w.abs() ** exponent + beta / 2 * (w - values[:, None]) ** 2

    found = hyper_laplacian.shrink(values, beta, exponent)
    assert (cost(found[:, None])[:, 0] <= cost(grid[None]).min(1).values + 1e-7).all()


def test_conjugate_gradients_solve():
    """They agree with a direct solver, and zeros give zeros."""
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(20, 20))
    system, right = torch.from_numpy(matrix @ matrix.T + np.eye(20)), torch.from_numpy(rng.normal(size=20))
    found = conjugate.solve(lambda x: system @ x, right, torch.zeros_like(right), 60, 1e-12)

    assert np.allclose(found, np.linalg.solve(system, right), atol=1e-9)
    assert not conjugate.solve(lambda x: system @ x, 0 * right, 0 * right, 9).any()


@pytest.mark.parametrize("kind", ["differences", "circular"])
def test_differences_have_their_transpose(kind):
    """<D x, g> = <x, D' g>; the circular one has the eigenvalues that are divided by."""
    ahead = getattr(gradients, kind)
    back = {"differences": gradients.transposed, "circular": gradients.circular_transposed}[kind]
    x, g = torch.rand(9, 12).double(), torch.rand(2, 9, 12).double()

    assert (ahead(x) * g).sum().item() == pytest.approx((x * back(g)).sum().item())
    if kind == "circular":
        power = gradients.circular_power(9, 12, x)
        assert torch.allclose(torch.fft.rfft2(back(ahead(x))), power * torch.fft.rfft2(x))


@pytest.mark.parametrize("kind", BLURS)
def test_known_blur_is_undone(kind):
    """With 1 % noise both priors gain more than 4 dB, and the patches more than few gradients do."""
    blur = BLURS[kind]
    blurred = noisy(blur.forward(SHARP))
    few, patches = (
        hyper_laplacian.hyper_laplacian(blurred, blur, 2e3),
        epll(blurred, blur, weight=64 / NOISE**2),
    )

    assert psnr(few, SHARP) > psnr(blurred, SHARP) + 4
    assert psnr(patches, SHARP) > psnr(blurred, SHARP) + 4.5


def test_uniform_blur_is_undone_as_well_as_by_others():
    """Richardson-Lucy and the unsupervised Wiener filter of scikit-image are no better, border apart."""
    blur, kernel = BLURS["uniform"], (bent() / bent().sum()).numpy()
    blurred = noisy(blur.forward(GREY))
    lucy = [skimage.restoration.richardson_lucy(blurred.numpy(), kernel, count) for count in (10, 20, 50)]
    wiener, _ = skimage.restoration.unsupervised_wiener(blurred.double().numpy(), kernel, rng=0)
    best = max(psnr(torch.from_numpy(image).float(), GREY, 20) for image in (*lucy, wiener))

    assert psnr(hyper_laplacian.hyper_laplacian(blurred, blur, 2e3), GREY, 20) > best
    assert psnr(epll(blurred, blur, weight=64 / NOISE**2), GREY, 20) > best


def test_a_uniform_blur_can_be_undone_as_any_other():
    """Fourier transforms and conjugate gradients minimise the same, inside the border."""
    kernel = bent()
    blurred = noisy(BLURS["uniform"].forward(GREY))
    taps = kernel.nonzero() - 7
    path = operator.paths(-taps.flip(1).float().expand(*SHAPE, -1, -1), kernel[kernel > 0])
    fast, exact = (hyper_laplacian.hyper_laplacian(blurred, k, 2e3) for k in (BLURS["uniform"], path))

    assert torch.allclose(path.forward(GREY), BLURS["uniform"].forward(GREY), atol=1e-5)
    assert psnr(fast, exact, 20) > 35


def test_richardson_lucy_is_scikit_images():
    """Without saturation five iterations are theirs, where no border has reached."""
    blurred = BLURS["uniform"].forward(GREY).double()
    kernel = (bent() / bent().sum()).double()
    theirs = skimage.restoration.richardson_lucy(blurred.numpy(), kernel.numpy(), 5)
    ours = richardson_lucy(blurred, operator.uniform(kernel, *SHAPE), 5, saturated=False)
    start = 0.5 * torch.ones_like(blurred)  # theirs; ours starts at the data
    for _ in range(5):
        blur = operator.uniform(kernel, *SHAPE)
        start = start * blur.adjoint(blurred / blur.forward(start))
    inner = np.s_[72:-72, 72:-72]

    assert np.allclose(start[inner], theirs[inner], atol=1e-6)
    assert psnr(ours, GREY.double(), 20) > psnr(torch.from_numpy(theirs), GREY.double(), 20)


def test_saturated_light_is_not_undone_into_rings():
    """Around lamps that clip the sensor, the saturated form is better by more than 2 dB."""
    lamps = 0.5 * GREY.clone()
    lamps[40:43, 60:63] = lamps[100:103, 90:92] = 40.0
    blurred = noisy(BLURS["uniform"].forward(lamps)).clamp(0, 1)
    around = np.s_[20:64, 40:84]
    plain, aware = (
        psnr(richardson_lucy(blurred, BLURS["uniform"], 30, flag)[around], lamps.clamp(max=1)[around])
        for flag in (False, True)
    )

    assert aware > plain + 2


def test_light_is_clipped_smoothly():
    """The response's slope is its derivative, it is below 1, and dark values stay."""
    light = torch.linspace(0, 3, 50).double().requires_grad_()
    clipped, slope = response(light)
    (derivative,) = torch.autograd.grad(clipped.sum(), light)

    assert torch.allclose(derivative, slope)
    assert (clipped <= 1).all()
    assert torch.allclose(clipped[light < 0.8], light[light < 0.8], atol=1e-6)


def test_saturated_regions_grow_by_a_disk():
    """They grow as SciPy's dilation with a disk does."""
    mask = torch.zeros(20, 30)
    mask[4, 7] = mask[19, 29] = mask[0, 15] = 1
    y, x = np.mgrid[-REACH : REACH + 1, -REACH : REACH + 1]
    assert (_grown(mask).numpy() == binary_dilation(mask.numpy(), np.hypot(y, x) <= REACH)).all()


def test_densities_and_estimates_are_gaussian():
    """Log densities are SciPy's, the estimate is the Wiener filter's closed form."""
    rng = np.random.default_rng(1)
    roots = rng.normal(size=(3, 6, 6))
    covariances, weights = roots @ roots.transpose(0, 2, 1) + 0.1 * np.eye(6), np.array([0.2, 0.3, 0.5])
    ours = mixture.Mixture.of(torch.from_numpy(weights), torch.from_numpy(covariances))
    patches = torch.from_numpy(rng.normal(size=(5, 6)))
    noise = 0.4 * np.eye(6)
    expected = [
        np.log(w) + multivariate_normal(cov=c + noise).logpdf(patches)
        for w, c in zip(weights, covariances, strict=True)
    ]
    chosen = ours.most_likely(patches, 0.4)
    wiener = [
        c @ np.linalg.solve(c + noise, p) for c, p in zip(covariances[chosen], patches.numpy(), strict=True)
    ]

    assert np.allclose(ours.log_density(patches, 0.4), np.transpose(expected))
    assert (chosen.numpy() == np.argmax(expected, axis=0)).all()
    assert np.allclose(ours.denoise(patches, chosen, 0.4), wiener)


def test_a_mixture_is_found_again():
    """Fitted to draws of two distributions it has their weights and variances; the likelihood never falls."""
    rng = np.random.default_rng(2)
    small, large = rng.normal(size=(3000, 4)) * 0.1, rng.normal(size=(1000, 4)) * [2, 1, 1, 0.5]
    patches = torch.from_numpy(np.concatenate([small, large])).float()
    found, likelihoods = mixture.fit(patches, 2, 30)

    assert np.allclose(found.weights, [0.75, 0.25], atol=0.02)
    assert np.allclose(found.values[0], 0.01, rtol=0.1)
    assert np.allclose(found.values[1].sqrt(), [0.5, 1, 1, 2], rtol=0.1)
    assert (np.diff(likelihoods) > -1e-3).all()
    with pytest.raises(ValueError, match="10 patches for 4 components; allowed: at least 256"):
        mixture.fit(torch.zeros(10, 64), 4, 1)


def test_the_committed_mixture_knows_other_photographs():
    """On test photographs it is far more likely than the best single Gaussian of the training ones."""
    committed = mixture.load()
    single, _ = mixture.fit(fit.patches("train", 20_000, 1), 1, 1)
    test = fit.patches("test", 5_000, 1).double()
    likelihood = [m.log_density(test).logsumexp(1).mean().item() for m in (committed, single.to(test))]

    assert committed.weights.sum().item() == pytest.approx(1, abs=1e-5)
    assert committed.axes.shape == (50, 64, 64)
    assert likelihood[0] > likelihood[1] + 20


BAD = {
    "a tiny image": (
        lambda: epll(torch.zeros(7, 9), BLURS["lines"]),
        "image of 7x9, stride 2: allowed: sides from 8",
    ),
    "a stride": (lambda: epll(GREY, BLURS["lines"], stride=9), "stride 9: allowed: .* 1 to 8"),
    "a weight": (
        lambda: hyper_laplacian.hyper_laplacian(GREY, BLURS["lines"], 0),
        "weight 0, .* allowed: above 0",
    ),
    "an exponent": (
        lambda: hyper_laplacian.hyper_laplacian(GREY, BLURS["lines"], 1, 2),
        "exponent 2: allowed",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_named(what):
    """An error has the bad value and the allowed ones."""
    make, message = BAD[what]
    with pytest.raises(ValueError, match=message):
        make()
