"""Run one timing job, in a fresh process; and the fingerprint of what it times."""

from dataclasses import asdict
from typing import Any

from benchmark import spec
from benchmark.measure import fresh
from benchmark.results import provenance
from benchmark.timing import storage
from benchmark.timing.recording import MODES
from benchmark.timing.schedule import Host, Job

PRELOAD = tuple(f"benchmark.measure.{name}" for name in ("ceilings", "forward", "job", "recorder", "steps"))
MAX_SECONDS = 900  # after which a process is stopped


def run_in_process(job: Job | None, position: int = 0) -> Any:
    """Call `run` in a fresh process.

    Raises:
        ValueError: it failed, or took too long; the message is its own.
    """
    return fresh.call(run, (job, position), PRELOAD, MAX_SECONDS)


def run(job: Job | None, position: int) -> Any:
    """Return the job's recording as a line; without a job, this machine's Host.

    Raises:
        ValueError: this device cannot do the job.
    """
    import torch

    from benchmark.measure import ceilings, devices, forward, recorder, steps
    from benchmark.measure.work import Task

    device = devices.current()
    if job is None:
        modes = {name: ceilings.mode(name) for name in ceilings.names(device.kind)}
        return Host(device.kind, device.name, torch.__version__, modes)
    system = None if job.kind == "ceiling" else spec.load()[1][job.run]
    mode = MODES[job.mode]
    task = Task(
        job.kind,
        job.run,
        mode,
        job.height,
        job.width,
        job.batch,
        job.round,
        fingerprint(job, system, torch.__version__),
        position,
        system,
    )
    prepare = {"forward": forward.prepare, "step": steps.prepare, "ceiling": ceilings.prepare}[job.kind]
    with recorder.memory_error(task, device), devices.applied(mode, device.kind):
        return storage.dump(recorder.record(task, prepare(task, device), device))


def fingerprint(job: Job, run: spec.Run | None, torch: str) -> str:
    """Hash the code and settings that are timed. The code that times has storage.VERSION instead."""
    made_by: dict[str, Any] = {"torch": torch, "version": storage.VERSION}
    if job.kind == "ceiling":
        made_by["code"] = provenance.hashes([provenance.ROOT / "benchmark/measure/ceilings.py"])
    if run:
        made_by |= {"config": run.config, "code": provenance.model_code(run.model)}
    if run and job.kind == "step":
        from benchmark.training.fingerprint import code

        made_by |= {"recipe": asdict(run)["train"], "code": provenance.hashes(code(run))}
    return provenance.digest(made_by)[:16]
