"""Run a command on a node of the Ray cluster that does nothing else meanwhile, as a timing needs it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from benchmark.engine.cluster import ROOT, check_folder, connect, nodes, on, passed_on, reason
from benchmark.engine.worker import end_with_parent


def on_whole_node(title: str, module: str, words: tuple[str, ...]) -> int:
    """Run `python -m <module> <words>` on a node that does nothing else meanwhile; return its status.

    It is the node with most GPUs, of equal ones that with most CPUs, and takes all that Ray knows of.
    What the command prints is printed here.

    Raises:
        ValueError: there is no cluster, a node does not see this folder, or the node was lost.
    """
    ray = connect()
    node = max(nodes(ray), key=lambda node: [node["Resources"].get(kind, 0) for kind in ("GPU", "CPU")])
    check_folder(ray, [node])
    cpus, gpus = int(node["Resources"]["CPU"]), int(node["Resources"].get("GPU", 0))
    print(
        f"{title}: waits until {node['NodeManagerHostname']} is free ({cpus} CPUs, {gpus} GPUs)", flush=True
    )

    def call(root: str, *arguments: Any) -> Iterator[str | int]:  # travels as code
        import sys

        if root not in sys.path:
            sys.path.insert(0, root)
        from benchmark.engine.whole_node import lines

        yield from lines(*arguments)

    options = {"num_cpus": cpus, "num_gpus": gpus, "scheduling_strategy": on(ray, node), "max_retries": 0}
    remote = ray.remote(num_returns="streaming", **options)(call)
    said = remote.remote(ROOT, os.getcwd(), module, words, passed_on(), os.environ.get("OMP_NUM_THREADS"))
    status = 1
    try:
        for reference in said:
            line = ray.get(reference)
            if isinstance(line, int):
                status = line
            else:
                print(line, end="", flush=True)
    except KeyboardInterrupt:
        ray.cancel(said, force=False)
        raise
    except ray.exceptions.RayError as error:
        raise ValueError(
            f"{title}: {reason(error)}; what is finished is kept, start again to go on"
        ) from None
    return status


def lines(
    folder: str, module: str, words: tuple[str, ...], environment: dict[str, str], threads: str | None
) -> Iterator[str | int]:
    """Run a module as a command in a folder, without Ray; yield the lines that it prints, and its status."""
    own = {
        name: value for name, value in os.environ.items() if name not in ("RAY_ADDRESS", "OMP_NUM_THREADS")
    }
    own |= environment | {"PYTHONPATH": ROOT, "PYTHONUNBUFFERED": "1"}
    own |= {} if threads is None else {"OMP_NUM_THREADS": threads}
    command = [sys.executable, "-m", module, *words]
    with subprocess.Popen(
        command,
        cwd=folder,
        env=own,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=end_with_parent,
    ) as process:
        assert process.stdout
        try:
            for line in process.stdout:  # noqa: UP028 (Ray calls `send`, which a file does not have)
                yield line
        except BaseException:  # cancelled
            process.terminate()
            raise
        yield process.wait()
