"""What every run of params.yaml and every other variant of a model has in common."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d

from benchmark import nets, plugins, spec
from benchmark.losses import Batch
from benchmark.training.objective import adversary_networks, build_objective

ROOT = Path(__file__).parents[1]
_, RUNS = spec.load(ROOT / "params.yaml")
# Choices of a model that no run of params.yaml makes: name -> the run it varies and what differs.
CHOICES = {
    "cdgnet large residual": ("cdgnet", {"large": "residual"}),
    "cdgnet diagonals masked": ("cdgnet", {"diagonals": "masked"}),
    "dmphn 1, two stages": ("dmphn_1", {"levels": "1", "stacks": 2}),
    "dmphn 1-2-4-8, two stages": ("dmphn_1_2_4_8", {"levels": "1-2-4-8", "stacks": 2}),
    "saphnet cross levels": ("saphnet", {"cross_attention": "levels"}),
    "saphnet cross encoder": ("saphnet", {"cross_attention": "encoder"}),
    "saphnet no attention": ("saphnet", {"self_attention": "none", "cross_attention": "none"}),
    "saphnet gaussian": ("saphnet", {"filtering": "gaussian"}),
}
VARIANTS = RUNS | {
    name: replace(RUNS[base], name=name, config=RUNS[base].config | config)
    for name, (base, config) in CHOICES.items()
}
RANGES = {"bag": (-1, 1), "dbgan": (0, 1), "deblurgan": (-1, 1), "deblurganv2": (-1, 1)}
TRAINED = [name for name, run in VARIANTS.items() if run.train]
THIN = 8

# Widths after thinning by 4 and by 99.
THINNED = {
    "bag": [{"width": 16, "growth": 18}, {"width": 4, "growth": 4}],
    "cdgnet": [{"width": 8}, {"width": 4}],
    "dbgan": [{"width": 16, "growth": 8}, {"width": 4, "growth": 4}],
    "deblurgan": [{"width": 16}, {"width": 4}],
    "dmphn_1_2_4": [{"width": 8}, {"width": 4}],
    "hamd": [{"width": 8}, {"width": 4}],
    "mimo_unet": [{"width": 8}, {"width": 4}],
    "mprnet": [{"width": 24, "growth": 12, "extra": 8}, {"width": 4, "growth": 4, "extra": 4}],
    "mscnn": [{"width": 16}, {"width": 4}],
    "mtrnn": [{"width": 8, "iterations": 6}, {"width": 4, "iterations": 6}],
    "pssnsc": [{"width": 8}, {"width": 4}],
    "saphnet": [{"width": 8}, {"width": 8}],  # two clusters of four channels
    "sgenet": [{"width": 24, "growth": 6}, {"width": 12, "growth": 3}],  # in whole thirds
    "srn": [{"width": 8}, {"width": 4}],
    "svdn": [{"width": 8}, {"width": 4}],
    "svrnn": [{"width": 4, "guide": 16}, {"width": 4, "guide": 4}],
}
# Gradients of these are zero: the last bias of a discriminator whose loss has differences of scores alone,
# and the branch images of CDGNet when their losses have the weight 0.
NO_GRADIENT = {"critic.body.11.bias"} | {
    f"{who}.classifier.2.bias" for who in ("discriminator", "blur_discriminator")
}
BRANCHES = {f"net.heads.{branch}.{kind}" for branch in ("large", "small") for kind in ("weight", "bias")}


def batch(run, side, count=2):
    """A random batch in the network's range, with the extras of the recipe."""
    rng = torch.Generator().manual_seed(3)
    n = run.train.normalise

    def draw(channels):
        values = torch.rand(count, channels, side, side, generator=rng)
        return (values - n.mean) * n.scale if channels == 3 else values.round()

    extras = {name: draw({"motion": 2, "moving": 1}.get(name, 3)) for name in run.train.extras}
    return Batch(draw(3), draw(3), n, extras)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_restored_image_has_the_inputs_size(name):
    """The last output is a full image, also for sizes that are not multiples of the network's stride."""
    net = nets.build(VARIANTS[name], THIN).eval()
    with torch.inference_mode():
        restored = nets.restore(net, torch.rand(1, 3, 37, 51), spec.Normalise())

    assert restored.shape == (1, 3, 37, 51)
    assert restored.isfinite().all()


