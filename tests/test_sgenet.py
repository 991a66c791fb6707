"""SGENet: its size, its equations written out, what its stages hand on, and that every variant learns."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from benchmark.models import mprnet, sgenet
from benchmark.models.sgenet import CEM, CSAM, RDM, Config, Handover, Net


def numbers(*parts: int) -> Tensor:
    """Random values of a shape."""
    return torch.randn(*parts, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("dilation", "reach"), [("dilated", 1 + 3 + 1), ("plain", 1 + 1 + 1)])
@pytest.mark.parametrize("recursions", [1, 2])
def test_rdm_reaches_as_far_as_its_dilation(dilation, reach, recursions):
    """A pixel spreads by one, by three or one, and by one again, and that once per recursion.

    Channel attention would spread it everywhere: it is taken out.
    """
    torch.manual_seed(0)
    block = RDM(12, sgenet.DILATION[dilation], recursions)
    block.attend = nn.Identity()
    x = torch.zeros(1, 12, 31, 31)
    x[..., 15, 15] = 1

    with torch.no_grad():
        touched = (block(x) != 0).any(dim=1)[0].nonzero()

    assert touched.min().item() == 15 - reach * recursions
    assert touched.max().item() == 15 + reach * recursions


def test_rdm_is_its_formula():
    """Conv, ReLU, three dilated ones summed, ReLU, conv, attention, plus x; again with the same weights."""
    block = RDM(12, (1, 2, 3), recursions=2)
    x = numbers(2, 12, 9, 8)

    def step(x: Tensor) -> Tensor:
        seen = conv2d(x, block.first.weight, padding=1).clamp(min=0)
        wide = sum(
            conv2d(seen, layer.weight, padding=d, dilation=d)
            for d, layer in zip((1, 2, 3), block.dilated, strict=True)
        )
        return x + block.attend(conv2d(wide.clamp(min=0), block.last.weight, padding=1))

    torch.testing.assert_close(block(x), step(step(x)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("scale", [0, 2])
def test_cem_is_its_formula(scale):
    """Sec. 3.2: context of two scales, residual image, features of it, all times a map of the image."""
    widths = [12, 15, 18]
    cem = CEM(widths, scale)
    encoded, blurry = numbers(2, widths[scale], 8, 6), torch.rand(2, 3, 8, 6)
    coarser = [] if scale == 2 else [numbers(2, widths[scale + 1], 4, 3)]

    refined, image = cem(encoded, coarser, blurry)

    def of(layer: nn.Conv2d, x: Tensor) -> Tensor:
        return conv2d(x, layer.weight, padding=1)

    upsampled = [cem.ups[0][1](nn.functional.interpolate(x, size=(8, 6), mode="bilinear")) for x in coarser]
    context = of(cem.context, torch.cat([encoded, *upsampled], dim=1)).clamp(min=0)
    residual = of(cem.residual, context)
    weights = 1 / (1 + torch.exp(-of(cem.map, blurry + residual)))
    both = torch.cat((of(cem.features, residual), context), dim=1)
    torch.testing.assert_close(image, blurry + residual)
    torch.testing.assert_close(refined, of(cem.fuse, both) * weights, rtol=1e-5, atol=1e-5)


def test_csam_is_eqs_5_to_7():
    """Means of the sum, cut in thirds, a perceptron each, softmax across the three; in NumPy."""
    csam = CSAM(12)
    features = [numbers(2, 12, 5, 4) + n for n in range(3)]
    values = np.stack([x.double().numpy() for x in features])

    means = values.sum(axis=0).mean(axis=(2, 3))  # (B, C)
    votes = []
    for z, (first, _, last) in zip(np.split(means, 3, axis=1), csam.perceptrons, strict=True):
        hidden, out = (layer.weight[..., 0, 0].detach().double().numpy() for layer in (first, last))
        votes.append(np.maximum(z @ hidden.T, 0) @ out.T)
    weights = np.exp(votes) / np.exp(votes).sum(axis=0)

    expected = (values * weights[..., None, None]).sum(axis=0)
    assert csam(features).detach().numpy() == pytest.approx(expected, abs=1e-5)


def test_csam_can_select_one_feature():
    """Votes that are far apart leave one of the three; without votes it is their mean."""
    csam, plain = CSAM(3), sgenet.FUSION["sum"](3)
    features = [torch.rand(1, 3, 2, 2) + 1 for _ in range(3)]
    for perceptron in csam.perceptrons:
        nn.init.zeros_(perceptron[2].weight)

    torch.testing.assert_close(csam(features), sum(features) / 3)
    torch.testing.assert_close(plain(features), sum(features))

    for number, perceptron in enumerate(csam.perceptrons):
        nn.init.ones_(perceptron[0].weight)
        nn.init.constant_(perceptron[2].weight, 100.0 * (number == 1))
    torch.testing.assert_close(csam(features), features[1])


def test_stage_2_is_given_what_stage_1_found():
    """Per scale the encoder's and decoder's features, as in MPRNet; the second stage alone has CSAM."""
    net = Net(Config().thin(8))
    first, second = net.stages
    given: list[tuple[Tensor, ...]] = []
    for handover in second.handovers:
        handover.register_forward_pre_hook(lambda module, inputs: given.append(inputs))
    found: list[tuple[list[Tensor], ...]] = []
    first.register_forward_hook(lambda module, inputs, outputs: found.append(outputs))

    net(torch.rand(1, 3, 8, 8))

    ((encoded, decoded, _),) = found
    assert len(first.handovers) == 0
    assert [isinstance(handover, Handover) for handover in second.handovers] == [True] * 3
    for (_, e, d), x, y in zip(given, encoded, decoded, strict=True):
        assert e is x
        assert d is y


def test_cem_is_guided_by_the_decoder():
    """Each finer CEM is given what the next coarser scale's decoder made, the coarsest nothing."""
    net = Net(Config().thin(8))
    stage = net.stages[1]
    given: list[list[Tensor]] = []
    made: list[Tensor] = []
    for skip, blocks in zip(stage.skips, stage.decoder, strict=True):
        skip.register_forward_pre_hook(lambda module, inputs: given.append(inputs[1]))
        blocks.register_forward_hook(lambda module, inputs, output: made.append(output))

    net(torch.rand(1, 3, 8, 8))

    coarsest, middle, finest = given
    assert coarsest == []
    assert middle[0] is made[0]
    assert finest[0] is made[1]


