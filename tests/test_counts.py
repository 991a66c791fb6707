"""Sizes and arithmetic of the full networks beside those of the authors' own code."""

from pathlib import Path

import pytest

from benchmark import spec
from benchmark.results import read_rows
from benchmark.results.schema import Complexity

ROOT = Path(__file__).parents[1]
RUNS = spec.load(ROOT / "params.yaml")[1]
COUNTED = {row.run: row for row in read_rows(ROOT / "results" / "complexity.csv", Complexity)}

# Parameters, and 10^9 MACs at 720x1280, of the authors' code: fvcore, or convolutions alone.
OFFICIAL = {
    "dmphn_1": (1_808_131, 229.029),
    "dmphn_1_2": (3_616_262, 458.057),
    "dmphn_1_2_4": (5_424_393, 687.086),
    "dmphn_1_2_4_8": (7_232_524, 916.115),
    "dmphn_stack2": (10_848_786, 1374.172),
    "dmphn_stack3": (16_273_179, 2061.258),
    "dmphn_stack4": (21_697_572, 2748.344),
    "mscnn": (11_721_321, 4724.196),
    "srn": (8_056_609, 3772.907),
    "srn_gray": (6_876_449, 3505.363),
    "srn_color": (6_881_251, 1174.260),
    "pssnsc": (3_871_715, 3306.563),
    "mtrnn": (2_635_547, 2035.927),
    "mimo_unet": (6_807_171, 896.458),
    "mimo_unet_plus": (16_107_651, 2119.517),
    "mprnet": (20_127_073, 10687.756),
    "dbgan": (11_588_163, 10670.978),
    "svrnn": (9_227_027, 755.992),
    "deblurgan": (11_378_179, 698.647),
    "deblurganv2_inception": (60_929_291, 273.932),
    "deblurganv2_mobilenet": (3_312_707, 38.936),
}


def test_every_run_is_counted():
    """The committed table has every run of params.yaml, and no other."""
    assert set(COUNTED) == set(RUNS)


@pytest.mark.parametrize("name", OFFICIAL)
def test_sizes_are_exact(name):
    """Every published network has exactly the authors' number of parameters."""
    assert COUNTED[name].params == OFFICIAL[name][0]


@pytest.mark.parametrize("name", OFFICIAL)
def test_arithmetic_is_within_half_a_percent(name):
    """Convolutions and matrix products need what they need in the authors' code."""
    assert COUNTED[name].macs_720p_torch / 1e9 == pytest.approx(OFFICIAL[name][1], rel=0.005)


def test_sgenet_has_its_printed_size():
    """19.5 million within 0.05 (SGENet, Table 1)."""
    assert COUNTED["sgenet"].params / 1e6 == pytest.approx(19.5, abs=0.05)


def test_bag_costs_what_its_run_time_says():
    """BAG takes 1.13 s where DeblurGAN takes 0.97 (BAG, Table 2); 3x3 transitions make it a little more."""
    ratio = COUNTED["bag"].macs_720p / COUNTED["deblurgan"].macs_720p

    assert ratio == pytest.approx(1.13 / 0.97, rel=0.05)
