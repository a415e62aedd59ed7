"""The waterfall and the fast mode on a simulated GPU that tells forms of a network apart, and on the CPU."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from segbench.job import Job, Settings
from segbench.measure import forms
from segbench.measure import record as measuring
from segbench.measure.device import CpuDevice
from segbench.measure.fast import optimized_speed
from segbench.measure.flags import flags_in_force
from segbench.measure.frame import MeasurementError
from segbench.measure.gpu import GpuEvent
from segbench.measure.memory import release
from segbench.measure.waterfall import SWITCHES, waterfall
from segbench.protocol import protocol_for
from segbench.records.reading import plain, read
from segbench.records.record import Record
from segbench.records.results import Optimized, WaterfallRow
from segbench.report.card import profile_card
from tests.forms_networks import SIZE, FormsDevice, Tiny, TinySubject

QUICK = protocol_for("forward", rounds=2, frames=3, warmup_passes=1, warmup_seconds=0.0)


def rows_of(device: Any = None, factory: Callable[[], nn.Module] = Tiny) -> dict[str, WaterfallRow]:
    flags = flags_in_force()
    rows = waterfall(TinySubject(factory), SIZE, device or FormsDevice(), QUICK)
    assert flags_in_force() == flags
    assert [read(WaterfallRow, json.loads(json.dumps(plain(row)))) for row in rows] == rows
    assert [row.switch for row in rows] == ["swiftnet", *(switch.name for switch in SWITCHES)]
    return {row.switch: row for row in rows}


def fps(row: WaterfallRow) -> float:
    assert row.fps is not None
    return row.fps


def deviation(result: WaterfallRow | Optimized) -> dict[str, Any]:
    assert result.deviation is not None
    return result.deviation


def folding(result: WaterfallRow | Optimized) -> dict[str, Any]:
    assert result.folding is not None
    return result.folding


def test_every_switch_is_in_force_from_its_row_on() -> None:
    """The device's frame time follows from what it sees: labels, dtype, layout, flags, normalisations."""
    rows = rows_of()
    assert all(row.unavailable is None for row in rows.values())
    times = {name: 1000 / fps(row) for name, row in rows.items()}
    assert times["swiftnet"] == pytest.approx(16.0)
    assert times["copies"] == pytest.approx(12.0)
    assert times["argmax"] == pytest.approx(10.0)
    assert times["resize"] == pytest.approx(8.0)
    assert times["BN folding"] == pytest.approx(6.4)
    assert times["cudnn.benchmark"] == pytest.approx(5.12)
    assert times["TF32"] == pytest.approx(0.8 * 5.12)
    assert times["bf16"] == pytest.approx(0.5 * 5.12)
    assert times["fp16"] == pytest.approx(0.25 * 5.12)
    assert times["channels_last"] == pytest.approx(0.8 * 0.25 * 5.12)
    assert times["CUDA graph"] == pytest.approx(0.8 * 0.25 * 5.12)
    assert [row.mode for row in rows.values()][:4] == ["swiftnet", "predict", "forward", "logits"]


def test_factors_multiply_along_the_rows_that_are_kept() -> None:
    rows = rows_of()
    product = 1.0
    for row in rows.values():
        assert row.total == pytest.approx(fps(row) / fps(rows["swiftnet"]))
        if row.kept and row.factor:
            product *= row.factor
    assert product == pytest.approx(rows["CUDA graph"].total)
    assert [name for name, row in rows.items() if not row.kept] == ["TF32", "bf16"]
    assert rows["bf16"].factor == pytest.approx(2.0)
    assert rows["fp16"].factor == pytest.approx(4.0)
    assert rows["channels_last"].precision == "fp16"


def test_the_graph_saves_the_launches() -> None:
    rows = rows_of(FormsDevice(launch_ms=20.0))
    assert fps(rows["channels_last"]) < 51
    assert (rows["CUDA graph"].factor or 0) > 15


def test_deviations_are_reported_where_arithmetic_changes() -> None:
    rows = rows_of()
    assert {name for name, row in rows.items() if row.deviation} == {"TF32", "bf16", "fp16"}
    assert 0 < deviation(rows["fp16"])["max_over_std"] < deviation(rows["bf16"])["max_over_std"] < 0.5
    assert 0 <= deviation(rows["fp16"])["labels_changed"] <= deviation(rows["bf16"])["labels_changed"] < 0.1
    folded = folding(rows["BN folding"])
    assert (folded["folded"], folded["left"]) == (1, 1)
    assert folded["max_over_std"] < 1e-4


