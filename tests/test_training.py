"""The training loop: it learns, resumes exactly, refuses NaN, and follows its recipe."""

import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skimage.color
import skimage.data
import skimage.transform
import torch
from PIL import Image
from torch import nn
from torch.nn.functional import interpolate

from benchmark import nets, spec
from benchmark.batch import Batch
from benchmark.losses import components, pixel
from benchmark.losses.components import local_ssim
from benchmark.metrics import ssim
from benchmark.pairs import Pairs
from benchmark.spec import Normalise, Optimiser, Recipe
from benchmark.training import DivergedError, Settings, augment, checkpoint, fit
from benchmark.training.augment import AUGMENT, flip, turn
from benchmark.training.fit import sample
from benchmark.training.objective import loss_of, objective_of, schedule_of

ROOT = Path(__file__).parents[1]
RECIPE = Recipe(10, 2, 16, Optimiser(2e-3), {"name": "constant"}, {"name": "pixel"}, Normalise(0.5))


def pairs(count=3, side=24):
    """Smooth random images and their means over three columns."""
    rng = torch.Generator().manual_seed(5)
    sharp = interpolate(torch.rand(count, 3, 6, 6, generator=rng), size=side, mode="bicubic").clamp(0, 1)
    blurry = (sharp + sharp.roll(1, -1) + sharp.roll(-1, -1)) / 3
    images = [[(i.permute(1, 2, 0) * 255).byte().numpy() for i in kind] for kind in (blurry, sharp)]
    return Pairs([f"s/{i}" for i in range(count)], *images)


