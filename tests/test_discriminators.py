"""Critics: the authors' PatchGAN, and that its slope can be learnt from."""

import pytest
import torch
from torch.autograd import gradgradcheck

from benchmark.adversaries._discriminators import NORMS, PatchGAN


@pytest.mark.parametrize(
    ("layers", "norm", "parameters"),
    [(3, "instance", 2_764_737), (5, "instance", 11_154_369), (3, "batch", 2_765_633)],
)
def test_sizes_are_those_of_the_authors_code(layers, norm, parameters):
    """For patches, for whole images (DeblurGAN-v2), and with batch normalisation."""
    with torch.device("meta"):
        critic = PatchGAN(layers=layers, norm=norm)

    assert parameters == sum(p.numel() for p in critic.parameters())


@pytest.mark.parametrize(
    ("layers", "side", "places"), [(3, 256, 35), (5, 256, 11), (3, 32, 7), (5, 32, 4), (5, 8, 4)]
)
def test_it_judges_places(layers, side, places):
    """H / 2^layers + 3 of them each way; small crops leave something to normalise, too."""
    critic, image = PatchGAN(4, layers), torch.rand(1, 3, side, 2 * side)

    restored = critic(image)

    assert restored.shape[:3] == (1, 1, places)
    assert restored.std() > 0


@pytest.mark.parametrize("norm", NORMS)
def test_second_derivatives_are_right(norm):
    """Those of the output by image and weights, against finite differences."""
    torch.manual_seed(0)
    critic = PatchGAN(2, layers=2, norm=norm, initialise="default").double()
    image = torch.rand(2, 3, 6, 6, dtype=torch.float64, requires_grad=True)
    weights = {name: p.detach().requires_grad_() for name, p in critic.named_parameters()}

    def judged(image, *values):
        return torch.func.functional_call(critic, dict(zip(weights, values, strict=True)), (image,)).sum()

    assert gradgradcheck(judged, (image, *weights.values()), fast_mode=True)


def test_start_is_the_authors():
    """DeblurGAN's critic from N(0, 0.02) with zero biases; DeblurGAN-v2 leaves PyTorch's."""
    deblurgan, left = PatchGAN().body[2], PatchGAN(initialise="default").body[2]

    assert deblurgan.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not deblurgan.bias.any()
    assert left.weight.abs().max().item() == pytest.approx((1 / (64 * 16)) ** 0.5, rel=0.01)
    assert left.bias.any()


def test_last_layer():
    """Linear outputs are any numbers; with a sigmoid they are probabilities."""
    torch.manual_seed(0)
    image = torch.rand(1, 3, 32, 32)
    linear, sigmoid = PatchGAN(4), PatchGAN(4, last="sigmoid")
    sigmoid.load_state_dict(linear.state_dict())

    torch.testing.assert_close(sigmoid(image), linear(image).sigmoid())
