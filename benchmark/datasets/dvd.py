"""DVD: 71 videos of 240 fps, averaged to 30 fps or less (Su et al., CVPR 2017, "Deep Video Deblurring").

6,708 pairs, all in one folder. Which ten videos are for testing: the authors' training script
(shuochsu/DeepVideoDeblurring, `validset`). Frames by video: cszn/KAIR, meta_info_DVD_train_GT.txt (61 videos,
5,708 frames); 1,000 are left for the ten, of whose two cameras no video has more than 100.
"""

from pathlib import Path

from benchmark.data import fetch
from benchmark.data.listing import list_sequences
from benchmark.data.pairs import PairFiles
from benchmark.data.realset import RealSet

SOURCE = {
    "what": "DVD (Deep Video Deblurring): 240 fps video, frames averaged",
    "licence": "none stated for the images (the authors' code is MIT)",
}
SHORT_OR_LONG = {
    "C0036": 63, "C0041": 229, "GOPR9633": 35, "GOPR9636": 48, "GOPR9641": 137, "GOPR9642": 83,
    "GOPR9643": 97, "GOPR9645": 65, "GOPR9648": 88, "GOPR9652": 71, "IMG_0009": 41, "IMG_0045": 61,
    "IMG_0150": 50, "IMG_0151": 60, "IMG_0153": 120, "IMG_0155": 78, "IMG_0164": 46, "IMG_0173": 70,
    "IMG_0180": 50, "IMG_0183": 113, "IMG_0200": 103,
}  # fmt: skip
NINE = "0003 0021 0030 0031 0032 0033 0037 0039 0049"
HUNDRED = (
    "0001 0004 0005 0008 0010 0011 0012 0013 0014 0015 0017 0019 0022 0023 0024 0025 0026 0028 0029 0034 "
    "0035 0036 0038 0040 0041 0042 0043 0044 0046 0047 0051 0053 0054 0055 0056 0058"
)
TEST = {"720p_240fps_2": 100} | {f"IMG_{number}": 100 for number in NINE.split()}
TRAIN = (
    {f"720p_240fps_{number}": 100 for number in (1, 3, 5, 6)}
    | {f"IMG_{number}": 100 for number in HUNDRED.split()}
    | SHORT_OR_LONG
)


def list_files(folder: Path, split: str) -> list[PairFiles]:
    """List `quantitative_datasets/<video>/{input,GT}/<frame>.jpg`; videos not in TEST are for training."""
    files = list_sequences(folder / "quantitative_datasets", "input", "GT")
    return [pair for pair in files if (pair.name.split("/")[0] in TEST) == (split == "test")]


SET = RealSet(
    name="dvd",
    folder="DeepVideoDeblurring_Dataset",
    page="https://www.cs.ubc.ca/labs/imager/tr/2017/DeepVideoDeblurring",
    archive=fetch.File(
        ("https://www.cs.ubc.ca/labs/imager/tr/2017/DeepVideoDeblurring/DeepVideoDeblurring_Dataset.zip",),
        "DeepVideoDeblurring_Dataset.zip",
    ),
    counts={"train": TRAIN, "test": TEST},
    list_files=list_files,
    layout="quantitative_datasets/<video>/{input,GT}/<frame>.jpg",
    format="JPEG",
    beside=("qualitative_datasets/*",),
)
prepare, pairs = SET.prepare, SET.pairs
