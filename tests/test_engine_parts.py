"""Parts of the engine: who may use the machine, how far work is, which GPU is seen, what is missing."""

import sys
import threading
import time
from types import SimpleNamespace

import pytest
import torch

from benchmark import engine
from benchmark.engine import cluster, local, progress, quiet
from benchmark.engine.progress import Board, Note, Reporter, Summary
from pipelines import status
from tests import engine_work


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty folder, and a machine that nobody else uses."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return tmp_path


def test_a_timing_is_refused_while_anything_works(monkeypatch):
    """Its reason names what; once that has ended, it holds the machine, and another timing is refused."""
    monkeypatch.setattr(quiet, "PATIENCE", 0)
    with (
        quiet.working("train bag"),
        pytest.raises(ValueError, match=r"^train bag \(process \d+\): at work on this machine"),
        quiet.timing("runtime"),
    ):
        pass
    with (
        quiet.timing("runtime"),
        pytest.raises(ValueError, match=r"^runtime \(process \d+\): at work"),
        quiet.timing("runtime"),
    ):
        pass
    assert quiet.holders() == []


def test_work_waits_while_something_is_timed(capsys):
    """It says so once, and begins when the timing has ended."""
    begun = threading.Event()

    def work():
        with quiet.working("train bag"):
            begun.set()

    with quiet.timing("runtime"):
        thread = threading.Thread(target=work)
        thread.start()
        assert not begun.wait(3 * quiet.POLL)
    thread.join()

    assert begun.is_set()
    assert capsys.readouterr().err.startswith("train bag: waits for the end of runtime (process ")


def test_who_was_killed_holds_nothing():
    """The lock ends with its process; its file does not count."""
    (quiet.folder() / "work-1.user").write_text("train bag")

    assert quiet.holders() == []


def test_each_process_sees_one_gpu(monkeypatch, capsys):
    """Two pretended GPUs: two processes, each with one of them and its part of the cores."""
    monkeypatch.setattr(local, "gpus", lambda: ["3", "GPU-5"])
    monkeypatch.setattr(local.os, "sched_getaffinity", lambda process: set(range(8)))
    names = [f"run{number}" for number in range(4)]

    assert engine.each("look", engine_work.trouble, dict.fromkeys(names, 1.0)) == 0
    seen = [line.split(": ")[1].split("; ")[0] for line in capsys.readouterr().out.splitlines()]
    assert set(seen) == {f"sees {gpu!r} on 4 threads" for gpu in ("3", "GPU-5")}


@pytest.mark.parametrize(
    ("visible", "count", "expected"),
    [(None, 2, ["0", "1"]), ("2,3", 2, ["2", "3"]), ("GPU-a", 1, ["GPU-a"]), ("", 0, []), ("7,9", 1, ["7"])],
)
def test_only_visible_gpus_are_used(visible, count, expected, monkeypatch):
    """Those of CUDA_VISIBLE_DEVICES, by its own names, as far as CUDA finds them."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    assert local.gpus() == expected


def test_the_time_left_does_not_count_what_an_earlier_command_did(monkeypatch):
    """A run of which 90 % were done before, and 5 % in 10 s: 5 % and another whole run are 210 s."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    board = Board("train", {"a": 1.0, "b": 1.0}, {})
    report = Reporter("train", "a", "CPU")
    report(0.9)
    board.look(["a", "b"])
    now[0] = 10.0
    report(0.95)
    board.look(["a", "b"])

    assert board.left() == pytest.approx(210)
    assert board.notes["a"].speed == pytest.approx(0.005)


def test_status_says_what_runs_where_how_fast_and_what_failed(capsys, monkeypatch):
    """From the notes alone: of runs that are worked on, of all, and of who uses this machine."""
    at = time.time()
    summary = Summary("train", "head", 7, 3, 1, 0.5, 90.0, {"bag": 1000}, ["srn: no memory"], False, at)
    progress.keep(progress.FOLDER / "train.json", summary)
    note = Note("bag", "node1", 12, "GPU 3", 0.0, 0.25, 0.01, at - 300)
    progress.keep(progress.note_path("train", "bag"), note)
    progress.note_path("train", "torn").with_suffix(".json").write_text("{")
    with quiet.working("quality bag"):
        status.main()

    first, run, failure, here = capsys.readouterr().out.splitlines()
    assert first == "train: 1 of 3 runs, 50 %, 01:30 left; shared out by process 7 on head"
    assert " ".join(run.split()) == "bag node1 GPU 3 25 % 10 steps/s 01:15 left; nothing new for 05:00"
    assert failure == "  failed: srn: no memory"
    assert here.startswith("on this machine: quality bag (process ")


def test_a_cluster_without_ray_is_one_line(monkeypatch):
    """RAY_ADDRESS is set, and Ray is not installed."""
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    monkeypatch.setitem(sys.modules, "ray", None)

    with pytest.raises(ValueError, match="RAY_ADDRESS is 'head:6379', but Ray is not installed"):
        engine.each("train", engine_work.trouble, {"a": 1.0})
    assert engine.each("train", engine_work.trouble, {}) == 0


class FakeRay:
    """Stands in for Ray, whose nodes see what it was told."""

    exceptions = SimpleNamespace(RayError=OSError)
    util = SimpleNamespace(
        scheduling_strategies=SimpleNamespace(NodeAffinitySchedulingStrategy=lambda node, soft: node)
    )

    def __init__(self, seen):
        self.seen = seen

    def remote(self, *arguments, **options):
        """Return a decorator, or start what it decorated."""
        return lambda function: self

    def options(self, **options):
        """Return the function with other options."""
        return self

    def get(self, references, timeout):
        """Return what the nodes saw."""
        return self.seen


@pytest.mark.parametrize(
    ("seen", "message"),
    [
        ("absent", r"^node far \(10.0.0.2\) does not see .*; all nodes must share this folder$"),
        ("free", r"^node far \(10.0.0.2\) does not see locks of .* in .*; mount it with locks"),
    ],
)
def test_a_node_that_does_not_share_the_folder_is_named(seen, message):
    """Before anything is started there."""
    ray = FakeRay(["", seen])
    address = {"NodeManagerAddress": "10.0.0.2"}
    nodes = [{"NodeID": name, "NodeManagerHostname": name} | address for name in ("near", "far")]

    with pytest.raises(ValueError, match=message):
        cluster.check_folder(ray, nodes)
    cluster.check_folder(FakeRay(["", ""]), nodes)
