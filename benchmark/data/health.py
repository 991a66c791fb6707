"""The dataset doctor: what a real set has against what it should have, in one verdict per split.

    complete    as published
    partial     sound, but some of it is not here
    broken      not to be used: unreadable, resized, misaligned or mixed up; the reasons say which
    absent      not here

Every image is decoded in full, and once: what it showed is kept by path, size and time of its files, so that
a second look takes seconds.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmark import plugins
from benchmark.data.examine import Seen, examine
from benchmark.data.realset import RealSet, Shot

VERSION = 1  # of what is kept of a file; with another one it is looked at again
ALIGNED = 64  # images of a split that are looked at for a shift, evenly spread
APART = 1.5  # pixels, median over those images, from which on a set is not aligned
NEAR = 0.35  # of a slope of 0 or 1, median over images; see examine.py
ALIKE = 16  # of 256 bits of two perceptual hashes
NAMED = 3  # examples in a sentence

Part = Sequence[tuple[Shot, Seen]]  # a split, in name order


@dataclass(frozen=True)
class Health:
    """A row of results/datasets.csv."""

    dataset: str
    split: str
    verdict: str
    images: int  # pairs, or images of a set that has no sharp ones
    expected: int
    sequences: int
    expected_sequences: int | None  # None: its authors do not say
    response: str  # linear, gamma or unknown
    digest: str  # of the names and bytes of these images
    where_from: str
    problems: str  # "; " between


def look(dataset: RealSet, folder: Path) -> list[Health]:
    """Examine every split of a set; what its files showed is kept as `<folder>/<its name>.json`."""
    place = dataset.where()
    if place is None:
        return [absent(dataset, split, f"not at hand; {dataset.how()}") for split in dataset.counts]
    try:
        shots = {split: dataset.shots_of(split) for split in dataset.counts}
    except ValueError as error:  # a list that is missing, for instance
        return [absent(dataset, split, str(error)) for split in dataset.counts]
    parts = seen(dataset, shots, folder / f"{dataset.name}.json")
    bad, notes = leaks(parts["train"], parts["test"]) if "train" in parts else ([], [])
    notes += strays(dataset, place, shots)
    return [judge(dataset, split, part, bad, notes) for split, part in parts.items()]


def judge(dataset: RealSet, split: str, part: Part, bad: Iterable[str], notes: Iterable[str]) -> Health:
    """The verdict on a split.

    Args:
        dataset: what should be there.
        split: which part of it.
        part: all its shots, also those without a sharp image, and what was seen of them.
        bad: reasons not to use the set, from elsewhere.
        notes: what changes no verdict.
    """
    if not part:
        return absent(dataset, split, f"{dataset.folder} is here without images of this split")
    whole = [(shot, one) for shot, one in part if shot.sharp or not dataset.paired]
    found = Counter(shot.name.split("/")[0] for shot, _ in whole)
    response = averaged([one.slope for _, one in whole if one.slope is not None])
    shifts = [one.shift for _, one in whole if one.shift is not None]
    bad = [
        *unreadable(part),
        *sizes(dataset, part),
        *surplus(dataset.counts[split], found),
        *other_response(dataset, response),
        *apart(shifts),
        *bad,
    ]
    lacking = [*missing(dataset, split, found), *lonely(len(part), len(whole))]
    return Health(
        dataset=dataset.name,
        split=split,
        verdict="broken" if bad else "partial" if lacking else "complete",
        images=len(whole),
        expected=dataset.total(split),
        sequences=len(found),
        expected_sequences=sequences(dataset, split),
        response=response,
        digest=digest(whole),
        where_from=dataset.page,
        problems="; ".join([*bad, *lacking, *notes]),
    )


def absent(dataset: RealSet, split: str, why: str) -> Health:
    """The row of a split that is not here."""
    known = sequences(dataset, split)
    return Health(
        dataset.name, split, "absent", 0, dataset.total(split), 0, known, "unknown", "", dataset.page, why
    )


def sequences(dataset: RealSet, split: str) -> int | None:
    """Their official number, where it is known."""
    return None if "" in dataset.counts[split] else len(dataset.counts[split])


def digest(part: Part) -> str:
    """Sha256 over the names and the files' sums, in whatever order; nothing of nothing."""
    lines = sorted(" ".join([shot.name, *one.sums]) for shot, one in part)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest() if lines else ""


