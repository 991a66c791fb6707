"""RealBlur-R: the same scenes as `realblur_j`, developed from the cameras' raw images and denoised (BM3D)."""

from dataclasses import replace
from functools import partial

from benchmark.data.listing import read_list
from benchmark.datasets import realblur_j

SOURCE = realblur_j.SOURCE | {"what": "RealBlur-R: the scenes of RealBlur-J, from raw images"}
SET = replace(
    realblur_j.SET,
    name="realblur_r",
    list_files=partial(read_list, lists="RealBlur_R_{split}_list.txt"),
    layout="RealBlur_R_<split>_list.txt and the images that it names",
)
prepare, pairs = SET.prepare, SET.pairs
