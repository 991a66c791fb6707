"""RWBI: real blurred photographs, which have no sharp ones (Zhang et al., CVPR 2020, "Realistic Blurring").

CDGNet and DBGAN show restored images of it. We could check neither the archive nor its number of images
(3,112 in 22 sequences), so the verdict on a copy (partial, complete or broken) rests on a doubtful number.
"""

from pathlib import Path

from benchmark.data import fetch
from benchmark.data.listing import images
from benchmark.data.pairs import PairFiles
from benchmark.data.realset import RealSet

SOURCE = {"what": "RWBI: real blurred photographs of several hand-held cameras", "licence": "none stated"}


def list_files(folder: Path, split: str) -> list[PairFiles]:
    """List all images below the folder, however deep: a folder of images is a sequence."""
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    return [PairFiles(f"{sub.name}/{path.stem}", path, None) for sub in folders for path in images(sub)]


SET = RealSet(
    name="rwbi",
    folder="RWBI",
    page="https://github.com/HDCVLab/Deblurring-by-Realistic-Blurring",
    archive=fetch.File((fetch.drive("1fHkPiZOvLQSc4HhT8-wA6dh0M4skpTMi"),), "RWBI.zip"),
    counts={"test": {"": 3112}},
    list_files=list_files,
    layout="<sequence>/<image>",
    size=None,
    paired=False,
)
prepare, pairs = SET.prepare, SET.pairs
