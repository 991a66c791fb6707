"""Real datasets: their folders, official sizes, and images by name.

A real set is used in place: below `data/` or a folder that the environment variable DEBLUR_DATA names, under
the name that its authors' archive gives it. `RealSet.prepare` downloads a set that is in none of them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.data import archives, fetch, store
from benchmark.data.pairs import AbsentError, Images, PairFiles, Pairs

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")


@dataclass(frozen=True)
class Derived:
    """Extras of every image of a split, made from other images."""

    arrays: Mapping[str, Sequence[NDArray[np.generic] | None]]  # by extra: (H, W, C), None where it has none
    lacking: str  # why an image has none
    note: str = ""  # how they were made


# (files of the pairs, blurred images, sharp ones, folder to store arrays in, names of the extras)
Derive = Callable[[Sequence[PairFiles], Images, Images, Path, Sequence[str]], Derived]


@dataclass(frozen=True)
class RealSet:
    """A dataset that others have published."""

    name: str  # as claims and runs call it
    folder: str  # as its authors' archive calls it
    page: str  # where they describe it
    archive: fetch.File
    counts: Mapping[str, Mapping[str, int]]  # official pairs by split and sequence; {"": n}: the sum alone
    list_files: Callable[[Path, str], list[PairFiles]]  # (folder, split) -> its images; the set's own layout
    size: tuple[int, int] | None = (1280, 720)  # width and height of every image; None: they differ
    response: str = "unknown"  # frames were averaged as encoded (linear) or as light (gamma): examine.py
    paired: bool = True  # False: real blur, which has no sharp image
    beside: tuple[str, ...] = ()  # what else its archive holds, as patterns of paths below the folder
    derive: Mapping[str, Derive] = field(default_factory=dict)  # by extra: what makes it
    frames: str = ""  # the set of single frames that MT-RNN's levels are made from

    def locate(self) -> Path | None:
        """Return the set's folder; None where no data folder has it."""
        folder = fetch.find(self.folder)
        if folder and (folder / self.folder).is_dir():  # an archive with another folder beside this one
            return folder / self.folder
        return folder

    def total(self, split: str) -> int:
        """Return the official number of pairs, or of images where none has a sharp one."""
        return sum(self._counts(split).values())

    def sequences(self, split: str) -> int | None:
        """Return the official number of sequences; None where the authors do not publish it."""
        return None if "" in self._counts(split) else len(self.counts[split])

    def pair_files(self, split: str) -> list[PairFiles]:
        """List all blurred images of a split in name order, with or without a sharp one."""
        self._counts(split)
        folder = self.locate()
        if folder is None:
            raise AbsentError(f"{self.name}: not at hand; {self.how_to_get()}")
        return sorted(self.list_files(folder, split), key=lambda files: files.name)

    def how_to_get(self) -> str:
        """Say how to get the set."""
        by_hand = f"put its folder {self.folder} into data/ or a folder named in DEBLUR_DATA"
        return f"`python -m pipelines.data {self.name}`, or {by_hand} ({self.page})"

    def prepare(self, folder: Path, images: Mapping[str, int]) -> None:
        """Download the set to `<folder>/<its folder>`, complete or not at all, unless it is available."""
        if self.locate() is None:
            archives.download_and_unpack(self.archive, folder / "downloads", folder / self.folder)

    def pairs(self, folder: Path, split: str, extras: tuple[str, ...] = ()) -> Pairs:
        """Load the pairs of a split, decoded once into `<folder>/decoded` and mapped into memory.

        Extras are made once and stored there too. An image that lacks one is left out, which a note says.

        Raises:
            AbsentError: the set, one that an extra is made from, or an extra of every image is missing.
            ValueError: no such split, an extra that is not in `derive`, no pair, or as `store.load`.
        """
        for name in extras:
            if name not in self.derive:
                raise ValueError(f"{self.name}: no {name!r}; allowed: {', '.join(self.derive) or 'no extra'}")
        blurred = self.pair_files(split)
        paired = [files for files in blurred if files.sharp]
        if not paired:
            among = f"among {len(blurred):,} blurred images"
            raise ValueError(f"{self.name}: {split} has no sharp image {among}: nothing to compare with")
        place = folder / "decoded" / self.name / split
        blurry, sharp = store.load(paired, place)
        pairs = Pairs([files.name for files in paired], blurry, sharp)
        made = []
        for function in dict.fromkeys(self.derive[name] for name in extras):
            wanted = [name for name in extras if self.derive[name] is function]
            made.append(function(paired, blurry, sharp, place, wanted))
        return attach(pairs, made, f"{self.name}/{split}")

    def unpaired(self, folder: Path) -> Pairs:
        """Load all images of a set of blurred ones, each as its own pair, decoded as in `pairs`."""
        listed = [files for split in self.counts for files in self.pair_files(split)]
        files = [replace(pair, sharp=pair.blurry) for pair in listed]
        if not files:
            raise AbsentError(f"{self.name}: no image in {self.locate()}; {self.how_to_get()}")
        blurry, sharp = store.load(files, folder / "decoded" / self.name / "unpaired")
        return Pairs([f.name for f in files], blurry, sharp)

    def _counts(self, split: str) -> Mapping[str, int]:
        if split not in self.counts:
            raise ValueError(f"{self.name}: unknown split {split!r}; allowed: {', '.join(self.counts)}")
        return self.counts[split]


