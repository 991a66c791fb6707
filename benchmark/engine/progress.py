"""Say how far work is, in files that the process which shares it out and any other can read.

`checkpoints/progress/<title>/<run>.json` is of a run that is worked on, `checkpoints/progress/<title>.json`
of all of them. Runs on other machines write theirs through the folder that the machines share.
"""

import json
import math
import os
import platform
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmark.trouble import write_text

FOLDER = Path("checkpoints") / "progress"
EVERY = 1.0  # s between two notes of a run

clock = tqdm.format_interval  # seconds as minutes and seconds, such as "02:05"


@dataclass(frozen=True)
class Note:
    """How far one run is."""

    name: str
    host: str
    process: int
    device: str
    first: float  # the share that was done when this process began
    share: float  # that is done
    speed: float  # share per second, since this process began
    at: float  # s since 1970 by this machine's clock


@dataclass(frozen=True)
class Summary:
    """How far the work for many runs is."""

    title: str
    host: str
    process: int
    runs: int
    finished: int = 0
    share: float = 0.0
    left: float | None = None  # s
    steps: dict[str, int] = field(default_factory=dict)  # of runs that have steps
    failures: list[str] = field(default_factory=list)
    over: bool = False
    at: float = 0.0


def note_path(title: str, name: str) -> Path:
    """Return the file of a run's note."""
    return FOLDER / title / f"{name}.json"


def keep(path: Path, what: Note | Summary) -> None:
    """Write a note; a full disk is for the work itself to report."""
    with suppress(ValueError):
        write_text(path, json.dumps(asdict(what)))


def read(path: Path) -> dict[str, Any]:
    """Read a note; empty when there is none, or it is damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def read_note(path: Path) -> Note | None:
    """Read a run's note."""
    with suppress(TypeError):
        return Note(**read(path))
    return None


def read_summary(path: Path) -> Summary | None:
    """Read a summary."""
    with suppress(TypeError):
        return Summary(**read(path))
    return None


class Reporter:
    """Is called with the share of a run that is done, and keeps a note of it."""

    def __init__(self, title: str, name: str, device: str) -> None:
        self.path, self.noted = note_path(title, name), time.monotonic()
        self.note = Note(name, platform.node(), os.getpid(), device, -1.0, 0.0, 0.0, time.time())
        keep(self.path, self.note)

    def __call__(self, share: float) -> None:
        """Note the share, unless that was done a moment ago."""
        now, before = time.monotonic(), self.note
        if before.first < 0:
            self.begun, before = now, replace(before, first=share)
        elif now - self.noted < EVERY:
            return
        spent = now - self.begun
        speed = (share - before.first) / spent if spent else 0.0
        self.note, self.noted = replace(before, share=share, speed=speed, at=time.time()), now
        keep(self.path, self.note)


class Board:
    """Shows how far the work is: a bar on a terminal, a line per finished run, a summary in a file.

    Attributes:
        shares: the largest share of each run that was done so far.
        notes: of the runs that are worked on.
        failures: a line for each failed run.
    """

    def __init__(self, title: str, cost: Mapping[str, float], steps: Mapping[str, int]) -> None:
        self.title, self.cost, self.total = title, cost, sum(cost.values())
        self.steps = {name: steps[name] for name in cost if name in steps}
        self.shares = dict.fromkeys(cost, 0.0)
        self.firsts: dict[str, float] = {}  # the share that was done before this process began
        self.notes: dict[str, Note] = {}
        self.failures: list[str] = []
        self.finished, self.begun, self.kept = 0, time.monotonic(), -math.inf
        for name in cost:
            note_path(title, name).unlink(missing_ok=True)
        self.bar = tqdm(total=100, desc=title, disable=None, bar_format="{desc} {bar} {n:.0f} %{postfix}")

    def look(self, running: Iterable[str]) -> None:
        """Read the notes of the runs that are worked on, and show them."""
        found = {name: read_note(note_path(self.title, name)) for name in running}
        self.notes = {name: note for name, note in found.items() if note}
        for name, note in self.notes.items():
            self.shares[name] = max(self.shares[name], note.share)
            if note.first >= 0:
                self.firsts.setdefault(name, note.first)
        self.bar.n = 100 * self.share()
        self.bar.set_postfix_str(f" {self.left_words()} left", refresh=True)
        self.keep()

    def share(self) -> float:
        """Return the share of all work that is done."""
        return sum(self.cost[name] * share for name, share in self.shares.items()) / (self.total or 1)

    def left(self) -> float | None:
        """Estimate the seconds left from what was done since the beginning."""
        before = sum(self.cost[name] * share for name, share in self.firsts.items()) / (self.total or 1)
        done = self.share() - before
        return (time.monotonic() - self.begun) * (1 - self.share()) / done if done > 0 else None

    def left_words(self) -> str:
        """Return the time left as the user reads it."""
        left = self.left()
        return "?" if left is None else clock(left)

    def ended(self, name: str, message: str, error: str) -> None:
        """Show that a run is finished or has failed."""
        self.shares[name], self.finished = 1.0, self.finished + 1
        if error:
            self.failures.append(f"{name}: {error}")
        note = self.notes.pop(name, None) or read_note(note_path(self.title, name))
        where = f" on {note.host} {note.device}" if note and (note.host != platform.node()) else ""
        note_path(self.title, name).unlink(missing_ok=True)
        count = f"{self.title} {self.finished} of {len(self.cost)}"
        self.say(f"{count}  {name}: {error or message}{where}; {self.left_words()} left")

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self.bar.write(text, file=sys.stdout)
        sys.stdout.flush()

    def keep(self, over: bool = False) -> None:
        """Write the summary, now and then and at the end."""
        if over or time.monotonic() - self.kept > EVERY:
            summary = Summary(
                self.title,
                platform.node(),
                os.getpid(),
                len(self.cost),
                self.finished,
                self.share(),
                self.left(),
                self.steps,
                self.failures,
                over,
                time.time(),
            )
            keep(FOLDER / f"{self.title}.json", summary)
            self.kept = time.monotonic()

    def close(self) -> None:
        """Remove the bar, and repeat the errors."""
        self.keep(over=True)
        self.bar.close()
        for failure in self.failures:
            print(f"{self.title}: {failure}", file=sys.stderr)
