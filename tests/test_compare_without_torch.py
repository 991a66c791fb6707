"""Comparing, explaining, exporting and judging import no torch, whose import alone takes seconds."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("options", [["--gate"], ["--explain", "sgenet:SGENet:Runtime"], ["--export", "out"]])
def test_no_torch(tmp_path, options):
    """A process of its own, as other tests import torch into this one."""
    options = [str(tmp_path / "out") if option == "out" else option for option in options]
    script = (
        "import sys; from benchmark.compare.__main__ import main; "
        f"sys.argv = ['compare', *{options!r}]; status = main(); "
        "print('torch' in sys.modules); sys.exit(status)"
    )
    done = subprocess.run((sys.executable, "-c", script), cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "False"
