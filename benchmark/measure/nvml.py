"""What a card says of itself through the driver (NVML): clocks, power, temperature, energy, processes.

A card is read and never set: its clocks, power limit and persistence stay as their owner has them. What it
does not tell is UNKNOWN (0) in a `State`: no card at work has a clock of 0 MHz or draws 0 W, and rules about
shares of a usual clock hold for it. `machine()["unread"]` lists what was not told, and why.
"""

import os
from contextlib import suppress
from importlib import import_module
from typing import Any

from benchmark.timing.record import State

UNKNOWN = 0.0  # of a number in a State that the card does not tell
SWITCH = {0: "off", 1: "on"}


class Nvml:
    """The driver's own instruments (NVML), read and never set.

    Attributes:
        unread: what could not be read, with the reason.
    """

    def __init__(self, uuid: str = "", bus: str = "", lib: Any = None) -> None:
        """Look for the card.

        Args:
            uuid: the card's; CUDA_VISIBLE_DEVICES renumbers cards, so numbers say nothing.
            bus: its place on the bus, where NVML does not know that UUID.
            lib: the module pynvml; None: import it.
        """
        self.unread: dict[str, str] = {}
        self.handle: Any = None
        try:
            self.lib = lib or import_module("pynvml")
            self.lib.nvmlInit()
            self.handle = self._find(uuid, bus)
        except ImportError:
            self.unread["NVML"] = "the package nvidia-ml-py is not installed"
        except self.lib.NVMLError as error:
            self.unread["NVML"] = str(error)

    def _find(self, uuid: str, bus: str) -> Any:
        """The card that has one of these names, or the only one. Another card's state is worse than none."""
        for ask, name in (("nvmlDeviceGetHandleByUUID", uuid), ("nvmlDeviceGetHandleByPciBusId", bus)):
            with suppress(self.lib.NVMLError):
                if name:
                    return getattr(self.lib, ask)(name)
        count = self.lib.nvmlDeviceGetCount()
        if count == 1:
            return self.lib.nvmlDeviceGetHandleByIndex(0)
        self.unread["NVML"] = f"none of its {count} cards is {uuid or bus or 'named by torch'}"
        return None

    def read(self, *ask: str, of: tuple[int, ...] = ()) -> Any:
        """What the first of these functions that works says; None, and a line in `unread`, when none does."""
        if self.handle is None:
            return None
        why = "nvidia-ml-py is too old"
        for name in ask:
            try:
                return getattr(self.lib, name)(self.handle, *of)
            except AttributeError:
                continue
            except self.lib.NVMLError as error:
                why = str(error)
        self.unread[ask[0].removeprefix("nvmlDeviceGet")] = why
        return None

    def state(self, at: float) -> State | None:
        """Clocks, temperature, power and reasons to be slow, now; UNKNOWN for what the card does not tell.

        Power is the mean of the last second on most cards since Ampere (NVML's nvmlDeviceGetPowerUsage).

        Args:
            at: s since the first sample began.
        """
        if self.handle is None:
            return None
        sm, memory = (
            self.read("nvmlDeviceGetClockInfo", of=(kind,))
            for kind in (self.lib.NVML_CLOCK_SM, self.lib.NVML_CLOCK_MEM)
        )
        celsius = self.read("nvmlDeviceGetTemperature", of=(self.lib.NVML_TEMPERATURE_GPU,))
        milliwatts = self.read("nvmlDeviceGetPowerUsage")
        # Older drivers know the second name only.
        reasons = self.read(
            "nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"
        )
        return State(at, told(sm), told(memory), told(celsius), told(milliwatts, 1e-3), reasons or 0)

    def joules(self) -> float | None:
        """Energy since the driver was loaded; cards before Volta do not count it."""
        millijoules = self.read("nvmlDeviceGetTotalEnergyConsumption")
        return None if millijoules is None else millijoules / 1e3

    def processes(self) -> dict[int, int | None]:
        """Bytes of each process that computes on the card, by its id; None where the driver hides them."""
        # By their versions: the name without one is an error of another kind where the driver is older.
        ask = "nvmlDeviceGetComputeRunningProcesses"
        found = self.read(f"{ask}_v3", f"{ask}_v2") or []
        return {process.pid: process.usedGpuMemory for process in found}

    def others(self) -> int:
        """How many of them are not this one.

        One of them is, whatever its id: in a container the driver may list the ids that processes have
        outside of it, or no process at all. So ids are counted and not compared.
        """
        return max(0, len(self.processes()) - 1)

    def used(self) -> int | None:
        """Bytes that this process has on the card; None where the driver does not tell, as in containers."""
        return self.processes().get(os.getpid()) or None

    def machine(self) -> dict[str, str]:
        """Driver, limits and settings of the card, those that it tells."""
        said: dict[str, str] = {}
        if self.handle is not None:
            said["driver"] = str(self.lib.nvmlSystemGetDriverVersion())
            limit = self.read("nvmlDeviceGetEnforcedPowerLimit")
            clock = self.read("nvmlDeviceGetMaxClockInfo", of=(self.lib.NVML_CLOCK_SM,))
            persistent = self.read("nvmlDeviceGetPersistenceMode")
            ecc = self.read("nvmlDeviceGetEccMode")  # now, and after the next start
            said |= {} if limit is None else {"power limit": f"{limit / 1e3:g} W"}
            said |= {} if clock is None else {"max SM clock": f"{clock} MHz"}
            said |= {} if persistent is None else {"persistence": SWITCH[persistent]}
            said |= {} if ecc is None else {"ecc": SWITCH[ecc[0]]}
        if self.unread:
            said["unread"] = "; ".join(f"{name}: {why}" for name, why in self.unread.items())
        return said


def names(properties: Any) -> tuple[str, str]:
    """A card's UUID and place on the bus as NVML writes them; empty where torch does not say.

    >>> from types import SimpleNamespace
    >>> names(SimpleNamespace(uuid="1f-2e", pci_domain_id=0, pci_bus_id=26, pci_device_id=0))
    ('GPU-1f-2e', '00000000:1A:00.0')
    >>> names(SimpleNamespace(name="an older torch"))
    ('', '')
    """
    uuid = f"GPU-{properties.uuid}" if hasattr(properties, "uuid") else ""
    if not hasattr(properties, "pci_bus_id"):
        return uuid, ""
    domain, bus, device = properties.pci_domain_id, properties.pci_bus_id, properties.pci_device_id
    return uuid, f"{domain:08X}:{bus:02X}:{device:02X}.0"


def told(value: float | None, scale: float = 1.0) -> float:
    """A number as a State has it.

    >>> told(61250, 1e-3), told(None)
    (61.25, 0.0)
    """
    return UNKNOWN if value is None else value * scale
