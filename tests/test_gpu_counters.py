"""What is read of a GPU beside its frames: the host's launches, energy, throttling, and the rates kept for a sweep."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from segbench.measure import nvml
from segbench.measure.bounds import verdict, what_bounds
from segbench.measure.device import CpuDevice
from segbench.measure.enqueue import FRAMES, enqueue_ms
from segbench.measure.roofline import Rates, rates_of
from segbench.measure.simulated import Behaviour, SimulatedDevice
from segbench.measure.speed import measure_speed, speed_of, time_frames
from segbench.protocol import protocol_for
from segbench.records.processes import combine, without_frames
from segbench.records.record import Record
from segbench.records.results import Process, Speed
from tests.forms_networks import SIZE, TinySubject

FORWARD = protocol_for("forward", rounds=3, frames=20)


def timed(device: SimulatedDevice, mode: str = "forward", **more: Any) -> Speed:
    protocol = replace(FORWARD, mode=mode)
    return measure_speed(TinySubject().build(), resolution=SIZE, protocol=protocol, device=device, **more)


# The host's launches.


def test_the_enqueue_time_is_the_host_s_and_not_the_gpu_s() -> None:
    assert timed(SimulatedDevice(Behaviour(frame_ms=8.0, launch_ms=3.0))).enqueue_ms == pytest.approx(3.0)
    assert timed(SimulatedDevice(Behaviour(frame_ms=2.0, launch_ms=3.0))).enqueue_ms == pytest.approx(3.0)


def test_twenty_frames_tell_the_enqueue_time_and_slow_ones_stop_after_a_second() -> None:
    for frame_ms, frames in ((8.0, FRAMES), (300.0, 4)):
        device = SimulatedDevice(Behaviour(frame_ms=frame_ms))
        enqueue_ms(device.launch, FORWARD, device)
        assert device.launches == frames


def test_where_the_host_waits_there_is_no_enqueue_time() -> None:
    assert timed(SimulatedDevice(Behaviour(launch_ms=3.0)), "swiftnet").enqueue_ms is None
    assert timed(SimulatedDevice(Behaviour(launch_ms=3.0), kind="cpu")).enqueue_ms is None
    assert enqueue_ms(lambda: None, FORWARD, CpuDevice()) is None


@pytest.mark.parametrize(
    ("busy", "speed_up", "enqueue", "expected"),
    [
        (None, None, 8.1, "launch-bound"),
        (None, None, 7.9, None),
        (None, 1.0, 9.9, None),  # the graph, which was measured, says more
        (9.0, None, 9.9, None),  # and the trace more still
        (7.0, 1.0, 1.0, "launch-bound"),
    ],
)
def test_a_launch_bound_network_is_told_without_a_profiler(
    busy: float | None, speed_up: float | None, enqueue: float, expected: str | None
) -> None:
    assert verdict(10.0, busy, speed_up, enqueue=enqueue) == expected


@pytest.mark.parametrize(("launch_ms", "launch_bound"), [(20.0, True), (2.0, False)])
@pytest.mark.usefixtures("measured")
def test_a_device_that_nobody_may_trace_has_a_verdict(launch_ms: float, launch_bound: bool) -> None:
    device = SimulatedDevice(Behaviour(frame_ms=8.0, launch_ms=launch_ms))
    found, notes = what_bounds(TinySubject(), SIZE, FORWARD, device, timed(device))
    assert found.graph_fps is found.gpu_busy_ms is None
    assert (found.verdict == "launch-bound") is launch_bound
    assert any("saw no kernel" in note for note in notes)


# Counters between rounds.


def test_a_throttled_round_is_named_with_its_time_and_the_others_are_not() -> None:
    """50 passes of warm-up and three rounds of 100 ms; from the middle of the second it throttles to half its speed."""
    protocol = replace(FORWARD, warmup_seconds=0.0)
    device = SimulatedDevice(Behaviour(frame_ms=5.0, throttle_after_s=0.25 + 0.15, throttle_factor=0.5))
    timing = time_frames(device.launch, protocol, device)
    assert [set(reasons) for reasons in timing.throttled_ms] == [set(), {"thermal slowdown"}, {"thermal slowdown"}]
    assert timing.throttled_ms[1]["thermal slowdown"] == pytest.approx(100.0)
    assert timing.throttled_ms[2]["thermal slowdown"] == pytest.approx(200.0)
    (warning,) = [text for text in speed_of(timing, protocol, device).warnings if "held down in" in text]
    assert "round 1" not in warning
    assert "round 2 for 100 ms (thermal slowdown); round 3 for 200 ms" in warning


def test_a_gpu_that_is_not_throttled_has_no_such_warning() -> None:
    speed = timed(SimulatedDevice())
    assert speed.round_throttled_ms == [{}, {}, {}]
    assert not any("held down" in text for text in speed.warnings)
    assert timed(SimulatedDevice(kind="cpu")).round_throttled_ms is None


class Metered(SimulatedDevice):
    """200 W while a frame runs, and the same again between rounds, which is no frame's."""

    def energy_mj(self) -> float | None:
        self._host += 0.5
        return 200_000 * self.clock()


