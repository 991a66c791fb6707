"""List the images of a real set: pair files by their names, and refuse what is there twice."""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from benchmark.data.pairs import AbsentError, PairFiles
from benchmark.trouble import line, one_line

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
SEQUENCE = re.compile(r"(.+)[-_](\d+)")  # of a name such as GOPR0384_11_00-000001


def list_sequences(folder: Path, blurry: str, sharp: str) -> list[PairFiles]:
    """List images below `<folder>/<sequence>/{<blurry>,<sharp>}/`, paired by their names without suffix."""
    files = []
    for sequence in sorted(path for path in folder.glob("*") if path.is_dir()):
        files += pair_by_name(sequence.name, images(sequence / blurry), images(sequence / sharp))
    return files


def list_inputs(folder: Path) -> list[PairFiles]:
    """List `<folder>/{input,target}/<sequence>-<frame>.png`, which other authors' copies of the sets have.

    >>> SEQUENCE.fullmatch("GOPR0384_11_00-000001").groups()
    ('GOPR0384_11_00', '000001')
    """
    files = []
    for pair in pair_by_name(folder.name, images(folder / "input"), images(folder / "target")):
        parts = SEQUENCE.fullmatch(pair.blurry.stem)
        files.append(replace(pair, name="/".join(parts.groups())) if parts else pair)
    return files


def read_list(folder: Path, split: str, lists: str) -> list[PairFiles]:
    """List the images that a text file names, `<sharp> <blurry>` per line, below the folder (RealBlur's).

    A line whose blurred image does not exist is left out.

    Raises:
        AbsentError: the text file does not exist.
        ValueError: it cannot be read, or a line is not as it must be; the message has its number.
    """
    path = folder / lists.format(split=split)
    if not path.is_file():
        raise AbsentError(f"{folder.name}/{path.name}: missing; it lists the images of {split}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise ValueError(f"{folder.name}/{path.name}: {one_line(error)}; allowed: UTF-8 text") from None
    files, lines = [], dict[str, int]()
    for number, entry in enumerate(text.splitlines(), 1):
        if entry.strip():
            where = f"{folder.name}/{path.name}, line {number}"
            sharp, blurry = (folder / name for name in names_in(entry, where))
            if str(blurry) in lines:
                raise ValueError(
                    f"{where}: {blurry.name} is also in line {lines[str(blurry)]}; allowed: once"
                )
            lines[str(blurry)] = number
            if os.path.isfile(blurry):
                name = f"{blurry.parents[1].name}/{blurry.stem}"
                files.append(PairFiles(name, blurry, sharp if os.path.isfile(sharp) else None))
    return files


def names_in(entry: str, where: str) -> list[str]:
    """Return the paths of the sharp and of the blurred image in a line of a list.

    Raises:
        ValueError: there are not two, or one leads elsewhere; the message starts with `where`.
    """
    names = entry.split()[:2]
    if len(names) < 2:
        raise ValueError(f"{where}: {one_line(entry)!r}; allowed: the sharp image, a blank, the blurred one")
    for name in names:
        path = PurePosixPath(name)
        if "\\" in name:
            raise ValueError(f"{where}: {one_line(name)!r} has a backslash; allowed: / between folders")
        if path.is_absolute() or ".." in path.parts or len(path.parts) < 3 or not name.isprintable():
            raise ValueError(f"{where}: {one_line(name)!r}; allowed: <folder>/<scene>/<kind>/<image>")
        if path.suffix.lower() not in SUFFIXES:
            raise ValueError(f"{where}: {one_line(name)!r} is no image; allowed: {', '.join(SUFFIXES)}")
    if [PurePosixPath(name).parent.name for name in names] == ["blur", "gt"]:
        raise ValueError(f"{where}: the blurred image comes first; allowed: <sharp> <blurred>")
    return names


def refuse_twice(folder: str, files: Iterable[PairFiles]) -> None:
    """Raise a ValueError where an image is there twice, as 000001.png and 000001.jpg, or listed twice."""
    seen: dict[Path, Path] = {}
    for pair in files:
        key = pair.blurry.with_suffix("")
        if key in seen:
            both = (
                f"{seen[key].name} and {pair.blurry.name}" if seen[key] != pair.blurry else pair.blurry.name
            )
            raise ValueError(f"{folder}: {pair.name} is there twice ({both}); allowed: once; remove one")
        seen[key] = pair.blurry


def pair_by_name(sequence: str, blurry: Iterable[Path], sharp: Iterable[Path]) -> list[PairFiles]:
    """Pair the images of one sequence by their names without suffix; a missing sharp image is None.

    Raises:
        ValueError: two sharp images have one name.
    """
    sharp_by_stem: dict[str, Path] = {}
    for path in sharp:
        if (other := sharp_by_stem.setdefault(path.stem, path)) != path:
            raise ValueError(
                f"{sequence}/{path.stem} is there twice ({other.name} and {path.name}); allowed: once"
            )
    return [PairFiles(f"{sequence}/{path.stem}", path, sharp_by_stem.get(path.stem)) for path in blurry]


def images(folder: Path) -> list[Path]:
    """List the image files directly in a folder, in name order; none where the folder does not exist.

    Raises:
        ValueError: the folder may not be read.
    """
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ValueError(line(error)) from None
    shown = (name for name in names if not name.startswith("."))
    return sorted(folder / name for name in shown if Path(name).suffix.lower() in SUFFIXES)


def images_below(folder: Path) -> Iterator[Path]:
    """Yield the image files below a folder, in no order; what cannot be searched is left out."""
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(root, name) for name in names if Path(name).suffix.lower() in SUFFIXES)


def is_below(name: Path, pattern: str) -> bool:
    """Check whether a path, or a folder that it is in, matches a pattern.

    >>> [is_below(Path("a/b/c.txt"), pattern) for pattern in ("a/*", "*.txt")]
    [True, False]
    """
    depth = pattern.count("/") + 1
    return len(name.parts) >= depth and Path(*name.parts[:depth]).match(pattern)
