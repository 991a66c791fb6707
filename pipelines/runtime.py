"""Stage runtime: what was not timed on this device yet, within a time budget -> raw samples and their tables.

Each measurement is a process of its own; rounds are interleaved in a random order, so that a drift of the
machine hits every network. Samples are written after every process, and what is there is not measured again.
On a device that is not at hand nothing is measured: its samples are judged again, like all others.

    python -m pipelines.runtime [RUN ...] [--budget SECONDS] [--modes A,B] [--size HxW] [--batches 1,2] ...

needs no DVC, fvcore or pyiqa.
"""

import fcntl
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from benchmark import spec
from benchmark.measure import fresh
from benchmark.results import COMPLEXITY, provenance
from benchmark.results.legacy import columns, read, write
from benchmark.timing import analyse, record
from benchmark.timing.analyse import Timing
from benchmark.timing.judge import VERDICTS, judge
from benchmark.timing.orders import Asked, Host, Order, arguments, call, estimate, mean, plan
from benchmark.timing.prices import Price, prices
from benchmark.timing.record import MODES, Recording
from pipelines import run_stage

TIMINGS = record.FOLDER / "timings.csv"
PRICES = record.FOLDER / "prices.csv"
LACKING = "unmeasured.csv"  # per device: what was asked for and could not be measured
WANTED = ("kind", "run", "mode", "height", "width", "batch")
MEASURES = tuple(f"benchmark.measure.{name}" for name in ("ceilings", "forward", "recorder", "steps"))
LONGEST = 900  # s: a process that takes longer is stopped
LONG_STEP = 10.0  # s: a training step that would take longer is not tried
LOCK = Path(tempfile.gettempdir()) / f"deblur-bench-runtime-{os.getuid()}.lock"


def process(order: Order | None, number: int = 0) -> Any:
    """What `one` gives in a process of its own.

    Raises:
        ValueError: it failed, or took too long; the message is its own.
    """
    return fresh.call(one, (order, number), MEASURES, LONGEST)


def one(order: Order | None, number: int) -> Any:
    """Without an order what device this is, else its recording as a line.

    Raises:
        ValueError: the order cannot be carried out here.
    """
    import torch

    from benchmark.measure import ceilings, clocks, forward, recorder, steps
    from benchmark.measure.work import Task

    device = clocks.here()
    if order is None:
        roofs = {name: ceilings.mode(name) for name in ceilings.names(device.kind)}
        return Host(device.kind, device.name, torch.__version__, roofs)
    run = None if order.kind == "ceiling" else spec.load()[1][order.run]
    mode = MODES[order.mode]
    task = Task(
        order.kind,
        order.run,
        mode,
        order.height,
        order.width,
        order.batch,
        order.round,
        fingerprint(order, run, torch.__version__),
        number,
        run,
    )
    prepare = {"forward": forward.prepare, "step": steps.prepare, "ceiling": ceilings.prepare}[order.kind]
    with recorder.fitting(task, device), clocks.applied(mode, device.kind):
        return record.dump(recorder.record(task, prepare(task, device), device))


def fingerprint(order: Order, run: spec.Run | None, torch: str) -> str:
    """A hash of the code and settings that were timed. Not of the code that times: that is record.VERSION."""
    made_by: dict[str, Any] = {"torch": torch, "version": record.VERSION}
    if order.kind == "ceiling":
        made_by["code"] = provenance.hashes([provenance.ROOT / "benchmark/measure/ceilings.py"])
    if run:
        made_by |= {"config": run.config, "code": provenance.model_code(run.model)}
    if run and order.kind == "step":
        from benchmark.training.fingerprint import code

        made_by |= {"recipe": asdict(run)["train"], "code": provenance.hashes(code(run))}
    return provenance.digest(made_by)[:16]


def measure(asked: Asked, runs: Mapping[str, spec.Run]) -> None:
    """Make what is missing while the budget lasts."""
    host: Host = process(None)
    name = host.name
    begun = time.monotonic()
    macs = {row["run"]: float(row["macs_256"]) for row in read(COMPLEXITY)} if COMPLEXITY.exists() else {}
    orders = plan(asked, host, runs)
    marks = {o.key: fingerprint(o, runs.get(o.run), host.torch) for o in orders}
    kept: dict[str, list[Recording]] = {}
    for made in record.read():
        if made.device == name:
            kept.setdefault(made.run, []).append(made)
    current = [made for each in kept.values() for made in each if marks.get(made.key) == made.fingerprint]
    done, known = {(made.key, made.round) for made in current}, {made.key: made for made in current}
    todo = [order for order in orders if (order.key, order.round) not in done]
    if todo:
        print(f"runtime: {len(todo)} of {len(orders)} measurements to make on {name}", flush=True)
    why: dict[tuple[Any, ...], str] = {}
    try:
        for number, order in enumerate(todo, 1):
            seconds = call(order, host, known, macs)
            left = asked.budget - (time.monotonic() - begun)
            if order.kind == "step" and seconds > LONG_STEP:
                why.setdefault(order.key, f"a training step would take about {seconds:.0f} s on this device")
            elif estimate(seconds, host) > left:
                why.setdefault(order.key, "not measured within the time budget")
            elif order.key not in why:
                tries = 2 if 2 * estimate(seconds, host) <= left else 1
                said = attempt(order, number, tries, marks[order.key], kept, known)
                if said:
                    why[order.key] = said
                print(
                    f"runtime {number} of {len(todo)}  {order}: {said or told(known[order.key])}", flush=True
                )
    except KeyboardInterrupt:
        for order in todo:
            why.setdefault(order.key, "not measured yet")
        raise
    finally:
        lacking(name, orders, why, set(known))


