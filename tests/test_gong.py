"""Gong et al.: official counts and sizes, Caffe's layers written out, labels, and simulated flows."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import nn
from torch.nn.functional import interpolate

from benchmark.losses import Batch, flow_classes
from benchmark.models import gong
from benchmark.models.gong import Config, Enlarge, Net, crop
from benchmark.spec import Normalise
from benchmark.training.augment import simulated_flow
from benchmark.training.augment._lines import blur_along, inside
from benchmark.training.augment.simulated_flow import Camera, draw

THIN = Config().thin(8)


def test_sizes_are_the_published_networks():
    """9,089,488 weights learn and 1,204,224 do not: 41.17 MB, which CDGNet prints as 41.2."""
    parameters = list(Net(Config()).parameters())
    learnt = sum(p.numel() for p in parameters if p.requires_grad)
    fixed = sum(p.numel() for p in parameters if not p.requires_grad)

    assert (learnt, fixed) == (9_089_488, 1_204_224)
    assert round(4 * (learnt + fixed) / 1e6, 1) == 41.2


def convolution_macs(height, width):
    """Sum the multiply-accumulates of all convolutions with weights that learn, layer by layer."""
    macs = 0

    def count(layer, args, output):
        nonlocal macs
        macs += output[0].numel() * layer.weight[0].numel()

    with torch.device("meta"):
        net, image = Net(Config()), torch.empty(1, 3, height, width)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(count)
    net.scores(image)
    return macs


@pytest.mark.parametrize(("size", "gmac"), [((256, 256), 26.2), ((720, 1280), 300.4)])
def test_arithmetic_is_the_published_networks(size, gmac):
    """26.2 GMAC at 256x256 and 300.4 at 720p, without the three layers that never learn."""
    assert convolution_macs(*size) / 1e9 == pytest.approx(gmac, abs=0.05)


def caffe_pooled(size):
    """Caffe's pooled size: ceil((size - kernel) / stride) + 1."""
    return math.ceil((size - 2) / 2) + 1


def caffe_sizes(size):
    """The side of each blob of the published definition, from the image's."""
    first = caffe_pooled(size + 2 * 30 - 6)
    second = caffe_pooled(first - 4)
    third = caffe_pooled(second - 2)
    fifth = caffe_pooled(third - 2) - 2
    twice = 2 * (fifth - 1) + 4
    again = 2 * (twice - 1) + 4
    return first, second, third, fifth, twice, again, 4 * (again - 1) + 8


@pytest.mark.parametrize("size", [(256, 256), (720, 1280), (11, 12), (37, 51)])
def test_every_layer_has_caffes_size(size):
    """Pooling rounds up, and every crop finds enough to cut from, at any size from the smallest on."""
    with torch.device("meta"):
        net, image = Net(Config()), torch.empty(1, 3, *size)
    seen = []
    for layer in (*net.convs[1:4], net.score, *net.enlarge):
        layer.register_forward_hook(lambda layer, args, out: seen.append((args[0].shape, out.shape)))
    scores = net.scores(image)

    for axis, side in ((2, size[0]), (3, size[1])):
        first, second, third, fifth, *enlarged = caffe_sizes(side)
        assert [into[axis] for into, _ in seen[:4]] == [first, second, third, fifth]
        assert [out[axis] for _, out in seen[4:]] == enlarged
        assert enlarged[2] >= 9 + side
        assert third - 2 >= enlarged[0]
        assert second - 4 >= enlarged[1]
    assert scores.shape == (1, 112, *size)


def test_caffes_sizes_are_those_of_the_definition():
    """At 256: 16 before the scores are enlarged to 34, 70 and 284; rows of 720: 45, 92, 186 and 748."""
    assert caffe_sizes(256)[3:] == (16, 34, 70, 284)
    assert caffe_sizes(720)[3:] == (45, 92, 186, 748)


@pytest.mark.parametrize("factor", [2, 4])
def test_enlarging_is_bilinear_and_by_all_of_its_weights(factor):
    """Inside it is bilinear interpolation; with the whole matrix of filters it is the same."""
    layer, x = Enlarge(5, factor), torch.randn(2, 5, 7, 9)
    enlarged = layer(x)
    cut = factor // 2
    border = 2 * factor

    whole = nn.functional.conv_transpose2d(x, layer.weight, stride=factor)
    torch.testing.assert_close(enlarged, whole)
    inner = enlarged[..., cut:-cut, cut:-cut][..., border:-border, border:-border]
    expected = interpolate(x, scale_factor=factor, mode="bilinear")[..., border:-border, border:-border]
    torch.testing.assert_close(inner, expected)


