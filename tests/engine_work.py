"""Work that the tests of both engines share out."""

import os
import signal
import time
from pathlib import Path

import torch

from benchmark.data.fetch import locked
from benchmark.training import Settings, checkpoint, fit
from tests.engine_log import begin, log
from tests.samples import RECIPE, network, pairs

STEPS = 60


def weights(name, folder=Path()):
    """Return the path of a run's final weights."""
    return folder / "weights" / f"{name}.safetensors"


def state(name, folder=Path()):
    """Return the path of a run's state."""
    return folder / "states" / f"{name}.safetensors"


def train(name, progress):
    """Train a tiny network on batches of the run's own.

    DEBLUR_TEST_STEP and DEBLUR_TEST_SAVE are the seconds of a step and between checkpoints.
    """
    torch.set_num_threads(1)
    step, save = (float(os.environ.get(f"DEBLUR_TEST_{name}", "0")) for name in ("STEP", "SAVE"))
    weights(name).parent.mkdir(exist_ok=True)

    def tick(done):
        progress(done / STEPS)  # first: a step that is saved and not noted does not count as progress
        time.sleep(step)

    with locked(weights(name)):
        begin(name)
        try:
            net = network()
            settings = Settings(STEPS, state(name), int(name.removeprefix("run")), save_seconds=save)
            fit({"net": net}, pairs(), RECIPE, settings, lambda net, step: {"test": 1.0}, progress=tick)
            checkpoint.save(weights(name), net.state_dict(), {})
        finally:
            log(name, "end")
    return "trained"


def trouble(name, progress):
    """Fail as the run's name says, or say which GPUs and how many threads there are."""
    if name == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "raises":
        raise ValueError("a bad value")
    if name == "mistake":
        raise KeyError("a mistake")
    return f"sees {os.environ.get('CUDA_VISIBLE_DEVICES')!r} on {torch.get_num_threads()} threads"
