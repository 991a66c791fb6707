"""RealBlur-J: one scene through a beam splitter onto two cameras, long and short exposure, as JPEG.

Rim et al., ECCV 2020. Two cameras never agree to a pixel, so the authors align the sharp image to the blurred
one (ECC, and its brightness to it); scores use the folders whose names say so. Without that step, published
networks lose 2.4 dB (INVOKERer/DeepRFT-AAAI2023, issue 2). 182 scenes are for training, 50 for testing.
"""

from functools import partial

from benchmark.data import fetch
from benchmark.data.listing import read_list
from benchmark.data.realset import RealSet

SOURCE = {"what": "RealBlur-J: long and short exposures through a beam splitter", "licence": "CC BY 4.0"}
SET = RealSet(
    name="realblur_j",
    folder="RealBlur",
    page="https://github.com/rimchang/RealBlur",
    archive=fetch.File((fetch.drive("17v5Dj0M2WExgxJgsGpEWc-6UyhK1IWWK"),), "RealBlur.tar.gz"),
    counts={"train": {"": 3758}, "test": {"": 980}},
    list_files=partial(read_list, lists="RealBlur_J_{split}_list.txt"),
    layout="RealBlur_J_<split>_list.txt and the images that it names",
    format="PNG",
    size=None,
    beside=("RealBlur_*_list.txt", "RealBlur-*/*/*/*"),
)
prepare, pairs = SET.prepare, SET.pairs
