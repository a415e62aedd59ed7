"""The timing core on a simulated device and clock: no test here reads a real clock."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from segbench.errors import BadOption, DeviceError, SegbenchError
from segbench.measure.device import CpuDevice
from segbench.measure.enqueue import FRAMES
from segbench.measure.flags import flags_in_force, measurement_flags
from segbench.measure.frame import make_frame
from segbench.measure.memory import peak_memory
from segbench.measure.simulated import Behaviour, SimulatedDevice
from segbench.measure.speed import MeasurementError, measure_speed, time_frames
from segbench.models.base import Network
from segbench.protocol import MODES, PRESETS, Protocol, protocol_for
from segbench.records.reading import plain, read
from segbench.records.results import Latency, Speed

SIZE = (16, 32)
FORWARD = PRESETS["forward"]


class Tiny(Network):
    """Logits of five classes at stride 2."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(5)
        self.passes = 0

    def logits(self, x: Tensor) -> Tensor:
        self.passes += 1
        self.dtype, self.channels_last = x.dtype, x.is_contiguous(memory_format=torch.channels_last)
        self.inference = x.is_inference() or torch.is_inference_mode_enabled()
        return self.norm(self.conv(x))


class Failing(nn.Module):
    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def forward(self, x: Tensor) -> Tensor:
        raise self.error


def timed(device: SimulatedDevice, protocol: Protocol = FORWARD, budget_s: float | None = None) -> Speed:
    return measure_speed(Tiny(), resolution=SIZE, protocol=protocol, device=device, budget_s=budget_s)


def latency(speed: Speed) -> Latency:
    assert speed.latency_ms is not None
    return speed.latency_ms


def round_seconds(speed: Speed) -> list[float]:
    assert speed.round_seconds is not None
    return speed.round_seconds


def round_fps(speed: Speed) -> list[float]:
    assert speed.round_fps is not None
    return speed.round_fps


def rounds_ms(speed: Speed) -> list[list[float]]:
    assert speed.rounds_ms is not None
    return speed.rounds_ms


def warmup_ms(speed: Speed) -> list[float]:
    assert speed.warmup_ms is not None
    return speed.warmup_ms


def test_an_ideal_device_is_timed_exactly() -> None:
    speed = timed(SimulatedDevice(Behaviour(frame_ms=5.0)))
    assert speed.fps == pytest.approx(200.0)
    assert speed.round_fps == pytest.approx([200.0] * 5)
    assert speed.fps_ci95 == pytest.approx([200.0, 200.0])
    assert [len(samples) for samples in rounds_ms(speed)] == [100] * 5
    assert latency(speed).median == pytest.approx(5.0)
    assert speed.warnings == []
    assert speed.shortened is None


def test_the_result_is_what_a_record_states() -> None:
    speed = timed(SimulatedDevice(Behaviour(frame_noise=0.01)), protocol_for("swiftnet", "fp16", 2, 3))
    assert read(Speed, json.loads(json.dumps(plain(speed)))) == speed
    assert (speed.mode, speed.device, speed.precision, speed.batch) == ("swiftnet", "cuda", "fp16", 2)
    assert speed.device_name == "simulated"
    for key in ("gpu_busy_ms", "launches", "graph_fps", "energy_mj", "verdict"):
        assert getattr(speed, key) is None
    assert None not in [getattr(latency(speed), key) for key in ("mean", "median", "p5", "p95")]
    assert len(round_fps(speed)) == 3


def test_fps_is_frames_over_elapsed_time_and_not_a_mean_of_rates() -> None:
    speed = timed(SimulatedDevice(Behaviour(throttle_after_s=2.0, throttle_factor=0.5)))
    assert speed.fps == pytest.approx(500 / sum(round_seconds(speed)))
    assert min(round_fps(speed)) < 0.6 * max(round_fps(speed))


