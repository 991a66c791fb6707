"""HIDE: people in motion, 11 frames of 240 fps video averaged (Shen et al., ICCV 2019).

Number of pairs: README of joanshen0508/HA_deblur. How many are close-ups, the authors say for both splits
together only.
"""

from pathlib import Path

from benchmark.data import fetch
from benchmark.data.realset import RealSet, Shot, images, paired

SOURCE = {"what": "HIDE: people in motion, 240 fps video averaged", "licence": "none stated"}
PLACES = {"train": ("train",), "test": ("test/test-close-ups", "test/test-long-shot", "test")}


def shots(folder: Path, split: str) -> list[Shot]:
    """Blurred images in PLACES, sharp ones of the same names in `GT/`; a flat `test/` is read as well."""
    sharp = images(folder / "GT")
    found = [paired(Path(place).name, images(folder / place), sharp) for place in PLACES[split]]
    return [shot for part in found for shot in part]


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
    shots=shots,
)
prepare, pairs = SET.prepare, SET.pairs
