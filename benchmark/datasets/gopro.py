"""GoPro_Large: 240 fps video, 7 to 13 frames averaged, the middle one sharp (Nah et al., CVPR 2017).

Tables use `blur`, the mean of the frames as the camera encoded them ("linear CRF"); `gopro_gamma` is the same
set with `blur_gamma`. Number of pairs: README of SeungjunNah/DeepDeblur_release; by sequence: file lists of
HongguangZhang/DMPHN-cvpr19-master and of cszn/KAIR (meta_info_GoPro_train_GT.txt).
"""

from pathlib import Path

from benchmark.data import fetch, flow
from benchmark.data.listing import list_sequences
from benchmark.data.pairs import PairFiles
from benchmark.data.realset import RealSet
from benchmark.datasets import gopro_all
from benchmark.datasets.simulation.exposure import LEVELS

SOURCE = {
    "what": "GoPro_Large: 240 fps video, frames averaged as encoded",
    "licence": "CC BY 4.0 (its author in DeepDeblur_release, issue 63)",
}
TRAIN = {
    "GOPR0372_07_00": 100, "GOPR0372_07_01": 75, "GOPR0374_11_00": 150, "GOPR0374_11_01": 80,
    "GOPR0374_11_02": 100, "GOPR0374_11_03": 48, "GOPR0378_13_00": 110, "GOPR0379_11_00": 100,
    "GOPR0380_11_00": 60, "GOPR0384_11_01": 100, "GOPR0384_11_02": 100, "GOPR0384_11_03": 100,
    "GOPR0384_11_04": 100, "GOPR0385_11_00": 100, "GOPR0386_11_00": 100, "GOPR0477_11_00": 80,
    "GOPR0857_11_00": 100, "GOPR0868_11_01": 100, "GOPR0868_11_02": 100, "GOPR0871_11_01": 100,
    "GOPR0881_11_00": 100, "GOPR0884_11_00": 100,
}  # fmt: skip
TEST = {
    "GOPR0384_11_00": 100, "GOPR0384_11_05": 100, "GOPR0385_11_01": 100, "GOPR0396_11_00": 100,
    "GOPR0410_11_00": 134, "GOPR0854_11_00": 100, "GOPR0862_11_00": 77, "GOPR0868_11_00": 100,
    "GOPR0869_11_00": 100, "GOPR0871_11_00": 100, "GOPR0881_11_01": 100,
}  # fmt: skip


def list_files(folder: Path, split: str, blurry: str = "blur") -> list[PairFiles]:
    """List `<split>/<sequence>/{<blurry>,sharp}/<frame>.png`."""
    return list_sequences(folder / split, blurry, "sharp")


SET = RealSet(
    name="gopro",
    folder="GOPRO_Large",
    page="https://seungjunnah.github.io/Datasets/gopro",
    # The author's three servers; the checksum is stated by two users of the second, not by the author.
    archive=fetch.File(
        (
            "https://cv.snu.ac.kr/~snah/Deblur/dataset/GOPRO_Large.zip",
            "https://huggingface.co/datasets/snah/GOPRO_Large/resolve/main/GOPRO_Large.zip",
            fetch.drive("1y4wvPdOG3mojpFCHTqLgriexhbjoWVkK"),
        ),
        "GOPRO_Large.zip",
        sha256="24532c036712515cf33803704421311c91f6a080e76049d7e5e7fd22389f128e",
    ),
    counts={"train": TRAIN, "test": TEST},
    list_files=list_files,
    layout="<split>/<sequence>/{blur,sharp}/<frame>.png",
    format="PNG",
    response="linear",
    beside=("*/*/blur_gamma/*",),
    derive={"motion": flow.motion, **{f"level_{n}": gopro_all.levels for n in LEVELS}},
    frames="gopro_all",
)
prepare, pairs = SET.prepare, SET.pairs