def test_a_batch_counts_images() -> None:
    speed = timed(SimulatedDevice(Behaviour(frame_ms=5.0)), replace(FORWARD, batch=4))
    assert speed.fps == speed.throughput == pytest.approx(800.0)
    assert latency(speed).mean == pytest.approx(5.0)


def test_warm_up_lasts_for_passes_and_for_seconds() -> None:
    assert len(warmup_ms(timed(SimulatedDevice(Behaviour(frame_ms=5.0))))) in (200, 201)
    assert len(warmup_ms(timed(SimulatedDevice(Behaviour(frame_ms=100.0))))) == 50


def test_the_queue_is_empty_at_both_clock_readings() -> None:
    """Launching takes the host 0.1 ms of the 5 ms that a frame runs: unsynchronised, FPS would be 10,000."""
    device = SimulatedDevice(Behaviour(frame_ms=5.0, launch_ms=0.1))

    def leave_work_behind(*_: object) -> None:
        for _frame in range(20):
            device.launch()

    leave_work_behind()
    cold = replace(FORWARD, warmup_passes=0, warmup_seconds=0.0)
    timing = time_frames(device.launch, cold, device, progress=leave_work_behind)
    # The first frame of a round waits for its own launch, the others are launched while the device works.
    assert timing.round_seconds == pytest.approx([0.5001] * 5)
    assert sum(timing.rounds_ms[0]) == pytest.approx(500.1)


def test_a_launch_bound_frame_costs_its_launch() -> None:
    speed = timed(SimulatedDevice(Behaviour(frame_ms=1.0, launch_ms=4.0)))
    assert speed.fps == pytest.approx(250.0, rel=0.01)
    per_frame = timed(SimulatedDevice(Behaviour(frame_ms=1.0, launch_ms=4.0)), replace(FORWARD, synchronise="frame"))
    assert per_frame.fps == pytest.approx(200.0)


def test_no_sample_is_dropped() -> None:
    device = SimulatedDevice(Behaviour(frame_ms=1.0, stall_probability=0.05, stall_ms=50.0), seed=3)
    speed = timed(device)
    samples = [sample for samples in rounds_ms(speed) for sample in samples]
    assert len(samples) == 500
    assert max(samples) > 50
    assert sum(samples) == pytest.approx(1000 * sum(round_seconds(speed)))
    assert any("latency varies" in line for line in speed.warnings)
    # The others told how long the host takes to launch one.
    assert device.launches == 500 + len(warmup_ms(speed)) + FRAMES


def test_drift_and_throttling_are_reported() -> None:
    drifting = timed(SimulatedDevice(Behaviour(drift=0.2, drift_s=3.0)))
    assert any("times the FPS of the first" in line for line in drifting.warnings)
    throttled = timed(SimulatedDevice(Behaviour(throttle_after_s=2.0, throttle_factor=0.7)))
    assert any("held its clocks down (thermal slowdown" in line for line in throttled.warnings)
    assert any("clock moved between 1386 and 1980 MHz" in line for line in throttled.warnings)
    assert throttled.telemetry[0].sm_clock_mhz == 1980


def test_other_processes_are_reported() -> None:
    assert any("3 other process(es)" in line for line in timed(SimulatedDevice(other_processes=3)).warnings)


def test_a_round_can_be_set_by_time() -> None:
    device = SimulatedDevice(Behaviour(frame_ms=10.0))
    speed = timed(device, PRESETS["fasterseg"])
    assert speed.round_seconds == pytest.approx([12.0], rel=0.001)
    assert speed.fps_ci95_basis == "frames of one round"
    assert speed.fps == pytest.approx(100.0)


def test_progress_is_told_outside_the_rounds() -> None:
    told: list[tuple[str, int, int]] = []
    device = SimulatedDevice(Behaviour(frame_ms=100.0))
    measure_speed(Tiny(), resolution=SIZE, protocol=FORWARD, device=device, progress=lambda *news: told.append(news))
    assert told[:2] == [("warm-up", 1, 50), ("warm-up", 2, 50)]
    assert told[50:] == [("round", done, 5) for done in range(1, 6)]


