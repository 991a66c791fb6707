"""GoPro_Large with its other blur: frames averaged in linear light, then encoded with gamma 2.2.

DeepDeblur's author calls it the input to use (DeepDeblur_release, issue 60); the tables use `gopro`.
"""

from dataclasses import replace
from pathlib import Path

from benchmark.data.realset import Shot, nested
from benchmark.datasets import gopro

SOURCE = gopro.SOURCE | {"what": "GoPro_Large: 240 fps video, frames averaged in linear light"}


def shots(folder: Path, split: str) -> list[Shot]:
    """`<split>/<sequence>/{blur_gamma,sharp}/<frame>.png`."""
    return nested(folder / split, "blur_gamma", "sharp")


SET = replace(
    gopro.SET, name="gopro_gamma", shots=shots, response="gamma", beside=("*/*/blur/*", "*/*/sharp/*")
)
prepare, pairs = SET.prepare, SET.pairs
