"""Real datasets: their folders, official sizes, and images by name.

A real set is used in place: below `data/` or a folder that the environment variable DEBLUR_DATA names, under
the name that its authors' archive gives it. `RealSet.prepare` downloads a set that is in none of them.
"""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.data import archives, fetch, folders, store
from benchmark.data.listing import images_below, is_below, list_inputs, refuse_twice
from benchmark.data.pairs import AbsentError, Images, PairFiles, Pairs


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
    layout: str = ""  # of its images below the folder, in words
    format: str = ""  # of its images, as Pillow calls it; empty: unknown, or several
    response: str = "unknown"  # frames were averaged as encoded (linear) or as light (gamma): examine.py
    paired: bool = True  # False: real blur, which has no sharp image
    beside: tuple[str, ...] = ()  # what else its archive holds, as patterns of paths below the folder
    derive: Mapping[str, Derive] = field(default_factory=dict)  # by extra: what makes it
    frames: str = ""  # the set of single frames that MT-RNN's levels are made from

    def locate(self) -> Path | None:
        """Return the set's folder, rather one that holds an image; None where no data folder has it."""
        found = [path for path in folders.find_all(self.folder) if os.path.isdir(path)]
        for folder in found:
            if next(images_below(folder), None):
                inner = folder / self.folder  # of an archive with another folder beside this one
                return inner if inner.is_dir() else folder
        return found[0] if found else None

    def total(self, split: str) -> int:
        """Return the official number of pairs, or of images where none has a sharp one."""
        return sum(self._counts(split).values())

    def sequences(self, split: str) -> int | None:
        """Return the official number of sequences; None where the authors do not publish it."""
        return None if "" in self._counts(split) else len(self.counts[split])

    def pair_files(self, split: str) -> list[PairFiles]:
        """List all blurred images of a split in name order, with or without a sharp one.

        Where the authors' layout has none, `<split>/input` and `<split>/target` are listed, as MPRNet's and
        Restormer's copies have them.

        Raises:
            AbsentError: the set is not at hand.
            ValueError: no such split, an image that is there twice, or what the set's own lists hold.
        """
        self._counts(split)
        folder = self.locate()
        if folder is None:
            raise AbsentError(f"{self.name}: not at hand; {self.how_to_get()}")
        files = self.list_files(folder, split)
        if not files and self.paired and self.response != "gamma":  # those copies are of the other blur
            files = list_inputs(folder / split)
        refuse_twice(self.folder, files)
        return sorted(files, key=lambda files: files.name)

    def found(self, split: str) -> str:
        """Say which images its folder has where none is listed for a split; empty where it has none."""
        folder = self.locate()
        if folder is None:
            return ""
        used = set[Path | None]()
        with suppress(ValueError):
            for other in self.counts:
                used |= {path for pair in self.pair_files(other) for path in (pair.blurry, pair.sharp)}
        paths = (path.relative_to(folder) for path in images_below(folder) if path not in used)
        rest = (path for path in paths if not any(is_below(path, part) for part in self.beside))
        counts = Counter(
            str(path.parent) for path in rest if is_below(path, split) or path.parts[0] not in self.counts
        )
        if not counts:
            return ""
        where = ", ".join(f"{count:,} in {self.folder}/{name}" for name, count in counts.most_common(2))
        more = f" and {len(counts) - 2:,} folders more" if len(counts) > 2 else ""
        layout = self.layout or f"as {self.page} has them"
        return f"its images are not where they must be: found {where}{more}; allowed: {layout}"

    def how_to_get(self) -> str:
        """Say how to get the set."""
        by_hand = f"put its folder {self.folder} into data/ or a folder named in DEBLUR_DATA"
        return f"`python -m pipelines.data {self.name}`, or {by_hand} ({self.page})"

    def prepare(self, folder: Path, images: Mapping[str, int]) -> None:
        """Download the set to `<folder>/<its folder>`, complete or not at all, unless it is available.

        An empty folder of that name counts as none.

        Raises:
            ValueError: a file or a folder without images is in the way, or as `archives.download_and_unpack`.
        """
        located, place = self.locate(), folder / self.folder
        if located and next(images_below(located), None):
            return
        if place.is_dir():
            with suppress(OSError):
                place.rmdir()  # succeeds where it is empty
        if os.path.lexists(place):
            kind = "a folder without images" if place.is_dir() else "a file"
            raise ValueError(f"{place}: {kind}; allowed: the set, or nothing, so that it is downloaded")
        archives.download_and_unpack(self.archive, folder / "downloads", place)

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