# Time budgets, on a simulated CPU.


def on_cpu(frame_ms: float, budget_s: float | None, protocol: Protocol = FORWARD, **behaviour: Any) -> Speed:
    device = SimulatedDevice(Behaviour(frame_ms=frame_ms, **behaviour), kind="cpu")
    return timed(device, protocol, budget_s)


def test_a_budget_that_suffices_changes_nothing() -> None:
    speed = on_cpu(5.0, 20.0)
    assert speed.shortened is None
    assert [len(samples) for samples in rounds_ms(speed)] == [100] * 5


def test_no_budget_runs_the_whole_protocol() -> None:
    assert len(warmup_ms(on_cpu(500.0, None))) == 50


def test_a_budget_cuts_warm_up_and_frames_and_says_how() -> None:
    speed = on_cpu(500.0, 20.0)
    assert speed.shortened == ("to keep a time budget of 20 s: 10 of 50 warm-up passes, 6 of 100 frames a round")
    assert [len(samples) for samples in rounds_ms(speed)] == [6] * 5
    assert speed.fps == pytest.approx(2.0)


def test_a_tight_budget_cuts_rounds_as_well() -> None:
    speed = on_cpu(2000.0, 20.0)
    assert speed.shortened == (
        "to keep a time budget of 20 s: 3 of 50 warm-up passes, 2 of 5 rounds, 3 of 100 frames a round"
    )


def test_a_network_slower_than_the_budget_still_gives_three_frames() -> None:
    speed = on_cpu(60_000.0, 20.0)
    assert len(warmup_ms(speed)) == 1
    assert [len(samples) for samples in rounds_ms(speed)] == [3]
    assert speed.fps == pytest.approx(1 / 60)
    assert "1 of 50 warm-up passes, 1 of 5 rounds, 3 of 100 frames" in str(speed.shortened)
    assert speed.fps_ci95 is not None


def test_a_cpu_that_slows_down_stops_when_the_budget_is_spent() -> None:
    speed = on_cpu(20.0, 20.0, throttle_after_s=4.0, throttle_factor=0.1)
    assert 1 <= len(rounds_ms(speed)) < 5
    assert f"{len(rounds_ms(speed))} of 5 rounds" in str(speed.shortened)


def test_a_budget_is_planned_by_the_later_half_of_the_warm_up() -> None:
    """Five passes of 500 ms, as where algorithms are chosen, then frames of 100 ms: 17 s are left for 170 of these."""
    device = SimulatedDevice(Behaviour(frame_ms=500.0), kind="cpu")
    passes = 0

    def frame() -> None:
        nonlocal passes
        passes += 1
        if passes > 5:
            device.behaviour = Behaviour(frame_ms=100.0)
        device.launch()

    protocol = replace(FORWARD, warmup_passes=10, warmup_seconds=0.0)
    timing = time_frames(frame, protocol, device, budget_s=20.05)
    assert timing.warmup_ms == pytest.approx([500.0] * 5 + [100.0] * 5)
    assert [len(samples) for samples in timing.rounds_ms] == [34] * 5


def test_a_round_set_by_time_is_planned_by_the_later_half_of_the_warm_up() -> None:
    device = SimulatedDevice(Behaviour(frame_ms=40.0))

    def frame() -> None:
        if device.launches >= 5:
            device.behaviour = Behaviour(frame_ms=10.0)
        device.launch()

    timing = time_frames(frame, replace(PRESETS["fasterseg"], warmup_passes=10, warmup_seconds=0.0), device)
    assert timing.round_seconds == pytest.approx([12.0], rel=0.001)


def test_a_budget_is_for_cpus() -> None:
    speed = timed(SimulatedDevice(Behaviour(frame_ms=500.0)), budget_s=1.0)
    assert speed.shortened is None
    assert len(rounds_ms(speed)) == 5


# What is inside a frame.