def attempt(
    order: Order,
    number: int,
    tries: int,
    mark: str,
    kept: dict[str, list[Recording]],
    known: dict[Any, Recording],
) -> str:
    """Make one recording and write it; what went wrong. An inconclusive one is made again."""
    for _ in range(tries):
        try:
            line = process(order, number)
            made = record.load(line, str(order))
        except ValueError as error:
            return str(error)
        others = [old for old in kept.get(order.run, []) if old.key != order.key or old.fingerprint == mark]
        kept[order.run] = [*others, made]
        record.keep(kept[order.run], record.path(made.device, order.run))
        known[order.key] = made
        if judge(made)[0] != "inconclusive":
            break
    return ""


def told(made: Recording) -> str:
    """What a recording shows, in a few words."""
    verdict, _ = judge(made)
    return f"{mean(made) * 1000:.4g} ms, {len(made.samples.wall)} samples, {verdict}"


def lacking(device: str, orders: Sequence[Order], why: Mapping[Any, str], known: set[Any]) -> None:
    """Write what could not be measured on a device; what was said before and not asked for now stays."""
    path = record.FOLDER / record.slug(device) / LACKING
    asked = {order.key for order in orders}
    old = [row for row in read(path) if key_of(row) not in asked] if path.exists() else []
    new = [
        dict(zip(WANTED, key, strict=True)) | {"device": device, "reason": reason}
        for key, reason in why.items()
        if key not in known
    ]
    write(path, ("device", *WANTED, "reason"), [*old, *new])


def key_of(row: Mapping[str, str]) -> tuple[str, str, str, int, int, int]:
    """As Recording.key."""
    kind, run, mode, *numbers = (row[name] for name in WANTED)
    height, width, batch = map(int, numbers)
    return kind, run, mode, height, width, batch


def tables(runs: Mapping[str, spec.Run], rates: Mapping[str, float]) -> list[Timing]:
    """Judge every recording there is, of any device, and write both tables."""
    found = analyse.timings(list(record.read()))
    have = {(row.device, row.kind, row.run, row.mode, row.height, row.width, row.batch) for row in found}
    for path in sorted(record.FOLDER.glob(f"*/{LACKING}")):
        for row in read(path):
            key = (row["device"], *key_of(row))
            if key not in have:
                found.append(analyse.unmeasured(*key, row["reason"]))
    write(TIMINGS, columns(Timing), map(asdict, found))
    write(PRICES, columns(Price), map(asdict, prices(found, runs, rates)))
    return found


def rates(path: Path = Path("params.yaml")) -> dict[str, float]:
    """What an hour on a device costs, by its name.

    Raises:
        ValueError: a rate is no number.
    """
    given = yaml.safe_load(path.read_text(encoding="utf-8")).get("rates") or {}
    for device, rate in given.items():
        if isinstance(rate, bool) or not isinstance(rate, int | float) or rate <= 0:
            raise ValueError(f"{path}: rates.{device}: {rate!r} is no price of an hour")
    return dict(given)


def main(*words: str) -> int:
    """Measure within the budget, then judge everything."""
    profile, runs = spec.load()
    asked = arguments(words, profile, runs)
    ended = False
    if asked.budget > 0:
        with LOCK.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise ValueError(
                    "something is being timed on this machine already; two would disturb each other"
                ) from None
            try:
                measure(asked, runs)
            except KeyboardInterrupt:
                ended = True
    found = tables(runs, rates())
    counts = {verdict: sum(row.verdict == verdict for row in found) for verdict in VERDICTS}
    print("runtime: " + ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count))
    if ended:
        print("runtime: interrupted; what is finished is kept, start again to go on", file=sys.stderr)
    return 130 if ended else 0


if __name__ == "__main__":
    run_stage("runtime", main, *sys.argv[1:])
