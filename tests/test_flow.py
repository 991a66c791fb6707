"""Motion from flow against real blur: GoPro_Large's own."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmark.data.flow import dis
from benchmark.data.pairs import image

SEQUENCE = Path(__file__).parents[2] / "shared" / "data" / "GOPRO_Large" / "test" / "GOPR0384_11_00"
FRAMES = 11


def blurred(sharp, motion):
    """Average the sharp image at eleven instants along its motion."""
    height, width = sharp.shape[:2]
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    total = np.zeros(sharp.shape)
    for k in range(FRAMES):
        at = (k - FRAMES // 2) / FRAMES
        from_x, from_y = (np.float32(grid - at * motion[..., i]) for i, grid in enumerate((x, y)))
        total += cv2.remap(sharp, from_x, from_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return total / FRAMES


@pytest.mark.skipif(not SEQUENCE.is_dir(), reason="needs real images")
def test_motion_explains_the_real_blur():
    """The sharp image moved along the flow to its neighbour has the real blur, at scale one alone."""
    first, second = (image(SEQUENCE / "sharp" / f"{number:06d}.png") for number in (1, 2))
    real, motion = image(SEQUENCE / "blur" / "000001.png").astype(float), dis(first, second)
    errors = {scale: np.square(blurred(first, scale * motion) - real).mean() for scale in (0, 0.5, 1, 1.5)}

    assert 10 * np.log10(255**2 / errors[0]) == pytest.approx(24.05, abs=0.01)  # as DeepDeblur's pair is
    assert 10 * np.log10(255**2 / errors[1]) > 34
    assert errors[1] < errors[0.5] / 2
    assert errors[1] < errors[1.5] / 2
