"""The timing core on a real GPU. None of these asserts how fast it is."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from segbench.measure.device import CudaDevice, open_device
from segbench.measure.environment import describe_environment
from segbench.measure.flags import flags_in_force, measurement_flags
from segbench.measure.frame import make_frame
from segbench.measure.memory import peak_memory
from segbench.measure.speed import MeasurementError, measure_speed, time_frames
from segbench.protocol import PRECISIONS, PRESETS, protocol_for
from segbench.records.reading import plain, read
from segbench.records.results import Speed

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]

SIZE = (256, 512)


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 19, 1)).eval()


def device() -> CudaDevice:
    opened = open_device("cuda")
    assert isinstance(opened, CudaDevice)
    return opened


def test_auto_takes_the_gpu() -> None:
    assert open_device("auto").kind == "cuda"


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("mode", ["forward", "swiftnet"])
def test_every_precision_is_measured(mode: str, precision: str) -> None:
    flags = flags_in_force()
    protocol = protocol_for(mode, precision, rounds=2, frames=20, warmup_seconds=0.1)
    speed = measure_speed(network(), resolution=SIZE, protocol=protocol, device=device())
    assert read(Speed, json.loads(json.dumps(plain(speed)))) == speed
    assert speed.rounds_ms is not None
    assert (speed.device, speed.precision, speed.shortened) == ("cuda", precision, None)
    assert [len(samples) for samples in speed.rounds_ms] == [20, 20]
    assert all(sample > 0 for samples in speed.rounds_ms for sample in samples)
    assert flags_in_force() == flags


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_runs(name: str) -> None:
    preset = PRESETS[name]
    short = replace(preset, round_seconds=min(preset.round_seconds, 0.2), warmup_seconds=0.1)
    assert measure_speed(network(), resolution=SIZE, protocol=short, device=device()).fps > 0


def test_events_and_wall_clock_tell_the_same_story() -> None:
    """Both see every frame of a round: their sums differ by the first launch and the last wait alone."""
    protocol = protocol_for(frames=200, rounds=3)
    with measurement_flags(protocol):
        timing = time_frames(make_frame(network(), (1024, 2048), protocol, device()), protocol, device())
    for seconds, samples in zip(timing.round_seconds, timing.rounds_ms, strict=True):
        # Loose: the two clocks are not the same, and the host may be held up. A wrong unit or wait is off by far more.
        assert sum(samples) / 1000 == pytest.approx(seconds, rel=0.25)


@pytest.mark.filterwarnings("ignore:.*[Pp]rofiler")
@pytest.mark.parametrize("pinned", [False, True])
def test_a_trace_of_swiftnet_shows_one_copy_in_one_argmax_and_one_copy_out(pinned: bool) -> None:
    protocol, frames = protocol_for("swiftnet", pinned=pinned), 5
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with measurement_flags(protocol):
        frame = make_frame(network(), SIZE, protocol, device())
        labels = frame().clone()
        torch.cuda.synchronize()
        with torch.profiler.profile(activities=activities) as trace:
            for _ in range(frames):
                frame()
            torch.cuda.synchronize()
    assert (labels.device.type, labels.dtype, labels.shape) == ("cpu", torch.uint8, (1, *SIZE))
    names = [event.name for event in trace.events()]
    assert sum("Memcpy HtoD" in name for name in names) == frames
    assert sum("Memcpy DtoH" in name for name in names) == frames
    assert names.count("aten::argmax") == frames
    kind = "Pinned" if pinned else "Pageable"
    assert all(kind in name for name in names if "Memcpy HtoD" in name or "Memcpy DtoH" in name)


def test_out_of_memory_is_one_line_and_the_next_network_runs() -> None:
    class Hungry(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            kept = [x.new_empty(2**34) for _ in range(64)]
            return kept[0]

    with pytest.raises(MeasurementError, match=r"^out of memory: batch 1 at 256x512 in fp32"):
        measure_speed(Hungry(), resolution=SIZE, protocol=protocol_for(), device=device())
    assert torch.cuda.memory_allocated() < 2**30
    short = protocol_for(rounds=1, frames=3, warmup_seconds=0.0)
    assert measure_speed(network(), resolution=SIZE, protocol=short, device=device()).fps > 0


def test_peak_memory_is_the_allocator_s() -> None:
    class Wide(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + x.new_ones(64, 2**20).sum() * 0

    peak = peak_memory(Wide(), SIZE, protocol_for(), device())
    assert peak is not None
    assert 256 < peak < 300


def test_environment_names_the_gpu() -> None:
    environment = describe_environment()
    assert environment["cuda"]
    if environment["nvml"] == "available":
        assert environment["driver"]
        # CUDA adds a MIG instance's profile to the GPU's name.
        assert any(device().name.startswith(gpu["name"]) for gpu in environment["gpus"].values())
        assert device().telemetry() is not None