def attach(pairs: Pairs, made: Sequence[Derived], where: str) -> Pairs:
    """Add extras to pairs; leave out, with a note, the images that lack one.

    Raises:
        AbsentError: every image lacks one.
    """
    kept, notes = list(range(len(pairs))), [derived.note for derived in made if derived.note]
    for derived in made:
        whole = [i for i in kept if all(arrays[i] is not None for arrays in derived.arrays.values())]
        if not whole:
            raise AbsentError(f"{where}: no {', '.join(derived.arrays)} for any image: {derived.lacking}")
        if len(whole) < len(kept):
            notes.append(f"{len(kept) - len(whole):,} of {len(kept):,} images left out: {derived.lacking}")
        kept = whole
    extras = {
        name: [array for i in kept if (array := arrays[i]) is not None]
        for derived in made
        for name, arrays in derived.arrays.items()
    }
    return Pairs(
        [pairs.names[i] for i in kept],
        [pairs.blurry[i] for i in kept],
        [pairs.sharp[i] for i in kept],
        extras,
        notes=tuple(notes),
    )


def list_sequences(folder: Path, blurry: str, sharp: str) -> list[PairFiles]:
    """List images below `<folder>/<sequence>/{<blurry>,<sharp>}/`, paired by their names without suffix."""
    files = []
    for sequence in sorted(path for path in folder.glob("*") if path.is_dir()):
        files += pair_by_name(sequence.name, images(sequence / blurry), images(sequence / sharp))
    return files


def read_list(folder: Path, split: str, lists: str) -> list[PairFiles]:
    """List the images that a text file names, `<sharp> <blurry>` per line, below the folder (RealBlur's).

    A line whose blurred image does not exist is left out.

    Raises:
        ValueError: the text file does not exist.
    """
    path = folder / lists.format(split=split)
    if not path.is_file():
        raise ValueError(f"{folder.name}/{path.name}: missing; it lists the images of {split}")
    files = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip():
            sharp, blurry = (folder / name for name in line.split()[:2])
            if blurry.is_file():
                name = f"{blurry.parents[1].name}/{blurry.stem}"
                files.append(PairFiles(name, blurry, sharp if sharp.is_file() else None))
    return files


def pair_by_name(sequence: str, blurry: Iterable[Path], sharp: Iterable[Path]) -> list[PairFiles]:
    """Pair the images of one sequence by their names without suffix; a missing sharp image is None."""
    sharp_by_stem = {path.stem: path for path in sharp}
    return [PairFiles(f"{sequence}/{path.stem}", path, sharp_by_stem.get(path.stem)) for path in blurry]


def images(folder: Path) -> list[Path]:
    """List the image files directly in a folder, in name order; none where the folder does not exist."""
    return sorted(path for path in folder.glob("[!.]*") if path.suffix.lower() in SUFFIXES)