def test_precisions_that_a_device_lacks_are_rows_with_a_reason() -> None:
    rows = rows_of(FormsDevice(precisions=("fp32", "bf16")))
    assert rows["fp16"].unavailable == "simulated has no fp16: it takes fp32, bf16"
    assert rows["TF32"].fps is rows["TF32"].factor is None
    assert rows["channels_last"].precision == "bf16"
    assert rows["channels_last"].factor == pytest.approx(1.25)


def test_a_slower_precision_is_shown_and_not_kept() -> None:
    class Slow(FormsDevice):
        def _cost(self, result: Tensor) -> float:
            return super()._cost(result) * (100 if result.dtype in (torch.float16, torch.bfloat16) else 1)

    rows = rows_of(Slow())
    assert rows["bf16"].factor == pytest.approx(0.02)
    assert [name for name, row in rows.items() if row.precision == "tf32"] == ["TF32", "channels_last", "CUDA graph"]


def test_a_network_that_fails_in_one_precision_costs_one_row() -> None:
    class Picky(Tiny):
        def logits(self, x: Tensor) -> Tensor:
            if x.dtype == torch.float16:
                raise RuntimeError("CUDA error: an illegal memory access was encountered")
            return super().logits(x)

    rows = rows_of(factory=Picky)
    assert "CUDA error" in str(rows["fp16"].unavailable)
    assert rows["channels_last"].precision == "bf16"
    assert rows["CUDA graph"].fps is not None


def test_a_network_whose_logits_overflow_says_so() -> None:
    class Large(Tiny):
        def logits(self, x: Tensor) -> Tensor:
            return super().logits(x) * 1e6

    rows = rows_of(factory=Large)
    assert deviation(rows["fp16"])["max_over_std"] is None
    assert deviation(rows["bf16"])["max_over_std"] < 0.5


def test_a_network_of_the_user_s_own_keeps_its_resize() -> None:
    rows = rows_of(factory=lambda: nn.Sequential(nn.Conv2d(3, 5, 1), nn.BatchNorm2d(5)))
    assert "has no `logits`" in str(rows["resize"].unavailable)
    assert rows["BN folding"].mode == "forward"
    assert folding(rows["BN folding"])["folded"] == 1


def test_out_of_memory_from_the_first_row_on_leaves_rows_and_no_exception() -> None:
    class Hungry(Tiny):
        def logits(self, x: Tensor) -> Tensor:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    rows = rows_of(factory=Hungry)
    assert all("out of memory" in (row.unavailable or "") for row in rows.values())


def test_on_a_cpu_what_it_lacks_is_said() -> None:
    rows = waterfall(TinySubject(), SIZE, CpuDevice(), QUICK, budget_s=2.0)
    reasons = {row.switch: row.unavailable for row in rows if row.unavailable}
    assert (
        {"cudnn.benchmark", "TF32", "CUDA graph"} <= set(reasons) <= {"cudnn.benchmark", "TF32", "CUDA graph", "fp16"}
    )
    assert "NVIDIA" in reasons["TF32"]
    assert all(fps(row) > 0 for row in rows if not row.unavailable)


