"""Work on a Ray cluster: a task for each run, with a GPU of its own, or a core where the cluster has no GPU.

The nodes share the project's folder. Ray notices a node or process that is lost, and `each` starts its runs
again; the lock of a run, in that folder, keeps them from being worked on twice at once.
"""

import os
import platform
import signal
import threading
import time
from dataclasses import asdict
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from filelock import FileLock

from benchmark.engine.local import GRACE, KILLED
from benchmark.engine.progress import FOLDER
from benchmark.engine.worker import Ended, Task, Work, do, end_with_parent, place
from benchmark.trouble import one_line

ROOT = str(Path(__file__).parents[2])  # of the imports `benchmark.*`
PROBE_SECONDS = 120.0  # for the first process on a node


def connect() -> Any:
    """Connect to the cluster of RAY_ADDRESS, or start one on this machine for "local"; return the module ray.

    Raises:
        ValueError: Ray is not installed, or no cluster answers.
    """
    address = os.environ["RAY_ADDRESS"]
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray: Any = import_module("ray")
    except ImportError:
        raise ValueError(
            f"RAY_ADDRESS is {address!r}, but Ray is not installed; install 'ray==2.60.*', or unset it"
        ) from None
    if not ray.is_initialized():
        before = signal.getsignal(signal.SIGTERM)
        started = {"num_cpus": len(os.sched_getaffinity(0)), "include_dashboard": False}
        try:
            ray.init(address, logging_level="error", **(started if address == "local" else {}))
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise ValueError(
                f"RAY_ADDRESS: no cluster answers at {address!r} ({one_line(error)}); "
                "start one (docs/scale.md), or unset it"
            ) from None
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)  # Ray's own handler would exit without saving anything
    return ray


def nodes(ray: Any) -> list[dict[str, Any]]:
    """List the nodes that can work.

    Raises:
        ValueError: there is none.
    """
    found = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
    if not found:
        raise ValueError(f"RAY_ADDRESS: no node of {os.environ['RAY_ADDRESS']!r} has a CPU to work on")
    return found


def count_places() -> int:
    """Count how many runs the cluster works on at once: its GPUs, or its CPUs where it has no GPU."""
    working = nodes(connect())
    return sum(int(n["Resources"].get("GPU", 0)) for n in working) or sum(
        int(n["Resources"]["CPU"]) for n in working
    )


@cache
def device() -> str:
    """Return the device that tasks see, "cuda" or "cpu", which may be another than that of this machine."""
    ray = connect()
    if not any(node["Resources"].get("GPU") for node in nodes(ray)):
        return "cpu"

    def look() -> bool:  # travels as code
        import torch

        return torch.cuda.is_available()

    return "cuda" if ray.get(ray.remote(num_gpus=0.01, num_cpus=0)(look).remote()) else "cpu"


def on(ray: Any, node: dict[str, Any]) -> Any:
    """Return the strategy that schedules on one node."""
    return ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)


def check_folder(ray: Any, working: list[dict[str, Any]]) -> None:
    """Check that every node sees this folder, and a lock in it.

    Raises:
        ValueError: a node does not; the message names it.
    """
    here, mark = platform.node(), (FOLDER / f"{platform.node()}-{os.getpid()}.mark").absolute()

    def look(mark: str) -> str:  # travels as code, because the node may not see the project
        import os

        import filelock

        if not os.path.exists(mark):
            return "absent"
        try:
            with filelock.FileLock(mark, timeout=0):
                return "free"
        except filelock.Timeout:
            return ""

    mark.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(mark):
        remote = ray.remote(num_cpus=0, max_retries=0)(look)
        looks = [remote.options(scheduling_strategy=on(ray, node)).remote(str(mark)) for node in working]
        try:
            found = ray.get(looks, timeout=PROBE_SECONDS)
        except ray.exceptions.RayError as error:
            raise ValueError(f"RAY_ADDRESS: a node does not start a process ({one_line(error)})") from None
    mark.unlink(missing_ok=True)
    for node, problem in zip(working, found, strict=True):
        name = f"node {node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
        if problem == "absent":
            raise ValueError(f"{name} does not see {Path.cwd()}; all nodes must share this folder")
        if problem:
            raise ValueError(
                f"{name} does not see locks of {here} in {Path.cwd()}; mount it with locks "
                "(NFS 4, Lustre's option flock)"
            )


