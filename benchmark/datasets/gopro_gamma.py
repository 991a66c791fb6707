"""GoPro_Large with its other blur: frames averaged in linear light, then encoded with gamma 2.2.

DeepDeblur's author calls it the input to use (DeepDeblur_release, issue 60); the tables use `gopro`.
"""

from dataclasses import replace
from pathlib import Path

from benchmark.data.pairs import PairFiles
from benchmark.data.realset import list_sequences
from benchmark.datasets import gopro

SOURCE = gopro.SOURCE | {"what": "GoPro_Large: 240 fps video, frames averaged in linear light"}


def list_files(folder: Path, split: str) -> list[PairFiles]:
    """List `<split>/<sequence>/{blur_gamma,sharp}/<frame>.png`."""
    return list_sequences(folder / split, "blur_gamma", "sharp")


SET = replace(
    gopro.SET,
    name="gopro_gamma",
    list_files=list_files,
    response="gamma",
    beside=("*/*/blur/*", "*/*/sharp/*"),
)
prepare, pairs = SET.prepare, SET.pairs
