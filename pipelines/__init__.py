"""Run the stages of dvc.yaml: one file per stage, none of which imports another.

`python -m pipelines` runs them all.
"""

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmark import trouble


def run_stage(name: str, main: Callable[..., int | None], *arguments: Any) -> None:
    """Call a stage's main and exit with the status it returns; the user's trouble becomes one line."""
    sys.exit(trouble.told(name, alone, name, main, *arguments))


def alone(name: str, main: Callable[..., int | None], *arguments: Any) -> int | None:
    """Call a stage's main unless another process runs the same stage in this folder.

    Arguments name parts of a stage's work, which several processes may share: then nothing is refused.

    Raises:
        ValueError: another process runs it; two would write the same tables.
    """
    from filelock import FileLock, Timeout

    if arguments:
        return main(*arguments)
    folder = hashlib.sha256(os.fsencode(Path.cwd())).hexdigest()[:12]
    lock = Path(tempfile.gettempdir()) / f"deblur-bench-{os.getuid()}-{folder}-{name}.lock"
    try:
        with FileLock(lock, timeout=0):
            return main()
    except Timeout:
        raise ValueError("another process runs this stage in this folder; wait for it, or end it") from None
