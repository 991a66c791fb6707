"""A small GoPro_Large as people have it, and stages that run on it as the user runs them."""

import ctypes
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import skimage
from PIL import Image
from scipy.ndimage import uniform_filter1d

from benchmark import trouble
from benchmark.data import health
from pipelines import doctor
from tests import project

SIZE = (96, 64)  # width, height
SEQUENCE = "GOPR0384_11_00"
GOPRO = replace(health.real_set("gopro"), counts={"test": {SEQUENCE: 2}}, size=SIZE)
PARAMS = """
profile: tiny
profiles: {tiny: {about: "", data: embedded}}
runs:
  blurred: {model: identity, about: ""}
"""


def frames(width=SIZE[0], height=SIZE[1]):
    """Yield a name, a sharp image and what a motion sideways leaves of it, twice."""
    for number in (1, 2):
        sharp = skimage.data.astronaut()[100 * number :, 150 * number :][:height, :width]
        yield (
            f"{number:06d}",
            sharp,
            np.rint(uniform_filter1d(sharp.astype(float), 7, axis=1)).astype(np.uint8),
        )


def save(pixels, path, **more):
    """Write an image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **more)
    return path


def official(root, pattern="test/{sequence}/{kind}/{frame}.png", kinds=("blur", "sharp"), **more):
    """Write the two pairs below `<root>/GOPRO_Large`, by default in their authors' layout."""
    for frame, sharp, blurry in frames():
        for kind, pixels in zip(kinds, (blurry, sharp), strict=True):
            name = pattern.format(sequence=SEQUENCE, kind=kind, frame=frame)
            save(pixels, Path(root, "GOPRO_Large", name), **more)
    return Path(root, "GOPRO_Large")


def told(name, main, capsys):
    """Run a stage's main as `python -m pipelines.<name>` does; return its status, stdout and stderr."""
    capsys.readouterr()
    status = trouble.told(name, main)
    return status, *capsys.readouterr()


def one_line(done):
    """Check that a run failed with one line of words; return the line."""
    status, _, errors = done
    assert status != 0, done
    assert len(errors.splitlines()) == 1, errors
    return errors


@contextmanager
def without_rights():
    """Read and write only what file modes allow, as anybody but root does (capabilities(7))."""
    libc, header = ctypes.CDLL(None, use_errno=True), (ctypes.c_uint32 * 2)(0x20080522, 0)
    before = (ctypes.c_uint32 * 6)()
    assert libc.capget(header, before) == 0
    less = (ctypes.c_uint32 * 6)(*before)
    less[0] &= ~0b110  # the effective ones: CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    assert libc.capset(header, less) == 0
    try:
        yield
    finally:
        assert libc.capset(header, before) == 0


def seen(capsys):
    """Call stage doctor; return what it prints."""
    doctor.main()
    out, err = capsys.readouterr()
    return out + err


def verdict():
    """Return verdict and problems of the test split."""
    row = health.examine_dataset(GOPRO, Path("cache"))[0]
    return row.verdict, row.problems


def write_project(folder):
    """Write params.yaml and what it names for stage authors."""
    project.write(Path(folder), PARAMS)
