"""What bounds a network: hand-worked traces, rooflines and verdicts, on devices whose truth is known."""

from __future__ import annotations

import contextlib
import json
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import DeviceType  # type: ignore[attr-defined]

from segbench.counting.tracer import trace
from segbench.measure.bounds import busy_ms, launches, region_trace, verdict, what_bounds
from segbench.measure.device import CpuDevice, Device
from segbench.measure.gpu import WARM_UP, GpuEvent, Graphed, gpu_events
from segbench.measure.roofline import Rates, Roofline, bytes_moved, measure_rates, roofline
from segbench.measure.simulated import Behaviour, SimulatedDevice
from segbench.measure.speed import measure_speed
from segbench.protocol import Protocol, protocol_for
from segbench.records.reading import plain, read
from segbench.records.results import Speed
from tests.forms_networks import SIZE, FormsDevice, TinySubject

QUICK = protocol_for("forward", rounds=2, frames=5, warmup_passes=1, warmup_seconds=0.0, cudnn_benchmark=False)
FLAT = Rates(1e9, ((2**20, 1e9),))


def kernel(start_us: float, end_us: float, name: str = "gemm") -> GpuEvent:
    return GpuEvent(name, start_us, end_us)


def test_busy_time_counts_overlapping_kernels_once() -> None:
    events = [kernel(0, 100), kernel(50, 150), kernel(60, 70), kernel(200, 300), kernel(300, 400)]
    assert busy_ms(events, 1) == pytest.approx(0.35)
    assert busy_ms(reversed(events), 5) == pytest.approx(0.07)
    assert busy_ms([], 5) == 0


def test_copies_and_fills_are_busy_but_are_no_launches() -> None:
    events = [kernel(0, 10), kernel(10, 30, "Memcpy HtoD (Pageable -> Device)"), kernel(30, 35, "Memset (Device)")]
    assert launches(events * 4, 4) == 1
    assert busy_ms(events, 1) == pytest.approx(0.035)


def test_a_profiler_s_gpu_events_are_told_from_its_others() -> None:
    def event(name: str, kind: Any, start: float, **more: Any) -> SimpleNamespace:
        return SimpleNamespace(
            name=name, device_type=kind, time_range=SimpleNamespace(start=start, end=start + 5), **more
        )

    events = [
        event("second", DeviceType.CUDA, 20),
        event("aten::conv2d", DeviceType.CPU, 0),
        event("first", DeviceType.CUDA, 3),
        event("ProfilerStep#1", DeviceType.CUDA, 0, is_user_annotation=True),
        event("Context Sync", DeviceType.CUDA, 30, activity_type="cuda_sync"),
    ]
    assert gpu_events(events) == [GpuEvent("first", 3.0, 8.0), GpuEvent("second", 20.0, 25.0)]


