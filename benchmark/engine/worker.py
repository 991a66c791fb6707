"""Do the work for one run in a process of its own, whichever engine started it."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from benchmark.engine import quiet, stopping
from benchmark.engine.progress import Reporter
from benchmark.trouble import line, one_line

Progress = Callable[[float], None]  # is called with the share of a run that is done
Work = Callable[[str, Progress], str]  # takes a run's name and returns a message for the user

PR_SET_PDEATHSIG = 1  # linux/prctl.h
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h of glibc


@dataclass(frozen=True)
class Task:
    """Describe the work for one run, for another process, perhaps on another machine."""

    title: str
    place: str  # of the function: module:name
    name: str  # of the run
    folder: str  # where to work
    threads: int


@dataclass(frozen=True)
class Ended:
    """Say how the work for a run ended: an error, the end of its process, or neither."""

    name: str
    message: str = ""  # it is done
    error: str = ""  # it failed
    died: str = ""  # its process ended before it did, and it can be started again


def place(function: Callable[..., Any]) -> str:
    """Name a module's function so that another process finds it, also that of a module which is run."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    module = spec.name if function.__module__ == "__main__" and spec else function.__module__
    return f"{module}:{function.__qualname__}"


def do(task: Task, device: str, requests: Sequence[signal.Signals]) -> Ended:
    """Do a task in this process, in its main thread; only a mistake of the engine raises anything.

    Args:
        task: what to do.
        device: its name for the user.
        requests: signals that ask for the end.
    """
    import torch

    keep_memory()
    os.chdir(task.folder)
    torch.set_num_threads(task.threads)
    module, name = task.place.split(":")
    try:
        with (
            stopping.listening(*requests),
            quiet.working(f"{task.title} {task.name}"),
        ):
            work: Work = getattr(import_module(module), name)
            return Ended(task.name, message=work(task.name, Reporter(task.title, task.name, device)))
    except stopping.Stopped:
        return Ended(task.name, died="its process was asked to end, and what it had done was saved")
    except Exception as error:
        return Ended(task.name, error=worded(error))


def worded(error: BaseException) -> str:
    """Word an error in one line, a mistake of ours too."""
    try:
        return line(error)
    except Exception:
        return one_line(f"{type(error).__name__}: {error}")


def end_with_parent() -> None:
    """Let this process be killed when its parent ends, however that ends, where the kernel can do so."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def keep_memory() -> None:
    """Let this process keep the memory that it frees for its next tensors, where malloc is glibc's.

    By default glibc maps each large tensor anew and gives it back when it is freed; the kernel then clears
    every page of every tensor of every step.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)
