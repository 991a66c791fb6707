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

from benchmark.training import checkpoint
from tests.engine_log import at_work, lines, runs_on
from tests.engine_work import STEPS, state, weights

ROOT = Path(__file__).parents[1]
RUNS = [f"run{number}" for number in range(4)]
SECONDS = 240  # for a command, on a busy machine
NEVER = 1e9
WITHOUT_RAY = pytest.mark.skipif(
    find_spec("ray") is None, reason="Ray is not installed (pip install 'ray==2.60.*')"
)
EACH = """
import sys
from benchmark import engine, trouble
from tests import engine_work
names = sys.argv[2:]
work = getattr(engine_work, sys.argv[1])
cost, steps = dict.fromkeys(names, 1.0), dict.fromkeys(names, engine_work.STEPS)
sys.exit(trouble.told("train", engine.each, "train", work, cost, True, steps))
"""
TIME = """
import sys
from benchmark import engine, trouble
sys.exit(trouble.told("runtime", engine.on_whole_node, "runtime", "tests.engine_log", ()))
"""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are disturbed as Linux does it")


class Nodes:
    """A Ray cluster of pretended machines, each with a core and a GPU that are none."""

    def __init__(self, folder):
        from ray.cluster_utils import Cluster

        self.folder, self.count = folder, 0
        self.cluster = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
        )
        self.nodes = {self.add() for _ in range(2)}

    def add(self):
        """Start a machine; its name is that of its folder for temporary files."""
        self.count += 1
        own = self.folder / f"machine{self.count}"
        own.mkdir()
        return self.cluster.add_node(num_cpus=1, num_gpus=1, env_vars={"TMPDIR": str(own)})

    def lose(self):
        """Kill a machine's own processes, as far as Ray's are concerned, and start another machine."""
        self.cluster.remove_node(self.nodes.pop(), allow_graceful=False)
        self.nodes.add(self.add())


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    """The cluster, which takes ten seconds to start."""
    cluster = Nodes(tmp_path_factory.mktemp("nodes"))
    yield cluster
    cluster.cluster.shutdown()


@pytest.fixture(params=["local", pytest.param("ray", marks=WITHOUT_RAY)])
def start(request, tmp_path):
    """Return a function that starts a command in the test's folder, which uses one of the engines."""
    address = request.getfixturevalue("nodes").cluster.address if request.param == "ray" else ""
    started = []

    def call(code, *words, address=address, **settings):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
        environment |= {f"DEBLUR_TEST_{name.upper()}": str(value) for name, value in settings.items()}
        process = subprocess.Popen(
            [sys.executable, "-c", code, *words],
            cwd=tmp_path,
            env=environment | {"RAY_ADDRESS": address},
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
    """The weights of every run, each trained undisturbed by one process."""
    folder = tmp_path_factory.mktemp("undisturbed")
    code = f"from tests import engine_work\nfor name in {RUNS}: engine_work.train(name, lambda share: None)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, check=True)
    return {name: weights(name, folder).read_bytes() for name in RUNS}


def until(condition):
    """Wait until a condition holds; return its value."""
    end = time.monotonic() + SECONDS
    while not (value := condition()):
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)
    return value


def assert_same(folder, expected):
    """Check that every run has the expected weights, and that nothing was done beside what excludes it."""
    assert {name: weights(name, folder).read_bytes() for name in RUNS} == expected
    assert [line for line in lines(folder) if line[1] == "overlap"] == []


def test_workers_killed_at_random_moments(start, tmp_path, expected):
    """Ten times `kill -9`: each run goes on from its checkpoint, and the others are not disturbed."""
    draws, kills = random.Random(3), 0
    process = start(EACH, "train", *RUNS, step=0.04)
    while kills < 10 and process.poll() is None:
        time.sleep(draws.uniform(0.05, 0.8))
        if victims := [number for number, _ in at_work(tmp_path).values()]:
            os.kill(draws.choice(victims), signal.SIGKILL)
            kills += 1
    out, err = process.communicate(timeout=SECONDS)

    assert process.returncode == 0, out + err
    assert kills == 10, out
    assert_same(tmp_path, expected)


def test_a_terminated_command_saves_first(start, tmp_path, expected):
    """SIGTERM: every run saves its last step and ends, and this machine alone goes on from there."""
    process = start(EACH, "train", *RUNS, step=0.1, save=NEVER)
    until(lambda: len(at_work(tmp_path)) == 2)
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=SECONDS)
    saved = {
        name: checkpoint.load(state(name, tmp_path))[1]["step"]
        for name in RUNS
        if state(name, tmp_path).exists()
    }
    again = start(EACH, "train", *RUNS, address="")
    again.communicate(timeout=SECONDS)

    assert process.returncode == 130, out + err
    assert len(saved) == 2
    assert all(0 < step < STEPS for step in saved.values())
    assert again.returncode == 0
    assert_same(tmp_path, expected)


def test_a_preempted_worker_saves_first(start, tmp_path, expected, request):
    """SIGTERM to one process: its run saves its last step and goes on in another. On Ray, then a node is lost."""
    process = start(EACH, "train", *RUNS, step=0.1, save=NEVER)
    name, (number, _) = until(lambda: next(iter(at_work(tmp_path).items()), None))
    time.sleep(1)
    os.kill(number, signal.SIGTERM)
    until(lambda: state(name, tmp_path).exists())
    if "ray" in request.node.name:
        until(lambda: len(at_work(tmp_path)) == 2)
        request.getfixturevalue("nodes").lose()
    out, err = process.communicate(timeout=SECONDS)

    assert process.returncode == 0, out + err
    assert f"{name}: its process was asked to end, and what it had done was saved" in out
    assert ("its node was lost" in out) == ("ray" in request.node.name)
    assert_same(tmp_path, expected)


def test_a_timing_is_alone(start, tmp_path, expected, request):
    """On one machine it is refused, with what trains there; on a cluster it waits for a node of its own."""
    process = start(EACH, "train", *RUNS, step=0.05)
    name, (number, _) = until(lambda: next(iter(at_work(tmp_path).items()), None))
    if "ray" in request.node.name:
        timing = start(TIME)
    else:
        timing = start(
            "from tests.engine_log import time_something as f; from benchmark import trouble; exit(trouble.told('runtime', f))"
        )
    said, refused = timing.communicate(timeout=SECONDS)
    process.communicate(timeout=SECONDS)

    if "ray" in request.node.name:
        assert said.splitlines()[-1] == "timed", refused
    else:
        assert f"train {name} (process {number})" in refused
        assert "at work on this machine, and a timing needs it alone" in refused
    assert_same(tmp_path, expected)


def test_no_worker_outlives_its_command(start, tmp_path):
    """When a command is killed, nobody goes on training."""
    process = start(EACH, "train", *RUNS, step=1)
    numbers = until(lambda: len(found := at_work(tmp_path)) == 2 and [number for number, _ in found.values()])
    process.kill()

    until(lambda: not any(map(runs_on, numbers)))


@pytest.mark.parametrize("start", ["local"], indirect=True)
def test_one_that_dies_does_not_disturb_the_others(start):
    """A run whose process is killed again and again fails with that reason; the end repeats all errors."""
    out, err = start(EACH, "trouble", "dies", "raises", "mistake", "fine").communicate(timeout=SECONDS)

    assert "fine: sees None on 1 threads" in out
    assert out.count("dies: its process was killed") == 4
    assert sorted(err.splitlines()[-3:]) == [
        "train: dies: its process was killed, which also happens when memory runs out; "
        "4 times without getting further",
        "train: mistake: KeyError: 'a mistake'",
        "train: raises: a bad value",
    ]
