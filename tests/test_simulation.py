"""The simulated camera against closed forms: geometry, light, and which photographs it may see."""

import numpy as np
import pytest

from benchmark.datasets.simulation import camera, exposure, leaves, photographs, scene
from benchmark.datasets.simulation.camera import DENSITY, FOCAL, RATE, SIZE, Layer, Trajectory

STILL = Trajectory.steady(0, 0, 0, 0, 0, 0)
BORDER = 40  # pixels of texture on each side of the view


def backdrop(seed: int = 0) -> Layer:
    """Smooth noise that reaches well beyond the view."""
    side = (SIZE + 2 * BORDER) * DENSITY
    noise = np.random.default_rng(seed).random((3, side // 8, side // 8))
    return Layer(np.kron(noise, np.ones((1, 8, 8))), (-BORDER, -BORDER))


def test_nothing_moves_then_blur_is_sharp() -> None:
    exposed = exposure.expose([backdrop()], STILL, 7)
    for kind in ("blur", "blur_gamma", "before", "after", "level_3", "level_11"):
        np.testing.assert_array_equal(getattr(exposed, kind), exposed.sharp)
    assert not exposed.motion.any()
    assert not exposed.moving.any()


def test_sideways_is_a_box_blur() -> None:
    pixels, frames = 16, 9
    layer = backdrop()
    shift = pixels * RATE / frames / FOCAL  # depths per second
    exposed = exposure.expose([layer], Trajectory.steady(0, 0, 0, shift, 0, 0), frames)

    wide = pixels * DENSITY
    box = np.array([0.5, *[1.0] * (wide - 1), 0.5]) / wide
    first = BORDER * DENSITY
    rows = layer.texture[:, first : first + SIZE * DENSITY : DENSITY]
    light = np.apply_along_axis(np.convolve, 2, rows, box, mode="same")
    expected = camera.encode(light[:, :, first : first + SIZE * DENSITY : DENSITY]).transpose(1, 2, 0)
    assert np.abs(exposed.blur_gamma - expected).max() < 1.5  # half a level of rounding, the rest sub-frames
    assert np.abs(exposed.blur_gamma - expected).mean() < 0.3

    np.testing.assert_allclose(exposed.motion[..., 0], pixels, atol=0.01)
    np.testing.assert_allclose(exposed.motion[..., 1], 0, atol=0.01)
    np.testing.assert_array_equal(exposed.after[:, pixels:], exposed.sharp[:, :-pixels])
    np.testing.assert_array_equal(exposed.before[:, :-pixels], exposed.sharp[:, pixels:])


def test_level_is_the_blur_of_a_shorter_exposure() -> None:
    layers, drift = [backdrop()], Trajectory.steady(0, 0, 0.2, 1.0, -0.6, 0.5)
    exposed = exposure.expose(layers, drift, 9)
    for frames in (3, 5, 7):
        shorter = exposure.expose(layers, drift, frames)
        np.testing.assert_array_equal(getattr(exposed, f"level_{frames}"), shorter.blur)
        np.testing.assert_array_equal(exposed.sharp, shorter.sharp)
        assert np.abs(exposed.blur - shorter.blur.astype(float)).mean() > 0.5
    for frames in (9, 11):
        np.testing.assert_array_equal(getattr(exposed, f"level_{frames}"), exposed.blur)


def test_object_moves_in_front() -> None:
    paint = np.zeros((4, 82, 82))
    paint[[0, 3], 1:-1, 1:-1] = 1  # an opaque red square of 40 pixels
    drift = Trajectory.steady(12 * RATE / 7, -6 * RATE / 7, 0, 0)
    layers = [backdrop(), Layer(paint, (100.0, 60.0), motion=drift)]
    exposed = exposure.expose(layers, STILL, 7)
    inside = exposed.moving == 255
    assert 39**2 <= inside.sum() <= 41**2
    assert inside[62:98, 102:138].all()
    np.testing.assert_allclose(exposed.motion[inside], [[12, -6]] * inside.sum(), atol=0.01)
    assert not exposed.motion[~inside].any()
    np.testing.assert_array_equal(exposed.sharp[70, 110], [255, 0, 0])
    bare = exposure.expose(layers[:1], STILL, 7).sharp
    np.testing.assert_array_equal(exposed.sharp[:50], bare[:50])
    np.testing.assert_array_equal(exposed.blur[:50], bare[:50])


@pytest.mark.parametrize("plane", [(0.0, 0.0, 1.0), (0.3, -0.2, 1.0)])
def test_views_and_paths_agree(plane: tuple[float, float, float]) -> None:
    wander = Trajectory.steady(0.3, -0.5, 0.8, 0.4, -0.3, 0.6)
    layer = Layer(np.zeros((3, 4, 4)), (0, 0), plane)
    points = np.array([[0.0, 0.0], [255.0, 40.0], [90.0, 200.0]])
    times = np.array([-0.04, 0.03])
    projected = camera.follow(layer, wander, points, times)
    assert np.abs(projected - points).max() > 3
    for matrix, view_points in zip(camera.views(wander, times, plane), projected, strict=True):
        np.testing.assert_allclose(camera.transform(matrix, view_points), points, atol=1e-9)


def test_even_frames_have_no_middle() -> None:
    with pytest.raises(ValueError, match="8 frames have no middle one; allowed: odd"):
        exposure.expose([backdrop()], STILL, 8)


def test_subframes_are_close_enough() -> None:
    drawn = scene.draw("china", np.random.default_rng(3))
    parts = exposure.subframes(drawn.layers, drawn.camera, drawn.frames)
    times = np.linspace(-0.5, 0.5, drawn.frames * parts + 1) * drawn.frames / RATE
    for layer in drawn.layers:
        points = layer.outline if layer.motion else np.array([[0.0, 0], [0, 255], [255, 0], [255, 255]])
        steps = np.diff(camera.follow(layer, drawn.camera, points, times), axis=0)
        assert np.hypot(steps[..., 0], steps[..., 1]).max() < 1.05 * exposure.STEP


def test_splits_share_no_photograph(monkeypatch: pytest.MonkeyPatch) -> None:
    used: dict[str, set[str]] = {"train": set(), "more": set(), "validation": set(), "test": set()}
    load = photographs.load
    for split, names in used.items():

        def recording_load(name: str, names: set[str] = names) -> camera.Floats:
            names.add(name)
            return load(name)

        monkeypatch.setattr(photographs, "load", recording_load)
        for name, photograph in photographs.PHOTOGRAPHS.items():
            if photograph.split == split and (split != "more" or name == "konark"):
                for seed in range(4):  # some of them with moving objects
                    scene.draw(name, np.random.default_rng(seed))
    of = {split: {n for n, p in photographs.PHOTOGRAPHS.items() if p.split == split} for split in used}
    assert {"konark"} < used.pop("more") <= of["more"]
    assert used == {split: of[split] for split in used}
    files = [(p.package, p.file) for p in photographs.PHOTOGRAPHS.values()]
    assert len(files) == len(set(files))
    assert all(p.file.endswith(".png") for p in photographs.PHOTOGRAPHS.values() if p.split == "test")


def test_missing_photograph_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = photographs.Photograph("test", "skimage", "data/lost.png", "")
    monkeypatch.setitem(photographs.PHOTOGRAPHS, "lost", lost)
    with pytest.raises(
        ValueError, match=r"photograph 'lost': no data/lost.png in the installed package 'skimage'"
    ):
        photographs.levels("lost")


def test_leaves_have_the_statistics_of_photographs() -> None:
    """Contrast and detail lie where those of GoPro_Large's tiles lie (docs/data.md: 21 to 81, 2 to 16).

    Scale invariance (Lee, Mumford and Huang): shrinking a picture to half by averaging 2x2 pixels changes the
    spread of its gradients little, where white noise would lose half of it and a blurred edge none.
    """
    pictures = [camera.encode(leaves.picture(np.random.default_rng(seed))) for seed in range(8)]
    green = [picture[..., 1] for picture in pictures]
    halves = [g.reshape(leaves.SIDE // 2, 2, leaves.SIDE // 2, 2).mean(axis=(1, 3)) for g in green]

    def gradient(image: camera.Floats) -> float:
        return float(np.hypot(np.diff(image, axis=0)[:, 1:], np.diff(image, axis=1)[1:]).mean())

    assert all(
        p.shape == (leaves.SIDE, leaves.SIDE, 3) and p.min() >= 0 and p.max() <= 255.5 for p in pictures
    )
    assert 21 < np.median([p.std() for p in pictures]) < 81
    assert 2 < np.median([gradient(g) for g in green]) < 16
    assert 1 < np.median([gradient(h) / gradient(g) for h, g in zip(halves, green, strict=True)]) < 1.8


def test_what_only_the_camera_passes_is_not_moving() -> None:
    """A nearer layer without own motion shifts more than the background, and is no moving object."""
    texture = np.pad(np.ones((4, 38, 38)), ((0, 0), (1, 1), (1, 1)))  # transparent at its border
    near = camera.Layer(texture, (100.0, 100.0), (0, 0, 2.0))
    back = camera.Layer(np.full((3, 700, 700), 0.5), (-40.0, -40.0))
    exposed = exposure.expose([back, near], camera.Trajectory.steady(0, 0, 0, 0.5, 0, 0), 7)

    assert not exposed.moving.any()
    assert exposed.motion[105, 105, 0] == pytest.approx(2 * exposed.motion[10, 10, 0], rel=1e-2)
