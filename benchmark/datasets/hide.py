"""HIDE: people in motion, 11 frames of 240 fps video averaged (Shen et al., ICCV 2019).

Number of pairs: README of joanshen0508/HA_deblur. How many are close-ups, the authors say for both splits
together only.
"""

from pathlib import Path

from benchmark.data import fetch
from benchmark.data.listing import images, pair_by_name
from benchmark.data.pairs import PairFiles
from benchmark.data.realset import RealSet

SOURCE = {"what": "HIDE: people in motion, 240 fps video averaged", "licence": "none stated"}
FOLDERS = {"train": ("train",), "test": ("test/test-close-ups", "test/test-long-shot", "test")}


def list_files(folder: Path, split: str) -> list[PairFiles]:
    """List blurred images in FOLDERS with the sharp ones of the same names in `GT/`."""
    sharp, files = images(folder / "GT"), []
    for name in FOLDERS[split]:
        files += pair_by_name(Path(name).name, images(folder / name), sharp)
    return files


SET = RealSet(
    name="hide",
    folder="HIDE_dataset",
    page="https://github.com/joanshen0508/HA_deblur",
    archive=fetch.File(
        (
            "https://www.dropbox.com/s/04w3wqxcuin9dy8/HIDE_dataset.zip?dl=1",
            "https://www.dropbox.com/s/4v2nz41rvkvpoer/HIDE_dataset.zip?dl=1",  # an older README's
        ),
        "HIDE_dataset.zip",
    ),
    counts={"train": {"": 6397}, "test": {"": 2025}},
    list_files=list_files,
    layout="{train,test/test-close-ups,test/test-long-shot}/<image>.png, GT/<image>.png",
    format="PNG",
)
prepare, pairs = SET.prepare, SET.pairs
