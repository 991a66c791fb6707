"""Work on this machine: a process per GPU, or per core where there is none, each for one run.

Thin networks on small crops leave a second thread idle half of the time: two processes with one thread
each finish more steps a second than one with two (docs/design.md). A process is forked from one that has
imported torch and never used a device, so that it starts at once, and it takes no other run with it when it
is killed.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pickle import UnpicklingError
from typing import Any

from benchmark.engine.worker import Ended, Task, Work, do, place

KILLED = "was killed, which also happens when memory runs out"
GRACE = 30.0  # s from a request to end to the kill: a step, a validation, and saving
# What most runs import beside torch: each saves a run some 0.3 s. What is not installed is passed over.
PRELOAD = ("torch._dynamo", "torchvision", "pyiqa", "scipy.ndimage")

# A process imports the command's module under another name, though the server that forks it has it already.
warnings.filterwarnings("ignore", "'.*' found in sys.modules after import", RuntimeWarning, "runpy")


def gpus() -> list[str]:
    """List the GPUs that this process may use, by the names that CUDA_VISIBLE_DEVICES takes."""
    import torch

    count = torch.cuda.device_count()  # which uses none of them
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    return chosen[:count] if chosen != [""] else [str(number) for number in range(count)]


def places(runs: int) -> list[str]:
    """List where so many runs are worked on at once: a GPU each, or "" for a core where there is none."""
    return (gpus() or [""] * len(os.sched_getaffinity(0)))[:runs]


def end_with_command() -> None:
    """Let this process be killed when the one that shares out work ends, however that ends.

    The kernel's word for that (`worker.end_with_parent`) is about the server that forked this process, which
    lives as long as any process that it forked.
    """
    command = multiprocessing.parent_process()

    def wait() -> None:
        assert command
        command.join()
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def work_on(task: Task, gpu: str, environment: Mapping[str, str], sender: Connection) -> None:
    """Do a task in a fresh process, and send how it ended."""
    end_with_command()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which asks for the end
    os.environ.clear()
    os.environ.update(environment)
    if gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    sender.send(do(task, f"GPU {gpu}" if gpu else "CPU", (signal.SIGTERM,)))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # freeing everything first takes longer than many a run


class Local:
    """An engine: processes of this machine."""

    def __init__(self, title: str, work: Work, runs: int) -> None:
        """Count the processes for so many runs, and the threads of each."""
        self.title, self.place = title, place(work)
        self.idle = places(runs)
        self.threads = max(1, len(os.sched_getaffinity(0)) // len(self.idle))
        self.running: dict[Any, tuple[str, str, ForkServerProcess]] = {}
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload([self.place.split(":")[0], *PRELOAD])

    def free(self) -> bool:
        """Return whether another run can be started."""
        return bool(self.idle)

    def start(self, name: str) -> None:
        """Start a run."""
        task, gpu = Task(self.title, self.place, name, os.getcwd(), self.threads), self.idle.pop(0)
        receiver, sender = self.context.Pipe(duplex=False)
        process = self.context.Process(target=work_on, args=(task, gpu, dict(os.environ), sender))
        process.start()
        sender.close()
        self.running[receiver] = name, gpu, process

    def names(self) -> list[str]:
        """List the runs that are worked on."""
        return [name for name, _, _ in self.running.values()]

    def wait(self, seconds: float) -> list[Ended]:
        """Wait for the end of a run; return what has ended."""
        return [self.end(receiver) for receiver in connection.wait(list(self.running), seconds)]

    def end(self, receiver: Any) -> Ended:
        """Receive how a run ended, and free its place."""
        name, gpu, process = self.running.pop(receiver)
        ended = None
        with suppress(EOFError, OSError, UnpicklingError):
            ended = receiver.recv()
        receiver.close()
        process.join(GRACE)
        process.kill()
        process.join()
        self.idle.insert(0, gpu)
        return ended or Ended(name, died=f"its process {reason(process.exitcode)}")

    def stop(self) -> None:
        """Ask all runs to save and end, and end them when they do not."""
        for _, _, process in self.running.values():
            process.terminate()
        end = time.monotonic() + GRACE
        while self.running and (left := end - time.monotonic()) > 0:
            self.wait(left)

    def close(self) -> None:
        """End all processes at once."""
        for _, _, process in self.running.values():
            process.kill()
        while self.running:
            self.wait(GRACE)


def reason(status: int | None) -> str:
    """Word the status of a process that ended without a word."""
    if status is None or status >= 0:
        return f"ended with status {status}"
    if -status == signal.SIGKILL:
        return KILLED
    return f"was ended by signal {-status}"
