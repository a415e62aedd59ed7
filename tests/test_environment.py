"""The environment that results carry: complete, free of what identifies a person, honest about what is unknown."""

from __future__ import annotations

import getpass
import json
import platform
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import segbench
from segbench.measure import nvml
from segbench.measure.environment import describe_environment, environment_warnings

QUIET: dict[str, Any] = {
    "cuda": None,
    "torch": "2.13.0",
    "nvml": "available",
    "cpu_threads": 8,
    "load_average": 0.1,
    "cpu_quota": None,
    "cpu_governor": "performance",
    "gpus": {},
    "variables": {},
}
GPU: dict[str, Any] = {
    "name": "NVIDIA H200",
    "temperature_c": 40,
    "power_limit_w": 700.0,
    "power_limit_default_w": 700.0,
    "mig": False,
    "persistence": True,
    "slowdowns": [],
    "other_processes": 0,
}


def seen(**changes: Any) -> str:
    return "\n".join(warning["seen"] for warning in environment_warnings({**QUIET, **changes}))


def test_environment_is_json_and_states_the_software() -> None:
    environment = describe_environment()
    assert json.loads(json.dumps(environment)) == environment
    assert environment["segbench"] == segbench.__version__
    assert environment["torch"] == torch.__version__
    assert environment["python"] == platform.python_version()
    for key in ("cuda", "cudnn", "driver", "nvml", "os", "cpu", "cpu_cores", "torch_threads", "git_revision", "gpus"):
        assert key in environment


def test_environment_does_not_name_the_machine_or_its_user() -> None:
    text = json.dumps(describe_environment())
    assert platform.node() not in text or len(platform.node()) < 4
    assert f"/{getpass.getuser()}/" not in text


def test_warnings_say_what_it_means_and_what_to_do() -> None:
    for warning in environment_warnings():
        assert set(warning) == {"seen", "meaning", "advice"}
        assert all(warning.values())


