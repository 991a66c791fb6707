"""Disturb the whole pipeline, profile smoke: kill stages, run them on an odd machine, compare every table.

    python tests/benchmarks/faults.py [KILLS]     # 20 by default; half an hour on two idle cores

tests/test_faults.py does the same with a tiny project on every `make test`. Here are the real stages with
their workers, data stage, complexity and compare included, each a process of its own. The odd machine has
an ASCII locale, no HOME, umask 077, one core, a path with blanks and umlauts and, where this user may mount,
a /dev/shm of 16 MB.
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.project import checkout  # noqa: E402 (after the path)

STAGES = ("data", "doctor", "authors", "complexity", "runtime", "train", "quality", "collect", "compare")
MADE = {  # what a stage makes and nothing before it
    "data": ["data/smoke"],
    "train": ["results/smoke/train", "checkpoints"],
    "quality": ["results/smoke/images", "results/smoke/quality.csv"],
    "collect": ["results/smoke/measurements.csv", "results/smoke/curves.csv"],
    "compare": ["results/smoke/findings.csv", "results/smoke/verdicts.csv"],
}
SMALL_SHM = "mount -t tmpfs -o size=16m tmpfs /dev/shm && exec"


def module(stage):
    """Return the module that a stage runs."""
    return f"benchmark.{stage}" if stage == "compare" else f"pipelines.{stage}"


def clone(folder):
    """Copy the working tree into a folder, set to the smoke profile."""
    checkout(folder)
    params = folder / "params.yaml"
    params.write_text(params.read_text(encoding="utf-8").replace("profile: embedded", "profile: smoke", 1))
    for words in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a"],
    ):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


def command(stage, *wrapper):
    """Return the command of a stage, inside another command."""
    return [*wrapper, sys.executable, "-m", module(stage)]


def complete(folder, stages=STAGES, wrapper=(), **how):
    """Run stages to their end; exit where one fails."""
    for stage in stages:
        done = subprocess.run(command(stage, *wrapper), cwd=folder, capture_output=True, text=True, **how)
        if done.returncode or "Traceback" in done.stderr:
            sys.exit(f"{stage}: status {done.returncode}\n{done.stderr[-3000:]}")


def tables(folder):
    """Read every table of results by its path."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted((folder / "results").rglob("*.csv"))
    }


def kill(folder, stage, draws):
    """Kill a stage that has everything to do, at a random moment; return the moment in s."""
    for name in MADE.get(stage, []):
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    begun = time.monotonic()
    with subprocess.Popen(
        command(stage), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            process.wait(draws.uniform(0.1, 40))
        except subprocess.TimeoutExpired:
            process.kill()
    return time.monotonic() - begun


def main(kills):
    """Run the pipeline undisturbed, on the odd machine, then with kills; print what differs."""
    os.environ |= {"OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        whole = clone(Path(folder, "whole"))
        complete(whole)
        expected = tables(whole)
        print(f"undisturbed: {len(expected)} tables", flush=True)

        odd = clone(Path(folder, "ein Ordner für Bilder, größer"))
        environment = {name: value for name, value in os.environ.items() if name != "HOME"}
        environment |= {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
        wrapper = ["taskset", "-c", str(min(os.sched_getaffinity(0)))]
        if os.getuid() == 0:
            wrapper += ["unshare", "-m", "sh", "-c", f'{SMALL_SHM} "$0" "$@"']
        complete(odd, wrapper=wrapper, env=environment, umask=0o077)
        differ = [name for name, content in tables(odd).items() if expected.get(name) != content]
        print(f"odd machine: {len(differ)} tables differ {differ}", flush=True)

        draws, bad = random.Random(5), 0
        for number in range(kills):
            stage = STAGES[number % len(STAGES)]
            seconds = kill(whole, stage, draws)
            complete(whole)
            differ = [name for name in expected if tables(whole).get(name) != expected[name]]
            bad += bool(differ)
            what = f"{stage} after {seconds:.1f} s"
            print(f"kill {number + 1} of {kills}: {what}, {len(differ)} tables differ {differ}", flush=True)
        print(f"{kills} kills: {bad} with another result")
    return bad


if __name__ == "__main__":
    sys.exit(min(1, main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)))