def test_scores_are_made_as_the_definition_says():
    """BGR in 0 to 255 less the means, over 64; skips times 0.01 and 0.0001; crops from 2, 4 and 9."""
    net = Net(THIN)
    for layer in net.skips:
        nn.init.normal_(layer.weight)
    image = torch.rand(1, 3, 40, 33)
    bgr = [(255 * image[:, c] - mean) / 64 for c, mean in zip((2, 1, 0), gong.MEAN, strict=True)]
    x = torch.stack(bgr, dim=1)
    pool = nn.MaxPool2d(2, ceil_mode=True)
    first = pool(net.convs[0](x).relu())
    second = pool(net.convs[1](first).relu())
    third = pool(net.convs[2](second).relu())
    fifth = net.convs[4](pool(net.convs[3](third).relu())).relu()
    twice = net.enlarge[0](net.score(fifth))
    height, width = twice.shape[-2:]
    twice = twice + net.skips[0](0.01 * third)[..., 2 : 2 + height, 2 : 2 + width]
    again = net.enlarge[1](twice)
    height, width = again.shape[-2:]
    again = again + net.skips[1](0.0001 * second)[..., 4 : 4 + height, 4 : 4 + width]
    expected = net.enlarge[2](again)[..., 9:49, 9:42]

    torch.testing.assert_close(net.scores(image), expected)


def test_training_scores_are_those_of_every_fourth_pixel():
    """A pixel's score is 7/8 of the nearest coarse one and 1/8 of the one before, in rows and columns."""
    net, image = Net(THIN), torch.rand(1, 3, 30, 41)
    (few,) = net(image)
    coarse = net.coarse(image)[..., 1 : few.shape[2] + 2, 1 : few.shape[3] + 2]
    rows = (coarse[..., :-1, :] + 7 * coarse[..., 1:, :]) / 8
    between = (rows[..., :-1] + 7 * rows[..., 1:]) / 8

    torch.testing.assert_close(few, coarse[..., 1:, 1:])
    torch.testing.assert_close(net.scores(image)[..., 2::4, 2::4], between)


def test_the_flow_is_the_best_class_of_each(monkeypatch):
    """Class 0 of u is none, class 36 of v is none."""
    scores = torch.zeros(1, 112, 2, 3)
    scores[0, 7, 0], scores[0, 38, 1] = 1, 1
    scores[0, 39 + 0, :, 0], scores[0, 39 + 36, :, 1], scores[0, 39 + 72, :, 2] = 1, 1, 1
    net = Net(THIN).eval()
    monkeypatch.setattr(net, "scores", lambda blurry: scores)

    assert net.flow(torch.zeros(1, 3, 2, 3)).tolist() == [
        [[[7, 7, 7], [38, 38, 38]], [[-36, 0, 36], [-36, 0, 36]]]
    ]


def test_labels_are_flows_to_the_right():
    """Rounded; turned where u is negative, or zero and v is negative; the last class holds what is beyond."""
    motion = torch.tensor([[3.4, -2.0], [-5.0, 7.0], [0.2, -4.0], [-60.0, 50.0], [39.0, 1.0]]).T.view(
        1, 2, 1, 5
    )
    u, v = flow_classes.labels(motion)

    assert u.tolist() == [[[3, 5, 0, 38, 38]]]
    assert (v - 36).tolist() == [[[-2, -7, 4, -36, 1]]]


def test_the_loss_is_the_mean_surprise_where_motion_is_known():
    """The negative logarithms of both labels' probabilities, summed, over known pixels."""
    scores, motion = (
        torch.randn(1, 112, 1, 3),
        torch.tensor([[4.0, 9.0, 0.0], [-3.0, 2.0, 0.0]]).view(1, 2, 1, 3),
    )
    known = torch.tensor([1.0, 0.0, 1.0]).view(1, 1, 1, 3)
    motion, known = (x.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3) for x in (motion, known))
    batch = Batch(known, known, Normalise(), {"motion": motion, "known": known})
    u, v = scores[0, :39, 0].double().log_softmax(0), scores[0, 39:, 0].double().log_softmax(0)
    surprise = [
        -float(u[k] + v[36 + j]) for (k, j), u, v in zip([(4, -3), (9, 2), (0, 0)], u.T, v.T, strict=True)
    ]

    assert float(flow_classes.loss([scores], batch)) == pytest.approx(
        (surprise[0] + surprise[2]) / 2, rel=1e-5
    )
    everywhere = Batch(known, known, Normalise(), {"motion": motion})
    assert float(flow_classes.loss([scores], everywhere)) == pytest.approx(sum(surprise) / 3, rel=1e-5)


class Fixed:
    """Stands in for a random generator: the same share of every range."""

    def __init__(self, *shares):
        self.shares = list(shares)

    def uniform(self, low, high, size=None):
        """The next share, or shares."""
        drawn = [self.shares.pop(0) for _ in range(size or 1)]
        return np.array(drawn) if size else drawn[0]


