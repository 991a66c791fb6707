"""Find what is on this machine: below `data`, and in the folders that DEBLUR_DATA names."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

PART = ".part"  # suffix of unfinished files and folders


def data_folders() -> list[Path]:
    """List the folders that may hold data: `data`, then those in the environment variable DEBLUR_DATA."""
    extra = os.environ.get("DEBLUR_DATA", "").split(os.pathsep)
    return [Path("data"), *(Path(os.path.expanduser(folder)) for folder in extra if folder)]


def unusable_folders() -> list[str]:
    """Say of each folder in DEBLUR_DATA that cannot be searched why; nothing where all can."""
    reasons = []
    for folder in data_folders()[1:]:
        try:
            with os.scandir(folder) as entries:
                next(entries, None)
        except OSError as error:
            hint = f"; folders are separated by {os.pathsep!r}" if re.search("[,;]", str(folder)) else ""
            reasons.append(f"DEBLUR_DATA: {folder}: {error.strerror}{hint}")
    return reasons


def find(name: str) -> Path | None:
    """Return the first of `find_all`; None where there is none."""
    return next(find_all(name), None)


def find_all(name: str) -> Iterator[Path]:
    """Yield every `<data folder>/<name>` and `<data folder>/*/<name>` that exists and is finished.

    A data folder may also be the first part of the name itself. What this user may not search is left out.
    """
    for root in data_folders():
        try:
            children = sorted(root.iterdir())
        except OSError:  # see unusable_folders
            children = []
        first = Path(name).parts[0]
        for folder in (
            root,
            *(path for path in children if path.suffix != PART),
            *([root.parent] if root.name == first else []),
        ):
            if os.path.exists(folder / name):
                yield folder / name
