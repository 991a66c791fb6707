"""Devices: a fake driver that logs its calls, and settings that are restored."""

import os
import re
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from benchmark.measure import devices, nvml
from benchmark.measure.devices import Cpu, applied
from benchmark.measure.nvml import Nvml
from benchmark.timing.recording import MODES, State

UUID, BUS = "GPU-1f2e3d4c", "00000000:1A:00.0"
READINGS = {  # function -> its result, in NVML's units
    "nvmlDeviceGetTemperature": 61,
    "nvmlDeviceGetPowerUsage": 655_120,
    "nvmlDeviceGetCurrentClocksEventReasons": 0x24,
    "nvmlDeviceGetTotalEnergyConsumption": 123_456_789,
    "nvmlDeviceGetEnforcedPowerLimit": 700_000,
    "nvmlDeviceGetMaxClockInfo": 1980,
    "nvmlDeviceGetPersistenceMode": 1,
    "nvmlDeviceGetEccMode": [1, 0],
}


class NVMLError(Exception):
    """As pynvml's."""


class Driver:
    """A module pynvml with these functions only: calling any other fails the test."""

    NVMLError = NVMLError
    NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = 1, 2, 0

    def __init__(self, cards=((UUID, BUS),), pids=(), missing=(), **readings):
        """Set cards by UUID and bus id, processes, functions that fail, and other readings."""
        uuids, buses = zip(*cards, strict=True)
        self.missing, self.called = missing, set()
        self.functions = {
            "nvmlInit": lambda: None,
            "nvmlSystemGetDriverVersion": lambda: "580.82.07",
            "nvmlDeviceGetCount": lambda: len(cards),
            "nvmlDeviceGetHandleByIndex": lambda index: index,
            "nvmlDeviceGetHandleByUUID": lambda name: self.find(name, uuids),
            "nvmlDeviceGetHandleByPciBusId": lambda name: self.find(name, buses),
            "nvmlDeviceGetClockInfo": lambda card, kind: {1: 1965, 2: 2619}[kind],
            "nvmlDeviceGetComputeRunningProcesses_v3": lambda card: [
                SimpleNamespace(pid=pid, usedGpuMemory=used) for pid, used in pids
            ],
            **{name: partial(self.read, value) for name, value in (READINGS | readings).items()},
        }

    def __getattr__(self, name):
        assert name in self.functions, f"{name} must not be called"
        self.called.add(name)
        return self.refuse if name in self.missing else self.functions[name]

    def refuse(self, *of):
        """Fail as for a card without the reading."""
        raise NVMLError("Not Supported")

    def read(self, value, card, *of):
        """Return the reading."""
        return value

    def find(self, name, names):
        """Return the card's number."""
        if name not in names:
            raise NVMLError("Not Found")
        return names.index(name)


def card_of(**about):
    """Make instruments over such a driver."""
    return Nvml(UUID, BUS, Driver(**about))


def test_a_state_is_in_the_units_that_it_says():
    """MHz and degrees as they are, milliwatts as watts, millijoules as joules."""
    card = card_of()

    assert card.state(1.5) == State(1.5, 1965.0, 2619.0, 61.0, 655.12, 0x24)
    assert card.joules() == 123_456.789
    assert card.unread == {}


def test_the_card_is_identified_by_its_name_and_not_its_number():
    """The third card of the driver is the first that torch may see."""
    cards = (("GPU-a", "0:01"), ("GPU-b", "0:02"), (UUID, BUS))

    assert card_of(cards=cards).handle == 2
    assert Nvml("GPU-of-a-slice", BUS, Driver(cards)).handle == 2
    assert Nvml("", "", Driver(((UUID, BUS),))).handle == 0


def test_a_card_that_cannot_be_identified_has_no_state():
    """The state of another card is worse than none."""
    card = Nvml("GPU-c", "", Driver((("GPU-a", "0:01"), ("GPU-b", "0:02"))))

    assert (card.state(0.0), card.joules(), card.other_processes(), card.used()) == (None, None, 0, None)
    assert card.machine() == {"unread": "NVML: none of its 2 cards is GPU-c"}