@pytest.mark.parametrize("name", TRAINED)
def test_every_parameter_learns(name, tmp_path, monkeypatch):
    """Each parameter of each network gets a gradient other than zero: no block is built and then unused.

    Parameters that the authors built and never used are frozen; they are there for the count.
    """
    monkeypatch.chdir(tmp_path)  # without VGG19
    recipe = VARIANTS[name].train
    net = nets.build(VARIANTS[name], THIN)
    networks = {"net": net} | adversary_networks(recipe, THIN)
    for _, loss in build_objective(recipe)(networks, batch(VARIANTS[name], nets.round_up_side(net, 32))):
        loss.backward()

    learning = {
        f"{who}.{k}": p for who, of in networks.items() for k, p in of.named_parameters() if p.requires_grad
    }
    exempt = NO_GRADIENT | (BRANCHES if recipe.loss.get("small") == 0 else set())
    assert [key for key, p in learning.items() if p.grad is None] == []
    assert [key for key, p in learning.items() if key not in exempt and not p.grad.any()] == []


@pytest.mark.parametrize("name", TRAINED)
def test_the_seed_decides_the_weights(name):
    """The same seed gives the same weights, another one does not."""
    first, same, different = (nets.build(VARIANTS[name], THIN, seed).state_dict() for seed in (0, 0, 1))

    assert all(torch.equal(first[key], same[key]) for key in first)
    assert not all(torch.equal(first[key], different[key]) for key in first)


@pytest.mark.parametrize("name", VARIANTS)
def test_thinning_keeps_the_structure(name):
    """A thinned network has the same layers, only narrower, however large the factor."""
    with torch.device("meta"):  # shapes only
        full, *thinner = (nets.build(VARIANTS[name], factor).state_dict() for factor in (1, 4, 99))

    sizes = [sum(v.numel() for v in state.values()) for state in (full, *thinner)]
    assert all(state.keys() == full.keys() for state in thinner)
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("name", THINNED)
def test_widths_are_divided(name):
    """Widths are rounded down and have a lower bound; other settings stay."""
    run = RUNS[name]
    config = spec.build(plugins.load("models", run.model).Config, name, run.config)

    assert [config.thin(factor) for factor in (4, 99)] == [
        replace(config, **widths) for widths in THINNED[name]
    ]


# Whose loss follows whose.
TURNS = {
    "gan": ["discriminator", "net"],
    "ragan_ls": ["discriminators", "net"],
    "realistic_blur": ["blur_discriminator", "blur", "discriminator", "net"],
    "wgan_gp": ["critic"] * 5 + ["net"],
}


@pytest.mark.parametrize("name", ["deblurgan", "deblurganv2_mobilenet", "dbgan", "mscnn_gan"])
def test_networks_learn_in_turn(name, tmp_path, monkeypatch):
    """Discriminators first, each from its own loss; none of their losses teaches the restoring network."""
    run = VARIANTS[name]
    networks = {"net": nets.build(run, THIN)} | adversary_networks(run.train, THIN)
    turns = []
    for who, loss in build_objective(run.train)(
        networks, batch(run, nets.round_up_side(networks["net"], 32))
    ):
        loss.backward()
        learnt = {key for key, net in networks.items() if any(p.grad is not None for p in net.parameters())}
        assert who in learnt
        assert ("net" in learnt) == (who == "net")
        for net in networks.values():
            net.zero_grad()
        turns.append(who)

    assert turns == TURNS[run.train.adversary["name"]]


