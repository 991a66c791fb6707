"""Both engines: killed, terminated or lost, a run ends with the same bits and is never done twice at once."""

import os
import random
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.engine_work import begun, lines, runs_on, state, weights

ROOT = Path(__file__).parents[1]
RUNS = [f"run{number}" for number in range(4)]
WITHOUT_RAY = pytest.mark.skipif(
    find_spec("ray") is None, reason="Ray is not installed (pip install 'ray==2.60.*')"
)
DRIVER = """
import sys
from benchmark import engine, trouble
from tests import engine_work
names = sys.argv[2:]
work = getattr(engine_work, sys.argv[1])
cost, steps = dict.fromkeys(names, 1.0), dict.fromkeys(names, engine_work.STEPS)
sys.exit(trouble.told("train", engine.each, "train", work, cost, True, steps))
"""


class Nodes:
    """A Ray cluster of two pretended nodes with a pretended GPU each."""

    def __init__(self, folder):
        from ray.cluster_utils import Cluster

        self.folder, self.count = folder, 0
        self.cluster = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
        )
        self.nodes = [self.add(), self.add()]

    def add(self):
        """Start a node, with a folder of its own for the locks of its machine."""
        self.count += 1
        own = self.folder / f"machine{self.count}"
        own.mkdir()
        return self.cluster.add_node(num_cpus=1, num_gpus=1, env_vars={"TMPDIR": str(own)})

    def lose(self):
        """Kill a node as a machine that is switched off, and start another."""
        self.cluster.remove_node(self.nodes.pop(), allow_graceful=False)
        self.nodes.append(self.add())


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    """The cluster, which takes 10 s to start."""
    cluster = Nodes(tmp_path_factory.mktemp("nodes"))
    yield cluster
    cluster.cluster.shutdown()


@pytest.fixture(params=["local", pytest.param("ray", marks=WITHOUT_RAY)])
def start(request, tmp_path):
    """Return a function that starts to share out work in the test's folder, by one of the engines."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    environment.pop("RAY_ADDRESS", None)
    if request.param == "ray":
        environment["RAY_ADDRESS"] = request.getfixturevalue("nodes").cluster.address
    started = []

    def call(*words, **settings):
        command = [sys.executable, "-c", DRIVER, *words]
        more = {f"DEBLUR_TEST_{name.upper()}": str(value) for name, value in settings.items()}
        process = subprocess.Popen(
            command,
            cwd=tmp_path,
            env=environment | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield call
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The weights of every run, each trained undisturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    code = f"from tests import engine_work\nfor name in {RUNS}: engine_work.train(name, lambda share: None)"
    subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True
    )
    return {name: weights(name, folder).read_bytes() for name in RUNS}


def until(condition, seconds=60):
    """Wait until a condition holds; return its value."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)
    return value


def assert_same(folder, expected):
    """Check that every run has the expected weights, and that none was done by two processes at once."""
    assert {name: weights(name, folder).read_bytes() for name in RUNS} == expected
    assert [line for line in lines(folder) if line[1] == "overlap"] == []


def test_workers_killed_at_random_moments(start, tmp_path, expected):
    """Ten times `kill -9`: each run goes on from its checkpoint, and the others are not disturbed."""
    draws, kills = random.Random(3), 0
    process = start("train", *RUNS, step=0.04)
    while kills < 10 and process.poll() is None:
        time.sleep(draws.uniform(0.05, 0.8))
        if victims := [number for number in begun(tmp_path).values() if runs_on(number)]:
            os.kill(draws.choice(victims), signal.SIGKILL)
            kills += 1
    out, err = process.communicate(timeout=120)

    assert process.returncode == 0, out + err
    assert kills == 10, out
    assert_same(tmp_path, expected)


@WITHOUT_RAY
def test_a_node_that_is_lost(request, tmp_path, expected):
    """Its run goes on elsewhere, from the state in the folder that the nodes share."""


def test_one_that_dies_does_not_disturb_the_others(start, tmp_path):
    """A run whose process is killed again and again fails with that reason; the end repeats all errors."""
    out, err = start("trouble", "dies", "raises", "mistake", "fine").communicate(timeout=120)

    assert "fine: fine" in out
    assert out.count("dies: its process was killed") == 4
    failures = err.splitlines()[-3:]
    assert sorted(failures) == [
        "train: dies: its process was killed, which also happens when memory runs out; "
        "4 times without getting further",
        "train: mistake: KeyError: 'a mistake'",
        "train: raises: a bad value",
    ]


def test_a_terminated_command_saves_first(start, tmp_path, expected):
    """SIGTERM: every run keeps its last step, ends, and goes on from there, with the same bits."""
    process = start("train", *RUNS, step=0.1, save=1e9)
    until(lambda: len(begun(tmp_path)) == 2)
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    kept = [name for name in RUNS if state(name, tmp_path).exists()]
    again = start("train", *RUNS)
    more = again.communicate(timeout=60)

    assert process.returncode == 130, err
    assert len(kept) == 2
    assert again.returncode == 0, more
    assert_same(tmp_path, expected)


def test_a_preempted_worker_saves_first(start, tmp_path, expected):
    """SIGTERM to one process: it keeps its last step, ends, and another goes on from there."""
    process = start("train", *RUNS, step=0.05, save=1e9)
    name, number = until(lambda: next(iter(begun(tmp_path).items()), None))
    time.sleep(1)
    os.kill(number, signal.SIGTERM)
    until(lambda: state(name, tmp_path).exists(), 5)
    out, err = process.communicate(timeout=120)

    assert process.returncode == 0, err
    assert "asked to end, and what it had done was saved" in out
    assert_same(tmp_path, expected)


def test_no_worker_outlives_its_command(start, tmp_path):
    """Killed itself, a command leaves nobody training."""
    process = start("train", *RUNS, step=1)
    numbers = until(lambda: len(begun(tmp_path)) == 2 and list(begun(tmp_path).values()))
    process.kill()
    until(lambda: not any(map(runs_on, numbers)))
