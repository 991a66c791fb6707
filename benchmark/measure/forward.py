"""Kind "forward": a run's full network restores one image, or a batch of the same.

Weights are freshly drawn, as no operator's work depends on them, and so are the images: with zeros a device
draws less power and may keep a faster clock. The clock starts when the input lies on the device, normalised
and padded, as it does in the official test scripts; `moved` times the whole way.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean
from typing import Any, cast

import torch
from torch import Tensor, nn

from benchmark import nets, plugins
from benchmark.data import fetch
from benchmark.data.pairs import Pairs, image
from benchmark.measure import scoring
from benchmark.measure.clocks import Watched, applied
from benchmark.measure.traffic import traffic
from benchmark.measure.work import Task, Work
from benchmark.spec import Normalise, Run
from benchmark.timing.record import MODES, Mode
from benchmark.weights import published

Call = Callable[[], Tensor]

SEED = 0
WARM = 3  # calls before a capture (PyTorch's notes on CUDA graphs)
SCORED = 2  # real images whose PSNR is compared
TINY = 1e-30  # a network may answer with zeros
STRICT = MODES["strict"]
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
LAYOUTS = {"nchw": torch.contiguous_format, "channels_last": torch.channels_last}


@dataclass(frozen=True)
class Forward:
    """A network on a device, and the memory in which its input always lies."""

    net: nn.Module
    fixed: Tensor  # (B, 3, H, W), normalised and padded
    dtype: torch.dtype  # of the arithmetic; under autocast unless float32

    def __call__(self) -> Tensor:
        """The answer (B, 3, H, W), for which nobody has waited yet."""
        half = None if self.dtype == torch.float32 else self.dtype
        kind = self.fixed.device.type
        # A graph has to hold the casts of the weights: none may be kept from an earlier call.
        under = torch.autocast(kind, half, enabled=half is not None, cache_enabled=False)
        with torch.inference_mode(), under:
            return self.net(self.fixed)[-1]


class Slot(nn.Module):
    """Takes a network's place in `nets.restore`: puts the image where the network reads it, then calls."""

    def __init__(self, net: nn.Module, fixed: Tensor, call: Call) -> None:
        super().__init__()
        self.stride, self.smallest_side = nets.size_constraint(net)
        self.padding = getattr(net, "padding", "replicate")
        self.fixed, self.call = fixed, call

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> [(B, 3, H, W)]; fewer images than the memory has are repeated."""
        self.fixed.copy_(images)
        return [self.call()[: len(images)].float()]


class Replayed:
    """Captured at the first call, replayed by every other."""

    def __init__(self, call: Call, where: str) -> None:
        self.call, self.where = call, where
        self.replay: Call | None = None

    def __call__(self) -> Tensor:
        """The answer, in the same memory each time.

        Raises:
            ValueError: the call cannot be captured.
        """
        if self.replay is None:
            try:
                self.replay = captured(self.call)
            except ValueError as error:
                raise ValueError(f"{self.where}: {error}") from None
        return self.replay()


def prepare(task: Task, device: Watched) -> Work:
    """What is called, and what is counted.

    Traffic is counted as if every value had the mode's type. It is more: under autocast some values keep
    float32, and weights are cast.

    Raises:
        ValueError: the task has no run, or its network cannot be built (`nets.build`).
    """
    run, mode, kind = task.run, task.mode, device.kind
    if run is None:
        raise ValueError(f"{task.name}: forward needs a run")
    sees = run.train.normalise if run.train else Normalise()
    net = nets.build(run, seed=SEED).eval()
    macs, moved = traffic(net, task.height, task.width, task.batch)  # bytes moved in float32
    forward = placed(net, drawn(net, task, sees), mode, kind)
    call = launched(forward, task)
    slot = Slot(net, forward.fixed, call)
    compared = partial(compare, run, forward, slot, sees, (task.height, task.width))
    return Work(
        call,
        macs,
        moved * DTYPES[mode.dtype].itemsize // torch.float32.itemsize,
        capture=partial(captured, forward) if kind == "cuda" and mode.launch == "eager" else None,
        moved=there_and_back(slot, task, sees, kind),
        answer=None if mode == STRICT else compared,
    )


def drawn(net: nn.Module, task: Task, sees: Normalise) -> Tensor:
    """Uniform values, normalised, of the size that the network takes for the task's."""
    size = nets.round_up_side(net, task.height), nets.round_up_side(net, task.width)
    one = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(SEED))
    return ((one - sees.mean) * sees.scale).repeat(task.batch, 1, 1, 1)


def placed(net: nn.Module, x: Tensor, mode: Mode, kind: str) -> Forward:
    """The network and its input on a device, laid out as the mode declares."""
    layout = LAYOUTS[mode.layout]
    fixed = x.to(kind).contiguous(memory_format=layout)
    return Forward(net.to(kind).to(memory_format=layout), fixed, DTYPES[mode.dtype])


def launched(forward: Forward, task: Task) -> Call:
    """The call as the mode launches it."""
    if task.mode.launch == "eager":
        return forward
    if task.mode.launch == "compiled":
        forward = replace(forward, net=cast(nn.Module, torch.compile(forward.net)))
    return Replayed(forward, f"runs.{task.name}, mode {task.mode.name}")


