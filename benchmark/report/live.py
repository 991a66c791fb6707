"""Read a training that is under way: what is finished, how far the rest is, and the curves so far."""

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors import SafetensorError, safe_open

from benchmark.report.inputs import Inputs, relative_losses
from benchmark.results import read_rows
from benchmark.results.schema import TrainingStep

CHECKPOINTS = Path("checkpoints")  # of interrupted and running trainings, <run>-<fingerprint>.safetensors


@dataclass(frozen=True)
class Progress:
    """How far the profile's training is."""

    finished: list[str]
    running: dict[str, float]  # run -> share of its steps at the last checkpoint
    waiting: list[str]
    left: float | None  # s, from the speed since the watch began; None while nothing can be said
    at: str  # clock time

    @property
    def share(self) -> float:
        """Return the share of all runs' work that is done."""
        runs = len(self.finished) + len(self.running) + len(self.waiting)
        return (len(self.finished) + sum(self.running.values())) / runs if runs else 1.0


def checkpoint(path: Path) -> list[dict[str, Any]]:
    """Read the curve in a checkpoint; empty for a file that is damaged or being replaced."""
    try:
        with safe_open(path, framework="np") as file:
            return list(json.loads((file.metadata() or {})["facts"])["rows"])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return []


def curves(inputs: Inputs, folder: Path = CHECKPOINTS) -> tuple[pd.DataFrame, list[str], dict[str, float]]:
    """Read the curves so far; return them, the finished runs, and the share that is done of each running one.

    Raises:
        ValueError: a finished run's curve is malformed.
    """
    parts, finished, running = [], list[str](), dict[str, float]()
    for name, run in inputs.chosen.items():
        if run.train is None:
            continue
        path = inputs.results.train(name) / "curve.csv"
        if path.exists():
            finished.append(name)
            rows = [vars(row) for row in read_rows(path, TrainingStep)]
        else:
            newest = max(folder.glob(f"{name}-*.safetensors"), key=lambda p: p.stat().st_mtime, default=None)
            rows = checkpoint(newest) if newest else []
            if rows:
                steps = inputs.profile.at(run).cut(run.train)[1]
                running[name] = min(1.0, rows[-1]["step"] / steps)
        if rows:
            parts.append(pd.DataFrame(rows).assign(run=name))
    columns = [name for name in inputs.curves.columns if name != "relative"]
    frame = pd.concat(parts, ignore_index=True).reindex(columns=columns) if parts else inputs.curves
    return relative_losses(frame), finished, running


class Watch:
    """Reads the state of a training repeatedly, and estimates the time left from what was done meanwhile."""

    def __init__(self) -> None:
        self.begun, self.first = time.monotonic(), -1.0

    def look(self, inputs: Inputs) -> tuple[Inputs, Progress]:
        """Return the inputs with the curves so far, and the progress."""
        frame, finished, running = curves(inputs)
        trained = [name for name, run in inputs.chosen.items() if run.train]
        waiting = [name for name in trained if name not in running and name not in finished]
        progress = Progress(finished, running, waiting, None, time.strftime("%H:%M:%S"))
        if self.first < 0:
            self.first = progress.share
        done, spent = progress.share - self.first, time.monotonic() - self.begun
        left = spent * (1 - progress.share) / done if done > 0 else None
        return replace(inputs, curves=frame), replace(progress, left=left)