def fast(device: Any, precision: str = "fp32", factory: Callable[[], nn.Module] = Tiny) -> Optimized:
    result = optimized_speed(TinySubject(factory), SIZE, replace(QUICK, precision=precision), device)
    assert read(Optimized, json.loads(json.dumps(plain(result)))) == result
    return result


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A compiler that changes nothing, and what was compiled."""
    done: list[str] = []

    def compile_nothing(run: Callable[[Tensor], Tensor], **settings: Any) -> Callable[[Tensor], Tensor]:
        done.append(type(run).__name__)
        return run

    monkeypatch.setattr(torch, "compile", compile_nothing)
    return done


@pytest.mark.usefixtures("compiler")
def test_the_fast_mode_takes_the_fastest_engine() -> None:
    result = fast(FormsDevice(launch_ms=20.0))
    assert result.engine == "CUDA graph"
    assert [row["engine"] for row in result.tried] == ["eager", "CUDA graph", "torch.compile"]
    assert result.fps == max(row["fps"] for row in result.tried)
    # 8 ms, resized, folded, cuDNN's choice, channels_last.
    assert result.fps == pytest.approx(1000 / (8.0 * 1.25 * 0.8**3))
    assert result.mode == "forward"
    assert result.protocol == "optimized"
    assert result.protocol_settings["bn_folding"]
    assert result.protocol_settings["channels_last"]
    assert (folding(result)["folded"], deviation(result)["max_over_std"] < 1e-4) == (1, True)


@pytest.mark.usefixtures("compiler")
def test_the_fast_mode_keeps_the_precision_asked_for() -> None:
    result = fast(FormsDevice(), "fp16")
    assert result.precision == "fp16"
    assert deviation(result)["max_over_std"] > 1e-4


def test_a_compiler_that_fails_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(run: object, **settings: Any) -> Callable[[Tensor], Tensor]:
        def call(x: Tensor) -> Tensor:
            raise RuntimeError("No working C++ compiler found\nin this place")

        return call

    monkeypatch.setattr(torch, "compile", broken)
    result = fast(FormsDevice())
    assert result.tried[2]["unavailable"] == "torch.compile fails: No working C++ compiler found"
    assert result.engine in ("eager", "CUDA graph")


def test_the_compiler_may_advise_and_fail_until_the_graph_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """On CUDA the first pass compiles, the second runs the compiled network once and the third records its graph."""
    passes = 0

    def advises(x: Tensor) -> Tensor:
        nonlocal passes
        passes += 1
        if passes <= 3:
            warnings.warn("TensorFloat32 tensor cores available but not enabled", stacklevel=1)
        if passes == 3 and x.sum() < 0:
            raise RuntimeError("this graph cannot be recorded\nnow")
        return x

    monkeypatch.setattr(torch, "compile", lambda run, **settings: advises)
    run = forms.compiled(lambda x: x, FormsDevice())
    assert all(run(torch.ones(1)) == 1 for _ in range(5))
    passes = 0
    run = forms.compiled(lambda x: x, FormsDevice())
    run(torch.ones(1)), run(torch.ones(1))
    with pytest.raises(MeasurementError, match=r"^torch.compile fails: this graph cannot be recorded$"):
        run(-torch.ones(1))


def test_a_device_after_a_cuda_error_frees_nothing_and_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(torch.cuda, "empty_cache", refuse)
    device = FormsDevice()
    device.torch_device = torch.device("cuda")
    release(device)


@pytest.mark.usefixtures("compiler")
def test_all_timings_come_before_the_trace_and_later_ones_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """What torch's profiler attaches to a process stays there and slows its launches."""
    order: list[str] = []

    class Watched(FormsDevice):
        def attach(self, frame: Callable[[], Any]) -> Callable[[], Any]:
            order.append("timed")
            return super().attach(frame)

        def trace(self, frame: Callable[[], Any], frames: int) -> list[GpuEvent] | None:
            order.append("traced")
            Watched.traced = True
            return None

    def profiled() -> Record:
        monkeypatch.setattr(measuring, "open_device", lambda spec: Watched())
        settings = Settings(device="cuda", rounds=2, waterfall=True, optimize=True, environment={"cuda": "13.0"})
        job = Job(model="tests:Tiny", classes=5, resolution=SIZE, settings=settings)
        return measuring.measure_job(job, subject=TinySubject())

    first = profiled()
    assert first.failure is None
    assert first.waterfall and first.speed and first.speed.optimized and first.speed.verdict
    assert (order.count("traced"), order[-1]) == (1, "traced")
    assert not any("after a trace" in note for note in first.notes)
    assert any("timed after a trace in the same process" in note for note in profiled().notes)


@pytest.mark.usefixtures("compiler")
def test_a_refused_folding_is_noted_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise MeasurementError("batch normalisation was not folded: the logits change")

    monkeypatch.setattr(forms, "fold", refuse)
    result = fast(FormsDevice())
    assert result.folding is None
    assert result.notes == ["batch normalisation was not folded: the logits change"]
    assert not result.protocol_settings["bn_folding"]
    assert result.fps == pytest.approx(1000 / (8.0 * 1.25 * 0.8**2))


@pytest.mark.usefixtures("compiler")
def test_a_fast_mode_that_never_runs_says_why() -> None:
    class Failing(Tiny):
        def logits(self, x: Tensor) -> Tensor:
            if x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous():
                raise RuntimeError("no NHWC here")
            return super().logits(x)

    with pytest.raises(MeasurementError, match=r"fast mode does not run: .*no NHWC here"):
        fast(FormsDevice(), factory=Failing)


@pytest.mark.usefixtures("compiler")
def test_the_card_shows_both_and_mixes_neither() -> None:
    device = FormsDevice()
    record = Record(model="tiny", classes=5, resolution=SIZE, waterfall=waterfall(TinySubject(), SIZE, device, QUICK))
    forms_speed, _ = forms.Forms(TinySubject(), SIZE, device).speed(QUICK)
    record.speed = replace(forms_speed, optimized=fast(device))
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(profile_card(record))
    text = console.export_text()
    assert record.speed.optimized is not None
    assert forms_speed.mode == record.speed.optimized.mode == "forward"
    for part in ("FPS", "optimized", "1 batch normalisations folded", "channels_last", "CUDA graph", "labels change"):
        assert part in text
