"""Judge real datasets: compare the images of each split with what was published, in one verdict.

complete    as published
partial     sound, but some of it is missing
broken      not to be used: unreadable, resized, saved again, misaligned or mixed up; the problems say which
absent      no image
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from benchmark import plugins
from benchmark.data.examinations import CACHE, Split, examine_splits
from benchmark.data.examine import FORMATS_OF, Examination
from benchmark.data.listing import is_below
from benchmark.data.pairs import AbsentError, PairFiles
from benchmark.data.realset import RealSet
from benchmark.results.schema import DatasetSplit, Response
from benchmark.trouble import line

MAX_SHIFT = 1.5  # pixels, median over images: from there on a split is not aligned
NEAR = 0.35  # of a slope of 0 or 1, median over images; see examine.py
ALIKE = 16  # of 256 bits of two perceptual hashes
BLURRED_SIDE = (
    -1.0
)  # of examine.measure_detail: the sharp image of a pair has half the detail of the blurred one
EXAMPLES = 3  # in a sentence
NOWHERE = "not at hand"


def real_set(name: str) -> RealSet | None:
    """Return the real set of a dataset's file; None for a set that is rendered."""
    return cast(RealSet | None, getattr(plugins.load("datasets", name), "SET", None))


def examine_dataset(dataset: RealSet, cache: Path = CACHE) -> list[DatasetSplit]:
    """Examine and judge every split of a set; measurements are kept in `<cache>/<its name>.json`."""
    folder = dataset.locate()
    if folder is None:
        reason = f"{NOWHERE}; {dataset.how_to_get()}"
        return [absent(dataset, split, reason) for split in dataset.counts]
    files: dict[str, list[PairFiles]] = {}
    unlisted: dict[str, DatasetSplit] = {}
    for split in dataset.counts:
        try:
            files[split] = dataset.pair_files(split)
        except AbsentError as error:  # a list that is missing, for instance
            unlisted[split] = absent(dataset, split, str(error))
        except (ValueError, OSError) as error:
            reason = line(error).replace(f"{folder.parent}/", "")  # no folder of this machine
            unlisted[split] = replace(absent(dataset, split, reason), verdict="broken")
    splits = examine_splits(dataset.name, files, cache / f"{dataset.name}.json")
    faults, notes = (
        find_leaks(splits["train"], splits["test"]) if {"train", "test"} <= splits.keys() else ([], [])
    )
    notes += stray_files(dataset, folder, files) if not unlisted else []
    judged = {split: judge(dataset, split, pairs, faults, notes) for split, pairs in splits.items()}
    return [(unlisted | judged)[split] for split in dataset.counts]


def summarise(rows: Sequence[DatasetSplit]) -> str:
    """Write the verdicts on one dataset in a line.

    >>> row = DatasetSplit("gopro", "test", "partial", 10, 1111, 6, 11, "linear", "", "", "10 of 1,111 pairs")
    >>> summarise([row])
    'gopro: test partial, 10 of 1,111'
    """
    verdicts = [
        f"{row.split} {row.verdict}, {row.images:,} of {row.expected:,}"
        + (f" ({row.problems})" if worth_saying(row) else "")
        for row in rows
    ]
    return f"{rows[0].dataset}: {'; '.join(verdicts)}"


def worth_saying(row: DatasetSplit) -> bool:
    """Check whether a split's problems are printed: it is broken, or has images that are not found."""
    return row.verdict == "broken" or (
        row.verdict == "absent" and not row.problems.startswith(NOWHERE) and "found" in row.problems
    )