def test_what_is_not_readable_is_unknown_and_listed():
    """Each field by itself; an error of one is none of the others'."""
    missing = ("nvmlDeviceGetPowerUsage", "nvmlDeviceGetClockInfo", "nvmlDeviceGetTotalEnergyConsumption")
    card = card_of(missing=missing)

    assert card.state(0.0) == State(0.0, nvml.UNKNOWN, nvml.UNKNOWN, 61.0, nvml.UNKNOWN, 0x24)
    assert card.joules() is None
    assert card.unread == dict.fromkeys(
        ("PowerUsage", "ClockInfo", "TotalEnergyConsumption"), "Not Supported"
    )
    assert "PowerUsage: Not Supported" in card.machine()["unread"]


def test_older_drivers_have_another_name_for_clock_events():
    """They call them throttle reasons; nothing is missing then."""
    new, old = "nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"
    card = card_of(missing=(new,), **{old: 0x08})

    assert card.state(0.0).clock_events == 0x08
    assert card.unread == {}


@pytest.mark.parametrize("package", [True, False])
def test_no_driver_or_package_is_a_reason_and_not_an_error(monkeypatch, package):
    """Then there are no states, and the machine says why; the package is imported only where it is needed."""

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(nvml, "import_module", missing)
    card = card_of(missing=("nvmlInit",)) if package else Nvml(UUID)

    assert (card.state(0.0), card.joules(), card.other_processes()) == (None, None, 0)
    reason = "Not Supported" if package else "the package nvidia-ml-py is not installed"
    assert card.machine() == {"unread": f"NVML: {reason}"}


def test_the_names_are_those_of_the_package():
    """What the fake knows, the real pynvml has, and where there is no driver it says so like the fake."""
    pynvml = pytest.importorskip("pynvml")

    assert [name for name in Driver().functions if not hasattr(pynvml, name)] == []
    assert (pynvml.NVML_CLOCK_SM, pynvml.NVML_CLOCK_MEM, pynvml.NVML_TEMPERATURE_GPU) == (1, 2, 0)
    if not torch.cuda.is_available():
        assert Nvml(UUID, BUS).machine() == {"unread": "NVML: NVML Shared Library Not Found"}


@pytest.mark.parametrize(
    ("pids", "others", "used"),
    [
        ([], 0, None),  # a container that hides all processes
        ([(None, None)], 0, None),
        ([(4_000_001, 5)], 0, None),  # one that shows ids from outside: the only process is this one
        ([(4_000_001, None), (4_000_002, None)], 1, None),
        ([(os.getpid(), None)], 0, None),  # listed without its memory, which is not 0 bytes
        ([(os.getpid(), 7 << 20), (4_000_001, 1 << 20)], 1, 7 << 20),
    ],
)
def test_processes_are_counted_whatever_their_ids(pids, others, used):
    """One of them is always this process, whose memory may be hidden."""
    card = card_of(pids=pids)

    assert (card.other_processes(), card.used()) == (others, used)


def test_the_machine_is_described_in_words():
    """Limits in watts and MHz; of two ECC modes the present one."""
    assert card_of().machine() == {
        "driver": "580.82.07",
        "power limit": "700 W",
        "max SM clock": "1980 MHz",
        "persistence": "on",
        "ecc": "on",
    }


def test_nothing_is_ever_set():
    """Everything is read: the fake fails on functions that it does not list, and it lists none that sets."""
    driver = Driver()
    card = Nvml(UUID, BUS, driver)
    for ask in (card.joules, card.other_processes, card.used, card.machine, partial(card.state, 0.0)):
        ask()

    assert set(READINGS) < driver.called
    assert not [name for name in driver.functions if re.search("Set|Reset|Clear|Freeze", name)]
    with pytest.raises(AssertionError, match="nvmlDeviceSetPowerLimit must not be called"):
        card.read("nvmlDeviceSetPowerLimit")


