"""Prepare kind "forward": a run's full network restores an image, or a batch of copies.

Weights are random, as no operator's work depends on them, and so are the images: with zeros a device draws
less power and may keep a faster clock. The clock starts when the input is on the device, normalised and
padded, as in the official test scripts; `end_to_end` times the whole way from host to host.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from statistics import fmean
from typing import Any, cast

import torch
from torch import Tensor, nn

from benchmark import nets, plugins
from benchmark.data import folders
from benchmark.data.pairs import Pairs, image
from benchmark.measure import scoring
from benchmark.measure.devices import applied
from benchmark.measure.recorder import Work
from benchmark.measure.traffic import traffic
from benchmark.spec import Normalise, Run
from benchmark.timing.recording import MODES, Mode
from benchmark.timing.schedule import Job
from benchmark.weights import published

Call = Callable[[], Tensor]

SEED = 0
CAPTURE_CALLS = 3  # calls before a capture (PyTorch's notes on CUDA graphs)
SCORED = 2  # real images whose PSNR is compared
TINY = 1e-30  # keeps the norm of an image of zeros above 0
STRICT = MODES["strict"]
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
LAYOUTS = {"nchw": torch.contiguous_format, "channels_last": torch.channels_last}


@dataclass(frozen=True)
class Forward:
    """Calls a network on a device, always on the same input memory."""

    net: nn.Module
    input: Tensor  # (B, 3, H, W), normalised and padded
    dtype: torch.dtype  # of the arithmetic; under autocast unless float32

    def __call__(self) -> Tensor:
        """Return the restored images (B, 3, H, W), without synchronising."""
        half = None if self.dtype == torch.float32 else self.dtype
        kind = self.input.device.type
        # A graph has to hold the casts of the weights: none may be cached by an earlier call.
        autocast = torch.autocast(kind, half, enabled=half is not None, cache_enabled=False)
        with torch.inference_mode(), autocast:
            return self.net(self.input)[-1]


class StandIn(nn.Module):
    """Stands in for a network in `nets.restore`: copies the image into the input memory, then calls."""

    def __init__(self, net: nn.Module, input: Tensor, call: Call) -> None:
        super().__init__()
        self.stride, self.smallest_side = nets.size_constraint(net)
        self.padding = getattr(net, "padding", "replicate")
        self.input, self.call = input, call

    def forward(self, images: Tensor) -> list[Tensor]:
        """Restore (B, 3, H, W) -> [(B, 3, H, W)]; fewer images than the input memory holds are repeated."""
        self.input.copy_(images)
        return [self.call()[: len(images)].float()]


def prepare(job: Job, run: Run, kind: str) -> Work:
    """Build a run's network on a kind of device with its calls, and count its arithmetic and traffic.

    Traffic is counted as if every value had the mode's type: a lower bound, since under autocast some values
    keep float32, and weights are cast.

    Raises:
        ValueError: its network cannot be built (`nets.build`).
    """
    mode = MODES[job.mode]
    normalise = run.train.normalise if run.train else Normalise()
    net = nets.build(run, seed=SEED).eval()
    # Of a pair the ratio of MACs is known from the table of counts, and counting takes seconds.
    macs, float32_bytes = (0, 0) if job.kind == "pair" else traffic(net, job.height, job.width, job.batch)
    forward = place(net, random_input(net, job, normalise), mode, kind)
    call = launch(forward, job)
    stand_in = StandIn(net, forward.input, call)
    accuracy = partial(compare, run, forward, stand_in, normalise, (job.height, job.width))
    return Work(
        call,
        macs,
        float32_bytes * DTYPES[mode.dtype].itemsize // torch.float32.itemsize,
        capture=partial(capture, forward) if kind == "cuda" and mode.launch == "eager" else None,
        end_to_end=end_to_end_call(stand_in, job, normalise, kind),
        accuracy=None if mode == STRICT else accuracy,
    )


def random_input(net: nn.Module, job: Job, normalise: Normalise) -> Tensor:
    """Draw a uniform image, normalised, of the job's size rounded up for the network; repeat it."""
    size = nets.round_up_side(net, job.height), nets.round_up_side(net, job.width)
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(SEED))
    return ((image - normalise.mean) * normalise.scale).repeat(job.batch, 1, 1, 1)


def place(net: nn.Module, x: Tensor, mode: Mode, kind: str) -> Forward:
    """Put the network and its input on a device, in the memory format of the mode."""
    layout = LAYOUTS[mode.layout]
    on_device = x.to(kind).contiguous(memory_format=layout)
    return Forward(net.to(kind).to(memory_format=layout), on_device, DTYPES[mode.dtype])


def launch(forward: Forward, job: Job) -> Call:
    """Return the call as the mode launches it: eagerly, or as a graph that the first call captures."""
    mode = MODES[job.mode]
    if mode.launch == "eager":
        return forward
    if mode.launch == "compiled":
        forward = replace(forward, net=cast(nn.Module, torch.compile(forward.net)))
    captured = cache(partial(capture, forward, f"runs.{job.run}, mode {job.mode}: "))
    return lambda: captured()()


