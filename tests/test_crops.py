"""What a training step receives: crops that repeat, augmentations that treat images and extras alike."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import skimage.color
import skimage.data
import torch
from PIL import Image
from scipy import ndimage
from torchvision.transforms.functional import rotate

from benchmark import nets, plugins, spec
from benchmark.data.pairs import Pairs
from benchmark.spec import Normalise
from benchmark.training.augment import _colours, corrupt, geometric
from benchmark.training.augment._geometry import flip, turn
from benchmark.training.crops import sample
from benchmark.training.drawing import DRAWING
from benchmark.training.objective import build_loss
from tests.samples import RECIPE, pairs

AUGMENT = {name: plugins.load("training.augment", name).augment for name in plugins.names("training.augment")}


def test_batches_depend_on_seed_and_step_alone():
    """The same step draws the same crops; blurry and sharp crops come from the same place."""
    image = np.arange(48 * 48 * 3, dtype=np.uint8).reshape(48, 48, 3)
    first, same, other = (sample(Pairs(["a"], [image], [image]), RECIPE, 0, step) for step in (4, 4, 5))

    assert torch.equal(first.blurry, same.blurry)
    assert not torch.equal(first.blurry, other.blurry)
    assert torch.equal(first.blurry, first.sharp)
    assert first.blurry.shape == (2, 3, 16, 16)
    assert first.blurry.abs().max() <= 0.5


def plain_sample(data, recipe, seed, step):
    """Draw a batch as `sample` does, in plain numpy: floats from the start, image by image."""

    def colours(change, crop):
        return {k: change(np.ascontiguousarray(x)).astype(np.float32) for k, x in crop.items()}

    def saturate(crop, rng):
        times, luma = np.float32(rng.uniform(0.8, 1.2)), np.array([0.299, 0.587, 0.114], np.float32)
        return colours(lambda x: np.clip((grey := (x @ luma)[..., None]) + times * (x - grey), 0, 1), crop)

    def saturate_hsv(crop, rng):
        times = rng.uniform(0.5, 1.5)
        return colours(lambda x: np.clip((top := x.max(-1, keepdims=True)) - times * (top - x), 0, 1), crop)

    def noise(crop, rng):
        deviation = abs(rng.standard_normal()) * 2 / 255
        noisy = crop["blurry"] + deviation * rng.standard_normal(crop["blurry"].shape)
        return crop | {"blurry": np.clip(noisy, 0, 1).astype(np.float32)}

    def shuffle_channels(crop, rng):
        order = rng.permutation(3)
        return colours(lambda x: x[..., order], crop)

    plain = {f.__name__: f for f in (saturate, saturate_hsv, noise, shuffle_channels)}
    plain["saturate_third"] = lambda crop, rng: saturate(crop, rng) if rng.random() < 1 / 3 else crop
    rng, side = np.random.default_rng([seed, step]), recipe.crop
    crops = []
    for index in DRAWING[recipe.drawing](data, recipe, seed, step):
        y, x = (int(rng.integers(n - side + 1)) for n in data.sharp[index].shape[:2])
        crop = {
            k: images[index][y : y + side, x : x + side].astype(np.float32) / 255
            for k, images in (("blurry", data.blurry), ("sharp", data.sharp))
        }
        for name in recipe.augment:
            crop = plain.get(name, AUGMENT[name])(crop, rng)
        crops.append(crop)
    n = recipe.normalise
    stacked = (np.stack([np.ascontiguousarray(crop[kind]) for crop in crops]) for kind in ("blurry", "sharp"))
    return [((x - np.float32(n.mean)) * np.float32(n.scale)).transpose(0, 3, 1, 2) for x in stacked]


@pytest.mark.parametrize(
    ("augmentations", "normalise"),
    [
        ([], Normalise()),
        (["flip_horizontal", "flip_vertical"], Normalise(0.5, 2)),
        (["rotate_frame", "saturate"], Normalise(0.5)),  # DMPHN's stacks, but for the order
        (["saturate_third", "dihedral_ninth"], Normalise()),  # MPRNet
        (["dihedral", "shuffle_channels", "saturate_hsv", "noise"], Normalise(0.5, 255)),  # MS-CNN
        (["corrupt", "bgr"], Normalise(0.5, 2)),  # DeblurGAN-v2
    ],
)
def test_batches_are_bit_for_bit_those_of_plain_arithmetic(augmentations, normalise):
    """Keeping bytes until a colour changes, and reusing the memory of the last step, changes no bit."""
    data, room = pairs(3, 40), {}
    recipe = replace(RECIPE, batch=8, crop=24, augment=tuple(augmentations), normalise=normalise)
    for step in range(4):
        batch = sample(data, recipe, 3, step, "cpu", room)
        blurry, sharp = plain_sample(data, recipe, 3, step)

        assert np.array_equal(batch.blurry.numpy(), blurry)
        assert np.array_equal(batch.sharp.numpy(), sharp)
        assert batch.blurry.is_contiguous(memory_format=torch.channels_last)
        assert batch.blurry.permute(0, 2, 3, 1).data_ptr() == room["blurry"].data_ptr()


SIMULATED = {"simulated_flow", "simulated_line"}  # they blur the sharp image anew: test_gong.py, test_sun.py


@pytest.mark.parametrize("name", sorted(AUGMENT.keys() - SIMULATED - {"geometric"}))  # whole images are bytes
def test_bytes_and_floats_are_augmented_alike(name):
    """A crop of bytes has the same result as its floats, bit for bit, and is not written to."""
    for seed in range(8):
        data = pairs(2, 20)
        images = {"blurry": data.blurry[0], "sharp": data.sharp[0], "level_3": data.blurry[1]}
        original, before = ({kind: image.copy() for kind, image in images.items()} for _ in range(2))
        floats = {kind: image.astype(np.float32) / 255 for kind, image in original.items()}
        ours, theirs = (AUGMENT[name](crop, np.random.default_rng(seed)) for crop in (original, floats))

        assert all(np.array_equal(_colours.unit(ours[kind]), theirs[kind]) for kind in original)
        assert all(np.array_equal(original[kind], before[kind]) for kind in original)


def test_images_are_shrunk_before_they_are_cropped():
    """DeblurGAN halves its images: the middle of a crop is the middle of Pillow's halved image."""
    whole = pairs(1, 64)
    batch = sample(whole, replace(RECIPE, crop=32, shrink=2, batch=1), 0, 0)
    half = np.asarray(Image.fromarray(whole.sharp[0]).resize((32, 32), Image.Resampling.BICUBIC))

    assert np.allclose(batch.image(batch.sharp)[0].permute(1, 2, 0).numpy() * 255, half, atol=1e-3)


