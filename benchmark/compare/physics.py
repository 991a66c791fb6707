"""Lower bounds of a network's time on a graphics card, and whether a printed time respects them.

A network's work is two floating-point operations per MAC. Four bounds for its time on a card:

at_peak      its arithmetic at the peak of the official boost clock, in single precision, or in TensorFloat-32
             where a card has it, as PyTorch convolves by default
lower_bound  with all that software can do, at the highest clock: Winograd's best case for every single MAC,
             or half precision, whichever is faster (`Card.max_flops`)
memory       image and weights read and image written, once, at the full bandwidth and two bytes a number
eager        what the operators of an eager float32 forward pass read and write, each on its own, without any
             cache between two of them, at the full bandwidth

Below `lower_bound` or `memory` a time is impossible. Below `at_peak` it is not credible: it would need
near-ideal Winograd everywhere, while synchronised clocks measure 26 to 43 % of an RTX 3090's peak (`clocked`
in cards.yaml, over the MACs of results/complexity.csv). `eager` decides nothing, it is shown beside: traffic
belongs to an implementation, not to a network. SAPHNet unfolds every pixel's neighbours for filters
of their own, and moves 458 GB; a specialised kernel would move far less.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from benchmark.results.schema import PHYSICS_VERDICTS, PhysicsVerdict
from benchmark.spec import build, read_yaml

CARDS = Path(__file__).with_name("cards.yaml")
PIXELS = 720 * 1280
# F(4x4, 3x3): 36 products make 16 outputs of 9 each (Lavin and Gray, CVPR 2016, Sec. 4.3).
WINOGRAD = 144 / 36
BYTES = 2  # per number, at least: half precision

Positive = Annotated[float, Meta(gt=0)]


@dataclass(frozen=True)
class Card:
    """One entry of cards.yaml, where the fields are explained. Rates are TFLOP/s, bandwidth is GB/s."""

    name: str
    cores: Annotated[int, Meta(gt=0)]
    boost_mhz: Positive
    highest_mhz: Positive
    fp32: Positive
    bandwidth: Positive
    memory: Positive
    sources: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    tf32: Positive = 0.0
    half_fp32: Positive = 0.0
    half: Positive = 0.0

    @property
    def peak_flops(self) -> float:
        """Return the FLOP/s of float32 networks at the boost clock, as PyTorch runs them by default."""
        return 1e12 * max(self.fp32, self.tf32)

    @property
    def max_flops(self) -> float:
        """Most FLOP/s assumed possible, counting the operations of a direct convolution.

        Winograd and half precision are not granted together. Winograd on tensor cores writes and reads its
        tiles: F(4x4, 3x3) moves 11 numbers per pixel and channel, 22 bytes, where a direct 3x3 convolution
        of C channels has 18 C operations. At an RTX 3090's 936 GB/s that takes longer than half precision
        without Winograd up to 230 channels; nearly all convolutions of the networks timed on it have 16 to
        192.
        """
        return 1e12 * self.highest_mhz / self.boost_mhz * max(WINOGRAD * self.fp32, self.tf32, self.half)

    def has_name(self, device: str) -> bool:
        """Decide whether a device is such a card; "NVIDIA GeForce RTX 3090 Ti" is no RTX 3090."""
        return normalised(device) in map(normalised, (self.name, *self.aliases))


@dataclass(frozen=True)
class Clocked:
    """A published pair of times of one network on one card: without and with synchronising, s."""

    system: str
    card: str  # its key in cards.yaml
    asynchronous: Positive
    synchronised: Positive
    source: str
    run: str = ""  # of benchmark/runs; empty: none


@dataclass(frozen=True)
class Load:
    """The work of one forward pass."""

    macs: float
    weights: float = 0.0  # numbers
    traffic: float = 0.0  # bytes of all operators of an eager float32 pass; 0: not counted

    @property
    def flop(self) -> float:
        """Return the floating-point operations."""
        return 2 * self.macs


@dataclass(frozen=True)
class Bounds:
    """The bounds of a time at 720x1280, s; `eager` is 0 where its traffic is not counted."""

    at_peak: float
    lower_bound: float
    memory: float
    eager: float


@dataclass(frozen=True)
class Judgement:
    """A verdict with its evidence."""

    verdict: PhysicsVerdict
    load: Load
    bounds: Bounds
    share_of_peak: float  # the rate that the time needs over the card's peak
    possible_share: float  # of 720x1280's pixels, up to which the time is not impossible, at most 1


def normalised(name: str) -> str:
    """Reduce a card's name to lower-case letters and digits.

    >>> normalised("NVIDIA GeForce GTX 1080Ti") == normalised("nvidia geforce gtx 1080 ti")
    True
    """
    return re.sub(r"[^a-z0-9]", "", name.lower())


def bounds(card: Card, load: Load) -> Bounds:
    """Calculate the bounds of the time of a 720x1280 image."""
    compulsory_bytes = BYTES * (2 * 3 * PIXELS + load.weights)
    rate = 1e9 * card.bandwidth
    return Bounds(
        load.flop / card.peak_flops, load.flop / card.max_flops, compulsory_bytes / rate, load.traffic / rate
    )


def judge(seconds: float, card: Card, load: Load) -> Judgement:
    """Judge a printed time in s, rounded up in its favour (7 ms is 7.5 ms)."""
    limits = bounds(card, load)
    shortest = max(limits.lower_bound, limits.memory)
    verdict: PhysicsVerdict = "not credible" if seconds < limits.at_peak else "possible"
    if seconds < shortest:
        verdict = "impossible"
    return Judgement(verdict, load, limits, limits.at_peak / seconds, min(1.0, seconds / shortest))


def milder(judgements: list[Judgement]) -> Judgement:
    """Return the mildest verdict; on a tie, the one from the fewest MACs."""
    return min(judgements, key=lambda each: (PHYSICS_VERDICTS.index(each.verdict), each.load.macs))


def read(path: Path = CARDS) -> tuple[dict[str, Card], tuple[Clocked, ...]]:
    """Read every card by its key, and the published pairs of times.

    Raises:
        ValueError: the file has a mistake; the message names its place.
    """
    place = f"benchmark/compare/{path.name}"
    content = build(dict[str, Any], place, read_yaml(path))
    cards = build(dict[str, Card], f"{place}: cards", content.get("cards"))
    clocked = build(tuple[Clocked, ...], f"{place}: clocked", content.get("clocked"))
    for pair in clocked:
        if pair.card not in cards:
            allowed = ", ".join(sorted(cards))
            raise ValueError(f"{place}: clocked[{pair.system}].card: {pair.card!r}; allowed: {allowed}")
    return cards, clocked