def averaged(slopes: Sequence[float]) -> str:
    """How the frames of most pairs were averaged."""
    middle = float(np.median(slopes)) if slopes else 0.5
    return "linear" if abs(middle) < NEAR else "gamma" if abs(middle - 1) < NEAR else "unknown"


def unreadable(part: Part) -> Iterator[str]:
    """Files that are no whole images."""
    problems = [f"{shot.name}: {problem}" for shot, one in part for problem in one.problems]
    if problems:
        yield some(problems)


def sizes(dataset: RealSet, part: Part) -> Iterator[str]:
    """Pairs of two sizes, and images of other sizes than the official one."""
    unequal = [shot.name for shot, one in part if len({tuple(size) for size in one.sizes}) > 1]
    if unequal:
        yield f"blurred and sharp of two sizes: {some(unequal)}"
    if dataset.size:
        found = Counter(tuple(size) for _, one in part for size in one.sizes)
        wrong = [f"{count:,} of {w}x{h}" for (w, h), count in found.items() if (w, h) != dataset.size]
        if wrong:
            yield "images that are not {}x{}: {}".format(*dataset.size, some(wrong))


def surplus(expected: Mapping[str, int], found: Mapping[str, int]) -> Iterator[str]:
    """More images than there are officially."""
    if "" in expected:
        found = {"": sum(found.values())}
    more = [
        f"{name or 'it'} has {count:,} images, officially {expected.get(name, 0):,}"
        for name, count in found.items()
        if count > expected.get(name, 0)
    ]
    if more:
        yield some(more)


def other_response(dataset: RealSet, response: str) -> Iterator[str]:
    """Frames that were averaged the other way: another folder's, under this name."""
    if {response, dataset.response} == {"linear", "gamma"}:
        yield f"frames were averaged the {response} way, and this set is the {dataset.response} one"


def apart(shifts: Sequence[float]) -> Iterator[str]:
    """Blurred and sharp images that do not lie on each other."""
    if shifts and (middle := float(np.median(shifts))) > APART:
        yield f"blurred and sharp are {middle:.1f} pixels apart (median of {len(shifts)} images)"


def missing(dataset: RealSet, split: str, found: Mapping[str, int]) -> Iterator[str]:
    """How much of the official set is not here."""
    count, total = sum(found.values()), dataset.total(split)
    if count < total:
        yield f"{count:,} of {total:,} {'pairs' if dataset.paired else 'images'}"
    names = sorted(dataset.counts[split].keys() - found.keys() - {""})
    if names:
        yield f"no images of {some(names)}"


def lonely(blurred: int, pairs: int) -> Iterator[str]:
    """Blurred images without a sharp one."""
    if pairs < blurred:
        yield f"{blurred - pairs:,} of {blurred:,} blurred images have no sharp one: nothing to compare with"


def leaks(train: Part, test: Part) -> tuple[list[str], list[str]]:
    """What train and test share: reasons not to use the set, and what is only noted.

    The same sequence or file in both is a mistake of who put the folders together. Images that look alike may
    be the authors' own doing: frames of one video that they divided.
    """
    bad, notes = [], []
    names = [{shot.name.split("/")[0] for shot, _ in part} for part in (train, test)]
    if shared := sorted(names[0] & names[1]):
        bad.append(f"sequences in train and test: {some(shared)}")
    known = {one for _, found in train for one in found.sums}
    if same := [shot.name for shot, found in test if known & set(found.sums)]:
        bad.append(f"files in train and test: {some(same)}")
    if alike := like(train, test):
        notes.append(f"test images that look like one in train: {some(alike)}")
    return bad, notes


def like(train: Part, test: Part) -> list[str]:
    """Names of test images whose perceptual hash is near that of a training image."""
    hashes = np.array([words(one) for _, one in train if one.hash])
    if not len(hashes):
        return []
    readable = [(shot.name, words(one)) for shot, one in test if one.hash]
    return [name for name, own in readable if np.bitwise_count(hashes ^ own).sum(axis=1).min() <= ALIKE]


def words(seen: Seen) -> "np.ndarray[Any, np.dtype[np.uint64]]":
    """A perceptual hash as four numbers of 64 bits."""
    return np.frombuffer(bytes.fromhex(seen.hash), np.uint64)


