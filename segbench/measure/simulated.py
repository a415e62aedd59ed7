"""A simulated device with a clock of its own: what timing is tested on, since no test may depend on real time.

It has a queue, as a GPU has: a frame costs the host its launch latency and runs on the device when the device is free,
so code that forgets to synchronise reads a wrong time here as it would there.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from segbench.errors import DeviceError
from segbench.measure.device import Device, Timeline
from segbench.measure.speed import time_frames
from segbench.protocol import Protocol
from segbench.records.results import Telemetry

BOOST_CLOCK_MHZ = 1980


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """What a simulated device does to a frame; durations in ms and s, noise as standard deviations of the logarithm.

    Attributes:
        frame_ms: time of a frame on the device, free of noise.
        launch_ms: time that it takes the host to launch a frame.
        frame_noise: noise of each frame.
        process_noise: noise that differs between processes and stays within one.
        process_tail_freedom: degrees of freedom of the process noise's Student t, scaled to the same standard
            deviation; 0 for a normal distribution.
        stall_probability: chance of a frame being held up.
        stall_ms: least time of a stall; its length has a Pareto tail of exponent 2.5.
        drift: relative slowdown that is approached while the device warms up.
        drift_s: time constant of the drift.
        clock_states: relative speeds between which the clock jumps; empty for a steady clock.
        clock_dwell_s: mean time between jumps.
        throttle_after_s: time after which the device throttles; None for never.
        throttle_factor: relative speed while throttled.
        other_load: share of the host's time that other programs take.
        process_choices: relative speeds of algorithms, of which each process takes one for good, as cuDNN's benchmark
            does.
    """

    frame_ms: float = 5.0
    launch_ms: float = 0.0
    frame_noise: float = 0.0
    process_noise: float = 0.0
    process_tail_freedom: int = 0
    stall_probability: float = 0.0
    stall_ms: float = 0.0
    drift: float = 0.0
    drift_s: float = 1.0
    clock_states: tuple[float, ...] = ()
    clock_dwell_s: float = 1.0
    throttle_after_s: float | None = None
    throttle_factor: float = 1.0
    other_load: float = 0.0
    process_choices: tuple[float, ...] = ()


class SimulatedDevice(Device):
    """One process's view of a simulated device: a new seed is a new process on the same device."""

    def __init__(
        self,
        behaviour: Behaviour | None = None,
        seed: int = 0,
        *,
        kind: str = "cuda",
        precisions: tuple[str, ...] = ("fp32", "tf32", "fp16", "bf16"),
        other_processes: int = 0,
    ) -> None:
        """Start a process on the device.

        Args:
            behaviour: what happens to frames; an ideal device by default.
            seed: all randomness of this process.
            kind: ``cuda`` queues frames; ``cpu`` runs each before its call returns.
            precisions: those that it has.
            other_processes: programs that its telemetry reports beside this one.
        """
        self.kind = kind
        self.name = "simulated"
        self.torch_device = torch.device("cpu")
        self.behaviour = behaviour or Behaviour()
        self.launches = 0
        self._random = random.Random(seed)
        self._precisions = precisions
        self._other_processes = other_processes
        self._host = 0.0
        self._free = 0.0
        self._clock_speed = self._pick_clock()
        self._next_jump = self._dwell()
        self.process_factor = math.exp(self.behaviour.process_noise * self._process_deviate())
        if self.behaviour.process_choices:
            self.process_factor /= self._random.choice(self.behaviour.process_choices)

    def clock(self) -> float:
        """Seconds on the simulated host's clock."""
        return self._host

    def cpu_clock(self) -> float:
        """The host computes all the time, but for what other programs take of it."""
        return self._host * (1 - self.behaviour.other_load)

    def synchronise(self) -> None:
        """Advance the host to the end of the queue."""
        self._host = max(self._host, self._free)

    def timeline(self, frames: int) -> Timeline:
        """Marks in the device's queue."""
        return _QueueTimeline(self)

    def check_precision(self, precision: str) -> None:
        """Refuse a precision that it was not given."""
        if precision not in self._precisions:
            raise DeviceError(f"{self.name} has no {precision}: it takes {', '.join(self._precisions)}")

    def attach(self, frame: Callable[[], Any]) -> Callable[[], Any]:
        """The frame itself for its result, and its simulated time."""

        def run() -> Any:
            result = frame()
            self.launch()
            return result

        return run

    def launch(self) -> None:
        """Queue one frame, and wait for it where the kind is ``cpu``."""
        self.launches += 1
        self._host += self.behaviour.launch_ms / 1000
        begin = max(self._host, self._free)
        self._free = begin + self._duration(begin)
        if self.kind == "cpu":
            self._host = self._free

    def end_of_queue(self) -> float:
        """When everything queued so far will be done, in seconds."""
        return max(self._host, self._free)

    def telemetry(self) -> Telemetry | None:
        """Clock, and throttling as its reason; None for a simulated CPU."""
        if self.kind == "cpu":
            return None
        throttled = self._throttled(self._host)
        speed = self._clock_speed * (self.behaviour.throttle_factor if throttled else 1.0)
        return Telemetry(
            sm_clock_mhz=round(BOOST_CLOCK_MHZ * speed),
            temperature_c=80 if throttled else 50,
            slowdowns=("thermal slowdown (software)",) if throttled else (),
            other_processes=self._other_processes,
        )

    def throttled_ms(self) -> dict[str, float] | None:
        """Time since it began to throttle; None for a simulated CPU."""
        after = self.behaviour.throttle_after_s
        if self.kind == "cpu":
            return None
        return {"thermal slowdown": 0.0 if after is None else 1000 * max(self._host - after, 0.0)}

    def _duration(self, begin: float) -> float:
        behaviour = self.behaviour
        while behaviour.clock_states and begin >= self._next_jump:
            self._clock_speed = self._pick_clock()
            self._next_jump += self._dwell()
        seconds = behaviour.frame_ms / 1000 * self.process_factor / self._clock_speed
        if behaviour.drift:
            seconds *= 1 + behaviour.drift * (1 - math.exp(-begin / behaviour.drift_s))
        if behaviour.frame_noise:
            seconds *= math.exp(behaviour.frame_noise * self._random.gauss(0.0, 1.0))
        if self._throttled(begin):
            seconds /= behaviour.throttle_factor
        if behaviour.stall_probability and self._random.random() < behaviour.stall_probability:
            seconds += behaviour.stall_ms / 1000 * self._random.paretovariate(2.5)
        return seconds

    def _throttled(self, now: float) -> bool:
        after = self.behaviour.throttle_after_s
        return after is not None and now >= after

    def _pick_clock(self) -> float:
        return self._random.choice(self.behaviour.clock_states) if self.behaviour.clock_states else 1.0

    def _dwell(self) -> float:
        return self._random.expovariate(1 / self.behaviour.clock_dwell_s) if self.behaviour.clock_states else math.inf

    def _process_deviate(self) -> float:
        freedom = self.behaviour.process_tail_freedom
        normal = self._random.gauss(0.0, 1.0)
        if not freedom:
            return normal
        chi_squared = sum(self._random.gauss(0.0, 1.0) ** 2 for _ in range(freedom))
        return normal / math.sqrt(chi_squared / freedom) * math.sqrt((freedom - 2) / freedom)


class _QueueTimeline(Timeline):
    def __init__(self, device: SimulatedDevice) -> None:
        self._device = device
        self._marks: list[float] = []

    def start(self) -> None:
        self._marks = [self._device.end_of_queue()]

    def mark(self) -> None:
        self._marks.append(self._device.end_of_queue())

    def intervals_ms(self) -> list[float]:
        return [1000 * (after - before) for before, after in itertools.pairwise(self._marks)]


def process_rounds(behaviour: Behaviour, protocol: Protocol, seed: int) -> list[float]:
    """FPS of each round that one fresh process on a simulated device measures under a protocol."""
    device = SimulatedDevice(behaviour, seed)
    timing = time_frames(device.launch, protocol, device)
    return [timing.frames * protocol.batch / seconds for seconds in timing.round_seconds]
