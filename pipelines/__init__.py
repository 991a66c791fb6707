"""Run the stages of dvc.yaml: one file per stage, none of which imports another.

`python -m pipelines` runs them all.
"""

import sys
from collections.abc import Callable
from typing import Any

from benchmark import trouble


def run_stage(name: str, main: Callable[..., int | None], *arguments: Any) -> None:
    """Call a stage's main and exit with the status it returns; the user's trouble becomes one line."""
    sys.exit(trouble.told(name, main, *arguments))