def judge(
    dataset: RealSet, split: str, pairs: Split, set_faults: Iterable[str], notes: Iterable[str]
) -> DatasetSplit:
    """Judge one split by all its images, those without a sharp one too; notes change no verdict."""
    if not pairs:
        found = dataset.found(split)
        return absent(dataset, split, found or f"{dataset.folder} is here without images of this split")
    usable = [(files, exam) for files, exam in pairs if files.sharp or not dataset.paired]
    counts = Counter(sequence(files) for files, _ in usable)
    response = response_of([exam.slope for _, exam in usable if exam.slope is not None])
    faults = [*find_faults(dataset, pairs, usable, response), *surplus(dataset.counts[split], counts)]
    faults += set_faults
    gaps = list(find_gaps(dataset, split, counts, len(pairs)))
    return DatasetSplit(
        dataset=dataset.name,
        split=split,
        verdict="broken" if faults else "partial" if gaps else "complete",
        images=len(usable),
        expected=dataset.total(split),
        sequences=len(counts),
        expected_sequences=dataset.sequences(split),
        response=response,
        digest=digest(usable),
        source=dataset.page,
        problems="; ".join([*faults, *gaps, *notes]),
    )


def absent(dataset: RealSet, split: str, reason: str) -> DatasetSplit:
    """Make the row of a split without images."""
    total, sequences, page = dataset.total(split), dataset.sequences(split), dataset.page
    return DatasetSplit(dataset.name, split, "absent", 0, total, 0, sequences, "unknown", "", page, reason)


def sequence(files: PairFiles) -> str:
    """Return the sequence that an image belongs to."""
    return files.name.split("/")[0]


def digest(pairs: Split) -> str:
    """Hash the names and the files' checksums, in any order; empty for no images."""
    lines = sorted(" ".join([files.name, *exam.sums]) for files, exam in pairs)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest() if lines else ""


def response_of(slopes: Sequence[float]) -> Response:
    """Decide how the frames of most pairs were averaged."""
    middle = float(np.median(slopes)) if slopes else 0.5
    return "linear" if abs(middle) < NEAR else "gamma" if abs(middle - 1) < NEAR else "unknown"


def find_faults(dataset: RealSet, pairs: Split, usable: Split, response: Response) -> Iterator[str]:
    """Yield each defect of the images in a split."""
    if unreadable := [f"{files.name}: {problem}" for files, exam in pairs for problem in exam.problems]:
        yield examples(unreadable)
    if unequal := [files.name for files, exam in pairs if len({tuple(size) for size in exam.sizes}) > 1]:
        yield f"blurred and sharp of two sizes: {examples(unequal)}"
    sizes = Counter(tuple(size) for _, exam in pairs for size in exam.sizes)
    wrong = [f"{count:,} of {w}x{h}" for (w, h), count in sizes.items() if (w, h) != dataset.size]
    if dataset.size and wrong:
        yield "images that are not {}x{}: {}".format(*dataset.size, examples(wrong))
    yield from find_mistakes(dataset, usable)
    if {response, dataset.response} == {"linear", "gamma"}:  # those of another folder under this name
        yield f"frames were averaged the {response} way, and this set is the {dataset.response} one"
    shifts = [exam.shift for _, exam in usable if exam.shift is not None]
    if shifts and (middle := float(np.median(shifts))) > MAX_SHIFT:
        yield f"blurred and sharp are {middle:.1f} pixels apart (median of {len(shifts)} images)"


def find_mistakes(dataset: RealSet, usable: Split) -> Iterator[str]:
    """Yield what people who copy a set do to it: saved again, without colour, sharp and blurred exchanged."""
    paths = [path for files, _ in usable for path in (files.blurry, files.sharp) if path]
    other = [path.name for path in paths if dataset.format not in FORMATS_OF[path.suffix.lower()]]
    if dataset.format and other:
        yield f"saved again, not as {dataset.format}: {examples(sorted(set(other)))}"
    if not dataset.paired:
        return
    if grey := [files.name for files, exam in usable if any(exam.grey)]:
        yield f"without colour, the blurred or the sharp image: {examples(grey)}"
    if same := [files.name for files, exam in usable if exam.same]:
        yield f"blurred and sharp are the same picture: {examples(same)}"
    details = [
        (files.name, exam.detail) for files, exam in usable if exam.detail is not None and not exam.same
    ]
    if details and np.median([detail for _, detail in details]) < 0:
        yield "blurred and sharp are exchanged: the blurred images are the sharper ones"
    elif exchanged := [name for name, detail in details if detail < BLURRED_SIDE]:
        yield f"blurred and sharp are exchanged: {examples(exchanged)}"


