"""What another machine must know of this one before it sends jobs here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from segbench.measure.cores import physical_cores
from segbench.measure.device import open_device
from segbench.measure.environment import describe_environment


@dataclass(frozen=True)
class Facts:
    """What a machine times on.

    Attributes:
        device: kind of device, ``cuda`` or ``cpu``.
        device_name: name of the chip.
        environment: see `describe_environment`.
        cores: hardware threads that a process may use there, those of one core together.
    """

    device: str
    device_name: str
    environment: dict[str, Any]
    cores: list[tuple[int, ...]]

    def told(self) -> dict[str, str]:
        """Everything about it that can be asked for by name, in words."""
        plain = {
            name: "unknown" if value is None else str(value)
            for name, value in self.environment.items()
            if not isinstance(value, (dict, list))
        }
        return {"device": self.device, "device_name": self.device_name, **plain}


def survey(device: str) -> Facts:
    """What this machine times on.

    Args:
        device: as ``--device`` takes it.

    Raises:
        DeviceError: it is not there.
    """
    found = open_device(device)
    return Facts(found.kind, found.name, describe_environment(), physical_cores())
