"""Time what `python -m benchmark.compare` does for users, each in a process of its own.

    PYTHONPATH=. python tests/benchmarks/compare.py [TIMES]

Prints the median wall time and processor time in s of TIMES calls (default 5). The exit status is 1 when a
processor time is 5 s or more. Run it in the project's root, when nothing else is running.
"""

import resource
import subprocess
import sys
import tempfile
import time
from statistics import median

LIMIT = 5.0  # s
CALLS = {
    "gate": ["--gate"],
    "gate since HEAD": ["--gate", "--since", "HEAD"],
    "explain a time": ["--explain", "sgenet:SGENet:Runtime"],
    "explain a quality": ["--explain", "cdgnet:Table 1:DMPHN 2019:PSNR"],
    "export": ["--export"],
}


def call(options: list[str]) -> tuple[float, float]:
    """Return the wall time and the processor time of one call, s."""
    with tempfile.TemporaryDirectory() as folder:
        more = [folder] if options[-1] == "--export" else []
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = (sys.executable, "-m", "benchmark.compare", *options, *more)
        subprocess.run(command, check=False, capture_output=True)
        wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(times: int) -> int:
    """Print a line per call."""
    slow = 0
    for name, options in CALLS.items():
        wall, processor = (
            median(values) for values in zip(*(call(options) for _ in range(times)), strict=True)
        )
        slow += processor >= LIMIT
        print(f"{name}: {wall:.2f} s, {processor:.2f} s of processor time")
    return int(slow > 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
