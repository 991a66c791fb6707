"""GoPro_Large with its other blur: frames averaged in linear light, then encoded with gamma 2.2.

DeepDeblur's author calls it the input to use (DeepDeblur_release, issue 60); the tables use `gopro`.
"""

from dataclasses import replace
from functools import partial

from benchmark.data import flow
from benchmark.datasets import gopro

SOURCE = gopro.SOURCE | {"what": "GoPro_Large: 240 fps video, frames averaged in linear light"}
SET = replace(
    gopro.SET,
    name="gopro_gamma",
    list_files=partial(gopro.list_files, blurry="blur_gamma"),
    layout="<split>/<sequence>/{blur_gamma,sharp}/<frame>.png",
    response="gamma",
    beside=("*/*/blur/*", "*/*/sharp/*"),
    derive={"motion": flow.motion},  # MT-RNN's levels average frames as encoded, which is the other blur
)
prepare, pairs = SET.prepare, SET.pairs