def by_angles(height, width, tx, ty, ax, ay, turn, zoom, cx, cy):
    """The generator's formulas with their angles, pixel by pixel, rows from 1; its terms by what they are."""
    u, v = np.zeros((2, height, width))
    for row in range(1, height + 1):
        for column in range(1, width + 1):
            right, up = column - (width / 2 + cx), height / 2 + cy - row
            far, alpha = math.hypot(right, up), math.atan2(up, right)
            u[row - 1, column - 1] = tx * (1 - ax / 2) + column * ax * tx / width
            u[row - 1, column - 1] += math.tan(zoom) * far * math.sin(alpha - math.pi / 2)
            u[row - 1, column - 1] += turn * far**1.5 * math.sin(alpha)
            v[row - 1, column - 1] = ty * (1 - ay / 2) + (height + 1 - row) * ay * ty / height
            v[row - 1, column - 1] += math.tan(zoom) * far * math.cos(alpha - math.pi / 2)
            v[row - 1, column - 1] += turn * far**1.5 * math.cos(alpha)
    return np.stack([u, v], axis=-1).round()


def test_simulated_flows_are_the_generators():
    """Shift, growth, zoom, turn and their centre, as its formulas give them."""
    zoom = math.atan(0.7 * math.tan(math.pi / 70))
    expected = by_angles(
        30, 40, 0.5 * 27, -0.2 * 27, 0.9 * 0.3, -0.4 * 0.3, 0.8 * 5e-3, zoom, 0.1 * 15, 0.6 * 15
    )

    drawn = draw(Fixed(0.5, -0.2, 0.9, -0.4, 0.8, 0.7, 0.1, 0.6), (slice(30), slice(40)), (30, 40))

    assert np.abs(drawn - expected).max() == 0


def test_flows_exceed_the_labels_as_the_authors_do():
    """Over many flows of whole images some pixels move more than 38 to the right, but few of them."""
    rng = np.random.default_rng(0)
    flows = np.stack([draw(rng, (slice(0, 321, 8), slice(0, 481, 8))) for _ in range(200)])

    assert 39 <= np.abs(flows[..., 0]).max() <= 60
    assert (np.abs(flows[..., 0]) > 38).mean() < 0.01
    assert Camera().shift == 27


def test_a_line_is_its_mean():
    """Blurring along lines averages bilinear samples, as scipy interpolates them, at most a pixel apart."""
    rng = np.random.default_rng(1)
    image = rng.random((40, 50, 3)).astype(np.float32)
    flow = rng.uniform(-9, 9, (40, 50, 2)).astype(np.float32)
    steps = math.ceil(float(np.abs(flow).max()))
    y, x = np.mgrid[:40, :50].astype(float)
    times = (np.arange(steps) + 0.5) / steps - 0.5
    expected = np.mean(
        [
            [
                ndimage.map_coordinates(
                    image[..., c], (y + t * flow[..., 1], x + t * flow[..., 0]), order=1, mode="nearest"
                )
                for c in range(3)
            ]
            for t in times
        ],
        axis=0,
    ).transpose(1, 2, 0)

    assert np.abs(blur_along(image, flow) - expected).max() < 1e-4
    levels = (255 * image).astype(np.uint8)
    assert np.allclose(blur_along(levels, 0 * flow), levels / 255, atol=1e-5)


def test_lines_that_leave_the_crop_are_marked():
    """A pixel two from the border has room for a line of four."""
    flow = np.zeros((9, 9, 2), np.float32)
    flow[..., 0] = 4

    assert inside(flow)[4, :, 0].tolist() == [0, 0, 1, 1, 1, 1, 1, 0, 0]
    assert inside(flow)[0, 4, 0] == 1


def test_half_of_the_crops_are_simulated():
    """The others keep their blur and motion; simulated ones show the blur of the motion that they name."""
    rng = np.random.default_rng(2)
    sharp = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    pair = {"blurry": 255 - sharp, "sharp": sharp, "motion": np.full((64, 64, 2), 99, np.float32)}
    simulated = 0
    for _ in range(40):
        changed = simulated_flow.augment(pair, rng)
        if changed["motion"][0, 0, 0] == 99:
            assert changed["blurry"] is pair["blurry"]
            assert changed["known"].all()
        else:
            simulated += 1
            assert np.allclose(changed["blurry"], blur_along(sharp, changed["motion"]))
            assert (changed["known"] == inside(changed["motion"])).all()
    assert 10 <= simulated <= 30


def test_a_crop_begins_at_its_offset():
    """Caffe's `Crop` of rows and columns."""
    x = torch.arange(30.0).view(1, 1, 5, 6)

    assert crop(x, 2, torch.empty(1, 9, 2, 3)).tolist() == [[[[14, 15, 16], [20, 21, 22]]]]
