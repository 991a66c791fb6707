"""Work that the tests of both engines share out: tiny trainings that log when they begin and end."""

import os
import signal
import time
from pathlib import Path

import torch

from benchmark.data.fetch import locked
from benchmark.training import Settings, checkpoint, fit
from tests.samples import RECIPE, network, pairs

STEPS = 60
LOG = Path("log")  # lines of three words: run, what happens, number of the process


def log(name, what):
    """Append a line, whole."""
    with LOG.open("ab", buffering=0) as file:
        file.write(f"{name} {what} {os.getpid()}\n".encode())


def lines(folder=Path()):
    """Read the log as tuples (run, what, process)."""
    text = (folder / LOG).read_text() if (folder / LOG).exists() else ""
    return [(name, what, int(process)) for name, what, process in map(str.split, text.splitlines())]


def begun(folder=Path()):
    """Return the processes that have begun a run and not ended it, killed ones too, by run."""
    found = {}
    for name, what, process in lines(folder):
        if what == "begin":
            found[name] = process
        elif what == "end":
            found.pop(name, None)
    return found


def runs_on(process):
    """Decide whether a process runs; one that was killed and not yet waited for does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def weights(name, folder=Path()):
    """Return the path of a run's final weights."""
    return folder / "weights" / f"{name}.safetensors"


def state(name, folder=Path()):
    """Return the path of a run's state."""
    return folder / "states" / f"{name}.safetensors"


def train(name, progress):
    """Train a tiny network on batches of the run's own, a checkpoint after each step."""
    torch.set_num_threads(1)
    weights(name).parent.mkdir(exist_ok=True)
    with locked(weights(name)):
        other = begun().get(name, 0)
        log(name, "overlap" if other not in (0, os.getpid()) and runs_on(other) else "begin")

        def tick(step):
            time.sleep(float(os.environ.get("DEBLUR_TEST_STEP", "0")))
            progress(step / STEPS)

        try:
            net = network()
            often = float(os.environ.get("DEBLUR_TEST_SAVE", "0"))
            settings = Settings(STEPS, state(name), int(name.removeprefix("run")), save_seconds=often)
            fit({"net": net}, pairs(), RECIPE, settings, lambda net, step: {"test": 1.0}, progress=tick)
            checkpoint.save(weights(name), net.state_dict(), {})
        finally:
            log(name, "end")
    return "trained"


def trouble(name, progress):
    """Fail as the run's name says."""
    if name == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "raises":
        raise ValueError("a bad value")
    if name == "mistake":
        raise KeyError("a mistake")
    log(name, f"{os.environ.get('CUDA_VISIBLE_DEVICES', 'none')},{torch.get_num_threads()}")
    return "fine"