def surplus(expected: Mapping[str, int], counts: Mapping[str, int]) -> list[str]:
    """Report more images than were published."""
    if "" in expected:
        counts = {"": sum(counts.values())}
    more = [
        f"{name or 'it'} has {count:,} images, officially {expected.get(name, 0):,}"
        for name, count in counts.items()
        if count > expected.get(name, 0)
    ]
    return [examples(more)] if more else []


def find_gaps(dataset: RealSet, split: str, counts: Mapping[str, int], blurred: int) -> Iterator[str]:
    """Yield what a split of so many blurred images lacks."""
    count, total = sum(counts.values()), dataset.total(split)
    if count < total:
        yield f"{count:,} of {total:,} {'pairs' if dataset.paired else 'images'}"
    if names := sorted(dataset.counts[split].keys() - counts.keys() - {""}):
        yield f"no images of {examples(names)}"
    if count < blurred:
        yield f"{blurred - count:,} of {blurred:,} blurred images have no sharp one: nothing to compare with"


def find_leaks(train: Split, test: Split) -> tuple[list[str], list[str]]:
    """Report what train and test share: reasons not to use the set, and notes.

    The same sequence or file in both is a mistake of who assembled the folders. Images that look alike may be
    the authors' own doing: frames of one video that they divided.
    """
    faults, notes = [], []
    if shared := sorted({sequence(files) for files, _ in train} & {sequence(files) for files, _ in test}):
        faults.append(f"sequences in train and test: {examples(shared)}")
    train_sums = {checksum for _, exam in train for checksum in exam.sums}
    if same := [files.name for files, exam in test if train_sums & set(exam.sums)]:
        faults.append(f"files in train and test: {examples(same)}")
    if alike := lookalikes(train, test):
        notes.append(f"test images that look like one in train: {examples(alike)}")
    return faults, notes


def lookalikes(train: Split, test: Split) -> list[str]:
    """Name the test images whose perceptual hash is near that of a training image."""
    hashes = np.array([hash_words(exam) for _, exam in train if exam.hash])
    if not len(hashes):
        return []
    readable = [(files.name, hash_words(exam)) for files, exam in test if exam.hash]
    return [name for name, own in readable if np.bitwise_count(hashes ^ own).sum(axis=1).min() <= ALIKE]


def hash_words(exam: Examination) -> "np.ndarray[Any, np.dtype[np.uint64]]":
    """Return a perceptual hash as four numbers of 64 bits."""
    return np.frombuffer(bytes.fromhex(exam.hash), np.uint64)


def stray_files(dataset: RealSet, folder: Path, files: Mapping[str, Sequence[PairFiles]]) -> list[str]:
    """Report files that are neither part of a pair nor among the set's other files (`beside`)."""
    used = {path for pairs in files.values() for pair in pairs for path in (pair.blurry, pair.sharp)}
    others = sorted(path for path in folder.rglob("*") if path.is_file() and path not in used)
    names = [path.relative_to(folder) for path in others]
    stray = [str(name) for name in names if not any(is_below(name, part) for part in dataset.beside)]
    return [f"files that belong to no pair: {examples(stray)}"] if stray else []


def examples(names: Sequence[str]) -> str:
    """Join the first few names, and say how many more there are.

    >>> examples(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    more = f" and {len(names) - EXAMPLES:,} more" if len(names) > EXAMPLES else ""
    return ", ".join(names[:EXAMPLES]) + more
