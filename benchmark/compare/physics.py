"""What a graphics card can do at most, and whether a network can take a printed time on it.

A network's work is two floating-point operations per MAC. Four floors for its time on a card:

usual   its arithmetic at the peak of the official boost clock, in single precision, or in TensorFloat-32
        where a card has it, as PyTorch convolves by default
least   with all that software can do for it, at the highest clock: Winograd's best case for every single MAC,
        or half precision, whichever is faster (`Card.most`)
memory  image and weights read and image written, once, at the full bandwidth and two bytes a number
eager   what the operators of an eager float32 forward pass read and write, each on its own, as if no cache
        kept anything between two of them, at the full bandwidth

Below `least` or `memory` a time is impossible. Below `usual` it is not credible: it would need near-ideal
Winograd everywhere, while synchronised clocks see 26 to 43 % of an RTX 3090 (`clocked` in cards.yaml, over
the MACs of results/complexity.csv). `eager` decides nothing, it is shown beside: traffic belongs to an
implementation, not to a network. SAPHNet, for one, unfolds every pixel's neighbours here for filters of their
own, and moves 458 GB; a kernel made for that would move far less.
"""

import re
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import yaml

LIST = Path(__file__).with_name("cards.yaml")
VERDICTS = ("possible", "not credible", "impossible", "untested")  # from mild to grave
PIXELS = 720 * 1280
WINOGRAD = (
    144 / 36
)  # F(4x4, 3x3): 36 products make 16 outputs of 9 each (Lavin and Gray, CVPR 2016, Sec. 4.3)
BYTES = 2  # a number, at the least: half precision


@dataclass(frozen=True)
class Card:
    """One entry of cards.yaml, where the fields are explained. Rates are TFLOP/s, bandwidth is GB/s."""

    key: str
    name: str
    cores: int
    boost_mhz: float
    highest_mhz: float
    fp32: float
    bandwidth: float
    memory: float
    sources: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    tf32: float = 0.0
    half_fp32: float = 0.0
    half: float = 0.0

    @property
    def usual(self) -> float:
        """FLOP/s of float32 networks at the boost clock, as PyTorch runs them by default."""
        return 1e12 * max(self.fp32, self.tf32)

    @property
    def most(self) -> float:
        """FLOP/s that are granted at the highest clock, in operations of a direct convolution.

        Winograd and half precision are not granted together. Winograd on tensor cores writes and reads its
        tiles: F(4x4, 3x3) moves 11 numbers per pixel and channel, 22 bytes, where a direct 3x3 convolution
        of C channels has 18 C operations. At an RTX 3090's 936 GB/s that takes longer than half precision
        without Winograd up to 230 channels; nearly all convolutions of the networks timed on one have 16 to
        192.
        """
        return 1e12 * self.highest_mhz / self.boost_mhz * max(WINOGRAD * self.fp32, self.tf32, self.half)

    def named(self, device: str) -> bool:
        """Whether a device of this name is such a card: "NVIDIA GeForce RTX 3090 Ti" is no RTX 3090."""
        return plain(device) in map(plain, (self.name, *self.aliases))


@dataclass(frozen=True)
class Clocked:
    """A published pair of times of one network on one card: without and with synchronising, s."""

    system: str
    card: str
    asynchronous: float
    synchronised: float
    source: str
    run: str = ""  # of params.yaml; empty: none


@dataclass(frozen=True)
class Load:
    """What one forward pass asks of a card."""

    macs: float
    weights: float = 0.0  # numbers
    traffic: float = 0.0  # bytes of all operators of an eager float32 pass; 0: not counted

    @property
    def flop(self) -> float:
        """Floating-point operations."""
        return 2 * self.macs


@dataclass(frozen=True)
class Floors:
    """The four floors of a time at 720x1280, s; `eager` is 0 where its traffic is not counted."""

    usual: float
    least: float
    memory: float
    eager: float


@dataclass(frozen=True)
class Judgement:
    """A verdict with what it rests on."""

    verdict: str  # one of VERDICTS, but for "untested"
    load: Load
    floors: Floors
    of_peak: float  # the rate that the time needs over the card's usual peak
    largest: float  # share of 720x1280's pixels up to which the time is not impossible, at most 1


def plain(name: str) -> str:
    """A card's name without case, spaces and punctuation.

    >>> plain("NVIDIA GeForce GTX 1080Ti") == plain("nvidia geforce gtx 1080 ti")
    True
    """
    return re.sub(r"[^a-z0-9]", "", name.lower())


def floors(card: Card, load: Load) -> Floors:
    """What a 720x1280 image takes at the least.

    Arithmetic is that of `load.macs`; image and weights pass once.
    """
    once = BYTES * (2 * 3 * PIXELS + load.weights)
    rate = 1e9 * card.bandwidth
    return Floors(load.flop / card.usual, load.flop / card.most, once / rate, load.traffic / rate)


def judge(seconds: float, card: Card, load: Load) -> Judgement:
    """The verdict on a time, which is the longest that the print can stand for, s."""
    known = floors(card, load)
    if seconds < max(known.least, known.memory):
        verdict = "impossible"
    else:
        verdict = "not credible" if seconds < known.usual else "possible"
    share = min(1.0, seconds / max(known.least, known.memory))
    return Judgement(verdict, load, known, known.usual / seconds, share)


def milder(judgements: list[Judgement]) -> Judgement:
    """The mildest verdict; of equals, that on the smallest work."""
    return min(judgements, key=lambda one: (VERDICTS.index(one.verdict), one.load.macs))


T = TypeVar("T", Card, Clocked)


def entry(kind: type[T], where: str, given: Any, **own: str) -> T:
    """One entry of cards.yaml; `own` are fields that its place says."""
    if not isinstance(given, dict):
        raise ValueError(f"{where}: expected a mapping, got {given!r}")
    given = {**own, **given}
    known = {f.name: f for f in fields(kind)}
    for name, value in given.items():
        if name not in known:
            raise ValueError(f"{where}: unknown key {name!r}; known: {', '.join(known)}")
        numeric = known[name].type in (int, float)
        if numeric and (isinstance(value, bool) or not isinstance(value, int | float) or value <= 0):
            raise ValueError(f"{where}: {name} must be a number above 0, is {value!r}")
    for name, field in known.items():
        if name not in given and field.default is MISSING:
            raise ValueError(f"{where}: {name!r} is missing")
    made: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in given.items()}
    return kind(**made)


def read(path: Path = LIST) -> tuple[dict[str, Card], list[Clocked]]:
    """Every card by its key, and the published pairs of times.

    Raises:
        ValueError: the file says something that is not allowed; the message names the place.
    """
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    where = f"benchmark/{path.name}"
    cards = {key: entry(Card, f"{where}, cards.{key}", given, key=key) for key, given in raw["cards"].items()}
    clocked = [
        entry(Clocked, f"{where}, clocked {number}", given) for number, given in enumerate(raw["clocked"], 1)
    ]
    for number, pair in enumerate(clocked, 1):
        if pair.card not in cards:
            raise ValueError(
                f"{where}, clocked {number}: no card {pair.card!r}; known: {', '.join(sorted(cards))}"
            )
    return cards, clocked
