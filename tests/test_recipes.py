"""What a recipe names: losses, adversaries, schedules and augmentations, each against an outside truth."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skimage.transform
import torch
from torch import nn

from benchmark import plugins, spec
from benchmark.losses import Batch, components, pixel
from benchmark.losses.components import local_ssim
from benchmark.metrics import ssim
from benchmark.spec import Normalise
from benchmark.training.objective import build_loss, build_objective, build_schedule
from tests.samples import RECIPE

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", [n for n, r in spec.load(ROOT / "params.yaml")[1].items() if r.train])
def test_recipes_name_what_exists(name):
    """Each recipe's loss, adversary, schedule and augmentations exist and take its settings."""
    recipe = spec.load(ROOT / "params.yaml")[1][name].train

    assert callable(build_objective(recipe))
    assert 0 <= build_schedule(recipe)(0.0) <= 1
    assert set(recipe.augment) <= set(plugins.names("training.augment"))


@pytest.mark.parametrize(
    ("part", "entry", "message"),
    [
        ("loss", {"name": "pixl"}, r"no 'pixl' in benchmark/losses; did you mean 'pixel'"),
        (
            "loss",
            {"name": "pixel", "off": "all"},
            r"loss pixel: unknown setting 'off'; allowed: distance, of",
        ),
        ("loss", {}, "loss: 'name' is missing"),
        ("schedule", {"name": "steps"}, "schedule: no 'steps'; allowed: constant, step"),
        (
            "schedule",
            {"name": "step", "each": 3},
            "schedule step: unknown setting 'each'; allowed: every, factor",
        ),
        ("adversary", {"name": "wgan"}, r"no 'wgan' in benchmark/adversaries"),
    ],
)
def test_a_wrong_recipe_is_named(part, entry, message):
    """An unknown plugin or setting gives one line with the known ones."""
    recipe = replace(RECIPE, **{part: entry})

    with pytest.raises(ValueError, match=message):
        (build_schedule if part == "schedule" else build_objective)(recipe)


def torchs(scheduler, epochs, **settings):
    """Learning rates of one of torch's schedulers."""
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = scheduler(optimiser, **settings)
    rates = []
    for _ in range(epochs):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        reference.step()
    return rates


@pytest.mark.parametrize(
    ("entry", "scheduler", "settings"),
    [
        ({"name": "step", "every": 50, "factor": 0.5}, "StepLR", {"step_size": 50, "gamma": 0.5}),
        ({"name": "milestones", "at": [50, 75], "factor": 0.5}, "MultiStepLR",
         {"milestones": [50, 75], "gamma": 0.5}),
        ({"name": "cosine", "to": 0.01}, "CosineAnnealingLR", {"T_max": 160, "eta_min": 0.01}),
        ({"name": "polynomial", "power": 0.3}, "PolynomialLR", {"total_iters": 160, "power": 0.3}),
        ({"name": "linear", "start": 0, "to": 0.25}, "LinearLR",
         {"start_factor": 1.0, "end_factor": 0.25, "total_iters": 160}),
    ],
)  # fmt: skip
def test_schedules_are_torchs(entry, scheduler, settings):
    """Each schedule equals torch's of the same meaning, at every epoch."""
    schedule = build_schedule(replace(RECIPE, epochs=160, schedule=entry))

    theirs = torchs(getattr(torch.optim.lr_scheduler, scheduler), 160, **settings)
    assert [schedule(epoch) for epoch in range(160)] == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("side", [16, 24])
def test_the_gaussian_pyramid_is_scikit_images(side):
    """MS-CNN's smaller targets are those of skimage's pyramid_gaussian, borders included."""
    image = np.random.default_rng(0).random((side, side, 3))
    _, half = skimage.transform.pyramid_gaussian(image, max_layer=1, channel_axis=-1)

    ours = pixel.SHRINK["gaussian"](torch.from_numpy(image).permute(2, 0, 1)[None])

    assert np.allclose(ours[0].permute(1, 2, 0).numpy(), half, atol=1e-6)


def test_every_scale_has_its_target():
    """With `of: all`, each output is compared with the sharp image at its own size; else the answer alone."""
    sharp = torch.rand(1, 3, 16, 16)
    half = sharp[..., ::2, ::2]
    outputs = [half[..., ::2, ::2] + 0.1, half + 0.2, sharp + 0.3]
    batch = Batch(sharp, sharp, Normalise())
    every = build_loss(
        replace(RECIPE, loss={"name": "pixel", "distance": "l1", "of": "all", "shrink": "subsample"})
    )
    last = build_loss(replace(RECIPE, loss={"name": "pixel", "distance": "l1", "weight": 2.0}))

    assert float(every(outputs, batch)) == pytest.approx(0.6, abs=1e-6)
    assert float(last(outputs, batch)) == pytest.approx(0.6, abs=1e-6)


def test_component_loss_is_equation_17():
    """CDGNet's loss equals Eqs. 14 to 17 written out pixel by pixel."""
    rng = torch.Generator().manual_seed(2)
    blurry, sharp, large, small, answer = (
        torch.rand(5, 1, 3, 20, 20, generator=rng, dtype=torch.float64) - 0.5
    )
    blurry = sharp + 0.02 * blurry
    batch = Batch(blurry, sharp, Normalise(0.5))
    sharpness = local_ssim(blurry + 0.5, sharp + 0.5)
    mu = float(sharpness.median())
    mask = torch.clamp(torch.sign(sharpness - mu), min=0)

    def squared(a, b):
        return sum(float((p - q) ** 2) for p, q in zip(a.flatten(), b.flatten(), strict=True)) / a.numel()

    expected = (
        squared(answer, sharp) + 0.2 * squared(small, mask * sharp) + 0.3 * squared(large, (1 - mask) * sharp)
    )

    assert 0 < float(mask.mean()) < 1
    assert float(
        components.loss([large, small, answer], batch, distance="mse", small=0.2, large=0.3, mu=mu)
    ) == pytest.approx(expected)


def test_sharpness_is_local_ssim():
    """Sharpness is the SSIM map, so an unblurred pixel has 1; inside, it is the metric's own map."""
    x = torch.rand(1, 3, 30, 30, dtype=torch.float64)
    y = (x + 0.1 * torch.rand_like(x)).clamp(0, 1)

    assert torch.allclose(local_ssim(x, x), torch.ones(1, 1, 30, 30, dtype=torch.float64))
    assert torch.allclose(local_ssim(x, y)[..., 5:-5, 5:-5], ssim.ssim_map(x, y).mean(1, keepdim=True))