def passed_on() -> dict[str, str]:
    """Return the settings in this process's environment that count on every node."""
    return {name: value for name, value in os.environ.items() if name.startswith("DEBLUR_")}


def in_task(task: dict[str, Any], gpu: bool, environment: dict[str, str]) -> dict[str, Any]:
    """Do a task in a process of Ray's."""
    import ray

    end_with_parent()  # the node's raylet; Ray lets a task of a node that is lost go on to its end
    os.environ.update(environment)
    os.environ.pop("RAY_ADDRESS", None)  # what is done here is done on this node
    if not gpu:  # Ray hides none from a task that asks for none
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    device = f"GPU {','.join(map(str, ray.get_gpu_ids()))}" if gpu else "CPU"
    return asdict(do(Task(**task), device, (signal.SIGTERM, signal.SIGINT)))  # SIGINT: ray.cancel


class Cluster:
    """An engine: tasks of a Ray cluster."""

    def __init__(self, title: str, work: Work) -> None:
        """Connect, and check that every node sees this folder.

        Raises:
            ValueError: there is no cluster, or a node does not see the folder.
        """
        self.title, self.place, self.ray = title, place(work), connect()
        working = nodes(self.ray)
        check_folder(self.ray, working)
        sizes = [(int(n["Resources"]["CPU"]), int(n["Resources"].get("GPU", 0))) for n in working]
        self.gpu = any(gpus for _, gpus in sizes)
        self.threads = max(1, min(cpus // gpus for cpus, gpus in sizes if gpus)) if self.gpu else 1

        def work_on(root: str, task: dict[str, Any], *rest: Any) -> dict[str, Any]:  # travels as code
            import os
            import platform
            import sys

            if not os.path.isdir(task["folder"]):  # of a node that came later
                problem = (
                    f"node {platform.node()} does not see {task['folder']}; all nodes must share this folder"
                )
                return {"name": task["name"], "error": problem}
            if root not in sys.path:
                sys.path.insert(0, root)
            from benchmark.engine.cluster import in_task

            return in_task(task, *rest)

        options = {"num_gpus": 1, "num_cpus": 0} if self.gpu else {"num_cpus": 1}
        self.task = self.ray.remote(max_retries=0, **options)(work_on)
        self.running: dict[Any, str] = {}

    def free(self) -> bool:
        """Return True: Ray keeps the tasks that wait, and an autoscaler starts nodes for them."""
        return True

    def start(self, name: str) -> None:
        """Start a run as soon as there is place for it."""
        task = asdict(Task(self.title, self.place, name, os.getcwd(), self.threads))
        reference = self.task.options(name=f"{self.title} {name}").remote(ROOT, task, self.gpu, passed_on())
        self.running[reference] = name

    def names(self) -> list[str]:
        """List the runs that were started and have not ended."""
        return list(self.running.values())

    def wait(self, seconds: float) -> list[Ended]:
        """Wait for the end of a run; return what has ended."""
        done, _ = self.ray.wait(list(self.running), timeout=seconds)
        return [self.end(reference) for reference in done]

    def end(self, reference: Any) -> Ended:
        """Return how a run ended."""
        name = self.running.pop(reference)
        try:
            return Ended(**self.ray.get(reference))
        except self.ray.exceptions.RayTaskError as error:  # a mistake of ours, or a node without the project
            return Ended(name, error=one_line(error.cause or error))
        except self.ray.exceptions.RayError as error:
            return Ended(name, died=f"{reason(error)}")

    def stop(self) -> None:
        """Ask all runs to save and end, and wait for that, but not for long."""
        for reference in self.running:
            self.ray.cancel(reference, force=False)
        end = time.monotonic() + GRACE
        while self.running and (left := end - time.monotonic()) > 0:
            self.wait(left)

    def close(self) -> None:
        """End what still runs."""
        for reference in self.running:
            self.ray.cancel(reference, force=True)
        self.running.clear()


def reason(error: Exception) -> str:
    """Word why Ray lost a task, in a few words of the dozens of lines that it prints."""
    words = {
        "WorkerCrashedError": f"its process {KILLED}",
        "NodeDiedError": "its node was lost",
        "OutOfMemoryError": "its node ran out of memory",
        "TaskCancelledError": "it was cancelled",
    }
    return words.get(type(error).__name__, f"{type(error).__name__}: {one_line(error)}")