def network():
    """A small convolutional network whose weights the seed fixes."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Dropout2d(0.2), nn.Conv2d(8, 3, 3, padding=1)
    )

    class Listing(nn.Module):
        stride = 1

        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            return [self.net(x)]

    return Listing()


def test_one_pair_is_learnt_by_heart():
    """A network trained on one small pair restores it far better than the blurred input."""
    one = pairs(1, 16)
    net = nets.build(spec.load(ROOT / "params.yaml")[1]["cdgnet_ld"], thin=8)
    curve = fit(
        {"net": net},
        one,
        replace(RECIPE, batch=1),
        Settings(150, Path(os.devnull + "-none")),
        lambda n, step: 0.0,
    )

    assert curve[-1]["loss"] < curve[0]["loss"] / 20


@pytest.fixture
def settings(tmp_path):
    """Twelve steps that keep a checkpoint after each."""
    return Settings(12, tmp_path / "run.safetensors", validate=3, save_seconds=0)


def test_resuming_is_bit_identical(settings, tmp_path):
    """Stopped after five steps and begun again in fresh objects, a run ends with the very same bits."""
    whole = network()
    expected = fit({"net": whole}, pairs(), RECIPE, settings, lambda net, step: 1.5)

    class Stop(Exception):  # noqa: N818 (no error: it stands for a kill)
        pass

    def stop(step):
        if step == 5:
            raise Stop

    again = replace(settings, checkpoint=tmp_path / "again.safetensors")
    with pytest.raises(Stop):
        fit({"net": network()}, pairs(), RECIPE, again, lambda net, step: 1.5, progress=stop)
    resumed = network()
    curve = fit({"net": resumed}, pairs(), RECIPE, again, lambda net, step: 1.5)

    assert curve == expected
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))


KILLED = """
import sys
sys.path[:0] = [{tests!r}, {root!r}]
import torch
torch.set_num_threads(1)
from pathlib import Path
from test_training import RECIPE, network, pairs
from benchmark.training import Settings, checkpoint, fit
net = network()
fit({{"net": net}}, pairs(), RECIPE, Settings(150, Path({kept!r}), save_seconds=0), lambda n, step: 1.0)
checkpoint.save(Path({out!r}), net.state_dict(), {{}})
"""


def test_a_killed_process_resumes_bit_identically(tmp_path):
    """SIGKILL in the middle, then the same command again: the weights are those of an undisturbed run."""

    def command(name):
        kept, out = str(tmp_path / f"{name}.safetensors"), str(tmp_path / f"{name}-out.safetensors")
        code = KILLED.format(tests=str(ROOT / "tests"), root=str(ROOT), kept=kept, out=out)
        return [sys.executable, "-c", code], Path(kept), Path(out)

    calm, _, expected = command("calm")
    subprocess.run(calm, check=True)
    killed, kept, out = command("killed")
    with subprocess.Popen(killed) as process:
        while not kept.exists() and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    stopped_at = checkpoint.load(kept)[1]["step"]
    subprocess.run(killed, check=True)

    assert process.returncode == -signal.SIGKILL
    assert 0 < stopped_at < 150
    assert out.read_bytes() == expected.read_bytes()


def test_nan_is_refused_with_its_step(settings):
    """A loss that is not finite stops the run and names the step, player and learning rate."""

    def objective(players, batch):
        out = players["net"](batch.blurry)[-1].mean()
        yield "net", out * (math.nan if step[0] == 7 else 1)

    step = [1]

    def count(done):
        step[0] = done + 1

    with pytest.raises(DivergedError, match=r"step 7: the loss of 'net' is nan at learning rate 0.002"):
        fit({"net": network()}, pairs(), RECIPE, settings, lambda net, step: 0.0, objective, count)


def test_two_players_train_and_resume(settings):
    """An adversary is a second player with its own optimiser; both resume from one checkpoint."""

    class Critic(nn.Module):
        def __init__(self):
            super().__init__()
            self.score = nn.Conv2d(3, 1, 4, 2)

        def forward(self, x):
            return self.score(x).mean()

    def wasserstein(players, batch):
        fake = players["net"](batch.blurry)[-1]
        for _ in range(2):
            yield "critic", players["critic"](fake.detach()) - players["critic"](batch.sharp)
        yield "net", -players["critic"](fake) + (fake - batch.sharp).square().mean()

    def players():
        net = network()
        torch.manual_seed(1)
        return {"net": net, "critic": Critic()}

    both, before = players(), players()
    expected = fit(both, pairs(), RECIPE, settings, lambda net, step: 0.0, wasserstein)
    settings.checkpoint.unlink()
    half = replace(settings, steps=12)
    with pytest.raises(KeyboardInterrupt):
        fit(
            players(),
            pairs(),
            RECIPE,
            half,
            lambda net, step: 0.0,
            wasserstein,
            lambda s: s == 4 and signal.raise_signal(2),
        )
    again = players()
    curve = fit(again, pairs(), RECIPE, half, lambda net, step: 0.0, wasserstein)

    assert curve == expected
    for who in both:
        for a, b, c in zip(*(p[who].parameters() for p in (both, again, before)), strict=True):
            assert torch.equal(a, b)
            assert a.ndim == 1 or not torch.equal(a, c)  # the critic's bias cancels in its loss


def test_a_damaged_checkpoint_is_named(settings):
    """A torn checkpoint gives one clear line, not a wrong resume."""
    settings.checkpoint.write_bytes(b"torn")

    with pytest.raises(ValueError, match=r"run.safetensors: damaged .* delete it"):
        fit({"net": network()}, pairs(), RECIPE, settings, lambda net, step: 0.0)


def test_batches_depend_on_seed_and_step_alone():
    """The same step draws the same crops; blurry and sharp crops come from the same place."""
    data = Pairs(["a"], [np.arange(48 * 48 * 3, dtype=np.uint8).reshape(48, 48, 3)] * 1,
                 [np.arange(48 * 48 * 3, dtype=np.uint8).reshape(48, 48, 3)] * 1)  # fmt: skip
    one, same, other = (sample(data, RECIPE, 0, step) for step in (4, 4, 5))

    assert torch.equal(one.blurry, same.blurry)
    assert not torch.equal(one.blurry, other.blurry)
    assert torch.equal(one.blurry, one.sharp)
    assert one.blurry.shape == (2, 3, 16, 16)
    assert one.blurry.min() >= -0.5
    assert one.blurry.max() <= 0.5


def test_images_are_shrunk_before_they_are_cropped():
    """DeblurGAN halves its images: the middle of a crop is the middle of Pillow's halved image."""
    one = pairs(1, 64)
    batch = sample(one, replace(RECIPE, crop=32, shrink=2, batch=1), 0, 0)  # the whole image
    half = np.asarray(Image.fromarray(one.sharp[0]).resize((32, 32), Image.Resampling.BICUBIC))

    assert np.allclose(batch.image(batch.sharp)[0].permute(1, 2, 0).numpy() * 255, half, atol=1e-3)
    with pytest.raises(ValueError, match="32x32 is smaller than the crop of 64"):
        sample(pairs(1, 32), replace(RECIPE, crop=32, shrink=2), 0, 0)


def test_crops_larger_than_an_image_are_refused():
    """A crop that does not fit names the image and both sizes."""
    with pytest.raises(ValueError, match="s/0: 12x12 is smaller than the crop of 16"):
        sample(pairs(1, 12), RECIPE, 0, 0)


