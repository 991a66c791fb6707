"""Every example of CONTRIBUTING.md works as pasted, and the checks that it names pass before any training."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
# A block is written to the file that is named alone in the line above it.
FENCED = r"^`([\w./]+)`( \(appended\))?\n\n```\w+\n(.*?)^```$"
BLOCKS = re.findall(FENCED, TEXT, re.MULTILINE | re.DOTALL)
# The files of a check as one string, and the keyword that names of its tests have; either may be missing.
CHECKS = re.findall(r"^Check: `pytest -q((?: tests/\w+\.py)*)(?: -k (\w+))?`$", TEXT, flags=re.MULTILINE)


def run(words, folder):
    """Run a command in a folder; return its output if it succeeds."""
    result = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    """Copy the tracked and new files of this checkout and add every example."""
    folder = tmp_path_factory.mktemp("contributing")
    names = run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], ROOT).split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file() and name != "tests/test_contributing.py":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    if (ROOT / ".mypy_cache").is_dir():  # what mypy knows of torch: 50 s less
        shutil.copytree(ROOT / ".mypy_cache", folder / ".mypy_cache")
    for name, appended, content in BLOCKS:
        path = folder / name
        before = path.read_text(encoding="utf-8") if appended else ""
        assert path.exists() == bool(appended), name
        path.write_text(f"{before}\n{content}" if appended else content, encoding="utf-8")
    return folder


def test_every_block_names_its_file():
    """No example is left out of this test."""
    assert len(BLOCKS) == TEXT.count("\n```") // 2
    assert len(CHECKS) == TEXT.count("\nCheck: ")


def test_examples_keep_the_house_style(scratch):
    """Ruff and mypy accept the examples."""
    python = [name for name, _, _ in BLOCKS if name.endswith(".py")]

    run([sys.executable, "-m", "ruff", "check", *python], scratch)
    run([sys.executable, "-m", "ruff", "format", "--check", *python], scratch)
    run([sys.executable, "-m", "mypy", *python], scratch)


@pytest.fixture(scope="module")
def passed(scratch):
    """Run what all checks select, at once: each alone would import and collect everything again."""
    chosen = []
    for files, keyword in CHECKS:
        of_files = " or ".join(Path(file).stem for file in files.split())
        chosen.append(" and ".join(f"({part})" for part in (of_files, keyword) if part))
    output = run([sys.executable, "-m", "pytest", "-q", "-rp", "-k", " or ".join(chosen)], scratch)
    return [line.removeprefix("PASSED ") for line in output.splitlines() if line.startswith("PASSED ")]


@pytest.mark.parametrize(("files", "keyword"), CHECKS)
def test_check_passes(passed, files, keyword):
    """A check that the text names selects at least one test of each of its files, and all of them pass."""
    for file in files.split() or ("",):
        assert any(test.startswith(file) and keyword in test for test in passed), file
