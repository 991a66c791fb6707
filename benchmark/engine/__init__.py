"""Do the work for many runs at once: on this machine, or on a Ray cluster when RAY_ADDRESS names one.

Runs are independent, and each goes on from what it has saved. So a run whose process ends, however that
happens, is started again, and takes no other run with it (docs/scale.md).
"""

import os
import sys
from collections import deque
from collections.abc import Mapping
from typing import Protocol

from benchmark.engine.local import Local, places
from benchmark.engine.progress import Board, clock
from benchmark.engine.worker import Ended, Progress, Work

__all__ = ["Progress", "Work", "clock", "device", "each", "on_cluster", "on_whole_node", "workers"]

RESTARTS = 3  # of a run that gets no further meanwhile


class Engine(Protocol):
    """Starts work in other processes, and tells how it ended."""

    def free(self) -> bool:
        """Return whether another run can be started."""

    def start(self, name: str) -> None:
        """Start a run."""

    def names(self) -> list[str]:
        """List the runs that were started and have not ended."""

    def wait(self, seconds: float) -> list[Ended]:
        """Wait for the end of a run, at most so long; return what has ended."""

    def stop(self) -> None:
        """Ask all runs to save and end, and wait for that, but not for long."""

    def close(self) -> None:
        """End what still runs."""


def on_cluster() -> bool:
    """Return whether a Ray cluster does the work; else this machine does it alone."""
    return bool(os.environ.get("RAY_ADDRESS"))


def device() -> str:
    """Return what work runs on, "cuda" or "cpu": this machine's device, or without a GPU the cluster's."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if not on_cluster():
        return "cpu"
    from benchmark.engine.cluster import device

    return device()


def workers(runs: int) -> int:
    """Count how many of so many runs are worked on at once."""
    if not on_cluster():
        return len(places(runs))
    from benchmark.engine.cluster import count_places

    return min(runs, count_places())


def on_whole_node(title: str, module: str, words: tuple[str, ...]) -> int:
    """Run a module with these words on a node of the cluster that does nothing else; return its status."""
    from benchmark.engine import whole_node

    return whole_node.on_whole_node(title, module, words)


def choose(title: str, work: Work, runs: int) -> Engine:
    """Return the engine for so many runs."""
    if on_cluster():
        from benchmark.engine.cluster import Cluster

        return Cluster(title, work)
    return Local(title, work, runs)


def each(
    title: str,
    work: Work,
    cost: Mapping[str, float],
    in_order: bool = False,
    steps: Mapping[str, int] | None = None,
) -> int:
    """Do the work for every run of `cost`; return 1 when a run failed, else 0.

    The most expensive comes first, which ends soonest, unless the order given is to be kept. Prints a line
    per finished run with the estimated time left, shows a progress bar on a terminal, and repeats the errors
    at the end.

    Args:
        title: of the work.
        work: a function of a module, which every process calls.
        cost: of each run, in any unit.
        in_order: whether to keep the order of `cost`.
        steps: of each run that has steps, to tell how many it does in a second.
    """
    names = list(cost) if in_order else sorted(cost, key=lambda name: -cost[name])
    if not names:
        return 0
    engine = choose(title, work, len(names))
    board = Board(title, cost, steps or {})
    try:
        run_all(engine, board, names)
    except KeyboardInterrupt:
        print(f"\n{title}: interrupted; saving what is under way", file=sys.stderr)
        engine.stop()
        print(f"{title}: finished runs are kept, start again to go on", file=sys.stderr)
        sys.exit(130)
    finally:
        engine.close()
        board.close()
    return int(bool(board.failures))


def run_all(engine: Engine, board: Board, names: list[str]) -> None:
    """Start every run, in this order, and those again whose processes ended; return when all have ended."""
    waiting, lost = deque(names), dict[str, tuple[float, int]]()
    while waiting or engine.names():
        while waiting and engine.free():
            engine.start(waiting.popleft())
        for ended in engine.wait(1.0):
            name = ended.name
            if not ended.died:
                board.ended(name, ended.message, ended.error)
                continue
            board.look([name])
            share, times = lost.get(name, (-1.0, 0))
            times = times + 1 if board.shares[name] <= share else 1
            lost[name] = board.shares[name], times
            if times > RESTARTS:
                board.ended(name, "", f"{ended.died}; {times} times without getting further")
            else:
                board.say(f"{board.title}  {name}: {ended.died}; it goes on from what it has saved")
                waiting.appendleft(name)
        board.look(engine.names())
