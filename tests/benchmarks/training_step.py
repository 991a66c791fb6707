"""A training step of every run here against the same step in another checkout, of an earlier commit.

    git worktree add ../before COMMIT
    PYTHONPATH=. python tests/benchmarks/training_step.py ../before [RUN...] [--batch 8] [--crop 48]

Run it in the project's root. Each checkout trains in a process of its own, on one thread, set up as the
engine sets up its workers. Both have the same networks, seeds and images (coarse squares and noise),
cut by profile `embedded`, with this batch and crop unless the profile's overrides or the paper want others.
The two take turns: a visit is the median of some steps, a run's ratio the median over visits of before /
after. Times are CPU seconds of the process, which others on the machine disturb less than a clock; on one
thread they are the same. "loss" is how far, relatively, the losses of the first two steps differ: rounding,
if the arithmetic is the same. The critics of a GAN take several steps before that loss, and Adam's first
steps enlarge rounding.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

SIDE = 256  # of the images
PREPARE, VISITS, STEPS = 3, 5, 3  # steps before the first visit; visits; steps in a visit


class Worker:
    """Train one run after another in a process of its own, with the code of a checkout."""

    def __init__(self, checkout: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, Path(__file__).resolve(), "--serve"],
            cwd=checkout,
            env=os.environ | {"PYTHONPATH": str(checkout.resolve())},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **question: Any) -> Any:
        """Send a question and wait for the answer."""
        assert self.process.stdin
        assert self.process.stdout
        print(json.dumps(question), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.process.args}: ended")
        return json.loads(line)


def images(rng: Any, extras: tuple[str, ...], count: int = 4) -> Any:
    """Make blurry and sharp images of edges and noise, with any extra a recipe can ask for."""
    import numpy as np

    from benchmark.data.pairs import UNPAIRED, Pairs

    def picture() -> Any:
        coarse = rng.integers(0, 256, (SIDE // 8, SIDE // 8, 3)).repeat(8, 0).repeat(8, 1)
        return np.clip(coarse + rng.normal(0, 4, coarse.shape), 0, 255).astype(np.uint8)

    def blurred(x: Any) -> Any:
        return np.mean([np.roll(x, k, 1) for k in range(-4, 5)], 0).astype(np.uint8)

    def extra(name: str, sharp: Any) -> Any:
        if name == "motion":
            return rng.normal(0, 4, (SIDE, SIDE, 2)).astype(np.float16)
        if name == "moving":
            return sharp[..., :1] > 127
        return blurred(sharp)  # a temporal level

    sharp = [picture() for _ in range(count)]
    names = [name for name in extras if name != UNPAIRED]
    return Pairs(
        [str(i) for i in range(count)],
        [blurred(x) for x in sharp],
        sharp,
        {name: [extra(name, x) for x in sharp] for name in names},
    )


def serve() -> None:
    """Answer questions on standard input: set a run up, or take steps of it."""
    import numpy as np
    import torch

    from benchmark import nets, spec
    from benchmark.training import Settings, adversary_networks
    from benchmark.training.fit import NetworkTrainer

    try:
        from benchmark.engine.worker import keep_memory
    except ImportError:  # an earlier checkout
        from benchmark.training.pool import keep_memory

    keep_memory()
    torch.set_num_threads(1)
    answers, sys.stdout = sys.stdout, sys.stderr
    profile, runs = spec.load()
    trainer: Any = None
    for line in sys.stdin:
        question = json.loads(line)
        begun, took, losses = question.get("step", 0), [], []
        if name := question.get("run"):
            if name not in runs:
                print(json.dumps({}), file=answers, flush=True)
                continue
            run = runs[name]
            recipe, _ = profile.at(run).cut(run.train)
            recipe = replace(recipe, batch=question["batch"], crop=question["crop"])
            recipe = replace(recipe, optimiser=replace(recipe.optimiser, lr=1e-4))
            net = nets.build(run, question["thin"])
            trainer = NetworkTrainer(
                {"net": net} | adversary_networks(recipe, question["thin"]),
                images(np.random.default_rng(0), recipe.extras),
                recipe,
                Settings(1000, Path("unused")),
            )
        for step in range(begun, begun + question["steps"]):
            start = time.process_time()
            losses.append(float(trainer.step(step)))
            took.append(time.process_time() - start)
        print(json.dumps({"seconds": median(took), "losses": losses}), file=answers, flush=True)


def main(before: Path, names: list[str], batch: int, crop: int, visits: int, steps: int) -> None:
    """Print a line per run and the median over all."""
    from benchmark import spec

    profile, runs = spec.load()
    profile = replace(profile, batch=batch, crop=crop)
    workers = Worker(before), Worker(Path.cwd())
    ratios, totals = [], [0.0, 0.0]
    print("| run | batch | crop | before, ms | after, ms | ratio | loss |\n|---|---|---|---|---|---|---|")
    for name in names or [name for name, run in runs.items() if run.train]:
        run = runs[name]
        recipe, _ = profile.at(run).cut(run.train)
        setup = {"run": name, "batch": recipe.batch, "crop": recipe.crop, "thin": profile.thin}
        prepared = [worker.ask(**setup, steps=PREPARE) for worker in workers]
        if not all(prepared):
            print(f"| {name} | not in both checkouts |", flush=True)
            continue
        firsts = [answer["losses"] for answer in prepared]
        taken = [
            [worker.ask(step=PREPARE + steps * k, steps=steps)["seconds"] for worker in workers]
            for k in range(visits)
        ]
        ratio = median(one / other for one, other in taken)
        ratios.append(ratio)
        milliseconds = [1e3 * median(column) for column in zip(*taken, strict=True)]
        totals = [total + each for total, each in zip(totals, milliseconds, strict=True)]
        off = max(abs(x / y - 1) for x, y in zip(firsts[0][:2], firsts[1][:2], strict=True))
        columns = (name, recipe.batch, recipe.crop, *(f"{ms:.1f}" for ms in milliseconds), f"{ratio:.2f}")
        print("|", *(f"{column} |" for column in columns), f"{off:.0e} |", flush=True)
    print(f"median ratio over {len(ratios)} runs: {median(ratios):.2f}; lowest {min(ratios):.2f}")
    print(f"one step of each: {totals[0] / 1e3:.2f} s before, {totals[1] / 1e3:.2f} s after")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("before", type=Path, nargs="?")
    parser.add_argument("runs", nargs="*")
    for option, default in (("batch", 8), ("crop", 48), ("visits", VISITS), ("steps", STEPS)):
        parser.add_argument(f"--{option}", type=int, default=default)
    given = parser.parse_args()
    if given.serve:
        serve()
    elif given.before is None:
        parser.error("the path of the other checkout is missing")
    else:
        main(given.before, given.runs, given.batch, given.crop, given.visits, given.steps)