@pytest.mark.filterwarnings("ignore:.*[Pp]rofiler")
def test_torch_s_own_events_are_understood() -> None:
    """Nothing of a CPU's work is the GPU's; the attributes that are read exist on torch's real events."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        torch.ones(8).add(1)
    events = profiler.events()
    assert events
    assert gpu_events(events) == []
    assert events[0].time_range.end >= events[0].time_range.start


COMPUTE = Roofline(0.006, 0.004, 0.008, 0.005, 1, 1)
MEMORY = Roofline(0.004, 0.006, 0.008, 0.003, 1, 1)


@pytest.mark.parametrize(
    ("busy", "speed_up", "roof", "expected"),
    [
        (7.9, 1.0, COMPUTE, "launch-bound"),
        (8.0, 3.0, COMPUTE, "compute-bound"),
        (8.0, None, MEMORY, "memory-bound"),
        (None, 1.26, COMPUTE, "launch-bound"),
        (None, 1.25, COMPUTE, "compute-bound"),
        (None, None, MEMORY, "memory-bound"),
        (9.0, 1.0, None, None),
        (1.0, None, None, "launch-bound"),
    ],
)
def test_the_verdict_follows_its_table(
    busy: float | None, speed_up: float | None, roof: Roofline | None, expected: str | None
) -> None:
    assert verdict(10.0, busy, speed_up, roof) == expected


def test_an_operation_moves_its_inputs_and_outputs_once() -> None:
    class Views(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(x).flatten(2).transpose(1, 2)

    traced = trace(Views(), (1, 3, 8, 16))
    moved = [bytes_moved(operation, 2) for operation in traced.operations]
    assert moved == [2 * (3 * 128 + 12 + 4 * 128), 0, 0]


def test_a_roofline_by_hand() -> None:
    """A 1x1 convolution of 3 x 128 to 4 x 128 and an in-place ReLU, at 1 G MAC/s and 1 GB/s in fp32."""
    net = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.ReLU(inplace=True))
    roof = roofline(trace(net, (1, 3, 8, 16)), FLAT, 4)
    convolution, relu = 4 * (384 + 12 + 512), 4 * (512 + 512)
    assert roof.macs == 12 * 128
    assert roof.bytes == convolution + relu
    assert roof.compute_s == pytest.approx(1536e-9)
    assert roof.memory_s == pytest.approx((convolution + relu) * 1e-9)
    assert roof.fastest_s == pytest.approx((convolution + relu) * 1e-9)
    assert roof.compute_bound_s == 0
    slow = roofline(trace(net, (1, 3, 8, 16)), Rates(1e8, FLAT.bytes_per_s), 4)
    assert slow.fastest_s == pytest.approx(15360e-9 + relu * 1e-9)
    assert slow.compute_bound_s == pytest.approx(15360e-9)
    assert slow.reached(FLAT, 1e-4).share == pytest.approx(slow.fastest_s / 1e-4)


def test_a_small_operation_has_the_cache_s_bandwidth() -> None:
    rates = Rates(1.0, ((10, 5.0), (100, 9.0), (1000, 2.0)))
    assert [rates.bandwidth(size) for size in (1, 10, 11, 100, 101, 1000, 5000)] == [9, 9, 9, 9, 2, 2, 2]


def test_rates_are_those_of_the_device_s_clock() -> None:
    rates = measure_rates(QUICK, SimulatedDevice(Behaviour(frame_ms=8.0)))
    assert rates.macs_per_s == pytest.approx(1024**3 / 0.008)
    assert [rate for _, rate in rates.bytes_per_s] == [pytest.approx(size / 0.008) for size, _ in rates.bytes_per_s]


def test_the_wait_for_a_copy_is_no_part_of_the_bandwidth() -> None:
    """A device that copies in 0.05 ms, and whose host takes 0.2 ms to see that it is done."""

    class Waits(SimulatedDevice):
        def synchronise(self) -> None:
            super().synchronise()
            self._host += 0.0002

    rates = measure_rates(QUICK, Waits(Behaviour(frame_ms=0.05)))
    for size, rate in rates.bytes_per_s:
        assert rate == pytest.approx(size / 0.05e-3, rel=0.25)


def test_the_trace_comes_last_for_it_slows_what_is_timed_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    class Watched(FormsDevice):
        def attach(self, frame: Any) -> Any:
            order.append("timed")
            return super().attach(frame)

        def trace(self, frame: Any, frames: int) -> list[GpuEvent] | None:
            order.append("traced")
            return None

    bounds(Watched())
    assert order.count("traced") == 1
    assert order[-1] == "traced"


def bounds(device: Device, protocol: Protocol = QUICK) -> tuple[Speed, list[str]]:
    speed = measure_speed(TinySubject().build(), resolution=SIZE, protocol=protocol, device=device)
    found, notes = what_bounds(TinySubject(), SIZE, protocol, device, speed)
    assert read(Speed, json.loads(json.dumps(plain(found)))) == found
    return found, notes


def test_a_network_whose_host_is_too_slow_is_launch_bound() -> None:
    """10 ms on the device, 40 ms to launch: the graph, whose launch costs nothing, is 4 times as fast."""
    events = [kernel(50_000 * frame + 1000 * place, 50_000 * frame + 1000 * place + 900) for frame in range(10)
              for place in range(10)]  # fmt: skip
    found, notes = bounds(FormsDevice(events, launch_ms=40.0))
    assert found.verdict == "launch-bound"
    assert found.launches == 10
    assert found.gpu_busy_ms == pytest.approx(9.0)
    assert found.graph_fps == pytest.approx(100.0)
    assert notes == []


def test_a_busy_gpu_is_judged_by_its_roofline() -> None:
    found, _ = bounds(FormsDevice([kernel(0, 99_000)]))
    assert found.verdict in ("compute-bound", "memory-bound")
    assert found.roofline is not None
    assert found.roofline.fastest_ms is not None
    assert found.roofline.macs == 64 * 32 * (27 * 8 + 8 * 5)
    assert found.roofline.share == pytest.approx(found.roofline.fastest_ms / 10.0)


def test_what_a_device_does_not_tell_is_none_and_said() -> None:
    found, notes = bounds(SimulatedDevice(Behaviour(frame_ms=8.0)))
    assert found.gpu_busy_ms is found.launches is found.graph_fps is None
    assert any("saw no kernel" in note for note in notes)
    assert any("no CUDA graph: CUDA graphs need a CUDA device" in note for note in notes)


def test_a_cpu_has_a_roofline_and_neither_launches_nor_graphs() -> None:
    found, notes = bounds(CpuDevice())
    assert found.verdict in ("compute-bound", "memory-bound")
    assert found.roofline is not None
    assert found.roofline.tmacs_per_s is not None
    assert found.roofline.tmacs_per_s > 0
    assert found.gpu_busy_ms is found.launches is found.graph_fps is None
    assert notes == []


@pytest.mark.parametrize(
    ("mode", "last"), [("swiftnet", "to"), ("predict", "argmax"), ("forward", "upsample_bilinear2d")]
)
def test_the_roofline_is_of_the_timed_region(mode: str, last: str) -> None:
    traced = region_trace(TinySubject(), SIZE, protocol_for(mode))
    assert traced.operations[-1].kind == last
    logits = region_trace(TinySubject(), SIZE, protocol_for("logits"))
    assert logits.output_shape == (1, 5, 32, 64)


def test_energy_is_per_image() -> None:
    device = FormsDevice()
    speed = measure_speed(
        TinySubject().build(), resolution=SIZE, protocol=protocol_for(batch=2, rounds=2, frames=100), device=device
    )
    assert speed.energy_mj == pytest.approx(15.0)


def test_a_graph_copies_foreign_inputs_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """The logic around the capture, with CUDA's part replaced: the graph's own input is not copied onto itself."""
    graphed = Graphed(lambda x: x * 2)
    replays: list[Tensor] = []

    def capture(x: Tensor) -> None:
        graphed._input, graphed._output = x, torch.empty_like(x)
        graphed._graph = SimpleNamespace(replay=lambda: replays.append(graphed._output.copy_(x * 2)))

    monkeypatch.setattr(graphed, "_capture", capture)
    first = torch.ones(3)
    assert torch.equal(graphed(first), torch.full((3,), 2.0))
    version = first._version
    graphed(first)
    assert first._version == version
    assert torch.equal(graphed(torch.full((3,), 5.0)), torch.full((3,), 10.0))
    assert len(replays) == 3


class FakeCuda:
    """What a capture asks of `torch.cuda`, without a GPU; the end of a failed capture fails as it does there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log: list[str] = []
        self.sync_mode: Any = 0
        stream = SimpleNamespace(wait_stream=lambda other: None)
        for name, value in {
            "CUDAGraph": lambda: SimpleNamespace(replay=lambda: self.log.append("replay")),
            "device": lambda device: contextlib.nullcontext(),
            "Stream": lambda: stream,
            "current_stream": lambda: stream,
            "stream": lambda chosen: contextlib.nullcontext(),
            "set_stream": lambda chosen: self.log.append("stream put back"),
            "synchronize": lambda: None,
            "current_device": lambda: 0,
            "graph_pool_handle": lambda: (0, 7),
            "graph": self.graph,
            "get_sync_debug_mode": lambda: self.sync_mode,
            "set_sync_debug_mode": self.set_sync_mode,
        }.items():
            monkeypatch.setattr(torch.cuda, name, value)
        monkeypatch.setattr(torch._C, "_cuda_endAllocateToPool", self.end_allocate, raising=False)

    def set_sync_mode(self, mode: Any) -> None:
        self.sync_mode = mode

    @contextlib.contextmanager
    def graph(self, graph: Any, pool: Any) -> Any:
        self.log.append("capture")
        try:
            yield
        except RuntimeError:
            raise RuntimeError("CUDA error: operation failed due to a previous error during capture")  # noqa: B904

    def end_allocate(self, device: int, pool: Any) -> None:
        self.log.append(f"ended {pool} on {device}")
        raise RuntimeError("endAllocatePool: not currently recording to mempool_id")


def test_a_failed_capture_says_its_reason_and_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda, calls = FakeCuda(monkeypatch), 0

    def run(x: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        if "capture" in cuda.log:
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing")
        return x

    with pytest.raises(RuntimeError, match="not permitted when stream is capturing"):
        Graphed(run)(torch.ones(1))
    assert calls == WARM_UP + 2
    assert cuda.log == ["capture", "ended (0, 7) on 0", "stream put back"]


def test_a_network_that_waits_for_the_gpu_is_refused_before_its_capture(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = FakeCuda(monkeypatch)

    def run(x: Tensor) -> Tensor:
        if cuda.sync_mode == "error":
            raise RuntimeError("called a synchronizing CUDA operation")
        return x

    with pytest.raises(RuntimeError, match="called a synchronizing CUDA operation"):
        Graphed(run)(torch.ones(1))
    assert (cuda.log, cuda.sync_mode) == ([], 0)


def test_a_capture_is_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = FakeCuda(monkeypatch)
    graphed = Graphed(lambda x: x * 2)
    x = torch.ones(1)
    assert graphed(x) is graphed(x)
    assert cuda.log == ["capture", "stream put back", "replay", "replay"]
