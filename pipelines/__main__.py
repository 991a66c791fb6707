"""Run the pipeline: `python -m pipelines [ARGUMENTS OF dvc repro]`; BUDGET=10m cuts it to ten minutes.

`dvc repro --quiet` hides its errors, and without --quiet it prints a line for every stage that it skips. This
checks DVC's preconditions first, then filters its log.
"""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from benchmark import trouble

# What DVC prints of a good run.
ROUTINE = re.compile(
    r"Running stage |Stage '.*' (didn't change|is cached)|> |Updating lock file|Generating lock file"
    r"|To track the changes|To enable auto staging|Use `dvc push`|Data and pipelines are up to date"
    r"|Verifying |WARNING: 'data/pretrained' is empty|'.*\.dvc' didn't change|\s*git add |\s*dvc config |\s*$"
)
ADVICE = {  # by what DVC prints
    "acquire lock": "another `dvc` is running here; wait for it to end, or end it",
    "is busy, it is being blocked by": "another `dvc` is at work; when there is none, remove .dvc/tmp/rwlock",
    "JSON structure is corrupted": "an earlier run was killed; remove .dvc/tmp/rwlock and start again",
}


def obstacle(root: Path) -> str:
    """Describe what would stop DVC in a folder, and what to do about it; empty when nothing would."""
    if not any((folder / ".git").exists() for folder in (root, *root.parents)):
        return (
            "this folder is not a git repository, as a ZIP download is not; run `git init` in it, or clone it"
        )
    for name in ("data", "results", "checkpoints"):
        if (root / name).is_symlink():
            return f"{name} is a symbolic link, which DVC does not follow; remove it" + (
                f", and name {os.readlink(root / name)} in DEBLUR_DATA" if name == "data" else ""
            )
    return ""


def main(arguments: list[str]) -> int:
    """Check the folder, cut to a budget or ask about many hours, call `dvc repro`; return its exit status."""
    if problem := obstacle(Path.cwd()):
        print(f"pipelines: {problem}", file=sys.stderr)
        return 2
    from pipelines import plan  # imports torch, which takes seconds

    if budget := os.environ.get("BUDGET", "").strip():
        if status := plan.main("--budget", budget):
            return status
    elif not arguments and Path("params.yaml").exists() and not plan.consent():
        return 2
    advice = ""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a script's background jobs would ignore it
    with subprocess.Popen(
        ["dvc", "repro", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if not sys.stderr.isatty() else None,
        encoding="utf-8",
        errors="replace",
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        process_group=0,
    ) as repro:
        assert repro.stdout
        try:
            for line in repro.stdout:
                advice = next((text for sign, text in ADVICE.items() if sign in line), advice)
                if not ROUTINE.match(line):
                    print(line, end="", flush=True)
        except KeyboardInterrupt:  # or SIGTERM: DVC waits for its stage, which saves what is under way
            os.killpg(repro.pid, signal.SIGINT)
            repro.wait()
            return 130
    if advice:
        print(f"pipelines: {advice}", file=sys.stderr)
    return repro.returncode


if __name__ == "__main__":
    sys.exit(trouble.told("pipelines", main, sys.argv[1:]))
