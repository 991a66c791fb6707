"""Cards against their closed forms, laws against arithmetic done by hand, and the entries' mistakes."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from benchmark.compare import physics
from benchmark.compare.physics import Card, Load, judge
from benchmark.results import COMPLEXITY, read_rows
from benchmark.results.schema import Complexity

ROOT = Path(__file__).parents[1]
CARDS, CLOCKED = physics.read()
CARD = Card("Card", 1000, 1000, 1000, 2.0, 100, 8, ())  # 2 TFLOP/s, 100 GB/s
# Tensor cores, their float16 multiply-adds a clock, and their clock: from the architecture whitepapers.
TENSOR = {
    "rtx_2080_ti": (544, 64, 1545),
    "rtx_3090": (328, 128, 1695),
    "v100_sxm2": (640, 64, 1530),
    "a100_sxm4_80gb": (432, 256, 1410),
    "h100_sxm": (528, 512, 1830),
    "h200": (528, 512, 1830),
}
GTX, RTX = CARDS["gtx_1080_ti"], CARDS["rtx_3090"]


@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
def test_single_precision_is_two_operations_per_core_and_clock(card):
    """A fused multiply-add is two operations; figures are printed with four digits."""
    assert card.fp32 == pytest.approx(2 * card.cores * card.boost_mhz * 1e6 / 1e12, rel=5e-4)
    assert card.boost_mhz <= card.highest_mhz <= 1.4 * card.boost_mhz
    assert card.sources


@pytest.mark.parametrize(("key", "card"), CARDS.items(), ids=CARDS)
def test_half_precision_is_that_of_the_tensor_cores(key, card):
    """Cores x multiply-adds a clock x clock, dense; cards without tensor cores have none."""
    cores, products, mhz = TENSOR.get(key, (0, 0, 0))

    assert card.half == pytest.approx(2 * cores * products * mhz * 1e6 / 1e12, rel=1e-3)
    assert card.half_fp32 in (card.half, pytest.approx(card.half / 2, rel=1e-3))  # GeForce cards halve it
    assert card.tf32 <= card.half / 2 + 0.1


def test_the_lower_bound_is_winograd_at_the_highest_clock():
    """GTX 1080 Ti: 3,584 cores x 2 x 2.1 GHz x 4; an H100's half precision is faster than Winograd."""
    assert GTX.max_flops == pytest.approx(3584 * 2 * 2.1e9 * 4, rel=1e-3)
    assert CARDS["h100_sxm"].max_flops == pytest.approx(989.4e12)
    assert replace(CARD, half=7.0).max_flops == CARD.max_flops == 8e12  # the faster counts, never both
    assert replace(CARD, half=9.0).max_flops == 9e12


def test_names_are_whole_names():
    """A 3090 Ti is another card; case and spaces do not matter."""
    assert RTX.has_name("NVIDIA GeForce RTX 3090")
    assert GTX.has_name("nvidia rtx 1080ti")
    assert not RTX.has_name("NVIDIA GeForce RTX 3090 Ti")
    assert not CARDS["h100_sxm"].has_name("NVIDIA H100 PCIe")
    aliases = [physics.normalised(name) for card in CARDS.values() for name in (card.name, *card.aliases)]
    assert len(set(aliases)) == len(aliases)


def test_bounds_by_hand():
    """10^12 MACs on 2 TFLOP/s take 1 s, 0.25 s with Winograd; memory and traffic are bytes over bandwidth."""
    bounds = physics.bounds(CARD, Load(1e12, weights=50e6, traffic=4e10))

    assert (bounds.at_peak, bounds.lower_bound, bounds.eager) == pytest.approx((1.0, 0.25, 0.4))
    assert bounds.memory == pytest.approx((2 * 6 * 720 * 1280 + 2 * 50e6) / 100e9)


@pytest.mark.parametrize(
    ("seconds", "load", "verdict"),
    [
        (1.01, Load(1e12), "possible"),
        (0.99, Load(1e12), "not credible"),
        (0.26, Load(1e12), "not credible"),
        (0.24, Load(1e12), "impossible"),
        (1.01, Load(1e12, traffic=9e11), "possible"),  # another program may move less
        (1e-4, Load(1e6), "impossible"),  # 11 MB of image at 100 GB/s
        (1.2e-4, Load(1e6), "possible"),
    ],
)
def test_each_law_has_its_verdict(seconds, load, verdict):
    """Below the lower bound or the compulsory memory: impossible; below the peak: not credible."""
    assert judge(seconds, CARD, load).verdict == verdict


def test_the_possible_image_is_a_share_of_the_pixels():
    """A quarter of the lower bound is enough for a quarter of the pixels; a long time is enough for all."""
    assert judge(0.0625, CARD, Load(1e12)).possible_share == pytest.approx(0.25)
    assert judge(5.0, CARD, Load(1e12)).possible_share == 1.0


def test_the_milder_verdict_counts():
    """Of two counts the one that is kinder to the print; of equals the smaller."""
    mild, grave, smaller = (judge(0.3, CARD, Load(macs)) for macs in (1e12, 2e12, 9e11))

    assert (mild.verdict, grave.verdict) == ("not credible", "impossible")
    assert physics.milder([grave, mild]) is mild
    assert physics.milder([mild, smaller]) is smaller


def test_synchronised_clocks_measure_a_quarter_to_two_fifths_of_the_peak():
    """The pairs published for the RTX 3090, over the committed counts: none is near a printed rate.

    Their factors between both clocks are 1.9 to 22.8.
    """
    macs = {row.run: row.macs_720p for row in read_rows(ROOT / COMPLEXITY, Complexity)}
    pairs = [pair for pair in CLOCKED if pair.card == "rtx_3090"]
    shares = [2 * macs[pair.run] / pair.synchronised / RTX.peak_flops for pair in pairs if pair.run]
    factors = [pair.synchronised / pair.asynchronous for pair in pairs]

    assert len(shares) == 6
    assert (min(shares), max(shares)) == pytest.approx((0.26, 0.43), abs=0.005)
    assert (min(factors), max(factors)) == pytest.approx((1.91, 22.8), rel=0.005)
    assert all(pair.source for pair in CLOCKED)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw["cards"]["rtx_3090"].pop("cores"), "cards.rtx_3090: 'cores' is missing"),
        (lambda raw: raw["cards"]["rtx_3090"].update(cuda=1), "cards.rtx_3090: unknown key 'cuda'"),
        (lambda raw: raw["cards"]["rtx_3090"].update(bandwidth=0), "bandwidth: 0; allowed: numbers > 0"),
        (lambda raw: raw["cards"].update(rtx_3090=[]), "rtx_3090: []; allowed: a mapping of name, cores"),
        (lambda raw: raw["clocked"][0].update(card="rtx"), "].card: 'rtx'; allowed: a100"),
        (lambda raw: raw["clocked"][1].update(synchronised="fast"), "synchronised: 'fast'; allowed: numbers"),
    ],
)
def test_mistakes_name_the_place(tmp_path, change, message):
    """One line that names file and entry."""
    raw = yaml.safe_load(physics.CARDS.read_text())
    change(raw)
    file = tmp_path / "cards.yaml"
    file.write_text(yaml.safe_dump(raw))

    with pytest.raises(ValueError, match=r"^benchmark/compare/cards.yaml: ") as caught:
        physics.read(file)

    assert message in str(caught.value)
