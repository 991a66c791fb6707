"""Blur half of the crops anew, by the motion flows that Gong et al. simulate, and keep the flow as "motion".

Source    gen_mf_para.m, gen_mf.m and script_data_gen.m of github.com/donggong1/motion-flow-syn @e43da13,
          setting `opts_s`. Their y runs up in one term and down in another; with v down, as their blurred
          images show it to be, the term they call forward motion turns the image and the one they call
          rotation zooms. The range of flows is the same either way
Unstated  which image the flow belongs to: theirs is whole. Here a crop lies at random in an image of 481x321
          pixels, the size of those that they train on
          half of the crops: theirs are all simulated, and one in 51 is not blurred at all. Here the other
          half are the pairs of the set with their own motion
          noise of 0.001 of 255 grey levels: left out
"""

from dataclasses import dataclass

import numpy as np

from benchmark.training.augment import Crop, Rng
from benchmark.training.augment._lines import Flow, blur_along, inside

SHARE = 0.5  # of the crops
STILL = 1 / 51  # of those, without any motion
View = tuple[slice, slice]  # rows and columns
FRAME = (321, 481)  # height and width of an image of BSDS500


@dataclass(frozen=True)
class Camera:
    """What `opts_s` draws from -1 to 1 times these."""

    shift: float = 27.0  # pixels right, and as many down
    growth: float = 0.3  # of the shift from one side of the image to the other
    turn: float = 5e-3  # times the distance to the power of 1.5
    zoom: float = np.tan(np.pi / 70)  # times the distance
    centre: float = 15.0  # pixels off the middle of the image


STRONG = Camera()


def draw(rng: Rng, view: View, frame: tuple[int, int] = FRAME, camera: Camera = STRONG) -> Flow:
    """Draw the flow of an image, in whole pixels right and down; return the part in view, (h, w, 2)."""
    height, width = frame
    shift = camera.shift * rng.uniform(-1, 1, 2)
    growth = camera.growth * rng.uniform(-1, 1, 2)
    turn, zoom = camera.turn * rng.uniform(-1, 1), camera.zoom * rng.uniform(-1, 1)
    middle = np.array([width, height]) / 2 + camera.centre * rng.uniform(-1, 1, 2)
    y, x = np.mgrid[view].astype(np.float64) + 1
    share = np.stack([x / width, (height + 1 - y) / height], axis=-1)
    along = np.stack([x, y], axis=-1) - middle
    distance = np.linalg.norm(along, axis=-1, keepdims=True)
    across = along[..., ::-1] * (-1, 1)
    flow = shift * (1 + growth * (share - 0.5)) - zoom * along + turn * np.sqrt(distance) * across
    return np.rint(flow).astype(np.float32)


def augment(crop: Crop, rng: Rng) -> Crop:
    """Blur the sharp image of every second crop, at random; add "known", (H, W, 1): 1 where it is right."""
    if rng.random() >= SHARE:
        return crop | {"known": np.ones_like(crop["motion"][..., :1])}
    height, width = crop["sharp"].shape[:2]
    if rng.random() < STILL:
        flow = np.zeros((height, width, 2), np.float32)
    else:
        frame = max(FRAME[0], height), max(FRAME[1], width)
        y, x = int(rng.integers(frame[0] - height + 1)), int(rng.integers(frame[1] - width + 1))
        flow = draw(rng, (slice(y, y + height), slice(x, x + width)), frame)
    blurry = blur_along(crop["sharp"], flow)
    return crop | {"blurry": blurry, "motion": flow, "known": inside(flow)}