def crop(rng, side=8):
    """A crop whose images are equal, with an image, vectors and a mask beside them."""
    image = rng.random((side, side, 3)).astype(np.float32) * 0.5 + 0.25
    motion, moving = rng.random((side, side, 2)), rng.random((side, side, 1))
    plain = {"motion": motion.astype(np.float32), "moving": moving.astype(np.float32)}
    return {"blurry": image, "sharp": image.copy(), "level_3": image.copy(), **plain}


@pytest.mark.parametrize("name", AUGMENT)
def test_augmentations_do_the_same_to_all_images(name):
    """Whatever is drawn, images that were equal stay equal, and keep their size and type."""
    rng = np.random.default_rng(0)
    given = crop(rng)
    for _ in range(10):
        changed = AUGMENT[name](given, rng)

        if name not in ("noise", "corrupt"):  # those are for the blurry image alone
            assert np.array_equal(changed["blurry"], changed["sharp"])
        assert np.array_equal(changed["sharp"], changed["level_3"])
        assert {k: (v.shape, v.dtype) for k, v in changed.items()} == {
            k: (v.shape, v.dtype) for k, v in given.items()
        }


def test_rotation_never_leaves_a_crop_as_it_is():
    """DMPHN's stacks turn every crop by one, two or three quarters."""
    rng = np.random.default_rng(0)
    given = crop(rng)
    for _ in range(10):
        turned = AUGMENT["rotate"](given, rng)["sharp"]

        assert any(np.array_equal(turned, np.rot90(given["sharp"], k)) for k in (1, 2, 3))


@pytest.mark.parametrize(("name", "unchanged"), [("dihedral", 1 / 8), ("dihedral_ninth", 2 / 9)])
def test_the_squares_symmetries_are_as_likely_as_they_should(name, unchanged):
    """All eight appear; MPRNet's draw leaves two crops in nine as they are, MS-CNN's one in eight."""
    rng = np.random.default_rng(0)
    given = crop(rng)
    seen = [AUGMENT[name](given, rng)["sharp"].tobytes() for _ in range(3000)]

    assert len(set(seen)) == 8
    assert seen.count(given["sharp"].tobytes()) / 3000 == pytest.approx(unchanged, abs=0.03)


def test_hsv_saturation_is_scikit_images():
    """Hue and value stay, saturation is scaled, as when converting there and back."""
    rng = np.random.default_rng(0)
    given = crop(rng)
    times = np.random.default_rng(7).uniform(0.5, 1.5)
    hsv = skimage.color.rgb2hsv(given["sharp"].astype(float)) * [1, times, 1]

    changed = AUGMENT["saturate_hsv"](given, np.random.default_rng(7))["sharp"]

    assert np.allclose(changed, skimage.color.hsv2rgb(hsv), atol=1e-6)


def test_noise_is_for_the_blurry_image_alone():
    """Its standard deviation is |N(0, 1)| * 2 / 255, so 2 / 255 in the root mean square."""
    rng = np.random.default_rng(0)
    given = crop(rng)
    changed = [AUGMENT["noise"](given, rng) for _ in range(2000)]
    spread = np.mean([np.square(c["blurry"] - given["blurry"]).mean() for c in changed]) ** 0.5

    assert np.array_equal(changed[0]["sharp"], given["sharp"])
    assert spread == pytest.approx(2 / 255, rel=0.1)


@pytest.mark.parametrize("name", [f.__name__ for f in augment.CORRUPTIONS])
def test_corruptions_keep_an_image_an_image(name):
    """Each changes the image, keeps its size, and stays near it on average."""
    rng = np.random.default_rng(0)
    image = skimage.data.astronaut()[100:164, 200:264].astype(np.float32) / 255
    changed = np.clip(getattr(augment, name)(image, rng), 0, 1)

    assert changed.shape == image.shape
    assert 0 < np.abs(changed - image).mean() < 0.25


def test_temporal_augmentation_takes_a_shorter_exposure():
    """The blurry image becomes one of its levels, and so do all levels above; or all stay."""
    rng = np.random.default_rng(0)
    frames = {"level_11": 4, "level_3": 2, "level_7": 3, "blurry": 5, "sharp": 1}
    given = {name: np.full((2, 2, 3), value, np.float32) for name, value in frames.items()}
    drawn = [
        {name: int(image[0, 0, 0]) for name, image in AUGMENT["temporal"](given, rng).items()}
        for _ in range(400)
    ]

    assert sorted({tuple(sorted(found.values())) for found in drawn}) == [
        (1, 2, 2, 2, 2), (1, 2, 3, 3, 3), (1, 2, 3, 4, 4), (1, 2, 3, 4, 5)
    ]  # fmt: skip
    assert all(found == frames or found["blurry"] == found["level_11"] for found in drawn)
    assert sum(found == frames for found in drawn) / 400 == pytest.approx(1 / 4, abs=0.07)


