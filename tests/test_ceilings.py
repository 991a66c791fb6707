"""Ceilings: arithmetic and traffic, against torch's own counter and sums by hand."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmark.measure import ceilings
from benchmark.measure.traffic import TrafficCounter
from benchmark.timing.schedule import Job


def prepare(name, mode="strict"):
    """Prepare a ceiling of the processor."""
    return ceilings.prepare(Job("ceiling", name, mode, 0, 0, 1, 1), None, "cpu")


@pytest.mark.parametrize("name", ceilings.NAMES["cpu"])
def test_arithmetic_and_traffic_are_those_of_two_counters(name, monkeypatch):
    """MACs are half of torch's flops; bytes are those of the operators that one call sends."""
    monkeypatch.setitem(ceilings.SIDE, "cpu", 128)
    monkeypatch.setitem(ceilings.COPY_BYTES, "cpu", 1 << 20)
    work = prepare(name)
    with FlopCounterMode(display=False) as flops, TrafficCounter() as counter:
        work.call()

    assert work.macs == flops.get_total_flops() // 2
    assert work.traffic == counter.bytes


@pytest.mark.parametrize(
    ("name", "macs", "traffic"),
    [
        ("matmul_float32", 1024**3, 3 * 4 * 1024**2),  # three matrices of 4 MiB
        ("conv_float32", 9 * 128 * 128 * 64 * 64, 4 * 128 * (2 * 64 * 64 + 9 * 128)),  # two images, a filter
        ("copy", 0, 2 * 256 * 2**20),  # 256 MiB in, 256 MiB out
    ],
)
def test_each_ceiling_has_the_work_that_its_sizes_say(name, macs, traffic):
    """By hand, for the sizes of a processor."""
    work = prepare(name)

    assert (work.macs, work.traffic) == (macs, traffic)


@pytest.mark.parametrize("name", ["float32", "float16", "bfloat16"])
def test_tensors_have_the_type_of_the_name(name, monkeypatch):
    """No autocast: a 16-bit product has 16 bits, and half the traffic."""
    monkeypatch.setitem(ceilings.SIDE, "cpu", 32)
    dtype = ceilings.TYPES[name]
    work = ceilings.matmul("cpu", dtype)

    assert work.call().dtype == dtype
    assert work.traffic == 3 * 32 * 32 * torch.finfo(dtype).bits // 8


def test_every_ceiling_of_a_gpu_has_its_builder_and_mode():
    """Two of TensorFloat-32, the others strict; whatever a CPU has is among them."""
    names = ceilings.NAMES["cuda"]
    modes = {name: ceilings.mode(name) for name in names}

    assert {name for name in names if modes[name] == "tf32"} == {"matmul_tf32", "conv_tf32"}
    assert {name.split("_")[0] for name in names} == set(ceilings.OPERATIONS)
    assert {name.split("_")[1] for name in names if "_" in name} == set(ceilings.TYPES)
    assert set(ceilings.NAMES["cpu"]) < set(names)


@pytest.mark.parametrize(
    ("name", "mode", "message"),
    [
        ("matmul_float64", "strict", "ceilings: no 'matmul_float64' on cpu; allowed: matmul_float32, "),
        ("matmul_tf32", "tf32", "ceilings: no 'matmul_tf32' on cpu; allowed: matmul_float32, "),
        ("matmul_float32", "tf32", "ceilings: matmul_float32 in mode 'tf32'; allowed: 'strict'"),
        ("copy", "fast", "ceilings: copy in mode 'fast'; allowed: 'strict'"),
    ],
)
def test_what_a_device_lacks_is_refused(name, mode, message):
    """The name or mode, and the allowed ones."""
    with pytest.raises(ValueError, match="^" + message):
        prepare(name, mode)