def test_a_quiet_machine_warns_of_nothing_but_the_missing_cuda() -> None:
    assert seen() == "This torch (2.13.0) was built without CUDA."


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"load_average": 7.5}, "load average is 7.50 on 8"),
        ({"cpu_quota": 1.5}, "allows 1.5 of 8 hardware threads"),
        ({"cpu_governor": "powersave"}, "governor is powersave"),
        ({"variables": {"CUDA_LAUNCH_BLOCKING": "1"}}, "CUDA_LAUNCH_BLOCKING is set"),
        ({"variables": {"NVIDIA_TF32_OVERRIDE": "0"}}, "NVIDIA_TF32_OVERRIDE=0 is set"),
        ({"variables": {"PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}}, "PYTORCH_NO_CUDA_MEMORY_CACHING is set"),
        ({"cuda": "13.0", "nvml": "NVML does not answer"}, "GPU state cannot be read: NVML does not answer"),
        ({"gpus": {"0": {**GPU, "other_processes": 2}}}, "GPU 0 (NVIDIA H200) is in use by 2 other"),
        ({"gpus": {"1": {**GPU, "slowdowns": ["power cap"]}}}, "GPU 1 (NVIDIA H200) holds its clocks down: power cap"),
        ({"gpus": {"0": {**GPU, "temperature_c": 88}}}, "is at 88 °C"),
        ({"gpus": {"0": {**GPU, "power_limit_w": 500.0}}}, "limited to 500 W, 700 W by default"),
        ({"gpus": {"0": {**GPU, "mig": True}}}, "partitioned (MIG)"),
        ({"gpus": {"0": {**GPU, "persistence": False}}}, "not in persistence mode"),
    ],
)
def test_each_warning(changes: dict[str, Any], words: str) -> None:
    assert words in seen(**changes)


def test_an_unset_launch_blocking_is_no_finding() -> None:
    assert "BLOCKING" not in seen(variables={"CUDA_LAUNCH_BLOCKING": "0", "PYTORCH_NO_CUDA_MEMORY_CACHING": ""})


def test_a_healthy_gpu_is_no_finding() -> None:
    assert "GPU" not in seen(gpus={"0": GPU})


def test_a_gpu_that_tells_nothing_is_no_finding() -> None:
    assert "GPU 0" not in seen(gpus={"0": dict.fromkeys(GPU)})


class FakeNvmlError(Exception):
    pass


@pytest.fixture
def fake_nvml(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A driver with one GPU that supports some questions and refuses others."""

    def refuse(*_: Any) -> Any:
        raise FakeNvmlError("Not Supported")

    library = SimpleNamespace(
        NVMLError=FakeNvmlError,
        nvmlInit=lambda: None,
        nvmlSystemGetDriverVersion=lambda: "580.65",
        nvmlDeviceGetCount=lambda: 1,
        nvmlDeviceGetHandleByIndex=lambda index: f"handle {index}",
        nvmlDeviceGetHandleByUUID=refuse,
        nvmlDeviceGetName=lambda handle: b"NVIDIA H200",
        nvmlDeviceGetClockInfo=lambda handle, kind: {1: 1980, 2: 3201}[kind],
        nvmlDeviceGetTemperature=lambda handle, sensor: 41,
        nvmlDeviceGetPowerUsage=lambda handle: 123_456,
        nvmlDeviceGetEnforcedPowerLimit=lambda handle: 700_000,
        nvmlDeviceGetCurrentClocksThrottleReasons=lambda handle: 0x1 | 0x4 | 0x40,
        nvmlDeviceGetCurrentClocksEventReasons=refuse,
        nvmlDeviceGetComputeRunningProcesses=lambda handle: [SimpleNamespace(pid=1), SimpleNamespace(pid=2)],
        nvmlDeviceGetTotalEnergyConsumption=refuse,
        nvmlDeviceGetEccMode=lambda handle: [1, 1],
        nvmlDeviceGetMigMode=refuse,
        nvmlDeviceGetMemoryInfo=lambda handle: SimpleNamespace(total=143_771 * 2**20),
        nvmlDeviceGetCudaComputeCapability=lambda handle: (9, 0),
    )
    monkeypatch.setitem(sys.modules, "pynvml", library)
    nvml.unavailable.cache_clear()
    yield library
    nvml.unavailable.cache_clear()


def test_gpu_state_is_read_and_refusals_are_none(fake_nvml: Any) -> None:
    assert nvml.unavailable() is None
    assert nvml.driver_version() == "580.65"
    (gpu,) = nvml.gpus()
    described = gpu.describe()
    assert described["name"] == "NVIDIA H200"
    assert (described["memory_mib"], described["capability"]) == (143_771, "9.0")
    assert (described["sm_clock_mhz"], described["power_w"], described["power_limit_w"]) == (1980, 123.456, 700.0)
    assert described["ecc"] is True
    assert described["mig"] is described["persistence"] is described["power_limit_default_w"] is None
    assert described["slowdowns"] == ["power cap", "thermal slowdown (hardware)"]
    assert described["other_processes"] == 2
    assert gpu.energy_mj() is None
    assert json.dumps(described)


def test_cuda_s_gpu_is_found_by_uuid_or_as_the_only_one(fake_nvml: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert nvml.gpu_of("some-uuid", 0) is not None
    # With several GPUs the numbers of CUDA and NVML may differ: better none than another's clocks.
    fake_nvml.nvmlDeviceGetCount = lambda: 2
    assert nvml.gpu_of("some-uuid", 0) is None
    fake_nvml.nvmlDeviceGetHandleByUUID = lambda uuid: "by uuid"
    assert nvml.gpu_of("some-uuid", 1) is not None


def test_without_nvml_it_is_said_and_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    nvml.unavailable.cache_clear()
    try:
        environment = describe_environment()
        assert environment["nvml"] == "the package nvidia-ml-py is not installed"
        assert (environment["driver"], environment["gpus"]) == (None, {})
        assert nvml.gpu_of(None, 0) is None
    finally:
        nvml.unavailable.cache_clear()
