"""Real datasets: where their folders are, what should be in them, and their images by name.

A real set is used in place: below `data/` or a folder that the environment variable DEBLUR_DATA names, under
the name that its authors' archive gives it. Only a set that is nowhere is downloaded.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmark.data import archives, fetch, store
from benchmark.data.pairs import Pairs

IMAGES = (".png", ".jpg", ".jpeg", ".bmp")


@dataclass(frozen=True)
class Shot:
    """One blurred image and its sharp one, as files."""

    name: str  # "<sequence>/<frame>"
    blurry: Path
    sharp: Path | None  # None: nothing to compare with


@dataclass(frozen=True)
class RealSet:
    """A dataset that others have published."""

    name: str  # as claims and runs call it
    folder: str  # as its authors' archive calls it
    page: str  # where they describe it
    archive: fetch.File
    counts: Mapping[str, Mapping[str, int]]  # official pairs by split and sequence; {"": n}: the sum alone
    shots: Callable[[Path, str], list[Shot]]  # (folder, split) -> its images; the set's own layout
    size: tuple[int, int] | None = (1280, 720)  # width and height of every image; None: they differ
    response: str = "unknown"  # frames were averaged as encoded (linear) or as light (gamma): examine.py
    paired: bool = True  # False: real blur, which has no sharp image
    beside: tuple[str, ...] = ()  # what else its archive brings, as patterns of paths below the folder

    def where(self) -> Path | None:
        """The folder, wherever it is; None when it is not at hand."""
        found = fetch.find(self.folder)
        if found and (found / self.folder).is_dir():  # an archive with another folder beside this one
            return found / self.folder
        return found

    def total(self, split: str) -> int:
        """Official number of pairs (of images, where none has a sharp one).

        Raises:
            ValueError: no such split.
        """
        return sum(self._split(split).values())

    def shots_of(self, split: str) -> list[Shot]:
        """All blurred images of a split in name order, with or without a sharp one.

        Raises:
            ValueError: no such split, or the set is not at hand.
        """
        self._split(split)
        folder = self.where()
        if folder is None:
            raise ValueError(f"{self.name}: not at hand; {self.how()}")
        return sorted(self.shots(folder, split), key=lambda shot: shot.name)

    def how(self) -> str:
        """How to get the set, in words."""
        by_hand = f"put its folder {self.folder} into data/ or a folder named in DEBLUR_DATA"
        return f"`python -m pipelines.data {self.name}`, or {by_hand} ({self.page})"

    def prepare(self, folder: Path, images: Mapping[str, int]) -> None:
        """Use the set in place, or download it to `<folder>/<its name>`, which appears whole or not at all.

        Args:
            folder: of datasets, `data`.
            images: counts of a stand-in; a real set has its own.

        Raises:
            ValueError: it is nowhere and cannot be downloaded.
        """
        if self.where() is None:
            archives.download_and_unpack(self.archive, folder / "downloads", folder / self.folder)

    def pairs(self, folder: Path, split: str, extras: tuple[str, ...] = ()) -> Pairs:
        """The pairs of a split, decoded once into `<folder>/decoded` and memory-mapped from there.

        Raises:
            ValueError: no such split, an extra (real sets have images alone), no pair, or as `store.load`.
        """
        if extras:
            raise ValueError(f"{self.name}: no {extras[0]!r}; a real set has blurred and sharp images alone")
        found = self.shots_of(split)
        shots = [shot for shot in found if shot.sharp]
        if not shots:
            among = f"among {len(found):,} blurred images"
            raise ValueError(f"{self.name}: {split} has no sharp image {among}: nothing to compare with")
        blurry, sharp = store.load(shots, folder / "decoded" / self.name / split)
        return Pairs([shot.name for shot in shots], blurry, sharp)

    def _split(self, split: str) -> Mapping[str, int]:
        if split not in self.counts:
            raise ValueError(f"{self.name}: unknown split {split!r}; allowed: {', '.join(self.counts)}")
        return self.counts[split]


def nested(folder: Path, blurry: str, sharp: str) -> list[Shot]:
    """Images below `<folder>/<sequence>/{<blurry>,<sharp>}/`, paired by their names without the suffix."""
    found = []
    for sequence in sorted(path for path in folder.glob("*") if path.is_dir()):
        found += paired(sequence.name, images(sequence / blurry), images(sequence / sharp))
    return found


def listed(folder: Path, split: str, lists: str) -> list[Shot]:
    """Images that a list names, one pair a line: `<sharp> <blurry>`, paths below the folder (RealBlur's).

    A line whose blurred image is not there is left out.

    Raises:
        ValueError: there is no list.
    """
    path = folder / lists.format(split=split)
    if not path.is_file():
        raise ValueError(f"{folder.name}/{path.name}: not there; it says which images are for {split}")
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip():
            sharp, blurry = (folder / name for name in line.split()[:2])
            if blurry.is_file():
                scene = blurry.parents[1].name
                found.append(Shot(f"{scene}/{blurry.stem}", blurry, sharp if sharp.is_file() else None))
    return found


def paired(sequence: str, blurry: Iterable[Path], sharp: Iterable[Path]) -> list[Shot]:
    """Shots of one sequence, paired by their names without the suffix; a missing sharp one is None."""
    partner = {path.stem: path for path in sharp}
    return [Shot(f"{sequence}/{path.stem}", path, partner.get(path.stem)) for path in blurry]


def images(folder: Path) -> list[Path]:
    """Image files directly in a folder, in name order; none where there is no folder."""
    return sorted(path for path in folder.glob("[!.]*") if path.suffix.lower() in IMAGES)
