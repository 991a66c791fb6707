"""Steps a second of the embedded profile: one process with two threads against two with one each.

    python tests/benchmarks/threads.py [RUN...]

Run it in the project's root, after `dvc repro data`.
"""

import multiprocessing
import sys
import time

import torch

from benchmark import nets, spec
from benchmark.training.crops import sample
from benchmark.training.objective import build_objective
from pipelines import data

STEPS = 60


def rate(name: str, threads: int) -> float:
    """Steps a second of a run's own recipe, cut by the profile, after ten steps of warm-up."""
    torch.set_num_threads(threads)
    profile, runs = spec.load()
    run = runs[name]
    recipe, _ = profile.cut(run.train)
    pairs = data.pairs(profile, run.train_on, "train")
    net = nets.build(run, profile.thin).to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-4, fused=True)
    objective = build_objective(recipe)
    begun = 0.0
    for step in range(10 + STEPS):
        if step == 10:
            begun = time.perf_counter()
        for _, loss in objective({"net": net}, sample(pairs, recipe, 0, step)):
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return STEPS / (time.perf_counter() - begun)


def main(names: list[str]) -> None:
    """Print both rates per run."""
    for name in names:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            one = pool.apply(rate, (name, 2))
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            two = sum(pool.starmap(rate, [(name, 1)] * 2))
        print(f"{name}: one process {one:.1f}, two processes {two:.1f} steps/s, ratio {two / one:.2f}")


if __name__ == "__main__":
    main(sys.argv[1:] or ["dmphn_1", "dmphn_1_2_4", "cdgnet_small", "cdgnet"])
