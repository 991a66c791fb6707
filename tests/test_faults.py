"""Killed, terminated, on a full disk, twice at once, on odd machines: the same numbers, and nothing lost."""

import os
import random
import shutil
import sys
import time
from pathlib import Path

import pytest

from tests.faults import STAGES, complete, contents, lay_out, start

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are disturbed as Linux does it")
BEFORE = {stage: STAGES[: STAGES.index(stage)] for stage in STAGES}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A project after all stages, its contents, and the seconds that each stage took."""
    folder = lay_out(tmp_path_factory.mktemp("project") / "whole")
    seconds = {}
    for stage in STAGES:
        begun = time.monotonic()
        statuses, printed = complete(folder, [stage])
        seconds[stage] = time.monotonic() - begun
        assert statuses == [0], printed
    return folder, contents(folder), seconds


@pytest.fixture
def disturbed(undisturbed, tmp_path):
    """Return a function that gives a copy of the project as it was before a stage."""

    def before(stage, name="copy"):
        folder = tmp_path / name
        shutil.copytree(undisturbed[0], folder)
        results = folder / "results"
        made = {
            "doctor": [results / "datasets.csv", folder / "data" / "doctor"],
            "authors": [results / "authors", folder / "data" / "decoded"],
            "train": [results / "tiny" / "train"],
            "quality": [results / "tiny" / "images", results / "tiny" / "quality.csv"],
            "collect": [results / "tiny" / f for f in ("measurements.csv", "curves.csv", "environment.json")],
        }
        for path in made[stage]:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        return folder

    return before


def assert_same(folder, undisturbed):
    """Check that every result is as in the undisturbed project, and no other file is there."""
    found, expected = contents(folder), undisturbed[1]
    assert found.keys() == expected.keys()
    assert [name for name in found if found[name] != expected[name]] == []


@pytest.mark.parametrize("stage", STAGES)
def test_killed_at_a_random_moment(stage, disturbed, undisturbed):
    """Four times `kill -9` in each of five stages; the next run ends as an undisturbed one."""
    folder, draws = disturbed(stage), random.Random(f"kill {stage}")
    for _ in range(4):
        process = start(folder, stage)
        process.join(draws.uniform(0.02, 1.2 * undisturbed[2][stage]))
        process.kill()
        process.join()
    statuses, printed = complete(folder, [stage])

    assert statuses == [0], printed
    assert_same(folder, undisturbed)


@pytest.mark.parametrize("stage", STAGES)
def test_terminated(stage, disturbed, undisturbed):
    """SIGTERM ends a stage like Ctrl-C: with status 130, without a draft, and the next run goes on."""
    folder = disturbed(stage)
    process = start(folder, stage)
    process.join(0.4 * undisturbed[2][stage])
    process.terminate()
    process.join()
    left = [path for path in folder.rglob("*.part")]
    statuses, printed = complete(folder, [stage])

    assert process.exitcode in (0, 130, -15)  # -15: before the stage had begun
    assert left == []
    assert statuses == [0], printed
    assert_same(folder, undisturbed)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("bytes_", [0, 300])
def test_a_full_disk(stage, bytes_, disturbed, undisturbed):
    """A file grows to so many bytes and no more: a line names it, and with space the run ends as ever."""
    folder = disturbed(stage)
    before = contents(folder)
    statuses, printed = complete(folder, [stage], bytes_=bytes_)
    after = contents(folder)

    assert statuses in ([1], [0]), printed
    assert "Traceback" not in printed
    assert all(after[name] == content for name, content in before.items())
    statuses, printed = complete(folder, [stage])
    assert statuses == [0], printed
    assert_same(folder, undisturbed)


@pytest.mark.parametrize("stage", STAGES)
def test_twice_at_once(stage, disturbed, undisturbed):
    """The second process waits or is refused with a line; the results are those of one."""
    folder = disturbed(stage)
    both = [start(folder, stage) for _ in range(2)]
    for process in both:
        process.join()
    printed = folder.with_suffix(".log").read_text()

    assert sorted(process.exitcode for process in both) in ([0, 0], [0, 1]), printed
    assert any(process.exitcode for process in both) == ("another process runs this stage" in printed)
    assert_same(folder, undisturbed)


def test_an_odd_machine(tmp_path, undisturbed, monkeypatch):
    """One core, no HOME, umask 077, jumps of the clock, a path with blanks and umlauts: the same numbers."""
    monkeypatch.delenv("HOME", raising=False)
    cores, mask = os.sched_getaffinity(0), os.umask(0o077)
    os.sched_setaffinity(0, {min(cores)})
    try:
        folder = lay_out(tmp_path / "ein Ordner für Bilder, größer")
        statuses, printed = complete(folder, jumps=True)
    finally:
        os.sched_setaffinity(0, cores)
        os.umask(mask)

    assert statuses == [0] * len(STAGES), printed
    assert_same(folder, undisturbed)


def truncate(path):
    """Cut a file in half."""
    os.truncate(path, path.stat().st_size // 2)


def flip(path):
    """Change one bit near the end of a file, and neither its size nor its time."""
    status, content = path.stat(), bytearray(path.read_bytes())
    content[-8] ^= 16
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def empty(path):
    """Leave no byte of a file."""
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [truncate, flip, empty], ids=lambda function: function.__name__)
@pytest.mark.parametrize(
    ("stage", "name"),
    [
        ("train", "results/tiny/train/small/weights.safetensors"),
        ("train", "results/tiny/train/small/record.json"),
        ("quality", "results/tiny/images/small/fingerprint"),
        ("authors", "data/decoded/gopro/test/pixels"),
        ("authors", "data/decoded/gopro/test/index.json"),
        ("doctor", "data/doctor/gopro.json"),
    ],
)
def test_a_damaged_file_is_made_again(stage, name, damage, disturbed, undisturbed):
    """Weights, a record, a mark, decoded pixels, their index, what the doctor measured: all are repaired."""
    folder = disturbed("collect")
    if stage == "authors":
        shutil.rmtree(folder / "results" / "authors")
    damage(folder / name)
    statuses, printed = complete(folder, [stage, "collect"])

    assert statuses == [0, 0], printed
    assert_same(folder, undisturbed)


@pytest.mark.parametrize("damage", [truncate, flip, empty], ids=lambda function: function.__name__)
def test_a_damaged_state_of_training(damage, disturbed, undisturbed):
    """The state of an interrupted training is noticed by its sum: the run starts again, and says so."""
    folder = disturbed("collect")
    weights = folder / "results" / "tiny" / "train" / "small" / "weights.safetensors"
    fingerprint = (weights.with_name("record.json")).read_text().split('"fingerprint": "')[1][:16]
    state = folder / "checkpoints" / f"small-{fingerprint}.safetensors"
    state.parent.mkdir(exist_ok=True)
    shutil.copy(weights, state)
    damage(state)
    shutil.rmtree(weights.parent)
    statuses, printed = complete(folder, ["train", "collect"])

    assert statuses == [0, 0], printed
    assert "this run starts again" in printed
    assert_same(folder, undisturbed)
    assert not list(Path(folder, "checkpoints").iterdir())
