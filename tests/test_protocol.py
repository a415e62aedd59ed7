"""Protocols: immutable, stored whole, refused where they cannot be measured."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
import torch

from segbench.errors import BadOption, DeviceError, SegbenchError, UnknownName
from segbench.measure.device import CpuDevice, open_device
from segbench.measure.flags import flags_in_force, measurement_flags
from segbench.protocol import MODES, PRECISIONS, PRESETS, Protocol, protocol_for


def test_protocol_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        PRESETS["forward"].rounds = 1  # type: ignore[misc]


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_stored_and_read_back_whole(name: str) -> None:
    preset = PRESETS[name]
    stored = json.loads(json.dumps(preset.to_json()))
    assert Protocol.from_json(stored) == preset
    assert stored["name"] == name
    assert stored["source"]
    assert stored["steps"] == list(MODES[preset.mode])


def test_default_is_the_design_s() -> None:
    protocol = protocol_for()
    assert (protocol.mode, protocol.batch, protocol.precision, protocol.grad) == ("forward", 1, "fp32", "inference")
    assert (protocol.warmup_passes, protocol.warmup_seconds) == (50, 1.0)
    assert (protocol.rounds, protocol.frames, protocol.synchronise) == (5, 100, "round")
    assert protocol.cudnn_benchmark
    assert not (protocol.channels_last or protocol.bn_folding or protocol.pinned)


def test_swiftnet_times_what_figure_5_times() -> None:
    assert protocol_for("swiftnet").steps == ("copy in", "forward", "resize", "argmax", "uint8", "copy out")


def test_settings_change_a_preset() -> None:
    protocol = protocol_for("swiftnet", "fp16", 4, 7, pinned=True)
    assert (protocol.precision, protocol.batch, protocol.rounds, protocol.pinned) == ("fp16", 4, 7, True)
    assert protocol.name == "swiftnet"


def test_every_mode_is_reachable() -> None:
    assert {protocol_for(mode).mode for mode in MODES} == set(MODES)


@pytest.mark.parametrize(
    ("settings", "kind", "words"),
    [
        ({"rounds": 0}, BadOption, "rounds must be 1 or more: 0 given"),
        ({"batch": -1}, BadOption, "batch must be 1 or more: -1 given"),
        ({"frames": 0}, BadOption, "frames must be 1 or more"),
        ({"warmup_seconds": float("nan")}, BadOption, "warm-up seconds must be 0 or more"),
        ({"precision": "fp8"}, UnknownName, "unknown precision 'fp8'"),
        ({"mode": "swiftnett"}, UnknownName, "did you mean swiftnet"),
        ({"synchronise": "never"}, UnknownName, "accepted: round, frame"),
        ({"color": "blue"}, BadOption, "no setting color"),
    ],
)
def test_bad_settings_are_one_clear_line(settings: dict[str, object], kind: type[SegbenchError], words: str) -> None:
    with pytest.raises(kind) as raised:
        protocol_for(**settings)  # type: ignore[arg-type]
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_flags_are_set_and_restored(precision: str) -> None:
    before = flags_in_force()
    protocol = protocol_for("fasterseg", precision)
    with measurement_flags(protocol):
        now = flags_in_force()
        assert now["cudnn_benchmark"] is True
        assert now["matmul_tf32"] is now["cudnn_tf32"] is (precision == "tf32")
        assert now["float32_matmul_precision"] == ("high" if precision == "tf32" else "highest")
        assert not torch.is_grad_enabled()
    assert flags_in_force() == before
    assert torch.is_grad_enabled()


def test_flags_are_restored_after_an_error_and_when_changed() -> None:
    outside = flags_in_force()
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("medium")
    changed = flags_in_force()
    try:
        with pytest.raises(ZeroDivisionError), measurement_flags(protocol_for()):
            raise ZeroDivisionError
        assert flags_in_force() == changed
    finally:
        torch.backends.cudnn.benchmark = outside["cudnn_benchmark"]
        torch.backends.cudnn.allow_tf32 = outside["cudnn_tf32"]
        torch.set_float32_matmul_precision(outside["float32_matmul_precision"])
    assert flags_in_force() == outside


@pytest.mark.skipif(not hasattr(torch.backends.cudnn, "conv"), reason="torch before 2.9 has no per-operation precision")
def test_per_operation_precision_is_restored() -> None:
    cudnn: Any = torch.backends.cudnn
    matmul, conv = torch.backends.cuda.matmul, cudnn.conv
    before = matmul.fp32_precision, conv.fp32_precision
    try:
        matmul.fp32_precision = conv.fp32_precision = "tf32"
        with measurement_flags(protocol_for()):
            assert matmul.fp32_precision == "ieee"
        assert (matmul.fp32_precision, conv.fp32_precision) == ("tf32", "tf32")
    finally:
        matmul.fp32_precision, conv.fp32_precision = before


@pytest.mark.parametrize(("grad", "inference", "enabled"), [("inference", True, False), ("no_grad", False, False)])
def test_grad_mode(grad: str, inference: bool, enabled: bool) -> None:
    with measurement_flags(protocol_for(grad=grad)):
        assert torch.is_inference_mode_enabled() is inference
        assert torch.is_grad_enabled() is enabled


def test_grad_is_enabled_where_the_preset_s_script_left_it_so() -> None:
    with torch.no_grad(), measurement_flags(PRESETS["efficient-segmentation-networks"]):
        assert torch.is_grad_enabled()


def test_cpu_opens() -> None:
    device = open_device("cpu")
    assert (device.kind, device.torch_device.type) == ("cpu", "cpu")
    assert device.name


@pytest.mark.parametrize("spec", ["tpu", "cuda:", "cuda:x", "cpu:0", "", "cuda:99999"])
def test_unknown_device_names_what_is_accepted(spec: str) -> None:
    with pytest.raises(DeviceError, match="accepted are auto, cpu, cuda and cuda:N"):
        open_device(spec)


@pytest.mark.parametrize("spec", ["cuda", "cuda:1"])
def test_cuda_without_cuda_is_a_clear_line(monkeypatch: pytest.MonkeyPatch, spec: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match=r"is not available: .*accepted here: auto, cpu"):
        open_device(spec)


def test_auto_falls_back_to_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert isinstance(open_device("auto"), CpuDevice)


def test_a_gpu_that_does_not_exist_names_those_that_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(DeviceError, match=r"'cuda:2' does not exist: this machine has cuda:0 to cuda:1"):
        open_device("cuda:2")


def test_a_gpu_that_does_not_start_is_a_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(index: int) -> None:
        raise RuntimeError("CUDA error: all CUDA-capable devices are busy or unavailable\nCUDA kernel errors might be")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", busy)
    with pytest.raises(DeviceError, match=r"^device 'cuda' does not start: CUDA error: .* unavailable; accepted here"):
        open_device("cuda")


def test_tf32_is_refused_on_a_cpu() -> None:
    with pytest.raises(DeviceError, match="tf32 exists on NVIDIA GPUs only"):
        CpuDevice().check_precision("tf32")
