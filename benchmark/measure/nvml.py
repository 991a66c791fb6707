"""Read a card's clocks, power, temperature, energy and processes from the driver (NVML).

A card is read and never set: its clocks, power limit and persistence stay as their owner has them. What is
not readable is UNKNOWN (0) in a `State`: no card at work has a clock of 0 MHz or draws 0 W.
`machine()["unread"]` lists what was not readable, with the reason.
"""

import os
from contextlib import suppress
from importlib import import_module
from typing import Any

from benchmark.timing.recording import State

UNKNOWN = 0.0  # a number in a State that is not readable
SWITCH = {0: "off", 1: "on"}


class Nvml:
    """Read the driver's instruments of one card.

    Attributes:
        unread: what could not be read, with the reason.
    """

    def __init__(self, uuid: str = "", bus: str = "", lib: Any = None) -> None:
        """Identify the card.

        Args:
            uuid: the card's; CUDA_VISIBLE_DEVICES renumbers cards, so numbers identify none.
            bus: its PCI bus id, for cards whose UUID NVML does not have.
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
        """Return the handle of the card with one of these names, or of the only card; None for any other."""
        for function, name in (("nvmlDeviceGetHandleByUUID", uuid), ("nvmlDeviceGetHandleByPciBusId", bus)):
            with suppress(self.lib.NVMLError):
                if name:
                    return getattr(self.lib, function)(name)
        count = self.lib.nvmlDeviceGetCount()
        if count == 1:
            return self.lib.nvmlDeviceGetHandleByIndex(0)
        self.unread["NVML"] = f"none of its {count} cards is {uuid or bus or 'named by torch'}"
        return None

    def read(self, *functions: str, of: tuple[int, ...] = ()) -> Any:
        """Call the first of these functions that works; None, and an entry in `unread`, when none does."""
        if self.handle is None:
            return None
        reason = "nvidia-ml-py is too old"
        for name in functions:
            try:
                return getattr(self.lib, name)(self.handle, *of)
            except AttributeError:
                continue
            except self.lib.NVMLError as error:
                reason = str(error)
        self.unread[functions[0].removeprefix("nvmlDeviceGet")] = reason
        return None

    def state(self, at: float) -> State | None:
        """Read clocks, temperature, power and clock events; UNKNOWN for what is not readable.

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
        events = self.read(
            "nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"
        )
        watts = (milliwatts or UNKNOWN) / 1e3
        return State(at, sm or UNKNOWN, memory or UNKNOWN, celsius or UNKNOWN, watts, events or 0)

    def joules(self) -> float | None:
        """Return the J since the driver was loaded; cards before Volta do not count them."""
        millijoules = self.read("nvmlDeviceGetTotalEnergyConsumption")
        return None if millijoules is None else millijoules / 1e3

    def processes(self) -> dict[int, int | None]:
        """Return the bytes of each process on the card, by its id; None where they are hidden."""
        # The name without a version is an error of another kind where the driver is older.
        function = "nvmlDeviceGetComputeRunningProcesses"
        processes = self.read(f"{function}_v3", f"{function}_v2") or []
        return {process.pid: process.usedGpuMemory for process in processes}

    def other_processes(self) -> int:
        """Count the processes that compute on the card, without this one.

        Ids are counted and not compared: in a container the driver may list the ids that processes have
        outside of it, or no process at all.
        """
        return max(0, len(self.processes()) - 1)

    def used(self) -> int | None:
        """Return this process's bytes on the card; None where the driver hides them, as in containers."""
        return self.processes().get(os.getpid()) or None

    def machine(self) -> dict[str, str]:
        """Describe driver, limits and settings of the card, those that are readable."""
        facts: dict[str, str] = {}
        if self.handle is not None:
            facts["driver"] = str(self.lib.nvmlSystemGetDriverVersion())
            limit = self.read("nvmlDeviceGetEnforcedPowerLimit")
            clock = self.read("nvmlDeviceGetMaxClockInfo", of=(self.lib.NVML_CLOCK_SM,))
            persistent = self.read("nvmlDeviceGetPersistenceMode")
            ecc = self.read("nvmlDeviceGetEccMode")  # now, and after the next start
            facts |= {} if limit is None else {"power limit": f"{limit / 1e3:g} W"}
            facts |= {} if clock is None else {"max SM clock": f"{clock} MHz"}
            facts |= {} if persistent is None else {"persistence": SWITCH[persistent]}
            facts |= {} if ecc is None else {"ecc": SWITCH[ecc[0]]}
        if self.unread:
            facts["unread"] = "; ".join(f"{name}: {reason}" for name, reason in self.unread.items())
        return facts


def nvml_names(properties: Any) -> tuple[str, str]:
    """Return a card's UUID and PCI bus id as NVML writes them; empty where torch does not have them.

    >>> from types import SimpleNamespace
    >>> nvml_names(SimpleNamespace(uuid="1f-2e", pci_domain_id=0, pci_bus_id=26, pci_device_id=0))
    ('GPU-1f-2e', '00000000:1A:00.0')
    >>> nvml_names(SimpleNamespace(name="an older torch"))
    ('', '')
    """
    uuid = f"GPU-{properties.uuid}" if hasattr(properties, "uuid") else ""
    if not hasattr(properties, "pci_bus_id"):
        return uuid, ""
    domain, bus, device = properties.pci_domain_id, properties.pci_bus_id, properties.pci_device_id
    return uuid, f"{domain:08X}:{bus:02X}:{device:02X}.0"