def capture(call: Call, place: str = "") -> Call:
    """Capture a call as a CUDA graph and return its replay, whose result is in the same memory each time.

    As PyTorch's notes on CUDA graphs ask: a few calls in a side stream, then the capture. Not every version
    of torch cleans up after a failed capture (pytorch/pytorch, pull request 180395): do not try twice.

    Raises:
        ValueError: the call cannot be captured, most often because it waits for the device.
        torch.OutOfMemoryError: the memory is too small for a second set of intermediate results.
    """
    try:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(CAPTURE_CALLS):
                call()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            restored = call()
    except RuntimeError as error:
        first = first_error(error)
        if isinstance(first, torch.OutOfMemoryError):
            raise first from None
        raise ValueError(f"{place}no graph: {str(first).splitlines()[0]}") from None

    def replay() -> Tensor:
        graph.replay()
        return restored

    return replay


def first_error(error: BaseException) -> BaseException:
    """Return the error that came first: ending a failed capture raises another one."""
    while isinstance(error.__context__, RuntimeError):
        error = error.__context__
    return error


def end_to_end_call(net: StandIn, job: Job, normalise: Normalise, kind: str) -> Call:
    """Return a call that restores 8-bit images (B, H, W, 3) on the host into 8-bit images on the host."""
    size = (job.batch, job.height, job.width, 3)
    images = torch.randint(256, size, dtype=torch.uint8, generator=torch.Generator().manual_seed(SEED))
    restored = torch.empty_like(images)
    if kind == "cuda":
        images, restored = images.pin_memory(), restored.pin_memory()

    def end_to_end() -> Tensor:
        with torch.inference_mode():
            blurry = images.to(kind, non_blocking=True).permute(0, 3, 1, 2).float() / 255
            on_device = nets.restore(net, blurry, normalise).clamp(0, 1).mul(255).round().byte()
            return restored.copy_(on_device.permute(0, 2, 3, 1))  # waits for the device

    return end_to_end


def compare(
    run: Run, forward: Forward, stand_in: StandIn, normalise: Normalise, size: tuple[int, int]
) -> dict[str, Any]:
    """Compare the timed restored image with that of mode strict, on the same device and input.

    Available authors' weights replace the random ones, for good.

    Real images of another size than the requested `size` are not restored.

    Returns:
        weights: "initial", or the name of the authors'.
        finite: whether both restored images are; without it the next two are missing.
        error: relative distance (L2) of the restored images.
        levels: their largest difference, clipped, in grey levels.
        psnr_change: dB, mean over the first real images; only with the authors' weights.
        images: how many of them.
    """
    kind = forward.input.device.type
    weights = load_authors_weights(forward.net, run)
    strict = place(copy.deepcopy(forward.net), forward.input, STRICT, kind)
    timed = stand_in.call().double()
    with applied(STRICT, kind):
        expected = strict().double()
    accuracy: dict[str, Any] = {"weights": weights or "initial"}
    accuracy["finite"] = bool(timed.isfinite().all() and expected.isfinite().all())
    if accuracy["finite"]:
        accuracy["error"] = float((timed - expected).norm() / expected.norm().clamp_min(TINY))
        images = [(x / normalise.scale + normalise.mean).clamp(0, 1) for x in (timed, expected)]
        accuracy["levels"] = float((images[0] - images[1]).abs().max() * 255)
    if weights and (pairs := real_pairs(size)):
        after = mean_psnr(stand_in, pairs, normalise, kind)
        with applied(STRICT, kind):
            before = mean_psnr(StandIn(forward.net, strict.input, strict), pairs, normalise, kind)
        accuracy |= {"psnr_change": after - before, "images": len(pairs)}
    return accuracy


def load_authors_weights(net: nn.Module, run: Run) -> str:
    """Load the authors' weights, where they are available without a download, and return their name.

    Raises:
        ValueError: a file is not the authors', or does not fit the network.
    """
    entry = published.load().get(run.weights)
    if not entry or not entry.files or not all(folders.find(entry.file(asset).name) for asset in entry.files):
        return ""
    published.fill(net, published.read(entry, run.model, published.obtain(entry)), entry)
    return entry.name


def real_pairs(size: tuple[int, int]) -> Pairs | None:
    """Read the first test images of GoPro; None where they are not available or have another size.

    Raises:
        ValueError: a file is not an image.
    """
    gopro = plugins.load("datasets", "gopro").SET
    if gopro.locate() is None:
        return None
    shots = [shot for shot in gopro.pair_files("test") if shot.sharp][:SCORED]
    blurry, sharp = ([image(getattr(shot, side)) for shot in shots] for side in ("blurry", "sharp"))
    if not shots or any(shown.shape[:2] != size for shown in blurry):
        return None
    return Pairs([shot.name for shot in shots], blurry, sharp)


def mean_psnr(net: StandIn, pairs: Pairs, normalise: Normalise, kind: str) -> float:
    """Return the mean PSNR of the restored images, dB."""
    metrics: dict[str, Any] = {"psnr": plugins.load("metrics", "psnr")}
    scores = scoring.score(net, lambda net, x: nets.restore(net, x, normalise), pairs, metrics, kind)
    return fmean(score.values["psnr"] for score in scores)
