"""Draw dead-leaves pictures: an endless supply of sharp content whose statistics are those of photographs.

Leaves, opaque shapes of random size and colour, fall on top of each other until they cover the picture. Like
a photograph it has edges, occlusion, and detail at every scale.

Sources   Lee, Mumford, Huang. Occlusion Models for Natural Images. IJCV 2001: with radii distributed as r^-3
          the statistics of such pictures do not change with scale, as those of photographs hardly do
          Achddou, Gousseau, Ladjal. Fully synthetic training for image restoration tasks. CVIU 2023:
          restoration networks trained on them come near those trained on photographs; texture and depth help
Unstated  outlines, textures, colours and their distributions: chosen here and compared with photographs and
          frames of GoPro_Large (docs/data.md)
"""

from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import fft, ndimage

from benchmark.datasets.simulation.camera import Floats, decode
from benchmark.datasets.simulation.photographs import Piece, opacity

SIDE = 512  # height and width of a picture, about those of the photographs
FINE = 2  # samples per pixel and axis that are averaged, against jagged edges
SMALLEST, LARGEST = (4.0, 20.0), 260.0  # radii in pixels; the least one differs between pictures
COVER = 5.0  # summed area of the leaves over that of the picture; exp(-5) of it stays background
TEXTURES = 5  # fields of texture of a picture, which its leaves share
LIKE_BELOW = (
    0.75  # how often a leaf has a colour near that of the leaf it falls on, as details of a thing have
)

PIECES = (40.0, 160.0)  # least and greatest height of an object in the view, in pixels
OUT_OF_FOCUS = 0.3  # share of pictures

Rng = np.random.Generator


def picture(rng: Rng) -> Floats:
    """Draw a picture in linear light: (SIDE, SIDE, 3) in [0, 1]."""
    radii = _radii(rng)
    labels, below = _fall(radii, rng)
    levels = _paint(labels, radii, _colours(below, rng), rng)
    if rng.random() < OUT_OF_FOCUS:
        levels = ndimage.gaussian_filter(levels, (*[float(rng.uniform(0.4, 2.0))] * 2, 0), mode="nearest")
    return decode(np.clip(levels, 1, 255))  # black times zero opacity would be rounded below zero


def piece(light: Floats, rng: Rng) -> Piece:
    """Cut the shape of a leaf out of a picture (H, W, 3), as an object; half have red and blue exchanged."""
    half = rng.uniform(60, 120)
    sides = np.array(light.shape[1::-1])
    x, y = np.rint(rng.uniform(half, sides - half)).astype(int) - int(half)
    patch = light[y : y + int(2 * half), x : x + int(2 * half)]
    outline = _outline(half, rng)
    outline *= (half - 5) / np.abs(outline).max()
    inside = opacity([(x, y) for x, y in (outline + half).tolist()], patch.shape[:2])[..., None]
    (left, top), (right, low) = outline.min(axis=0) + half - 3, outline.max(axis=0) + half + 3
    colours = patch[..., :: rng.choice([1, -1])]
    planes = np.concatenate([colours * inside, inside], axis=2)
    return Piece(planes, (left, top, right, low), PIECES)


def _radii(rng: Rng) -> Floats:
    """Draw the radii of all leaves in pixels, by the density r^-3; their discs have the area COVER."""
    smallest = np.exp(rng.uniform(*np.log(SMALLEST)))
    low, high = smallest**-2.0, LARGEST**-2.0
    area = 2 * np.pi * np.log(LARGEST / smallest) / (low - high)  # of a disc, in the mean
    count = int(COVER * SIDE**2 / area)
    return np.asarray((low - (low - high) * rng.random(count)) ** -0.5)


def _outline(radius: float, rng: Rng) -> Floats:
    """Draw the corners (N, 2) of a leaf about 0: a smooth star, a polygon or a bar, stretched and turned."""
    kind = rng.choice(["star", "polygon", "bar"], p=[0.5, 0.2, 0.3])
    turn = rng.uniform(0, 2 * np.pi)
    stretch = np.exp(rng.normal() * 0.4)
    if kind == "star":
        angles = np.linspace(0, 2 * np.pi, 12 + int(min(radius, 60)), endpoint=False)
        waves = np.arange(2, 7)[:, None]
        size, shift = rng.normal(size=(5, 1)) * 0.35 / waves, rng.uniform(0, 2 * np.pi, (5, 1))
        reach = np.exp((size * np.cos(waves * angles + shift)).sum(axis=0))
    elif kind == "polygon":
        angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 8))))
        reach = np.ones(len(angles))
    else:
        angles, stretch = np.arange(0.25, 2, 0.5) * np.pi, stretch**2
        reach = np.ones(4)
        if rng.random() < 0.6:  # most of what is built stands upright
            turn = rng.normal() * 0.05
    x, y = radius * reach * np.cos(angles) * stretch, radius * reach * np.sin(angles) / stretch
    cos, sin = np.cos(turn), np.sin(turn)
    return np.stack([cos * x - sin * y, sin * x + cos * y], axis=1)