@pytest.mark.parametrize(("side", "crop", "shrink", "needed"), [(12, 16, 1, 16), (32, 32, 2, 64)])
def test_crops_larger_than_an_image_are_refused(side, crop, shrink, needed):
    """A crop that does not fit names the image and both sizes."""
    with pytest.raises(ValueError, match=f"s/0: {side}x{side} is smaller than the crop of {needed}"):
        sample(pairs(1, side), replace(RECIPE, crop=crop, shrink=shrink), 0, 0)


@pytest.fixture
def rng():
    """Return a generator with a fixed seed."""
    return np.random.default_rng(0)


@pytest.fixture
def original(rng):
    """Make a crop whose images are equal, with vectors and a mask."""
    image = rng.random((8, 8, 3)).astype(np.float32) * 0.5 + 0.25
    motion, moving = (rng.random((8, 8, channels)).astype(np.float32) for channels in (2, 1))
    images = {kind: image.copy() for kind in ("blurry", "sharp", "level_3")}
    return images | {"motion": motion, "moving": moving}


@pytest.mark.parametrize("name", sorted(AUGMENT.keys() - SIMULATED))
def test_augmentations_do_the_same_to_all_images(name, rng, original):
    """Whatever the random numbers, equal images stay equal, and keep their size and type."""
    if name == "geometric":  # it refuses vectors and masks
        original = {kind: x for kind, x in original.items() if x.shape[-1] == 3}
    for _ in range(10):
        changed = AUGMENT[name](original, rng)

        if name not in ("noise", "corrupt"):  # they change the blurry image only
            assert np.array_equal(changed["blurry"], changed["sharp"])
        assert np.array_equal(changed["sharp"], changed["level_3"])
        assert list(changed) == list(original)
        for kind, image in changed.items():
            assert (image.shape, image.dtype) == (original[kind].shape, original[kind].dtype)


@pytest.mark.parametrize(("height", "width"), [(18, 32), (32, 18), (24, 24)])
def test_whole_images_rotate_in_their_frame_as_torchvisions(rng, height, width):
    """DMPHN's stacks turn every image by one, two or three quarters, and keep its height and width."""
    image = rng.integers(1, 256, (height, width, 3), np.uint8)
    quarters = [np.asarray(rotate(Image.fromarray(image), degrees)).tobytes() for degrees in (90, 180, 270)]
    images = {"blurry": image, "sharp": image, "moving": image[..., :1] > 0}
    drawn = [AUGMENT["rotate_frame"](images, rng) for _ in range(30)]

    assert {turned["sharp"].tobytes() for turned in drawn} == set(quarters)
    assert all(np.array_equal(turned["moving"], turned["sharp"][..., :1] > 0) for turned in drawn)


