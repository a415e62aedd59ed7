"""Traces, graphs, folding, the waterfall and the fast mode on a real GPU. None of these asserts how fast it is."""

from __future__ import annotations

import gc
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import segbench
from segbench.compare.planning import plan
from segbench.compare.run import RECORDS, sweep
from segbench.job import Settings
from segbench.measure.bounds import busy_ms, graph_fps, launches, traced, what_bounds
from segbench.measure.device import CudaDevice, open_device
from segbench.measure.fast import optimized_speed
from segbench.measure.flags import flags_in_force, measurement_flags
from segbench.measure.folding import fold
from segbench.measure.forms import ENGINES, Forms
from segbench.measure.frame import MeasurementError, make_frame, region
from segbench.measure.record import check_settings
from segbench.measure.roofline import measure_rates
from segbench.measure.speed import measure_speed
from segbench.measure.waterfall import SWITCHES, waterfall
from segbench.protocol import Protocol, protocol_for
from segbench.records import store
from segbench.records.reading import plain, read
from segbench.records.results import Speed, WaterfallRow
from tests.forms_networks import Tiny, TinySubject, randomised

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]

SIZE = (256, 512)
QUICK = protocol_for("forward", rounds=2, frames=20, warmup_seconds=0.1)


def device() -> CudaDevice:
    opened = open_device("cuda")
    assert isinstance(opened, CudaDevice)
    return opened


def test_a_trace_sees_each_kernel() -> None:
    class Adds(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.add(1).add(2).add(3)

    events = traced(Adds(), SIZE, QUICK, device(), frames=4)
    assert launches(events, 4) == 3
    assert busy_ms(events, 4) > 0


def test_a_trace_of_swiftnet_has_the_copies_beside_the_kernels() -> None:
    events = traced(TinySubject().build(), SIZE, protocol_for("swiftnet"), device(), frames=4)
    copies = [event for event in events if not event.is_kernel and "Memcpy" in event.name]
    assert len(copies) == 8
    assert launches(events, 4) * 4 == sum(event.is_kernel for event in events)


@pytest.mark.parametrize("mode", ["forward", "swiftnet", "predict", "logits"])
def test_a_graph_says_what_the_network_says(mode: str) -> None:
    protocol = protocol_for(mode)
    with measurement_flags(protocol):
        eager = make_frame(TinySubject().build(), SIZE, protocol, device())()
        graph = make_frame(
            TinySubject().build(), SIZE, protocol, device(), lambda net: device().graph(region(net, mode))
        )
        outputs = [graph().clone() for _ in range(3)]
    torch.cuda.synchronize()
    for output in outputs:
        assert output.device == eager.device
        torch.testing.assert_close(output, eager, atol=1e-5, rtol=1e-4)


def test_a_network_that_cannot_be_captured_spoils_nothing() -> None:
    class Synchronises(Tiny):
        def logits(self, x: Tensor) -> Tensor:
            return super().logits(x) * float(x.mean().item())

    with pytest.raises(MeasurementError, match="CUDA"):
        graph_fps(TinySubject(Synchronises).build(), SIZE, QUICK, device())
    assert measure_speed(TinySubject().build(), resolution=SIZE, protocol=QUICK, device=device()).fps > 0
    assert graph_fps(TinySubject().build(), SIZE, QUICK, device()) > 0


@pytest.mark.parametrize("precision", ["fp32", "tf32", "fp16", "bf16"])
def test_what_bounds_a_network_is_complete(precision: str) -> None:
    protocol = replace(QUICK, precision=precision)
    flags = flags_in_force()
    speed = measure_speed(TinySubject().build(), resolution=SIZE, protocol=protocol, device=device())
    found, notes = what_bounds(TinySubject(), SIZE, protocol, device(), speed)
    assert notes == []
    assert read(Speed, json.loads(json.dumps(plain(found)))) == found
    assert found.launches is not None and found.launches >= 6
    assert found.gpu_busy_ms is not None and found.gpu_busy_ms > 0
    assert found.graph_fps is not None and found.graph_fps > 0
    assert found.verdict in ("launch-bound", "compute-bound", "memory-bound")
    assert found.roofline is not None
    assert found.roofline.share is not None and found.roofline.share > 0
    assert flags_in_force() == flags


def test_tensor_cores_show_in_the_measured_rate() -> None:
    if device().capability < (8, 0):
        pytest.skip("before Ampere")
    assert (
        measure_rates(protocol_for(precision="bf16"), device()).macs_per_s
        > 1.5 * measure_rates(protocol_for(precision="fp32"), device()).macs_per_s
    )


@pytest.mark.parametrize("name", ["mfpnet", "efrnet", "erfnet", "ddrnet-23-slim", "bisenetv2"])
def test_folding_keeps_the_logits(name: str) -> None:
    assert fold(randomised(segbench.build(name)), SIZE, device()).folded


def test_every_switch_of_the_waterfall_is_there() -> None:
    rows = waterfall(TinySubject(), SIZE, device(), QUICK)
    assert [read(WaterfallRow, json.loads(json.dumps(plain(row)))) for row in rows] == rows
    reasons = {row.switch: row.unavailable for row in rows if row.unavailable}
    allowed = {"TF32", "bf16"} if device().capability < (8, 0) else set()
    assert set(reasons) <= allowed, reasons
    assert len(rows) == 1 + len(SWITCHES)


@pytest.mark.slow
def test_the_fast_mode_runs_and_says_the_same() -> None:
    result = optimized_speed(TinySubject(), SIZE, replace(QUICK, precision="fp16"), device())
    assert result.engine in ENGINES
    assert result.tried[1]["fps"], result.tried
    assert result.deviation is not None
    assert result.deviation["max_over_std"] < 0.1


def test_forms_free_their_memory() -> None:
    def used(protocol: Protocol) -> int:
        forms = Forms(TinySubject(), SIZE, device())
        forms.speed(protocol, "CUDA graph")
        forms.deviation_in(protocol)
        del forms
        gc.collect()
        torch.cuda.synchronize()
        return torch.cuda.memory_allocated()

    first = used(QUICK)
    assert all(used(QUICK) <= first + 2**20 for _ in range(3))


def test_a_sweep_of_processes_measures_on_the_gpu(tmp_path: Path) -> None:
    settings = check_settings(Settings(device="cuda", rounds=2))
    jobs = plan(["enet", "erfnet"], [SIZE], 19, settings, seed=3, processes=2)
    records = sweep(jobs, tmp_path, timeout_s=240)
    assert [record.failure for record in records] == [None] * 4
    assert {record.speed.device for record in records if record.speed} == {"cuda"}
    assert all(record.speed and record.speed.launches for record in records)
    assert len(store.read(tmp_path / RECORDS)) == 4
    # The server that forks the processes must have no CUDA context, or no child could make one.
    assert sweep(jobs, tmp_path) == records