def test_saturation_keeps_the_luma():
    """Only the distance from grey changes."""
    rng = np.random.default_rng(0)
    given, luma = crop(rng), np.array([0.299, 0.587, 0.114])

    assert np.allclose(AUGMENT["saturate"](given, rng)["sharp"] @ luma, given["sharp"] @ luma, atol=1e-5)


@pytest.mark.parametrize(
    "change", [lambda c: turn(c, 1), lambda c: turn(c, 2), lambda c: flip(c, 0), lambda c: flip(c, 1)]
)
def test_motion_turns_with_its_image(change):
    """A vector points from one landmark to another before; so it does after."""
    start, end = (1, 2), (5, 3)  # row, column
    image = np.zeros((8, 8, 3), np.float32)
    image[start], image[end] = 1, 2
    motion = np.zeros((8, 8, 2), np.float32)
    motion[start] = (end[1] - start[1], end[0] - start[0])

    changed = change({"sharp": image, "motion": motion})

    (from_row, from_column), (to_row, to_column) = (
        np.argwhere(changed["sharp"][..., 0] == v)[0] for v in (1, 2)
    )
    assert changed["motion"][from_row, from_column].tolist() == [to_column - from_column, to_row - from_row]


def test_extras_are_cropped_with_their_images():
    """A recipe gets the extras it names, from the same place as its images; "unpaired" is from elsewhere."""
    data = pairs(3, 24)
    data.extras["moving"] = [image[..., :1] > 127 for image in data.sharp]
    data.extras["before"] = data.blurry
    batch = sample(data, replace(RECIPE, extras=("moving", "before", "unpaired")), 0, 0)

    assert list(batch.extras) == ["moving", "before", "unpaired"]
    assert torch.equal(batch.extras["moving"], (batch.image(batch.sharp)[:, :1] * 255 > 127.5).float())
    assert torch.equal(batch.extras["before"], batch.blurry)
    assert not torch.equal(batch.extras["unpaired"], batch.blurry)
    with pytest.raises(ValueError, match=r"extras: no 'motion' in this dataset; known: moving, before"):
        sample(data, replace(RECIPE, extras=("motion",)), 0, 0)


@pytest.mark.parametrize("name", [n for n, r in spec.load(ROOT / "params.yaml")[1].items() if r.train])
def test_recipes_name_what_exists(name):
    """Each recipe's loss, adversary, schedule and augmentations exist and take its settings."""
    recipe = spec.load(ROOT / "params.yaml")[1][name].train

    assert callable(objective_of(recipe))
    assert 0 <= schedule_of(recipe)(0.0) <= 1
    assert set(recipe.augment) <= set(AUGMENT)


@pytest.mark.parametrize(
    ("part", "entry", "message"),
    [
        ("loss", {"name": "pixl"}, r"no 'pixl' in benchmark/losses; did you mean 'pixel'"),
        ("loss", {"name": "pixel", "off": "all"}, r"loss pixel: unknown setting 'off'; known: distance, of"),
        ("loss", {}, "loss: 'name' is missing"),
        ("schedule", {"name": "steps"}, "schedule: no 'steps'; known: constant, step"),
        (
            "schedule",
            {"name": "step", "each": 3},
            "schedule step: unknown setting 'each'; known: every, factor",
        ),
        ("adversary", {"name": "wgan"}, r"no 'wgan' in benchmark/adversaries"),
    ],
)
def test_a_wrong_recipe_is_named(part, entry, message):
    """An unknown plugin or setting gives one line with the known ones."""
    recipe = replace(RECIPE, **{part: entry})

    with pytest.raises(ValueError, match=message):
        (schedule_of if part == "schedule" else objective_of)(recipe)


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
    schedule = schedule_of(replace(RECIPE, epochs=160, schedule=entry))

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
    every = loss_of(
        replace(RECIPE, loss={"name": "pixel", "distance": "l1", "of": "all", "shrink": "subsample"})
    )
    last = loss_of(replace(RECIPE, loss={"name": "pixel", "distance": "l1", "weight": 2.0}))

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
