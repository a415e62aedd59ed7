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
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert nvml.gpu_of("some-uuid", 0) is not None
    # With several GPUs the numbers of CUDA and NVML may differ: better none than another's clocks.
    fake_nvml.nvmlDeviceGetCount = lambda: 2
    assert nvml.gpu_of("some-uuid", 0) is None
    fake_nvml.nvmlDeviceGetHandleByUUID = lambda uuid: "by uuid"
    assert nvml.gpu_of("some-uuid", 1) is not None


def test_a_mig_instance_is_found_and_is_not_charged_for_the_whole_gpu(fake_nvml: Any) -> None:
    def by_uuid(uuid: str) -> str:
        if not uuid.startswith("MIG-"):
            raise FakeNvmlError("Not Found")
        return "instance"

    fake_nvml.nvmlDeviceGetCount = lambda: 2
    fake_nvml.nvmlDeviceGetHandleByUUID = by_uuid
    fake_nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle = lambda instance: "the GPU around it"
    fake_nvml.nvmlDeviceGetTotalEnergyConsumption = lambda handle: 1000
    fake_nvml.nvmlDeviceGetMigMode = lambda handle: [int(handle == "the GPU around it"), 0]
    processes = {"instance": 1, "the GPU around it": 7}
    fake_nvml.nvmlDeviceGetComputeRunningProcesses = lambda handle: [
        SimpleNamespace(pid=pid) for pid in range(processes[handle])
    ]
    gpu = nvml.gpu_of("some-uuid", 1)
    assert gpu is not None
    assert (gpu.telemetry().sm_clock_mhz, gpu.telemetry().other_processes) == (1980, 1)
    assert gpu.energy_mj() is None
    assert nvml.Gpu("a whole GPU").energy_mj() == 1000


@pytest.mark.parametrize(("reserved", "others"), [(0, 2), (2**20, 1)])
def test_a_process_that_only_asked_for_a_name_is_not_one_of_those_computing(
    fake_nvml: Any, monkeypatch: pytest.MonkeyPatch, reserved: int, others: int
) -> None:
    """In a container numbers of processes are the host's: one of them is ours once torch has memory on a GPU."""
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda index: reserved)
    assert nvml.gpus()[0].other_processes() == others


def test_an_older_driver_than_the_package_expects_is_a_refusal(fake_nvml: Any) -> None:
    class Mismatch(Exception):
        pass

    def mismatched(handle: str) -> None:
        raise Mismatch("Unversioned function called and the pyNVML version does not match the NVML lib version")

    fake_nvml.NVMLLibraryMismatchError = Mismatch
    fake_nvml.nvmlDeviceGetComputeRunningProcesses = mismatched
    assert nvml.gpus()[0].telemetry().other_processes is None


def test_a_cudnn_that_does_not_load_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def clash() -> int:
        raise RuntimeError("cuDNN version incompatibility: PyTorch was compiled against another one")

    monkeypatch.setattr(torch.backends.cudnn, "version", clash)
    assert describe_environment()["cudnn"] is None


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