def strays(dataset: RealSet, place: Path, shots: Mapping[str, Sequence[Shot]]) -> list[str]:
    """Files that belong to no shot and that the archive does not have beside them."""
    used = {path for part in shots.values() for shot in part for path in (shot.blurry, shot.sharp)}
    names = [
        path.relative_to(place) for path in sorted(place.rglob("*")) if path.is_file() and path not in used
    ]
    found = [str(name) for name in names if not any(below(name, pattern) for pattern in dataset.beside)]
    return [f"files that belong to no pair: {some(found)}"] if found else []


def below(name: Path, pattern: str) -> bool:
    """Whether a path, or a folder that it is in, is what the pattern says.

    >>> [below(Path("a/b/c.txt"), pattern) for pattern in ("a/*", "*.txt")]
    [True, False]
    """
    depth = pattern.count("/") + 1
    return len(name.parts) >= depth and Path(*name.parts[:depth]).match(pattern)


def some(names: Sequence[str]) -> str:
    """The first few, and how many more there are.

    >>> some(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def seen(dataset: RealSet, shots: Mapping[str, Sequence[Shot]], cache: Path) -> dict[str, Part]:
    """All shots by split with one look at each, or with what an earlier look at the same files found."""
    kept = read(cache)
    stamps: dict[tuple[str, Shot], dict[str, Any]] = {}
    for split, part in shots.items():
        step = max(1, -(-len(part) // ALIGNED))
        stamps |= {(split, shot): stamp(shot, index % step == 0) for index, shot in enumerate(part)}
    fresh = [key for key, mark in stamps.items() if kept.get(at(*key), {}).get("stamp") != mark]
    pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)))  # decoding, sums and transforms let others run
    found = pool.map(lambda key: examine(key[1], stamps[key]["align"]), fresh)
    try:
        with tqdm(total=len(fresh), desc=f"doctor {dataset.name}", unit="image", disable=None) as bar:
            for key, one in zip(fresh, found, strict=True):
                kept[at(*key)] = {"stamp": stamps[key], "seen": asdict(one)}
                bar.update()
    finally:  # an interrupted look is taken up where it was
        pool.shutdown(cancel_futures=True)
        write(cache, {at(*key): kept[at(*key)] for key in stamps if at(*key) in kept})
    return {
        split: [(shot, Seen(**kept[at(split, shot)]["seen"])) for shot in part]
        for split, part in shots.items()
    }


def at(split: str, shot: Shot) -> str:
    """A shot's name in the file of what was seen."""
    return f"{split}/{shot.name}"


def stamp(shot: Shot, align: bool) -> dict[str, Any]:
    """What a look holds for: these files, as they are, and what was asked."""
    files = [path for path in (shot.blurry, shot.sharp) if path and path.exists()]
    facts = [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in files]
    return {"version": VERSION, "files": facts, "align": align}


def read(cache: Path) -> dict[str, Any]:
    """What earlier looks found; nothing where there was none."""
    try:
        return dict(json.loads(cache.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def write(cache: Path, kept: Mapping[str, Any]) -> None:
    """Keep what was found, whole or not at all."""
    cache.parent.mkdir(parents=True, exist_ok=True)
    draft = cache.with_suffix(f".{os.getpid()}.part")
    draft.write_text(json.dumps(kept), encoding="utf-8")
    draft.replace(cache)


KEPT = Path("data/doctor")  # what a look at every file found


def real(name: str) -> RealSet | None:
    """The real set of a dataset's file; None for one that is made here."""
    found: RealSet | None = getattr(plugins.load("datasets", name), "SET", None)
    return found


def line(rows: Iterable[Health]) -> str:
    """The verdicts on one dataset.

    >>> line([Health("gopro", "test", "partial", 10, 1111, 6, 11, "linear", "", "", "10 of 1,111 pairs")])
    'gopro: test partial, 10 of 1,111'
    """
    rows = list(rows)
    said = [
        f"{row.split} {row.verdict}, {row.images:,} of {row.expected:,}"
        + (f" ({row.problems})" if row.verdict == "broken" else "")
        for row in rows
    ]
    return f"{rows[0].dataset}: {'; '.join(said)}"
