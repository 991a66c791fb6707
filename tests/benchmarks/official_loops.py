"""A training step here against the step of the authors' own training scripts: MIMO-UNet, MPRNet, DMPHN.

    PYTHONPATH=. python tests/benchmarks/official_loops.py CHECKOUTS IMAGES [NETWORK...] [--out FILE]
    PYTHONPATH=. python tests/benchmarks/official_loops.py CHECKOUTS IMAGES --device cuda --full

Run it in the project's root. CHECKOUTS has clones of github.com/chosj95/MIMO-UNet, swz30/MPRNet and
HongguangZhang/DMPHN-cvpr19-master; IMAGES has GOPRO_Large, some pairs of which are enough.

Each side trains in a process of its own, the same network with the same batch, crop and number of threads.
They take turns; a pair is a visit to each, a row the median over all pairs and its 95 % interval. Drawing of
crops is included: theirs from PNG files by their loader, with as many worker processes as their scripts have,
ours from the store that training uses. Workers of theirs that read while we have the turn cost them nothing.

Theirs are their network, loader, augmentation, loss, optimiser and their sequence of calls, values read on
the host included; no log, schedule, checkpoint or validation. Changed: the device, the size of the crop where
it is not 256, and what today's torch does not have (MIMO-UNet: `torch.rfft` is `torch.fft.fft2`; MPRNet:
`torch.sum` of a list is `sum`). On a CPU crops are smaller than the papers', so that a step takes seconds.
`ratio` is theirs over ours by the clock, `ratio_cpu` by the processor seconds of the two training processes,
without those of their loader's workers: beside other work on the machine it is the steadier of the two.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn
from torch.nn.functional import interpolate

IMAGES = 2103  # of their training folders, here links to a few files
PREPARE, PAIRS = 2, 15  # steps before the first visit; pairs of visits
STEPS = {"cpu": 1, "cuda": 20}  # in a visit


@dataclass(frozen=True)
class Case:
    """A network, and the sizes at which a processor trains it in seconds."""

    folder: str  # of its code
    run: str
    batch: int
    crop: int
    full_batch: int  # of the scripts as they are
    workers: int  # the same


CASES = {
    "mimo_unet": Case("MIMO-UNet", "mimo_unet", 4, 128, 4, 8),
    "mprnet": Case("MPRNet", "mprnet", 2, 64, 16, 16),
    "dmphn": Case("DMPHN-cvpr19-master", "dmphn_1_2_4", 2, 128, 6, 0),
}
Step = Callable[[], Any]


def endless(loader: Any) -> Iterator[Any]:
    """Go through a loader again and again."""
    while True:
        yield from loader


def links(files: list[tuple[Path, Path]], blurry: Path, sharp: Path) -> None:
    """Fill two folders with links to a few pairs, as many as the training set has."""
    blurry.mkdir(parents=True)
    sharp.mkdir(parents=True)
    for number in range(IMAGES):
        for folder, file in zip((blurry, sharp), files[number % len(files)], strict=True):
            (folder / f"{number:06}.png").symlink_to(file)


def their_mimo_unet(case: Case, files: list[tuple[Path, Path]], folder: Path, device: str) -> Step:
    """Follow `_train` of train.py."""
    from data import PairCompose, PairRandomCrop, PairRandomHorizontalFilp, PairToTensor
    from data.data_load import DeblurDataset
    from models.MIMOUNet import build_net
    from torch.utils.data import DataLoader

    torch.backends.cudnn.benchmark = True
    links(files, folder / "train" / "blur", folder / "train" / "sharp")
    change = PairCompose([PairRandomCrop(case.crop), PairRandomHorizontalFilp(), PairToTensor()])
    data = DeblurDataset(str(folder / "train"), transform=change)
    options = {"batch_size": case.batch, "shuffle": True, "num_workers": case.workers, "pin_memory": True}
    batches = endless(DataLoader(data, **options))
    model = build_net("MIMO-UNet").to(device)
    criterion, optimiser = nn.L1Loss(), torch.optim.Adam(model.parameters(), lr=1e-4, weight_decay=0)

    def spectrum(x: torch.Tensor) -> torch.Tensor:
        return torch.view_as_real(torch.fft.fft2(x))

    def step() -> float:
        blurry, sharp = (x.to(device) for x in next(batches))
        optimiser.zero_grad()
        outputs = model(blurry)
        halves = [interpolate(sharp, scale_factor=scale, mode="bilinear") for scale in (0.25, 0.5)]
        targets = [*halves, sharp]
        content = sum(criterion(x, y) for x, y in zip(outputs, targets, strict=True))
        fft = sum(criterion(spectrum(x), spectrum(y)) for x, y in zip(outputs, targets, strict=True))
        loss = content + 0.1 * fft
        loss.backward()
        optimiser.step()
        for _ in range(2):  # the adders of an iteration and of the epoch
            total = content.item() + 0.1 * fft.item()
        return total

    return step


def their_mprnet(case: Case, files: list[tuple[Path, Path]], folder: Path, device: str) -> Step:
    """Follow the loop of Deblurring/train.py."""
    import losses
    from data_RGB import get_training_data
    from MPRNet import MPRNet
    from torch.utils.data import DataLoader

    torch.backends.cudnn.benchmark = True
    links(files, folder / "input", folder / "target")
    options = {"batch_size": case.batch, "shuffle": True, "num_workers": case.workers, "drop_last": False}
    data = get_training_data(str(folder), {"patch_size": case.crop})
    batches = endless(DataLoader(dataset=data, pin_memory=True, **options))
    model = MPRNet().to(device).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-4, betas=(0.9, 0.999), eps=1e-8)
    charbonnier, edge = losses.CharbonnierLoss(), losses.EdgeLoss()

    def step() -> float:
        for parameter in model.parameters():
            parameter.grad = None
        target, blurry, _ = next(batches)
        target, blurry = target.to(device), blurry.to(device)
        restored = model(blurry)
        loss = sum(charbonnier(x, target) for x in restored) + 0.05 * sum(edge(x, target) for x in restored)
        loss.backward()
        optimiser.step()
        return loss.item()

    return step


def their_dmphn(case: Case, files: list[tuple[Path, Path]], folder: Path, device: str) -> Step:
    """Follow `main` of DMPHN_1_2_4.py."""
    sys.argv = sys.argv[:1]  # the script reads them when it is imported
    import DMPHN_1_2_4
    import models
    from datasets import GoProDataset
    from torch.utils.data import DataLoader
    from torchvision import transforms

    sequence = folder / "train" / "sequence"
    links(files, sequence / "blur_gamma", sequence / "sharp")
    for kind, at in (("blur", "blur_gamma"), ("sharp", "sharp")):
        lines = [f"train/sequence/{at}/{number:06}.png\n" for number in range(IMAGES)]
        (folder / f"{kind}.txt").write_text("".join(lines))
    data = GoProDataset(
        blur_image_files=str(folder / "blur.txt"),
        sharp_image_files=str(folder / "sharp.txt"),
        root_dir=str(folder),
        crop=True,
        crop_size=case.crop,
        transform=transforms.Compose([transforms.ToTensor()]),
    )
    batches = endless(DataLoader(data, batch_size=case.batch, shuffle=True, num_workers=case.workers))
    encoders = [models.Encoder().apply(DMPHN_1_2_4.weight_init).to(device) for _ in range(3)]
    decoders = [models.Decoder().apply(DMPHN_1_2_4.weight_init).to(device) for _ in range(3)]
    networks = [*encoders, *decoders]
    optimisers = [torch.optim.Adam(net.parameters(), lr=1e-4) for net in networks]
    mse = nn.MSELoss().to(device)

    def step() -> torch.Tensor:
        images = next(batches)
        sharp = (images["sharp_image"] - 0.5).to(device)
        whole = (images["blur_image"] - 0.5).to(device)
        height, width = (side // 2 for side in sharp.shape[2:])
        top, bottom = whole[:, :, :height], whole[:, :, height:]
        quarters = [x[:, :, :, at] for x in (top, bottom) for at in (slice(width), slice(width, None))]
        features = [encoders[2](x) for x in quarters]
        above, below = torch.cat(features[:2], 3), torch.cat(features[2:], 3)
        third = torch.cat((above, below), 2)
        top_residual, bottom_residual = decoders[2](above), decoders[2](below)
        halves = encoders[1](top + top_residual), encoders[1](bottom + bottom_residual)
        second = torch.cat(halves, 2) + third
        first = encoders[0](whole + decoders[1](second)) + second
        loss = mse(decoders[0](first), sharp)
        for net in networks:
            net.zero_grad()
        loss.backward()
        for optimiser in optimisers:
            optimiser.step()
        return loss  # read every tenth time, which is left out

    return step


THEIRS = {"mimo_unet": their_mimo_unet, "mprnet": their_mprnet, "dmphn": their_dmphn}


def ours(case: Case, files: list[tuple[Path, Path]], folder: Path, device: str, amp: str) -> Step:
    """Train as the pipeline does, on the store of decoded images."""
    from benchmark import nets, spec
    from benchmark.data import store
    from benchmark.data.pairs import PairFiles, Pairs
    from benchmark.training.fit import NetworkTrainer, Settings

    run = spec.load()[1][case.run]
    assert run.train
    recipe = replace(run.train, batch=case.batch, crop=case.crop)
    names = [f"{blurry.parents[1].name}/{blurry.stem}" for blurry, _ in files]
    pairs = [PairFiles(name, *pair) for name, pair in zip(names, files, strict=True)]
    settings = Settings(recipe.steps, Path(), device=device, amp=amp)
    images = Pairs(names, *store.load(pairs, folder))
    trainer = NetworkTrainer({"net": nets.build(run)}, images, recipe, settings)
    numbers = iter(range(recipe.steps))
    return lambda: trainer.step(next(numbers))


def serve(side: str, name: str, case: Case, given: argparse.Namespace) -> None:
    """Take as many steps as each line of standard input says; answer with their seconds."""
    answers, sys.stdout = sys.stdout, sys.stderr
    from benchmark.training import pool

    files = pairs_of(given.images)
    for flags in (torch.backends.cudnn, torch.backends.cuda.matmul):
        flags.allow_tf32 = False
    with tempfile.TemporaryDirectory() as folder:
        if side == "theirs":
            torch.set_num_threads(given.threads)
            code = given.checkouts.resolve() / case.folder
            sys.path.insert(0, str(code / "Deblurring" if name == "mprnet" else code))
            step = THEIRS[name](case, files, Path(folder), given.device)
        else:
            pool.prepare_worker([], given.threads)  # type: ignore[arg-type]
            step = ours(case, files, Path(folder), given.device, side)
        for line in sys.stdin:
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(int(line)):
                loss = step()
            if given.device != "cpu":
                torch.cuda.synchronize()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            assert math.isfinite(float(torch.as_tensor(loss).detach()))
            print(json.dumps([wall, cpu]), file=answers, flush=True)


def pairs_of(root: Path) -> list[tuple[Path, Path]]:
    """List the blurred and sharp files of GOPRO_Large in a folder."""
    blurry = sorted((root.resolve() / "GOPRO_Large").glob("*/*/blur/*.png"))
    return [(path, path.parents[1] / "sharp" / path.name) for path in blurry]


class Worker:
    """Train in a process of its own."""

    def __init__(self, side: str, name: str) -> None:
        # What is left of the arguments says the rest.
        self.process = subprocess.Popen(
            [sys.executable, __file__, *sys.argv[1:], "--serve", side, name],
            env=os.environ | {"PYTHONPATH": str(Path.cwd()), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, steps: int) -> list[float]:
        """Wait for so many steps; return their wall and processor seconds."""
        assert self.process.stdin
        assert self.process.stdout
        print(steps, file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline() or sys.exit(f"{self.process.args}: ended"))

    def end(self) -> None:
        """Let it go."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def measured(name: str, case: Case, given: argparse.Namespace) -> Iterator[Any]:
    """Measure one network; give a row for each precision of ours."""
    from benchmark.results.ratios import Throughput
    from benchmark.timing.stats import median_interval

    sides = ["theirs", "none"] + (["bfloat16"] if given.device != "cpu" else [])
    workers, steps = [Worker(side, name) for side in sides], STEPS[given.device]
    for worker in workers:
        worker.ask(PREPARE)
    visits = [[worker.ask(steps) for worker in workers] for _ in range(given.pairs)]
    for worker in workers:
        worker.end()
    hardware = torch.cuda.get_device_name() if given.device != "cpu" else processor()
    for at, side in enumerate(sides[1:], start=1):
        found: dict[str, float] = {}
        for clock, what in enumerate(("ratio", "ratio_cpu")):
            ratios = [visit[0][clock] / visit[at][clock] for visit in visits]
            ends = zip(("", "_low", "_high"), (median(ratios), *median_interval(ratios)), strict=True)
            found |= {what + end: round(value, 3) for end, value in ends}
        theirs, ours = (1e3 * median(visit[k][0] for visit in visits) / steps for k in (0, at))
        yield Throughput(
            name,
            case.batch,
            case.crop,
            hardware,
            given.threads,
            "strict float32" if side == "none" else side,
            round(theirs),
            round(ours),
            **found,
            pairs=len(visits),
            torch=torch.__version__,
        )


def processor() -> str:
    """Name the processor."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), "cpu")


def main(given: argparse.Namespace) -> None:
    """Measure the networks one after another; print and write a row for each."""
    from benchmark.results import write
    from benchmark.results.ratios import Throughput

    rows = list[Throughput]()
    for name in given.networks or CASES:
        case = CASES[name]
        if given.full:
            case = replace(case, batch=case.full_batch, crop=256)
        if given.serve:
            if given.serve[1] == name:
                serve(given.serve[0], name, case, given)
            continue
        for row in measured(name, case, given):
            if not rows:
                print("|", *(f"{column} |" for column in vars(row)))
                print("|", *("--- |" for _ in vars(row)))
            print("|", *(f"{value} |" for value in vars(row).values()), flush=True)
            rows.append(row)
    if given.out and rows:
        write(given.out, Throughput, rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("checkouts", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("networks", nargs="*", choices=[*CASES, []])
    parser.add_argument("--device", choices=STEPS, default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--full", action="store_true", help="their batch, and crops of 256")
    parser.add_argument("--out", type=Path, help="a CSV file")
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    main(parser.parse_args())
