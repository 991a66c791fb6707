"""One file per stage of dvc.yaml; each reads, calls and writes. They import nothing of each other."""

import sys
from collections.abc import Callable
from typing import Any


def run_stage(name: str, main: Callable[..., int | None], *args: Any) -> None:
    """Run a stage's main and exit with its status; a ValueError becomes one line, not a traceback."""
    try:
        status = main(*args)
    except ValueError as error:
        print(f"{name}: {error}", file=sys.stderr)
        status = 1
    sys.exit(status or 0)
