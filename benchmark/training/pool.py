"""Work on many runs at once: one process per core, one thread each.

Thin networks on small crops leave a second thread idle half of the time: two processes with one thread
each finish more steps a second than one with two (docs/design.md). A GPU is used by one process alone.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from ctypes import c_double
from multiprocessing.sharedctypes import SynchronizedArray

from tqdm import tqdm

from benchmark.trouble import line

Progress = Callable[[float], None]  # is called with the share of a run that is done
Work = Callable[[str, Progress], str]  # takes a run's name and returns a message for the user

clock = tqdm.format_interval  # seconds as minutes and seconds, such as "02:05"
PR_SET_PDEATHSIG = 1  # linux/prctl.h
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h of glibc

_shares: "SynchronizedArray[float]"  # set in each worker: the share of each run that is done


def keep_memory() -> None:
    """Let this process keep the memory that it frees for its next tensors, where malloc is glibc's.

    By default glibc maps each large tensor anew and gives it back when it is freed; the kernel then clears
    every page of every tensor of every step.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)


def prepare_worker(shares: "SynchronizedArray[float]", threads: int) -> None:
    """Set the threads and the memory of a worker, and let it end with its parent, however that ends."""
    import torch

    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    keep_memory()

    global _shares
    _shares = shares
    torch.set_num_threads(threads)


def work_on(work: Work, name: str, slot: int) -> str:
    """Do the work for one run, in a worker."""

    def progress(share: float) -> None:
        _shares[slot] = share

    return work(name, progress)


def workers(runs: int) -> tuple[int, int]:
    """Count the processes for so many runs, and the threads of each."""
    import torch

    cores = len(os.sched_getaffinity(0))
    processes = 1 if torch.cuda.is_available() else max(1, min(cores, runs))
    return processes, max(1, cores // processes)


def each(title: str, work: Work, cost: Mapping[str, float], in_order: bool = False) -> int:
    """Do the work for every run of `cost`; return 1 when a run failed, else 0.

    The most expensive comes first, which ends soonest, unless the order given is to be kept.

    Prints a line per finished run with the estimated time left, for which `cost` may have any unit, shows a
    progress bar on a terminal, and repeats the errors at the end.
    """
    names = list(cost) if in_order else sorted(cost, key=lambda name: -cost[name])
    if not names:
        return 0
    processes, threads = workers(len(names))
    context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    shares = context.Array(c_double, len(names))
    begun, failures, total = time.monotonic(), [], sum(cost.values())
    bar_format = "{desc} {bar} {n:.0f} %{postfix}"
    with (
        ProcessPoolExecutor(processes, context, prepare_worker, (shares, threads)) as pool,
        tqdm(total=100, unit="%", desc=title, disable=None, bar_format=bar_format) as bar,
    ):
        waiting = {pool.submit(work_on, work, name, slot): name for slot, name in enumerate(names)}
        try:
            while waiting:
                done, _ = wait(waiting, timeout=1, return_when=FIRST_COMPLETED)
                for future in done:
                    shares[names.index(waiting[future])] = 1.0
                finished = sum(cost[name] * share for name, share in zip(names, shares[:], strict=True))
                spent = time.monotonic() - begun
                left = clock(spent * (total - finished) / finished) if finished else "?"
                bar.n = 100 * finished / total
                bar.set_postfix_str(f" {left} left", refresh=True)
                for future in done:
                    name = waiting.pop(future)
                    message, error = outcome(future)
                    if error:
                        failures.append(f"{name}: {error}")
                    count = f"{title} {len(names) - len(waiting)} of {len(names)}"
                    bar.write(f"{count}  {name}: {error or message}; {left} left", file=sys.stdout)
                    sys.stdout.flush()
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            print(f"\n{title}: interrupted; finished runs are kept, start again to go on", file=sys.stderr)
            sys.exit(130)
    for failure in failures:
        print(f"{title}: {failure}", file=sys.stderr)
    return int(bool(failures))


def outcome(future: "Future[str]") -> tuple[str, str]:
    """Return the message of a finished run and its error, of which one is empty."""
    try:
        return future.result(), ""
    except Exception as error:
        try:
            return "", line(error)
        except Exception:  # a mistake of ours
            return "", f"{type(error).__name__}: {error}"
