"""Both engines: killed, terminated or lost, a run ends with the same bits and is never done twice at once."""

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmark import engine
from benchmark.engine import progress, quiet
from benchmark.training import checkpoint
from tests import engine_work
from tests.engine_log import at_work, lines, runs_on
from tests.engine_work import STEPS, state, weights

ROOT = Path(__file__).parents[1]
RUNS = [f"run{number}" for number in range(3)]
SECONDS = 240  # for a command, on a busy machine
NEVER = "1e9"
WITHOUT_RAY = pytest.mark.skipif(
    find_spec("ray") is None, reason="Ray is not installed (pip install 'ray==2.60.*')"
)
EACH = """
import sys
from benchmark import engine, trouble
from tests import engine_work
cost = dict.fromkeys(sys.argv[1:], 1.0)
sys.exit(trouble.told("train", engine.each, "train", engine_work.train, cost, True))
"""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are disturbed as Linux does it")


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    """A Ray cluster of two pretended machines with a core and a GPU each; it takes ten seconds to start.

    The name of a machine is that of its folder for temporary files.
    """
    import ray
    from ray.cluster_utils import Cluster

    Path("/tmp/ray").mkdir(exist_ok=True)  # Ray notes its address there, whatever `temp_dir` is
    folder = tmp_path_factory.mktemp("nodes")
    machines = [{"num_cpus": 1, "num_gpus": 1, "env_vars": {"TMPDIR": str(folder / name)}} for name in "ab"]
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as temporary:  # a short path, for sockets
        head = machines[0] | {"include_dashboard": False, "temp_dir": temporary}
        try:
            cluster = Cluster(initialize_head=True, head_node_args=head)
            cluster.add_node(**machines[1])
        except Exception as error:  # of Ray's own start, which needs ports and shared memory
            pytest.skip(f"Ray does not start on this machine: {error}")
        yield cluster
        ray.shutdown()
        cluster.shutdown()


@pytest.fixture(params=["local", pytest.param("ray", marks=WITHOUT_RAY)])
def kind(request, tmp_path, monkeypatch):
    """Work in a folder with one of the engines; return its name."""
    address = request.getfixturevalue("nodes").address if request.param == "ray" else ""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("RAY_ADDRESS", address)
    return request.param


@pytest.fixture
def share_out(kind, capsys):
    """Return a function that shares out work while another disturbs it."""

    def call(disturb, work=engine_work.train, names=RUNS):
        with ThreadPoolExecutor(1) as thread:
            disturbing = thread.submit(disturb)
            status = engine.each("train", work, dict.fromkeys(names, 1.0), in_order=True)
            disturbing.result()
        return status, *capsys.readouterr()

    return call


@pytest.fixture
def command(kind):
    """Return a function that starts to share out the trainings by a command, which may be killed."""
    started = []

    def call():
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        started.append(subprocess.Popen([sys.executable, "-c", EACH, *RUNS], env=environment))
        return started[-1]

    yield call
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The weights of every run, each trained undisturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", "undisturbed")
        for name in RUNS:
            engine_work.train(name, lambda share: None)
        return {name: weights(name).read_bytes() for name in RUNS}


def until(condition):
    """Wait until a condition holds; return its value."""
    end = time.monotonic() + SECONDS
    while not (value := condition()):
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)
    return value


def training():
    """List the runs that have made a step, of those at work: (run, process)."""
    notes = {name: progress.read_note(progress.note_path("train", name)) for name in at_work()}
    return [(name, note.process) for name, note in notes.items() if note and note.share > 0]


def saved_at(name):
    """Return when a run saved its state, in s since 1970."""
    return state(name).stat().st_mtime if state(name).exists() else 0


def assert_same(expected):
    """Check that every run has the expected weights, and that nothing was done beside what excludes it."""
    assert {name: weights(name).read_bytes() for name in RUNS} == expected
    assert [line for line in lines() if line[1] == "overlap"] == []


