"""Run the stages of dvc.yaml: one file per stage, none of which imports another.

`python -m pipelines` runs them all.
"""

import sys
from collections.abc import Callable
from typing import Any


def run_stage(name: str, main: Callable[..., int | None], *args: Any) -> None:
    """Call a stage's main and exit with the status it returns; a ValueError becomes one line."""
    try:
        status = main(*args)
    except ValueError as error:
        print(f"{name}: {error}", file=sys.stderr)
        status = 1
    sys.exit(status or 0)
