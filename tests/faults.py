"""A tiny project whose stages run in processes of their own, to be disturbed."""

import ctypes
import multiprocessing
import os
import re
import resource
import sys
import time
from pathlib import Path

from benchmark import plugins, trouble
from benchmark.results import COMPLEXITY, write
from benchmark.results.schema import Complexity
from tests import project
from tests.people import GOPRO, frames, official, save

PARAMS = """
profile: tiny
profiles:
  tiny: {about: "", data: embedded, images: {train: 2, test: 2}, steps: 6, validate: 2, pretrained: leave}
runs:
  blurred: {model: identity, about: ""}
  small: &small
    model: dmphn
    about: ""
    config: {levels: "1", width: 4}
    train:
      epochs: 10
      batch: 2
      crop: 16
      optimiser: {lr: 1.0e-3}
      schedule: {name: constant}
      loss: {name: pixel, distance: l1}
  other: {<<: *small, config: {levels: "1", width: 2}}
"""
STAGES = ("doctor", "authors", "train", "quality", "collect")
# Imported once, before processes are forked: what stages import at their start and while they work.
MODULES = [f"pipelines.{stage}" for stage in STAGES]
MODULES += [f"benchmark.metrics.{name}" for name in plugins.names("metrics")]
MODULES += ["benchmark.models.dmphn", "benchmark.losses.pixel", "torch._dynamo", "torchvision"]
OWN = re.compile(r'"seconds": [0-9.]+|"threads": \d+')  # what differs between two undisturbed runs


def lay_out(folder):
    """Write params.yaml, a GoPro_Large of two pairs, the profile's images and the counts of its networks."""
    project.write(folder, PARAMS)
    official(folder / "data")
    for split in ("train", "test"):
        for frame, sharp, blurry in frames(48, 32):
            save(sharp, folder / "data" / "tiny" / split / "s" / "sharp" / f"{frame}.png")
            save(blurry, folder / "data" / "tiny" / split / "s" / "blur" / f"{frame}.png")
    (folder / "data" / "tiny" / "manifest.json").write_text("{}")
    rows = [Complexity(run, 1, 2, 3, "", 4, 5, 6) for run in ("blurred", "small", "other")]
    write(folder / COMPLEXITY, Complexity, rows)
    return folder


def serial(title, work, cost, in_order=False, steps=None):
    """Do the work of every run here, one after another, as `engine.each` does it in others."""
    failed = 0
    for name in cost:
        try:
            print(work(name, lambda share: None))
        except Exception as error:
            failed = 1
            print(f"{title} {name}: {trouble.line(error)}", file=sys.stderr)
    return failed


def run_stage(folder, stage, log, bytes_, jumps):
    """Run a stage in this process and exit with its status; everything printed goes to a file."""
    import importlib

    from benchmark import engine
    from benchmark.data import health
    from benchmark.training import versions
    from pipelines import alone

    ctypes.CDLL(None).prctl(1, 9)  # ends with the tests
    os.chdir(folder)
    os.environ.pop("DEBLUR_DATA", None)
    module = importlib.import_module(f"pipelines.{stage}")
    health.real_set = {"gopro": GOPRO}.get
    engine.each, versions.current = serial, lambda run: "a version"
    if stage == "authors":
        module.paired_datasets = lambda: {"gopro": GOPRO}
    sys.stdout = sys.stderr = open(log, "a", buffering=1, encoding="utf-8")  # noqa: SIM115 (until the end)
    if bytes_ is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, resource.RLIM_INFINITY))
    if jumps:
        right, calls = time.time, iter(range(1 << 40))
        time.time = lambda: right() + (-1) ** next(calls) * 4e7  # a year ahead, a year back
    log_size = Path(log).stat().st_size
    status = trouble.told(stage, alone, stage, module.main)
    os._exit(status if "Traceback" not in Path(log).read_text(encoding="utf-8")[log_size:] else 99)


def start(folder, stage, bytes_=None, jumps=False):
    """Start a stage; return its process."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*MODULES, "tests.faults"])
    log = str(Path(folder).with_suffix(".log"))
    process = context.Process(target=run_stage, args=(str(folder), stage, log, bytes_, jumps))
    process.start()
    return process


def complete(folder, stages=STAGES, **how):
    """Run stages to their end; return their statuses, and what they printed."""
    log = Path(folder).with_suffix(".log")
    before = log.stat().st_size if log.exists() else 0
    statuses = []
    for stage in stages:
        process = start(folder, stage, **how)
        process.join()
        statuses.append(process.exitcode)
    return statuses, log.read_text(encoding="utf-8")[before:]


def contents(folder):
    """Read every result of a project by its path, without what differs between two undisturbed runs."""
    found = {}
    for path in sorted((folder / "results").rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            if path.suffix == ".json":
                content = OWN.sub("", content.decode()).encode()
            found[path.relative_to(folder).as_posix()] = content
    return found