def captured(call: Call) -> Call:
    """The same work as a CUDA graph: its replay, which gives the answer in the same memory each time.

    As PyTorch's notes on CUDA graphs ask: a few calls in a stream of their own, then the capture. Not every
    version of torch cleans up after one that fails (pytorch/pytorch, pull request 180395), so nobody should
    try twice.

    Raises:
        ValueError: the device refuses, most often because the host waits for it in between.
        torch.OutOfMemoryError: there is no memory for a second set of intermediate results.
    """
    try:
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(WARM):
                call()
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            answer = call()
    except RuntimeError as error:
        first = root(error)
        if isinstance(first, torch.OutOfMemoryError):
            raise first from None
        raise ValueError(f"no graph: {str(first).splitlines()[0]}") from None

    def replay() -> Tensor:
        graph.replay()
        return answer

    return replay


def root(error: BaseException) -> BaseException:
    """The error that came first: to end a capture that has failed raises another one."""
    while isinstance(error.__context__, RuntimeError):
        error = error.__context__
    return error


def there_and_back(slot: Slot, task: Task, sees: Normalise, kind: str) -> Call:
    """The whole way, from 8-bit images on the host to 8-bit images on the host, both (B, H, W, 3)."""
    size = (task.batch, task.height, task.width, 3)
    images = torch.randint(256, size, dtype=torch.uint8, generator=torch.Generator().manual_seed(SEED))
    restored = torch.empty_like(images)
    if kind == "cuda":
        images, restored = images.pin_memory(), restored.pin_memory()

    def moved() -> Tensor:
        with torch.inference_mode():
            there = images.to(kind, non_blocking=True).permute(0, 3, 1, 2).float() / 255
            answer = nets.restore(slot, there, sees).clamp(0, 1).mul(255).round().byte()
            return restored.copy_(answer.permute(0, 2, 3, 1))  # waits for it

    return moved


def compare(run: Run, forward: Forward, slot: Slot, sees: Normalise, size: tuple[int, int]) -> dict[str, Any]:
    """How far the timed answer is from that of the strict mode, on the same device and the same input.

    Where they are at hand, the authors' weights take the place of the drawn ones; they stay.

    Args:
        run: which network.
        forward: what was timed.
        slot: with the call that was timed.
        sees: the network's normalisation.
        size: height and width that were asked for; real images of another size are not restored.

    Returns:
        weights: "initial", or the name of the authors'.
        finite: whether both answers are; the next two are left out when they are not.
        error: relative distance (L2) of the answers.
        levels: largest difference of their images, clipped, in grey levels.
        psnr_change: dB, mean over the first real images; only with the authors' weights.
        images: how many of them.
    """
    kind = forward.fixed.device.type
    weights = fill(forward.net, run)
    plain = placed(copy.deepcopy(forward.net), forward.fixed, STRICT, kind)
    given = slot.call().double()
    with applied(STRICT, kind):
        expected = plain().double()
    found: dict[str, Any] = {"weights": weights or "initial"}
    found["finite"] = bool(given.isfinite().all() and expected.isfinite().all())
    if found["finite"]:
        found["error"] = float((given - expected).norm() / expected.norm().clamp_min(TINY))
        shown = [(answer / sees.scale + sees.mean).clamp(0, 1) for answer in (given, expected)]
        found["levels"] = float((shown[0] - shown[1]).abs().max() * 255)
    if weights and (pairs := real(size)):
        after = decibels(slot, pairs, sees, kind)
        with applied(STRICT, kind):
            before = decibels(Slot(forward.net, plain.fixed, plain), pairs, sees, kind)
        found |= {"psnr_change": after - before, "images": len(pairs)}
    return found


def fill(net: nn.Module, run: Run) -> str:
    """Put the authors' weights into the network and give their name; nothing when they are not at hand.

    Nothing is downloaded.

    Raises:
        ValueError: a file is not the authors', or not this network's.
    """
    entry = published.load().get(run.weights)
    if not entry or not entry.files or not all(fetch.find(entry.file(asset).name) for asset in entry.files):
        return ""
    published.fill(net, published.read(entry, run.model, published.obtain(entry)), entry)
    return entry.name


def real(size: tuple[int, int]) -> Pairs | None:
    """The first test images of GoPro; None where they are not at hand or have another size.

    Raises:
        ValueError: a file is no image.
    """
    gopro = plugins.load("datasets", "gopro").SET
    if gopro.where() is None:
        return None
    shots = [shot for shot in gopro.shots_of("test") if shot.sharp][:SCORED]
    blurry, sharp = ([image(getattr(shot, side)) for shot in shots] for side in ("blurry", "sharp"))
    if not shots or any(shown.shape[:2] != size for shown in blurry):
        return None
    return Pairs([shot.name for shot in shots], blurry, sharp)


def decibels(slot: Slot, pairs: Pairs, sees: Normalise, kind: str) -> float:
    """Mean PSNR of the restored images."""
    metrics: dict[str, Any] = {"psnr": plugins.load("metrics", "psnr")}
    scored = scoring.score(slot, lambda net, x: nets.restore(net, x, sees), pairs, metrics, kind)
    return fmean(one.values["psnr"] for one in scored)