@pytest.mark.parametrize(
    ("pids", "mib", "whose"),
    [([(os.getpid(), 7 << 20)], 7, "of this process"), ([(4_000_001, None)], 24, "of the whole device")],
)
def test_memory_is_of_the_process_or_of_the_device(monkeypatch, pids, mib, whose):
    """Of this process where the driver tells, else of the device: 40 MiB, 16 of them free."""
    answers = {
        "current_device": 0,
        "get_device_properties": SimpleNamespace(name="Card", L2_cache_size=50 << 20, uuid=UUID[4:]),
        "synchronize": None,
        "mem_get_info": (16 << 20, 40 << 20),
        "max_memory_allocated": 3 << 20,
        "max_memory_reserved": 5 << 20,
    }
    for name, value in answers.items():
        monkeypatch.setattr(torch.cuda, name, lambda *of, value=value: value)
    monkeypatch.setattr(nvml, "import_module", lambda name: Driver(pids=pids))
    card = devices.Cuda()

    assert card.memory() == {"allocated": 3, "reserved": 5, "device": mib}
    assert card.machine()["memory"] == whose
    assert (card.name, card.other_processes(), card.cache) == ("Card", 0, 50 << 20)


def new_names():
    """What torch's second set of names says of TensorFloat-32: convolutions, recurrent layers, products."""
    cudnn, cuda = torch.backends.cudnn, torch.backends.cuda
    precisions = (cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision, cuda.matmul.fp32_precision)
    return [precision == "tf32" for precision in precisions]


@pytest.mark.parametrize("name", [*MODES])
def test_a_mode_is_applied_and_taken_back(name):
    """Both of torch's sets of names have the declared values, and their old values after an inner mode."""
    mode, cudnn, products = MODES[name], torch.backends.cudnn, torch.backends.cuda.matmul

    def settings():
        return [*new_names(), cudnn.allow_tf32, products.allow_tf32, cudnn.benchmark]

    before, declared = settings(), [mode.tf32] * 5 + [mode.search]
    with applied(mode, "cuda"):
        assert settings() == declared
        assert torch.get_float32_matmul_precision() == ("high" if mode.tf32 else "highest")
        assert not cudnn.deterministic
        with applied(MODES["strict"], "cuda"):  # to compare restored images
            assert settings() == [False] * 6
        with pytest.raises(ZeroDivisionError), applied(MODES["strict"], "cuda"):
            raise ZeroDivisionError
        assert settings() == declared

    assert settings() == before


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("tf32", "TensorFloat-32 needs CUDA"),
        ("fast", "graph needs CUDA"),
        ("fast_bf16", "graph needs CUDA"),
        ("compiled", "compiled needs CUDA"),
    ],
)
def test_a_processor_refuses_what_it_cannot_do(name, why):
    """And names what it can."""
    with pytest.raises(
        ValueError, match=f"mode {name}: {why}; allowed on this device: strict, cold, channels_last$"
    ):
        applied(MODES[name], "cpu").__enter__()


@pytest.mark.parametrize(("capability", "lacks"), [((7, 5), {"tf32", "fast_bf16"}), ((8, 0), set())])
def test_an_older_card_refuses_a_mode_that_would_be_another_in_secret(monkeypatch, capability, lacks):
    """Before Ampere the flag of TensorFloat-32 changes nothing: its row would be strict by another name."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)

    assert {name for name, mode in MODES.items() if devices.unsupported(mode, "cuda")} == lacks


def test_a_processor_has_the_name_that_the_system_gives_it(monkeypatch, tmp_path):
    """With the number of threads, as it decides the time."""
    monkeypatch.setattr(devices, "CPUINFO", tmp_path / "cpuinfo")
    devices.CPUINFO.write_text("processor\t: 0\nmodel name\t: AMD EPYC 9B14\nstepping\t: 1\n")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)

    assert Cpu().name == "AMD EPYC 9B14, 2 threads"

    devices.CPUINFO.unlink()
    monkeypatch.setattr(devices.platform, "processor", lambda: "")
    monkeypatch.setattr(devices.platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)

    assert Cpu().name == "aarch64, 1 thread"


def test_a_processor_has_one_clock_and_its_memory_in_mib():
    """Peak memory is what the system says of the process (proc(5), VmHWM)."""
    cpu = Cpu()
    began = cpu.now()
    cpu.flush()

    assert cpu.now() > began
    assert cpu.buffer.nbytes == 64 << 20
    peak = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert cpu.memory()["device"] == pytest.approx(int(peak[1]) / 1024, rel=0.05)
    assert set(cpu.machine()) == {"python", "torch", "system", "processor", "threads"}
