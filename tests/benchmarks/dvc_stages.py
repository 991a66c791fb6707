"""What DVC and process start cost: one stage per run against one stage for all runs.

    python tests/benchmarks/dvc_stages.py [RUNS]

Each stand-in for a training imports torch and torchvision and writes one small file; nothing is trained.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

IMPORT = "import sys, torch, torchvision; [open(name, 'w').write(name) for name in sys.argv[1:]]"


def timed(folder: Path, text: str, runs: list[str]) -> tuple[float, float]:
    """Seconds of a first and of a second, idle `dvc repro`."""
    folder.mkdir()
    (folder / "work.py").write_text(IMPORT)
    (folder / "params.yaml").write_text("runs:\n" + "".join(f"  {run}: {{steps: 1}}\n" for run in runs))
    (folder / "dvc.yaml").write_text(text)
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"]):
        subprocess.run(command, cwd=folder, check=True)
    seconds = []
    for _ in range(2):
        begun = time.monotonic()
        subprocess.run(["dvc", "repro", "-q"], cwd=folder, check=True)
        seconds.append(time.monotonic() - begun)
    return seconds[0], seconds[1]


def main(count: int) -> None:
    """Print both layouts."""
    runs = [f"run{index}" for index in range(count)]
    each = (
        "stages:\n  train:\n    foreach: ${runs}\n    do:\n      cmd: python work.py ${key}.txt\n"
        "      deps: [work.py]\n      params: ['runs.${key}']\n      outs: ['${key}.txt']\n"
    )
    names = " ".join(f"{run}.txt" for run in runs)
    outs = ", ".join(f"{run}.txt" for run in runs)
    one = (
        f"stages:\n  train:\n    cmd: python work.py {names}\n"
        f"    deps: [work.py]\n    params: [runs]\n    outs: [{outs}]\n"
    )
    with tempfile.TemporaryDirectory() as scratch:
        for what, text in (("one stage per run", each), ("one stage for all", one)):
            first, idle = timed(Path(scratch) / what.replace(" ", "-"), text, runs)
            print(f"{count} runs, {what}: first {first:.1f} s, nothing to do {idle:.1f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 29)
