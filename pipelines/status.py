"""Say how far the work in this folder is, from another terminal or machine: `python -m pipelines.status`.

Which run is worked on where, how fast, and for how long; what has failed, and why; what else uses this
machine.
"""

import sys
import time

from benchmark import trouble
from benchmark.engine import progress, quiet
from benchmark.engine.progress import Note, Summary, clock

SILENT = 60.0  # s without a note, after which that is said


def describe(summary: Summary) -> str:
    """Describe the work of one kind in a line."""
    done = f"{summary.title}: {summary.finished} of {summary.runs} runs, {100 * summary.share:.0f} %"
    if summary.over:
        return f"{done}; ended {clock(time.time() - summary.at)} ago"
    left = "" if summary.left is None else f", {clock(summary.left)} left"
    return f"{done}{left}; shared out by process {summary.process} on {summary.host}{silence(summary)}"


def describe_run(note: Note, steps: int) -> str:
    """Describe a run that is worked on, in columns."""
    speed = f"{note.speed * steps:.3g} steps/s" if steps else ""
    left = f"{clock((1 - note.share) / note.speed)} left" if note.speed else ""
    where = f"{note.host} {note.device}"
    return f"  {note.name:24} {where:24} {100 * note.share:3.0f} % {speed:>14} {left:>14}{silence(note)}"


def silence(note: Note | Summary) -> str:
    """Say when nothing has been heard for long."""
    spent = time.time() - note.at
    return f"; nothing new for {clock(spent)}" if spent > SILENT else ""


def main() -> None:
    """Print what there is."""
    for path in sorted(progress.FOLDER.glob("*.json")):
        if summary := progress.read_summary(path):
            print(describe(summary))
            notes = [] if summary.over else map(progress.read_note, path.with_suffix("").glob("*.json"))
            for note in sorted(filter(None, notes), key=lambda note: note.name):
                print(describe_run(note, summary.steps.get(note.name, 0)))
            for failure in summary.failures:
                print(f"  failed: {failure}")
    for holder in quiet.holders():
        print(f"on this machine: {holder}")


if __name__ == "__main__":
    sys.exit(trouble.told("status", main))
