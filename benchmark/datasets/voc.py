"""Pascal VOC 2012: photographs (Everingham et al., IJCV 2015); none has a sharp or a blurred partner.

CDGNet shows restored images of those that are blurred by nature, without saying which; Sun et al. (CVPR 2015)
and Gong et al. (CVPR 2017) blur sharp ones for training. The 2012 archive has the images of 2008 to 2011 too.
"""

from pathlib import Path

from benchmark.data import fetch
from benchmark.data.listing import images
from benchmark.data.pairs import PairFiles
from benchmark.data.realset import RealSet

SOURCE = {"what": "Pascal VOC 2012: photographs", "licence": "flickr's terms of use, by image"}


def list_files(folder: Path, split: str) -> list[PairFiles]:
    """List `VOC2012/JPEGImages/<year>_<number>.jpg`; the year is the sequence."""
    photographs = images(folder / "VOC2012" / "JPEGImages")
    return [PairFiles(f"{path.stem.split('_')[0]}/{path.stem}", path, None) for path in photographs]


SET = RealSet(
    name="voc",
    folder="VOCdevkit",
    page="http://host.robots.ox.ac.uk/pascal/VOC/voc2012",
    archive=fetch.File(
        (
            "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
            "https://pjreddie.com/media/files/VOCtrainval_11-May-2012.tar",
        ),
        "VOCtrainval_11-May-2012.tar",
        # tensorflow/datasets, url_checksums/voc.txt
        size=1999639040,
        sha256="e14f763270cf193d0b5f74b169f44157a4b0c6efa708f4dd0ff78ee691763bcb",
    ),
    counts={"test": {"": 17125}},
    list_files=list_files,
    layout="VOC2012/JPEGImages/<year>_<number>.jpg",
    format="JPEG",
    size=None,
    paired=False,
    beside=("VOC2012/*",),
)
prepare, pairs = SET.prepare, SET.pairs
