"""RWBI: real blurred photographs, which have no sharp ones (Zhang et al., CVPR 2020, "Realistic Blurring").

CDGNet and DBGAN show restored images of it. We have seen neither the archive nor a source for its 3,112
images (22 sequences), so a copy with another number is called partial or broken for want of a better one.
"""

from pathlib import Path

from benchmark.data import fetch
from benchmark.data.realset import RealSet, Shot, images

SOURCE = {"what": "RWBI: real blurred photographs of several hand-held cameras", "licence": "none stated"}


def shots(folder: Path, split: str) -> list[Shot]:
    """All images below the folder, however deep: a folder of images is a sequence."""
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    return [Shot(f"{part.name}/{path.stem}", path, None) for part in folders for path in images(part)]


SET = RealSet(
    name="rwbi",
    folder="RWBI",
    page="https://github.com/HDCVLab/Deblurring-by-Realistic-Blurring",
    archive=fetch.File((fetch.drive("1fHkPiZOvLQSc4HhT8-wA6dh0M4skpTMi"),), "RWBI.zip"),
    counts={"test": {"": 3112}},
    shots=shots,
    size=None,
    paired=False,
)
prepare, pairs = SET.prepare, SET.pairs