@pytest.mark.parametrize("adversary", plugins.names("adversaries"))
def test_discriminators_are_thinned(adversary):
    """Thinned networks of a GAN have the same layers, at least two channels wide."""
    networks = [plugins.load("adversaries", adversary).Adversary().networks(thin) for thin in (1, 4, 99)]
    full, *thinner = (
        {f"{n}.{k}": v for n, net in of.items() for k, v in net.state_dict().items()} for of in networks
    )
    first = [[len(next(net.parameters())) for net in of.values()] for of in networks]

    assert all(state.keys() == full.keys() for state in thinner)
    assert first[1] == [width // 4 for width in first[0]]
    assert all(width == (2 if adversary == "gan" else 4) for width in first[2])  # MS-CNN's halves its width


# By model: the layers, as a regular expression, that make what is added to the blurry image.
ADDED = {
    "bag": r"decoder\.2",
    "dbgan": r"last\.2",
    "deblurgan": r"decoder\.2",
    "deblurganv2": r"last(\.1)?",
    "mimo_unet": r"restore\..",
    "mprnet": r"tail|sams\..\.residual",
    "mtrnn": r"leave",
    "pssnsc": r"scales\..\.leaves\.2",
    "sgenet": r"tail|.*\.residual(\.0)?",
    "svdn": r"decoder\.2\.1",
}
# One run of each network: many runs differ in their recipe alone.
NETWORKS = {f"{run.model} {run.config}": name for name, run in VARIANTS.items()}.values()


@pytest.mark.parametrize("name", [name for name in NETWORKS if VARIANTS[name].model in ADDED])
def test_what_is_learnt_is_added_to_the_image(name):
    """Without the layers that make images every output is the blurry image, smaller at coarser scales."""
    run = VARIANTS[name]
    net, n = nets.build(run, THIN).eval(), run.train.normalise
    side = nets.round_up_side(net, 32)
    blurry = (torch.rand(1, 3, side, 2 * side) - n.mean) * n.scale
    for key, layer in net.named_modules():
        if re.fullmatch(ADDED[run.model], key):
            for parameter in layer.parameters():
                nn.init.zeros_(parameter)
    with torch.inference_mode():
        images = [output for output in net(blurry) if output.shape[1] == 3]

    for image in images:
        step = side // image.shape[-2]
        shrunk = avg_pool2d(blurry, step) if run.model == "sgenet" else blurry[..., ::step, ::step]
        torch.testing.assert_close(image, shrunk, rtol=0, atol=1e-6 * n.scale)


@pytest.mark.parametrize("name", [name for name in NETWORKS if RANGES.get(VARIANTS[name].model)])
def test_outputs_stay_in_range(name):
    """Where the authors clip an image no value is outside the range, whatever the input."""
    run = VARIANTS[name]
    net = nets.build(run, THIN).eval()
    side = nets.round_up_side(net, 32)
    with torch.inference_mode():
        (restored,) = net(10 * torch.randn(1, 3, side, side))

    assert (restored.min(), restored.max()) == RANGES[run.model]


# By run, for k x k taps: the standard deviation of a layer's weights, and the largest weight in deviations.
INITIAL = {
    "dbgan": (lambda taps, cin, cout: 0.1 * (2 / (taps * cin)) ** 0.5, 6),  # a tenth of He's
    "deblurgan": (lambda taps, cin, cout: 0.02, 6),
    "dmphn_1": (lambda taps, cin, cout: 0.5 * (2 / (taps * cout)) ** 0.5, 6),
    "srn": (lambda taps, cin, cout: (2 / (taps * (cin + cout))) ** 0.5, 3**0.5),  # Xavier's, uniform
    "svrnn": (lambda taps, cin, cout: (1 / (taps * cin)) ** 0.5, 3**0.5),  # Caffe's "xavier", uniform
}


@pytest.mark.parametrize("name", INITIAL)
def test_initialisation_is_the_authors(name):
    """Weights have the authors' standard deviation and range, biases are zero."""
    deviation, most = INITIAL[name]
    for key, layer in nets.build(RUNS[name]).named_modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and not key.endswith("gates"):
            expected = deviation(layer.kernel_size[0] ** 2, layer.in_channels, layer.out_channels)
            assert layer.weight.std().item() == pytest.approx(expected, rel=0.15)
            assert 1.6 * expected < layer.weight.abs().max() < 1.001 * most * expected
            assert not layer.bias.any()


@pytest.mark.parametrize(
    ("name", "alone"), [("srn", True), ("srn_gray", True), ("srn_color", False), ("pssnsc", True)]
)
def test_channels_are_restored_alone(name, alone):
    """But for "color", red, green and blue are three grey images, in whatever order."""
    net, blurry = nets.build(RUNS[name], THIN), torch.rand(2, 3, 16, 16)

    restored, swapped = net(blurry)[-1], net(blurry.flip(1))[-1].flip(1)

    assert torch.allclose(restored, swapped, atol=1e-5) is alone


# Attention maps and features of an image of 32x48: name -> channels and how much smaller they are.
BAG = {f"module_{k}": (1, 4) for k in (1, 2, 3, 4)}
MAPS = {
    "bag": BAG,
    "bag_3": {},
    "bag_4": BAG,
    "cdgnet": {"large_map": (1, 4), "small_map": (1, 4), "large_features": (4, 1), "small_features": (4, 1)},
    "cdgnet_ld_ca": {"large_features": (4, 1)},
    "hamd": {"human_map": (1, 4), "foreground_features": (4, 1), "background_features": (4, 1)},
    "sgenet": {"skip": (12, 1), "refined": (12, 1)},
}


@pytest.mark.parametrize("name", MAPS)
def test_attention_maps(name):
    """Names, channels and sizes are the paper's figure's; maps are in (0, 1)."""
    shown = nets.build(RUNS[name], THIN).attention(torch.rand(2, 3, 32, 48))

    shapes = {key: (2, channels, 32 // part, 48 // part) for key, (channels, part) in MAPS[name].items()}
    assert {key: tuple(values.shape) for key, values in shown.items()} == shapes
    for key, values in shown.items():
        if values.shape[1] == 1:
            assert 0 < values.min() < values.max() < 1, key


def test_padding_is_invisible():
    """Padding to the stride changes the restored image near the border alone."""
    net = nets.build(RUNS["cdgnet_ld"], THIN).eval()
    image = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        whole = nets.restore(net, image, spec.Normalise())
        odd = nets.restore(net, image[..., :63, :], spec.Normalise())

    assert torch.allclose(whole[..., :4, :], odd[..., :4, :], atol=1e-6)


@pytest.mark.parametrize("name", {run.model: name for name, run in RUNS.items()}.values())
def test_any_size_is_padded_restored_and_cropped(name):
    """An image of any size is padded as NumPy pads it, restored and cropped."""
    net = nets.build(RUNS[name], THIN).eval()
    stride, smallest = nets.size_constraint(net)
    height, width = smallest + stride - 1, smallest + 2 * stride - 3 if stride > 3 else smallest + 1
    image = torch.rand(1, 3, height, width)
    bottom, right = nets.round_up_side(net, height) - height, nets.round_up_side(net, width) - width
    mode = {"replicate": "edge"}.get(getattr(net, "padding", "replicate"), getattr(net, "padding", ""))
    padded = np.pad(image.numpy(), ((0, 0), (0, 0), (0, bottom), (0, right)), mode=mode)
    with torch.inference_mode():
        restored = nets.restore(net, image, spec.Normalise(0.5))
        expected = net(torch.from_numpy(padded).to(memory_format=torch.channels_last) - 0.5)[-1] + 0.5

    assert torch.allclose(restored, expected[..., :height, :width], atol=1e-6)


@pytest.mark.parametrize("model", plugins.names("models"))
def test_every_model_has_a_run_and_its_header(model):
    """Each model file is used by a run; its docstring has the sources and what the paper does not state."""
    text = plugins.load("models", model).__doc__

    assert model in {run.model for run in RUNS.values()}
    assert all(head in text for head in ("Paper", "Sources", "Unstated", "Shapes"))


def test_an_unknown_config_key_is_named():
    """An unknown key of a run's config is an error that names the nearest allowed one."""
    run = spec.Run("x", "dmphn", "", {"level": "1"})

    with pytest.raises(ValueError, match=r"runs.x.config: unknown key 'level'; did you mean 'levels'"):
        nets.build(run)


def test_an_unknown_choice_is_named():
    """A mistyped choice is an error that names the run and the file with the tables of choices."""
    run = spec.Run("x", "dmphn", "", {"levels": "1-4"})

    with pytest.raises(
        ValueError, match=r"runs.x.config: no choice '1-4'; see the tables in benchmark/models/dmphn.py"
    ):
        nets.build(run)
