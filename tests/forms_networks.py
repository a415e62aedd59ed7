"""Small networks whose forms (folded, half precision, replayed) are tested, and a device that tells forms apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from segbench.measure.gpu import GpuEvent
from segbench.measure.simulated import Behaviour, SimulatedDevice
from segbench.measure.subject import Subject
from segbench.models.base import Network
from segbench.models.layers import ConvBNReLU


class Tiny(Network):
    """Five classes at stride 2: a convolution with its normalisation, and a pre-activation one."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvBNReLU(3, 8, 3, stride=2)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Conv2d(8, 5, 1)

    def logits(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.norm(self.stem(x))))


def randomised(net: nn.Module) -> nn.Module:
    """Statistics, scales and shifts as training leaves them; those of a new network would fold into nothing."""
    generator = torch.Generator().manual_seed(1)

    def uniform(count: int, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.copy_(uniform(module.num_features, -0.3, 0.3))
                module.running_var.copy_(uniform(module.num_features, 0.5, 1.5))
                if module.weight is not None:
                    module.weight.copy_(uniform(module.num_features, 0.5, 1.5))
                    module.bias.copy_(uniform(module.num_features, -0.3, 0.3))
    return net.eval()


class TinySubject(Subject):
    """What builds `Tiny`, or another network given by its class."""

    def __init__(self, factory: Callable[[], nn.Module] = Tiny) -> None:
        super().__init__("tests:Tiny", 5, None)
        object.__setattr__(self, "factory", factory)

    def build(self, device: str = "cpu") -> nn.Module:
        with torch.random.fork_rng(devices=[]), torch.device(device):
            torch.manual_seed(0)
            return randomised(self.factory())  # type: ignore[attr-defined]


class FormsDevice(SimulatedDevice):
    """A simulated GPU whose frame time follows from what it is given to run, so that factors are known."""

    def __init__(self, events: list[GpuEvent] | None = None, launch_ms: float = 0.0, **settings: Any) -> None:
        super().__init__(Behaviour(frame_ms=8.0, launch_ms=launch_ms), **settings)
        self._events, self._ideal = events, self.behaviour
        self.energy = 0.0

    def move(self, module: Any) -> Any:
        self.behaviour = self._ideal
        self.folded = not any(
            isinstance(child, nn.BatchNorm2d) for name, child in module.named_modules() if name.endswith("stem.bn")
        )
        return super().move(module)

    def attach(self, frame: Callable[[], Any]) -> Callable[[], Any]:
        def run() -> Any:
            result = frame()
            self.behaviour = replace(self.behaviour, frame_ms=self._cost(result))
            self.launch()
            self.energy += 30.0
            return result

        return run

    def _cost(self, result: Tensor) -> float:
        cost = 8.0 * {torch.uint8: 2.0, torch.int64: 1.5, torch.float16: 0.25, torch.bfloat16: 0.5}.get(
            result.dtype, 1.0
        )
        if result.dim() == 4 and result.shape[-1] == SIZE[1]:
            cost *= 1.25
        cost *= 0.8 if self.folded else 1.0
        cost *= 0.8 if torch.backends.cudnn.benchmark else 1.0
        cost *= 0.8 if torch.backends.cudnn.allow_tf32 else 1.0
        last = torch.channels_last
        cost *= 0.8 if result.dim() == 4 and result.is_contiguous(memory_format=last) else 1.0
        return cost

    def trace(self, frame: Callable[[], Any], frames: int) -> list[GpuEvent] | None:
        return self._events

    def graph(self, run: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        self.behaviour = replace(self.behaviour, launch_ms=0.0)
        return run

    def energy_mj(self) -> float | None:
        return self.energy


SIZE = (64, 128)
