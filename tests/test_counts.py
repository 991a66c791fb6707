"""Sizes and arithmetic of the full networks, against those of the authors' own code and printed ones."""

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmark import nets, spec
from benchmark.results import read_rows
from benchmark.results.schema import Complexity

ROOT = Path(__file__).parents[1]
RUNS = spec.load(ROOT / "params.yaml")[1]
COUNTED = {row.run: row for row in read_rows(ROOT / "results" / "complexity.csv", Complexity)}

# Parameters, and 10^9 MACs at 720x1280, of the authors' code, counted by fvcore or of convolutions alone.
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


# Parameters that the authors' networks contain without training them.
FROZEN = {
    "mtrnn": 24,
    "deblurganv2_inception": 25_089_192,
    "deblurganv2_mobilenet": 1_206_080,
    "deblurganv2_dsc": 1_206_080,
}
# One run of each network: many runs differ in their recipe alone.
NETWORKS = {f"{run.model} {run.config}": name for name, run in RUNS.items()}.values()


def test_every_run_is_counted():
    """The committed table has every run of params.yaml, and no other."""
    assert set(COUNTED) == set(RUNS)


SOLVERS = [name for name in NETWORKS if name in COUNTED and COUNTED[name].macs_720p is None]


@pytest.mark.parametrize("name", SOLVERS)
def test_operations_of_a_solver_are_not_defined(name):
    """Its row has the parameters of what is learned, no operations, and the reason."""
    row = COUNTED[name]

    assert row.params == sum(p.numel() for p in nets.build(RUNS[name]).parameters())
    assert (row.macs_256, row.macs_720p_torch, row.traffic_720p) == (None, None, None)
    assert row.uncounted == f"not defined: {nets.build(RUNS[name]).no_macs}"


@pytest.mark.parametrize("name", [name for name in NETWORKS if name in COUNTED and name not in SOLVERS])
def test_counts_are_those_of_the_network(name):
    """The committed counts are those of the network that is built: the tests below hold for the code.

    Where both counters agree at 720x1280, they do at 256x256, where SAPHNet takes 2 s in place of 30.
    """
    row = COUNTED[name]
    small = row.macs_720p == row.macs_720p_torch
    (height, width), macs = ((256, 256), row.macs_256) if small else ((720, 1280), row.macs_720p_torch)
    with torch.device("meta"):
        net = nets.build(RUNS[name]).eval()
        blurry = torch.empty(1, 3, nets.round_up_side(net, height), nets.round_up_side(net, width))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(blurry)

    assert sum(p.numel() for p in net.parameters()) == row.params
    assert counter.get_total_flops() // 2 == macs
    assert sum(p.numel() for p in net.parameters() if not p.requires_grad) == FROZEN.get(name, 0)


@pytest.mark.parametrize("name", OFFICIAL)
def test_sizes_are_exact(name):
    """Every published network has exactly the authors' number of parameters."""
    assert COUNTED[name].params == OFFICIAL[name][0]


@pytest.mark.parametrize("name", OFFICIAL)
def test_arithmetic_is_within_half_a_percent(name):
    """Convolutions and matrix products need what they need in the authors' code."""
    assert COUNTED[name].macs_720p_torch / 1e9 == pytest.approx(OFFICIAL[name][1], rel=0.005)


def test_hamds_size_is_srns_and_what_is_added():
    """HAMD is SRN's RGB network, two more of its decoders, a 1x1 per scale and the attention."""
    decoder = sum(3 * 2 * (25 * w * w + w) for w in (128, 64, 32)) + (25 * 32 * 3 + 3)
    decoder += sum(16 * w * (w // 2) + w // 2 for w in (128, 64))
    fusion = sum(3 * w * w + w for w in (128, 64, 32))
    attention = (9 * 128 * 32 + 32) + (9 * 32 + 1)

    assert COUNTED["hamd"].params == COUNTED["srn_color"].params + 2 * decoder + fusion + attention


def test_recursions_cost_all_rdms_again():
    """SGENet's second recursion adds 24 RDMs: five 3x3 at 96, 120 and 144 channels, channel attention."""
    widths, pixels = (96, 120, 144), (720 * 1280, 360 * 640, 180 * 320)
    convolutions = sum(8 * 5 * 9 * w * w * n for w, n in zip(widths, pixels, strict=True))
    added = COUNTED["sgenet_recursive2"].macs_720p_torch - COUNTED["sgenet"].macs_720p_torch

    assert added == convolutions + sum(8 * 2 * w * (w // 4) for w in widths)


@pytest.mark.parametrize(("name", "maps"), [("svdn", 27), ("svdn_unmodulated", 18)])
def test_svdn_counts_what_finds_its_taps(name, maps):
    """Six 3x3 find 18 maps of offsets and 9 of masks; no counter counts the six deformable ones."""
    more = COUNTED[name].macs_720p_torch - COUNTED["svdn_plain"].macs_720p_torch

    assert more == 6 * 9 * 128 * 57600 * (maps - 128)


@pytest.mark.parametrize("name", ["saphnet", "saphnet_128"])
def test_saphnet_fits_its_printed_time(name):
    """The printed 0.34 s at 720p is within the 12.15 TFLOP/s of a Titan Xp, if each MAC is two of them."""
    assert 0.7 * 0.34 < 2 * COUNTED[name].macs_720p_torch / 12.15e12 < 0.34


def test_sgenet_has_its_printed_size():
    """19.5 million within 0.05 (SGENet, Table 1)."""
    assert COUNTED["sgenet"].params / 1e6 == pytest.approx(19.5, abs=0.05)


def test_bag_costs_what_its_run_time_says():
    """BAG takes 1.13 s where DeblurGAN takes 0.97 (BAG, Table 2); 3x3 transitions make it a little more."""
    ratio = COUNTED["bag"].macs_720p / COUNTED["deblurgan"].macs_720p

    assert ratio == pytest.approx(1.13 / 0.97, rel=0.05)
