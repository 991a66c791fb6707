"""Work on many runs at once: one process per core, one thread each.

Thin networks on small crops leave a second thread idle half of the time: two processes with one thread
each finish more steps a second than one with two (docs/design.md). On a GPU one process has it alone.
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

Tick = Callable[[float], None]
Work = Callable[[str, Tick], str]  # run's name, report of the share done -> what to say of it

PR_SET_PDEATHSIG = 1  # linux/prctl.h

_shares: "SynchronizedArray[float]"  # set in each worker; a share done per run


def start(shares: "SynchronizedArray[float]", threads: int) -> None:
    """Prepare a worker; it ends with the process that asked for it, however that ends."""
    import torch

    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    global _shares
    _shares = shares
    torch.set_num_threads(threads)


def one(work: Work, name: str, slot: int) -> str:
    """One run in a worker."""

    def tick(share: float) -> None:
        _shares[slot] = share

    return work(name, tick)


def workers(runs: int) -> tuple[int, int]:
    """Processes, and threads in each."""
    import torch

    cores = len(os.sched_getaffinity(0))
    processes = 1 if torch.cuda.is_available() else max(1, min(cores, runs))
    return processes, max(1, cores // processes)


def clock(seconds: float) -> str:
    """Minutes and seconds.

    >>> clock(125)
    '2:05'
    """
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def each(what: str, work: Work, cost: Mapping[str, float]) -> list[str]:
    """Do the work for every run of `cost`, dearest first; return one complaint per run that failed.

    Prints a line when a run is done, with how many there are and the time left, and on a terminal a
    bar between. The time left takes `cost` (any unit) as given.
    """
    names = sorted(cost, key=lambda name: -cost[name])
    if not names:
        return []
    processes, threads = workers(len(names))
    context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    shares = context.Array(c_double, len(names))
    begun, failed, total = time.monotonic(), [], sum(cost.values())
    with (
        ProcessPoolExecutor(processes, context, start, (shares, threads)) as pool,
        tqdm(
            total=100, unit="%", desc=what, disable=None, bar_format="{desc} {bar} {n:.0f} %{postfix}"
        ) as bar,
    ):
        waiting: dict[Future[str], str] = {pool.submit(one, work, n, i): n for i, n in enumerate(names)}
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
                    said, error = told(future)
                    if error:
                        failed.append(f"{name}: {error}")
                    count = f"{what} {len(names) - len(waiting)} of {len(names)}"
                    bar.write(f"{count}  {name}: {error or said}; {left} left", file=sys.stdout)
                    sys.stdout.flush()
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            print(f"\n{what}: interrupted; what is finished is kept, start again to go on", file=sys.stderr)
            sys.exit(130)
    return failed


def told(future: "Future[str]") -> tuple[str, str]:
    """What a finished run says, or its error."""
    try:
        return future.result(), ""
    except ValueError as error:  # ours, worded for the reader
        return "", str(error)
    except Exception as error:
        return "", f"{type(error).__name__}: {error}"