def _fall(radii: Floats, rng: Rng) -> tuple[NDArray[np.int32], list[int]]:
    """Let the leaves fall: the leaf on top of each sample (fine, fine), and what each one fell on."""
    side = SIDE * FINE
    image = Image.new("I", (side, side))
    pen, below = ImageDraw.Draw(image), list[int]()
    for number, radius in enumerate(radii):
        centre = rng.uniform(-0.1, 1.1, 2) * side
        x, y = np.clip(centre, 0, side - 1).astype(int).tolist()
        below.append(cast(int, image.getpixel((x, y))))
        pen.polygon((centre + FINE * _outline(radius, rng)).ravel().tolist(), fill=number)
    return np.asarray(image), below


def _colours(below: list[int], rng: Rng) -> Floats:
    """Draw the colours of leaves, levels (N, 3): new ones of a scene's palette, or near the leaf below."""
    count = len(below)
    middle, contrast = rng.uniform(80, 150), rng.uniform(35, 65)
    light = middle + contrast * np.clip(rng.standard_t(6, (count, 1)), -2.5, 2.5)
    hues = np.exp(rng.normal(size=(4, 3)) * rng.uniform(0.05, 0.3))
    amount = rng.exponential(0.7, (count, 1))
    hue = np.exp(rng.normal(size=3) * 0.05) * hues[rng.integers(4, size=count)] ** amount
    colours = light * hue / hue.mean(axis=1, keepdims=True)
    change = rng.exponential(0.35, (count, 1)) * contrast * rng.normal(size=(count, 1))
    change = change + rng.normal(size=(count, 3)) * 4
    for leaf in np.flatnonzero(rng.random(count) < LIKE_BELOW):
        colours[leaf] = colours[below[leaf]] + change[leaf]
    return np.clip(colours, 2, 253)


def _paint(labels: NDArray[np.int32], radii: Floats, colours: Floats, rng: Rng) -> Floats:
    """Give each leaf its colour, shading and texture: levels (SIDE, SIDE, 3)."""
    count = len(radii)
    plain = np.stack([colours[:, c].take(labels) for c in range(3)], axis=-1)
    plain = plain.reshape(SIDE, FINE, SIDE, FINE, 3).mean(axis=(1, 3))
    top = labels[::FINE, ::FINE].ravel()
    y, x = np.divmod(np.arange(SIDE * SIDE, dtype=np.int64), SIDE)
    slope, anchor = rng.normal(size=(2, count)) * 20 / radii, rng.uniform(0, SIDE, (2, count))
    shade = slope[0].take(top) * (x - anchor[0].take(top)) + slope[1].take(top) * (y - anchor[1].take(top))
    change = np.clip(shade, -25, 25)
    fields = np.stack([_texture(rng).ravel() for _ in range(TEXTURES)])
    strength = rng.exponential(8.0, count) * (rng.random(count) < 0.8)
    start = rng.integers(SIDE, size=(2, count))
    place = (y + start[0].take(top)) % SIDE * SIDE + (x + start[1].take(top)) % SIDE
    change += strength.take(top) * fields.ravel().take(
        rng.integers(TEXTURES, size=count).take(top) * SIDE**2 + place
    )
    change += 15 * ndimage.zoom(rng.normal(size=(6, 6)), SIDE / 6, order=1).ravel()
    bright = plain.mean(axis=2, keepdims=True)
    return plain * (1 + change.reshape(SIDE, SIDE, 1) / np.maximum(bright, 25))


def _texture(rng: Rng) -> Floats:
    """Draw a field (SIDE, SIDE) of mean 0 and deviation 1 that repeats at its borders: noise or stripes."""
    v, u = np.meshgrid(fft.fftfreq(SIDE), fft.rfftfreq(SIDE), indexing="ij")
    turn, stretch = rng.uniform(0, np.pi), np.exp(abs(rng.normal()) * 0.6)
    cos, sin = np.cos(turn), np.sin(turn)
    frequency = np.hypot((u * cos + v * sin) * stretch, (v * cos - u * sin) / stretch)
    frequency[0, 0] = 1
    spectrum = fft.rfft2(rng.normal(size=(SIDE, SIDE))) * frequency ** -rng.uniform(0.8, 2.0)
    spectrum[0, 0] = 0
    field = fft.irfft2(spectrum, s=(SIDE, SIDE))
    field /= field.std()
    kind = rng.choice(["noise", "patches", "stripes"], p=[0.5, 0.2, 0.3])
    if kind == "patches":
        field = np.tanh(field * rng.uniform(1, 6))
    elif kind == "stripes":  # a wave that the noise bends
        y, x = np.mgrid[:SIDE, :SIDE]
        turns = np.round(SIDE / np.exp(rng.uniform(np.log(5), np.log(40))) * np.array([cos, sin]))
        wave = np.sin(2 * np.pi / SIDE * (turns[0] * x + turns[1] * y) + rng.uniform(0, 2) * field)
        field = np.tanh(wave * rng.uniform(0.8, 5))
    return np.asarray((field - field.mean()) / field.std())