def test_crops_are_cut_from_the_rotated_frame():
    """A quarter turn of a wide image leaves black bars, and crops may lie in them."""
    image = np.full((20, 60, 3), 255, np.uint8)
    recipe = replace(RECIPE, before_crop=("rotate_frame",), crop=16, batch=64, normalise=Normalise())
    light = sample(Pairs(["a"], [image], [image]), recipe, 0, 0).sharp.mean((1, 2, 3))

    assert {0, 1} <= set(light.tolist())


class Fixed:
    """Random numbers that are given beforehand."""

    def __init__(self, *numbers):
        self.numbers = list(numbers)

    def uniform(self, *_):
        """Return the next."""
        return self.numbers.pop(0)


def test_optical_distortion_is_the_formula(rng):
    """A point moves along its radius by 1 + k r^2 + k r^4; OpenCV's default middle is half a pixel off."""
    height, width, k = 40, 60, 0.05
    row, column = np.mgrid[:height, :width].astype(np.float32)
    image = np.stack([column, row, column], -1)
    bent = geometric.optical(height, width, Fixed(k))(image)
    x, y = (column - (width - 1) / 2) / width, (row - (height - 1) / 2) / height
    times = 1 + k * (r2 := x * x + y * y) + k * r2 * r2
    inside = (slice(8, -8), slice(8, -8))

    assert np.allclose(bent[..., 0][inside], (x * times * width + width / 2)[inside], atol=0.05)
    assert np.allclose(bent[..., 1][inside], (y * times * height + height / 2)[inside], atol=0.05)


def test_affine_maps_move_points_where_they_should():
    """The shift alone moves the middle; the elastic map takes three corners where they are drawn."""
    row, column = np.mgrid[:720, :1280].astype(np.float32)
    place = np.stack([column, row, column], -1)
    turned = geometric.shift_scale_rotate(720, 1280, Fixed(30, 1.1, np.array([0.05, 0.0])))(place)
    corners = np.array([[600, 880], [600, 400], [120, 400]])  # (360, 640) with height and width exchanged
    moves = np.array([[20, 10], [-30, 40], [10, -50]])
    sheared = geometric.elastic(720, 1280, Fixed(moves))(place)

    assert turned[360, 640 + 64, :2] == pytest.approx([640, 360], abs=0.05)
    assert turned[360, 640 + 64 + 100, 0] == pytest.approx(640 + 100 / 1.1 * 3**0.5 / 2, abs=0.1)
    back = np.linalg.solve(
        np.c_[corners + moves, np.ones(3)], corners
    )  # two of the corners lie below the image
    for x, y in ((400, 300), (700, 500), (500, 650)):
        assert sheared[y, x, :2] == pytest.approx([x, y, 1] @ back, abs=0.05)


def test_half_of_the_images_are_warped_in_five_ways(rng):
    """DeblurGAN-v2: each of five transformations has a tenth; motion vectors are refused."""
    image = rng.integers(0, 256, (24, 24, 3), np.uint8)
    images = {"blurry": image, "sharp": image}
    drawn = [AUGMENT["geometric"](images, rng)["sharp"].tobytes() for _ in range(2000)]
    known = {"same": image, "mirrored": image[:, ::-1], "transposed": image.transpose(1, 0, 2)}

    shares = {name: drawn.count(x.tobytes()) / 2000 for name, x in known.items()}
    assert shares == pytest.approx({"same": 0.5, "mirrored": 0.1, "transposed": 0.1}, abs=0.03)
    with pytest.raises(ValueError, match="geometric: an extra 'motion' of 2 channels; allowed: images"):
        AUGMENT["geometric"](images | {"motion": np.zeros((24, 24, 2))}, rng)


def test_bgr_is_what_opencv_reads(tmp_path, rng):
    """DeblurGAN-v2 trains on images as cv2.imread returns them."""
    image = rng.integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(image).save(tmp_path / "image.png")

    assert np.array_equal(
        AUGMENT["bgr"]({"sharp": image}, rng)["sharp"], cv2.imread(str(tmp_path / "image.png"))
    )


@pytest.mark.parametrize(("name", "unchanged"), [("dihedral", 1 / 8), ("dihedral_ninth", 2 / 9)])
def test_symmetries_of_the_square_have_their_probabilities(name, unchanged, rng, original):
    """All eight occur; MPRNet leaves two crops in nine unchanged, MS-CNN one in eight."""
    results = [AUGMENT[name](original, rng)["sharp"].tobytes() for _ in range(3000)]

    assert len(set(results)) == 8
    assert results.count(original["sharp"].tobytes()) / 3000 == pytest.approx(unchanged, abs=0.03)


def test_hsv_saturation_is_scikit_images(original):
    """Hue and value stay, saturation is scaled, as when converting there and back."""
    times = np.random.default_rng(7).uniform(0.5, 1.5)
    hsv = skimage.color.rgb2hsv(original["sharp"].astype(float)) * [1, times, 1]

    changed = AUGMENT["saturate_hsv"](original, np.random.default_rng(7))["sharp"]

    assert np.allclose(changed, skimage.color.hsv2rgb(hsv), atol=1e-6)


