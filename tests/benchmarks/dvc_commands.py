"""What DVC costs its users here: lines of dvc.lock, columns of `dvc exp show`, seconds of commands.

    python tests/benchmarks/dvc_commands.py

Run it in a clone whose results are up to date; `dvc repro` then has nothing to do.
"""

import csv
import subprocess
import time
from pathlib import Path

COMMANDS = ("dvc status", "dvc repro", "dvc metrics show", "dvc exp show --csv")


def main() -> None:
    """Print one line per figure."""
    print(f"dvc.lock: {len(Path('dvc.lock').read_text().splitlines())} lines")
    for command in COMMANDS:
        begun = time.monotonic()
        shown = subprocess.run(command.split(), capture_output=True, text=True, check=True).stdout
        print(f"{command}: {time.monotonic() - begun:.1f} s")
        if command.endswith("--csv"):
            print(f"dvc exp show: {len(next(csv.reader(shown.splitlines())))} columns")


if __name__ == "__main__":
    main()