class Operations(TorchDispatchMode):
    """Counts operations, and copies by what they copy."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name in ("_to_copy", "to", "clone", "copy_") and isinstance(result, Tensor):
            if result is args[0] or result.data_ptr() == args[0].data_ptr():
                return result
            name = f"{args[0].dtype} to {result.dtype}".replace("torch.", "")
        self.seen[name] += 1
        return result


def test_a_mode_is_its_steps_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    modes = {**MODES, "labels out": ("forward", "argmax", "copy out")}
    monkeypatch.setattr("segbench.protocol.MODES", modes)
    monkeypatch.setattr("segbench.measure.frame.MODES", modes)
    frame = make_frame(Tiny(), SIZE, protocol_for("labels out"), CpuDevice())
    with Operations() as operations:
        labels = frame()
    assert operations.seen["float32 to float32"] == 0, "the image stays on the device"
    assert operations.seen["argmax"] == 1
    assert operations.seen["int64 to int64"] == 1, "the labels, to the host"
    assert labels.shape == (1, SIZE[0] // 2, SIZE[1] // 2), "at the network's own stride"


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_swiftnet_copies_in_once_takes_one_argmax_and_copies_out_once(precision: str) -> None:
    protocol = protocol_for("swiftnet", precision)
    with measurement_flags(protocol):
        frame = make_frame(Tiny(), SIZE, protocol, CpuDevice())
        with Operations() as operations:
            labels = frame()
    seen = operations.seen
    assert seen["float32 to float32"] == 1, "the image, to the device"
    assert seen["argmax"] == 1
    assert seen["int64 to uint8"] == 1
    assert seen["uint8 to uint8"] == 1, "the labels, to the host"
    assert seen["float32 to bfloat16"] == (precision == "bf16")
    assert labels.dtype == torch.uint8
    assert labels.shape == (1, *SIZE)


def test_a_profiler_trace_of_swiftnet_agrees() -> None:
    protocol = protocol_for("swiftnet")
    frames = 4
    with measurement_flags(protocol):
        frame = make_frame(Tiny(), SIZE, protocol, CpuDevice())
        frame()
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as trace:
            for _ in range(frames):
                frame()
    calls = {event.key: event.count for event in trace.key_averages()}
    assert calls["aten::argmax"] == frames
    # Image to device, labels to uint8, labels to host.
    assert calls["aten::_to_copy"] == 3 * frames


@pytest.mark.parametrize(
    ("mode", "shape", "dtype"),
    [
        ("forward", (1, 5, 16, 32), torch.float32),
        ("predict", (1, 16, 32), torch.int64),
        ("logits", (1, 5, 8, 16), torch.float32),
    ],
)
def test_what_the_other_modes_return(mode: str, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    protocol = protocol_for(mode)
    with measurement_flags(protocol):
        frame = make_frame(Tiny(), SIZE, protocol, CpuDevice())
        with Operations() as operations:
            result = frame()
    assert (result.shape, result.dtype) == (shape, dtype)
    assert not [name for name in operations.seen if " to " in name], "nothing is copied"


def test_the_network_is_cast_in_eval_mode_and_runs_in_inference_mode() -> None:
    net = Tiny().train()
    protocol = protocol_for("forward", "bf16", channels_last=True, rounds=1, frames=3)
    measure_speed(net, resolution=SIZE, protocol=protocol, device=SimulatedDevice())
    assert not net.training
    assert (net.dtype, net.channels_last, net.inference) == (torch.bfloat16, True, True)
    assert net.norm.running_mean is not None
    assert net.norm.running_mean.abs().max() == 0


def test_measuring_leaves_flags_and_random_numbers_as_they_were() -> None:
    flags, state = flags_in_force(), torch.get_rng_state()
    net = Tiny()
    after_building = torch.get_rng_state()
    measure_speed(net, resolution=SIZE, protocol=FORWARD, device=SimulatedDevice())
    assert flags_in_force() == flags
    assert torch.equal(torch.get_rng_state(), after_building)
    torch.set_rng_state(state)


def test_bn_folding_needs_somebody_who_folds() -> None:
    protocol = replace(FORWARD, bn_folding=True)
    with pytest.raises(BadOption, match="folded"):
        timed(SimulatedDevice(), protocol)
    folded: list[nn.Module] = []

    def prepare(net: nn.Module) -> nn.Module:
        folded.append(net)
        return net

    measure_speed(Tiny(), resolution=SIZE, protocol=protocol, device=SimulatedDevice(), prepare=prepare)
    assert len(folded) == 1


# What goes wrong.


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB\nmore"), "out of memory: batch 1 at"),
        (MemoryError(), "out of memory: batch 1 at 16x32 in fp32 on simulated does not fit"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes"), "out of memory: "),
        (RuntimeError("CUDA error: an illegal memory access was encountered\nCUDA kernel"), "CUDA error: an illegal"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), "out of memory: "),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), "CUDA error: cuDNN error"),
        (ValueError("Expected more than 1 value per channel"), "ValueError: Expected more than 1 value"),
        (RuntimeError(""), "RuntimeError"),
    ],
)
def test_a_failure_is_one_line_for_the_record(error: Exception, words: str) -> None:
    flags = flags_in_force()
    with pytest.raises(MeasurementError) as raised:
        measure_speed(Failing(error), resolution=SIZE, protocol=FORWARD, device=SimulatedDevice())
    assert str(raised.value).startswith(words)
    assert "\n" not in str(raised.value)
    assert flags_in_force() == flags


def test_a_failed_forward_lets_go_of_its_tensors() -> None:
    import weakref

    kept: list[weakref.ref[Tensor]] = []

    class Hungry(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            activation = x * 2
            kept.append(weakref.ref(activation))
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(MeasurementError) as raised:
        measure_speed(Hungry(), resolution=SIZE, protocol=FORWARD, device=SimulatedDevice())
    assert raised.value is not None
    assert kept[0]() is None


def test_a_network_s_own_refusal_passes_through() -> None:
    with pytest.raises(SegbenchError, match=r"^not this size$") as raised:
        measure_speed(Failing(BadOption("not this size")), resolution=SIZE, protocol=FORWARD, device=SimulatedDevice())
    assert isinstance(raised.value, BadOption)


def test_a_precision_without_kernels_is_the_device_s_lack() -> None:
    error = RuntimeError("\"slow_conv2d_cpu\" not implemented for 'Half'")
    with pytest.raises(DeviceError, match="cannot run this network in fp16"):
        measure_speed(Failing(error), resolution=SIZE, protocol=protocol_for("forward", "fp16"), device=CpuDevice())


def test_a_precision_that_the_device_lacks() -> None:
    with pytest.raises(DeviceError, match="has no tf32: it takes fp32"):
        timed(SimulatedDevice(precisions=("fp32",)), replace(FORWARD, precision="tf32"))


def test_pinned_copies_need_cuda() -> None:
    with pytest.raises(DeviceError, match="pinned copies need a CUDA device"):
        timed(SimulatedDevice(), protocol_for("swiftnet", pinned=True))


# Memory.


class Wide(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2**20))

    def forward(self, x: Tensor) -> Tensor:
        wide = x.new_ones(64, 2**20)
        return x + wide.sum() * 0


def test_memory_on_a_cpu_is_weights_and_growth() -> None:
    peak = peak_memory(Wide(), SIZE, FORWARD, CpuDevice())
    if peak is None:
        pytest.skip("this system does not tell the resident memory's peak")
    # 4 MiB of weights and an activation of 256 MiB; the rest is what torch itself allocates on a first pass.
    assert 255 < peak < 340


def test_memory_failure_is_a_measurement_error() -> None:
    with pytest.raises(MeasurementError, match=r"^out of memory"):
        peak_memory(Failing(MemoryError()), SIZE, FORWARD, CpuDevice())
