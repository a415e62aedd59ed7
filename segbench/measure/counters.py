"""What a GPU's counters grew by within the rounds of a timing: energy, and time for which its clocks were held down."""

from __future__ import annotations

from segbench.measure.device import Device


class Counters:
    """Read before and after each round; the readings and whatever else lies between rounds are left out.

    Attributes:
        energy_mj: energy of all rounds; None where no counter tells.
        throttled_ms: for each round, by reason, the time for which the clocks were held down; empty where no counter
            tells.
    """

    def __init__(self, device: Device) -> None:
        """Nothing is read yet."""
        self.energy_mj: float | None = 0.0
        self.throttled_ms: list[dict[str, float]] = []
        self._device = device
        self._energy: float | None = None
        self._throttled: dict[str, float] | None = None

    def before_round(self) -> None:
        """Read them."""
        self._energy, self._throttled = self._device.energy_mj(), self._device.throttled_ms()

    def after_round(self) -> None:
        """Read them again and keep by how much they grew."""
        energy, throttled = self._device.energy_mj(), self._device.throttled_ms()
        if self.energy_mj is None or energy is None or self._energy is None:
            self.energy_mj = None
        else:
            self.energy_mj += energy - self._energy
        if throttled is not None and self._throttled is not None:
            grown = {reason: ms - self._throttled.get(reason, ms) for reason, ms in throttled.items()}
            self.throttled_ms.append({reason: ms for reason, ms in grown.items() if ms > 0})