def test_workers_killed_at_random_moments(kind, share_out, expected, monkeypatch):
    """Twenty times `kill -9`: each run goes on from its checkpoint, and the others are not disturbed.

    A timing meanwhile is refused on this machine, with what trains; a cluster gives it a node of its own.
    """
    monkeypatch.setenv("DEBLUR_TEST_STEP", "0.15")
    count = 5 if kind == "ray" else 15
    draws, kills, said = random.Random(3), [], []

    def timing():
        if kind == "ray":
            return str(engine.on_whole_node("runtime", "tests.engine_log", ()))
        with pytest.raises(ValueError, match="a timing needs it alone") as refused, quiet.timing("runtime"):
            pass
        return str(refused.value)

    def disturb():
        until(at_work)
        if kind == "local":  # while somebody is at work, and not just killed
            said.append(timing())
        with ThreadPoolExecutor(1) as thread:
            timed = thread.submit(timing if kind == "ray" else lambda: said[0])
            while len(kills) < count:
                time.sleep(draws.uniform(0.02, 0.6))
                victim = until(
                    lambda: (names := [*at_work().keys() & set(RUNS)]) and draws.choice(sorted(names))
                )
                if sum(then > saved_at(victim) for name, then in kills if name == victim) >= 2:
                    continue  # a run that never gets further fails
                with contextlib.suppress(ProcessLookupError, KeyError):  # it has just ended
                    os.kill(at_work()[victim][0], signal.SIGKILL)
                    kills.append((victim, time.time()))
            said.append(timed.result())

    status, out, err = share_out(disturb)

    assert status == 0, out + err
    assert said[0] == "0" if kind == "ray" else re.search(r"train run\d \(process \d+\)", said[0])
    assert_same(expected)


def test_a_terminated_command_saves_first(command, expected, monkeypatch):
    """SIGTERM: every run saves its last step and ends, and this machine alone goes on from there."""
    monkeypatch.setenv("DEBLUR_TEST_STEP", "0.1")
    monkeypatch.setenv("DEBLUR_TEST_SAVE", NEVER)
    process = command()
    until(lambda: len(training()) == 2)
    process.send_signal(signal.SIGTERM)
    process.wait(SECONDS)
    saved = [checkpoint.load(state(name))[1]["step"] for name in RUNS if state(name).exists()]
    monkeypatch.delenv("DEBLUR_TEST_STEP")
    monkeypatch.delenv("RAY_ADDRESS")

    assert process.returncode == 130
    assert len(saved) == 2
    assert all(0 < step < STEPS for step in saved)
    assert engine.each("train", engine_work.train, dict.fromkeys(RUNS, 1.0)) == 0
    assert_same(expected)


def test_no_worker_outlives_its_command(command, monkeypatch):
    """When a command is killed, nobody goes on training."""
    monkeypatch.setenv("DEBLUR_TEST_STEP", "1")
    process = command()
    until(lambda: len(at_work()) == 2)
    numbers = [number for number, _ in at_work().values()]
    process.kill()

    until(lambda: not any(map(runs_on, numbers)))
    assert not any(weights(name).exists() for name in RUNS)


@pytest.mark.parametrize("kind", ["local"], indirect=True)
def test_one_that_dies_does_not_disturb_the_others(share_out):
    """A run whose process is killed again and again fails with that reason; the end repeats all errors."""
    names = ("dies", "raises", "mistake", "fine")
    status, out, err = share_out(lambda: None, engine_work.trouble, names)

    assert status == 1
    assert "fine: sees None on 1 threads" in out
    assert out.count("dies: its process was killed") == 4
    assert sorted(err.splitlines()) == [
        "train: dies: its process was killed, which also happens when memory runs out; "
        "4 times without getting further",
        "train: mistake: KeyError: 'a mistake'",
        "train: raises: a bad value",
    ]


def test_a_preempted_worker_saves_first(kind, share_out, expected, monkeypatch, request):
    """SIGTERM to a process: its run saves its last step and goes on. On Ray, a node is lost before."""
    monkeypatch.setenv("DEBLUR_TEST_STEP", "0.1")
    monkeypatch.setenv("DEBLUR_TEST_SAVE", NEVER)

    def left(name):
        """Tell whether a run is at work outside the lost node; it may have ended since it was listed."""
        return at_work().get(name, (0, "b"))[1] != "b"

    def disturb():
        if kind == "ray":
            until(lambda: len(training()) == 2)
            (node,) = request.getfixturevalue("nodes").worker_nodes
            os.kill(node.all_processes["raylet"][0].process.pid, signal.SIGKILL)
        name, number = until(lambda: [run for run in training() if left(run[0])])[0]
        os.kill(number, signal.SIGTERM)
        until(state(name).exists)

    status, out, err = share_out(disturb)

    assert status == 0, out + err
    assert "its process was asked to end, and what it had done was saved" in out
    assert kind == "local" or re.search("its node was lost|its process was killed", out)
    assert_same(expected)
