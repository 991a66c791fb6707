"""GOPRO_Large_all: the single frames of 240 fps video that GoPro_Large averages (Nah et al., CVPR 2017).

Which frames make an image. In a sequence GOPRxxxx_yy_zz, yy frames are averaged, without overlap, and the
sharp image is the middle one (the author in DeepDeblur_release, issues 22 and 59: GOPR0372_07_00/000047 is
the mean of frames 000323 to 000329). Image k has the middle frame k yy - (yy - 1) / 2 - zz, plus 22000 in
GOPR0378_13_00. So the first image of a sequence with zz > 0 lacks its first zz frames (issue 66): 11 images
for training and 3 for testing. The authors of ID-Blau compared all images (plusgood-steven/ID-Blau @414a4a8,
PrepareCondition/detail): `sharp` is that frame and `blur` the rounded mean, bit for bit. Here an image is
compared before its frames are used, to one grey level (issue 65 reports such differences).

Number of frames: yy times the number of images in each sequence, summed; the author prints none.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.data import derived, fetch
from benchmark.data.flow import place
from benchmark.data.listing import images
from benchmark.data.pairs import AbsentError, Images, PairFiles, image
from benchmark.data.realset import Derived, RealSet
from benchmark.datasets.simulation.exposure import LEVELS

SOURCE = {
    "what": "GOPRO_Large_all: the single frames that GoPro_Large averages",
    "licence": "CC BY 4.0 (its author in DeepDeblur_release, issue 63)",
}
COUNTS = {"train": 22_653, "test": 12_221}
RENUMBERED = {"GOPR0378_13_00": 22000}  # its frames have numbers of their own
ROUNDING = 1  # grey levels


def list_files(folder: Path, split: str) -> list[PairFiles]:
    """List `<split>/<sequence>/<frame>.png`; a frame has no sharp image beside it."""
    sequences = sorted(path for path in (folder / split).glob("*") if path.is_dir())
    return [PairFiles(f"{seq.name}/{path.stem}", path, None) for seq in sequences for path in images(seq)]


def averaged(sequence: str, number: int) -> range:
    """Return the numbers of the frames that make an image of GoPro_Large.

    >>> averaged("GOPR0372_07_00", 47), averaged("GOPR0384_11_05", 4002)
    (range(323, 330), range(44007, 44018))
    """
    count, cut = (int(part) for part in sequence.split("_")[1:3])
    middle = number * count - count // 2 - cut + RENUMBERED.get(sequence, 0)
    return range(middle - count // 2, middle + count // 2 + 1)


def levels(
    files: Sequence[PairFiles], blurry: Images, sharp: Images, folder: Path, names: Sequence[str]
) -> Derived:
    """Make MT-RNN's temporal levels of GoPro_Large: uint8 (H, W, 3), the means of an image's middle n frames.

    A level that averages all frames or would need more is the blurred image itself. An image has no levels if
    one of its frames is not there.

    Raises:
        AbsentError: GOPRO_Large_all is not at hand.
        ValueError: the frames of an image are not those that `blur` and `sharp` were made from.
    """
    frames = find_frames(files)
    index = {pair.name: i for i, pair in enumerate(files)}

    def make(name: str) -> NDArray[np.uint8]:
        i = index[name]
        return shorter_means(name, [image(path) for path in frames[name]], blurry[i], sharp[i])

    pairs = {pair.name: [path for path in (pair.blurry, pair.sharp) if path] for pair in files}
    sources = {name: [*paths, *pairs[name]] for name, paths in frames.items()}
    made = derived.load(sources, folder / "levels", "levels", make)
    arrays: dict[str, list[NDArray[np.generic] | None]] = {name: [] for name in names}
    for pair, blurred in zip(files, blurry, strict=True):
        means = dict(zip(LEVELS, made.get(pair.name, ()), strict=False))
        for name in names:
            level = means.get(int(name.removeprefix("level_")), blurred)
            arrays[name].append(level if pair.name in made else None)
    return Derived(arrays, f"{SET.folder} lacks some of their frames")


def find_frames(files: Sequence[PairFiles]) -> dict[str, list[Path]]:
    """Find the frames of each image of GoPro_Large, by its name; an image that lacks one is left out."""
    folder = SET.locate()
    if folder is None:
        raise AbsentError(f"{SET.folder}, whose frames make MT-RNN's levels: not at hand; {SET.how_to_get()}")
    found: dict[str, list[Path]] = {}
    frames: dict[str, dict[int, Path]] = {}  # by sequence and number
    for pair in files:
        sequence, number = place(pair.name)
        if sequence not in frames:
            paths = [path for split in COUNTS for path in images(folder / split / sequence)]
            frames[sequence] = {int(path.stem): path for path in paths}
        numbers = averaged(sequence, number)
        if frames[sequence].keys() >= set(numbers):
            found[pair.name] = [frames[sequence][k] for k in numbers]
    return found


def shorter_means(
    name: str, frames: list[NDArray[np.uint8]], blurry: NDArray[np.uint8], sharp: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Average the middle n frames for each level n below their number: (H, W, 3) each -> (levels, H, W, 3).

    Raises:
        ValueError: their mean is not `blurry`, or the middle one not `sharp`.
    """
    stack = np.stack(frames)

    def mean(count: int) -> NDArray[np.uint8]:
        first = (len(stack) - count) // 2
        total = stack[first : first + count].sum(axis=0, dtype=np.uint16)
        return np.rint(total / np.float32(count)).astype(np.uint8)

    compared = (("mean", "blur", mean(len(stack)), blurry), ("middle one", "sharp", mean(1), sharp))
    for what, kind, own, theirs in compared:
        if own.shape != theirs.shape:
            raise ValueError(f"gopro: {name}: frames of {own.shape}, but `{kind}` is {theirs.shape}")
        off = int(np.abs(own.astype(np.int16) - theirs).max())
        if off > ROUNDING:
            raise ValueError(
                f"gopro: {name}: the {what} of its {len(stack)} frames in {SET.folder} is not `{kind}`: "
                f"off by up to {off} grey levels; allowed: {ROUNDING}"
            )
    return np.stack([mean(n) for n in LEVELS if n < len(frames)])


SET = RealSet(
    name="gopro_all",
    folder="GOPRO_Large_all",
    page="https://seungjunnah.github.io/Datasets/gopro",
    archive=fetch.File(
        (
            "https://cv.snu.ac.kr/~snah/Deblur/dataset/GOPRO_Large_all.zip",
            "https://huggingface.co/datasets/snah/GOPRO_Large/resolve/main/GOPRO_Large_all.zip",
            fetch.drive("1rJTmM9_mLCNzBUUhYIGldBYgup279E_f"),
        ),
        "GOPRO_Large_all.zip",
    ),
    counts={split: {"": count} for split, count in COUNTS.items()},
    list_files=list_files,
    layout="<split>/<sequence>/<frame>.png",
    format="PNG",
    paired=False,
)
prepare, pairs = SET.prepare, SET.pairs