@pytest.mark.parametrize(("frame_ms", "expected"), [(20.0, 20 * 200.0), (16.0, None)])
def test_energy_is_that_within_the_rounds_and_none_below_a_second(frame_ms: float, expected: float | None) -> None:
    """Three rounds of 20 frames of 20 ms are 1.2 s; of 16 ms they are 0.96 s, which the counter's ticks blur."""
    speed = timed(Metered(Behaviour(frame_ms=frame_ms)))
    assert speed.energy_mj == (None if expected is None else pytest.approx(expected + 500 * 200.0 / 20))


def test_processes_keep_enqueue_times_and_throttled_rounds() -> None:
    def process(index: int, launch_ms: float) -> Record:
        speed = timed(SimulatedDevice(Behaviour(frame_ms=8.0, launch_ms=launch_ms), index))
        number = Process(index=index, of=2, seed=0)
        return Record(
            model="enet", classes=19, resolution=SIZE, speed=speed, protocol=FORWARD.to_json(), process=number
        )

    (one,) = combine([process(0, 1.0), process(1, 2.0)])
    assert one.speed is not None
    assert one.speed.enqueue_ms == pytest.approx(1.5)
    assert one.speed.round_throttled_ms == [{}] * 6
    assert without_frames(one.speed).round_throttled_ms is None


def test_nvml_s_throttle_counters_are_ns(monkeypatch: pytest.MonkeyPatch) -> None:
    counters = {0: 5_000_000, 1: 0}

    def ask(function: str, handle: Any, policy: int) -> Any:
        assert function == "nvmlDeviceGetViolationStatus"
        return SimpleNamespace(violationTime=counters[policy]) if policy in counters else None

    monkeypatch.setattr(nvml, "ask", ask)
    assert nvml.Gpu("handle").throttled_ms() == {"power cap": 5.0, "thermal slowdown": 0.0}
    counters.clear()
    assert nvml.Gpu("handle").throttled_ms() is None


# A time budget.


def test_a_budget_on_a_gpu_is_asked_for_and_said() -> None:
    slow = Behaviour(frame_ms=200.0)
    whole = timed(SimulatedDevice(slow), budget_s=2.0)
    assert (whole.shortened, len(whole.rounds_ms or ())) == (None, 3)
    cut = timed(SimulatedDevice(slow), gpu_budget_s=6.0)
    assert cut.shortened is not None
    assert "to keep a time budget of 6 s" in cut.shortened
    assert sum(cut.round_seconds or ()) < 6


# Rates.


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which precisions were measured, each at a rate of its own."""
    found: list[str] = []

    def measure(protocol: Any, device: Any) -> Rates:
        found.append(protocol.precision)
        return Rates(float(len(found)), ((2**21, 1e9), (2**24, 2e9)))

    monkeypatch.setattr("segbench.measure.roofline.measure_rates", measure)
    return found


def test_rates_are_measured_once_for_each_precision_and_device(tmp_path: Path, measured: list[str]) -> None:
    kept, gpu, fp16 = tmp_path / "rates.json", SimulatedDevice(), protocol_for("forward", "fp16")
    first = rates_of(FORWARD, gpu, kept)
    assert rates_of(FORWARD, gpu, kept) == first
    assert rates_of(fp16, gpu, kept) != first
    assert rates_of(FORWARD, SimulatedDevice(kind="cpu"), kept) != first
    assert rates_of(FORWARD, gpu, kept) == first
    assert measured == ["fp32", "fp16", "fp32"]
    assert len(json.loads(kept.read_text())) == 3
    assert rates_of(FORWARD, gpu) != first


def test_a_spoilt_file_of_rates_is_measured_anew(tmp_path: Path, measured: list[str]) -> None:
    kept = tmp_path / "rates.json"
    kept.write_text('{"cuda, sim')
    first = rates_of(FORWARD, SimulatedDevice(), kept)
    assert rates_of(FORWARD, SimulatedDevice(), kept) == first
    assert measured == ["fp32"]


@pytest.mark.gpu
def test_a_network_that_waits_in_its_forward_still_has_a_roofline_on_a_gpu() -> None:
    """`torch.cuda.synchronize` is not caught before a capture, and the capture fails with torch's generator in it."""
    from segbench.measure.device import CudaDevice

    class Waits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = TinySubject().build()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if x.is_cuda:
                torch.cuda.synchronize()
            y: torch.Tensor = self.net(x)
            return y

    device, factory = CudaDevice(), Waits
    subject = TinySubject(factory)
    speed = measure_speed(subject.build(), resolution=SIZE, protocol=FORWARD, device=device)
    found, notes = what_bounds(subject, SIZE, FORWARD, device, speed)
    assert found.roofline is not None
    assert found.enqueue_ms is not None
    assert any("no CUDA graph" in note for note in notes)