def test_sam_is_mprnets():
    """The first stage's image comes from MPRNet's module; without it, the features pass unchanged."""
    with_sam, without = (Net(replace(Config(), attention=key).thin(8)) for key in ("sam", "none"))
    x, blurry = numbers(1, 12, 4, 4), torch.rand(1, 3, 4, 4)

    features, image = without.attend(x, blurry)

    assert isinstance(with_sam.attend, mprnet.SAM)
    assert features is x
    torch.testing.assert_close(image, blurry + conv2d(x, without.attend.residual.weight))


def test_eight_images_are_the_six_and_what_the_finest_skips_predict():
    """Nothing but the list of images differs: same weights, same answers; without CEM there are no eight."""
    six, eight = (Net(replace(Config(), compared=key).thin(8)) for key in ("six", "eight"))
    eight.load_state_dict(six.state_dict())
    finest: list[Tensor] = []
    for stage in eight.stages:
        stage.skips[0].register_forward_hook(lambda module, inputs, outputs: finest.append(outputs[1]))
    blurry = torch.rand(1, 3, 8, 8)

    images = eight(blurry)

    assert images[2] is finest[0]
    assert images[6] is finest[1]
    for ours, theirs in zip([*images[:2], *images[3:6], images[7]], six(blurry), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    with pytest.raises(ValueError, match="compared: 'eight'; allowed: 'six'"):
        Net(replace(Config(), skips="none", compared="eight"))