def test_noise_is_for_the_blurry_image_alone(rng, original):
    """Its standard deviation is |N(0, 1)| * 2 / 255, so 2 / 255 in the root mean square."""
    changed = [AUGMENT["noise"](original, rng) for _ in range(2000)]
    spread = np.mean([np.square(c["blurry"] - original["blurry"]).mean() for c in changed]) ** 0.5

    assert np.array_equal(changed[0]["sharp"], original["sharp"])
    assert spread == pytest.approx(2 / 255, rel=0.1)


def test_median_is_that_of_scipy():
    """It holds for all sizes, at the borders, across strips, of bytes as of floats."""
    image = np.random.default_rng(0).integers(0, 256, (70, 9, 3), np.uint8)
    sizes = set()
    for seed in range(12):
        size = int(np.random.default_rng(seed).choice([3, 5, 7]))
        expected = ndimage.median_filter(image, size=(size, size, 1), mode="reflect")
        sizes.add(size)

        assert np.array_equal(corrupt.median(image, np.random.default_rng(seed)), expected)
        assert np.array_equal(corrupt.median(image / 255, np.random.default_rng(seed)), expected / 255)
    assert sizes == {3, 5, 7}


@pytest.mark.parametrize("name", [f.__name__ for f in corrupt.CORRUPTIONS])
def test_corruptions_keep_an_image_an_image(name, rng):
    """Each changes the image, keeps its size, and stays near it on average."""
    image = skimage.data.astronaut()[100:164, 200:264].astype(np.float32) / 255
    changed = np.clip(getattr(corrupt, name)(image, rng), 0, 1)

    assert changed.shape == image.shape
    assert 0 < np.abs(changed - image).mean() < 0.25


def test_temporal_augmentation_takes_a_shorter_exposure(rng):
    """The blurry image becomes one of its levels, and so do all levels above; or all stay."""
    frames = {"level_11": 4, "level_3": 2, "level_7": 3, "blurry": 5, "sharp": 1}
    original = {name: np.full((2, 2, 3), value, np.float32) for name, value in frames.items()}
    drawn = [
        {name: int(image[0, 0, 0]) for name, image in AUGMENT["temporal"](original, rng).items()}
        for _ in range(400)
    ]

    assert sorted({tuple(sorted(levels.values())) for levels in drawn}) == [
        (1, 2, 2, 2, 2), (1, 2, 3, 3, 3), (1, 2, 3, 4, 4), (1, 2, 3, 4, 5)
    ]  # fmt: skip
    assert all(levels == frames or levels["blurry"] == levels["level_11"] for levels in drawn)
    assert sum(levels == frames for levels in drawn) / 400 == pytest.approx(1 / 4, abs=0.07)


def test_saturation_keeps_the_luma(rng, original):
    """Only the distance from grey changes."""
    luma = np.array([0.299, 0.587, 0.114])
    changed = AUGMENT["saturate"](original, rng)

    assert np.allclose(changed["sharp"] @ luma, original["sharp"] @ luma, atol=1e-5)


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

    before, after = (np.argwhere(changed["sharp"][..., 0] == value)[0] for value in (1, 2))
    assert changed["motion"][tuple(before)].tolist() == [after[1] - before[1], after[0] - before[0]]


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
    with pytest.raises(ValueError, match=r"extras: no 'motion' in this dataset; allowed: moving, before"):
        sample(data, replace(RECIPE, extras=("motion",)), 0, 0)


@pytest.mark.parametrize("name", ["srn", "pssnsc"])
def test_one_grey_channel_teaches_what_three_do(name):
    """Loss and gradients are those of the same luma in red, green and blue."""
    run = spec.load()[1][name]
    recipe = replace(run.train, batch=2, crop=32)
    rng = np.random.default_rng(0)
    blurry, sharp = rng.integers(0, 256, (2, 40, 40, 3)).astype(np.uint8)
    one = sample(Pairs(["a"], [blurry], [sharp]), recipe, 0, 0)
    three = replace(one, blurry=one.blurry.expand(-1, 3, -1, -1), sharp=one.sharp.expand(-1, 3, -1, -1))
    net = nets.build(run, thin=8)
    loss = build_loss(recipe)

    of_one, of_three = loss(net(one.blurry), one), loss(net(three.blurry), three)

    assert one.blurry.shape == one.sharp.shape == (2, 1, 32, 32)
    torch.testing.assert_close(of_one, of_three)
    gradients = [torch.autograd.grad(value, list(net.parameters())) for value in (of_one, of_three)]
    torch.testing.assert_close(*gradients)
