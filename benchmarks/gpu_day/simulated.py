"""A GPU day without a GPU, for its tests alone: every Record says `simulated` as its device and in its notes."""

from __future__ import annotations

import os
import zlib
from dataclasses import replace

from benchmarks.gpu_day.plan import Step
from segbench.compare import run as compare
from segbench.job import Job
from segbench.measure import record as recording
from segbench.measure.simulated import Behaviour, SimulatedDevice
from segbench.measure.speed import speed_of, time_frames
from segbench.records.record import Record

VARIABLE = "SEGBENCH_GPU_DAY_SIMULATED"
NOTE = "simulated: no device was timed"


def asked_for() -> bool:
    """Whether the environment asks for a simulated device."""
    return bool(os.environ.get(VARIABLE))


def device(seed: int = 0) -> SimulatedDevice:
    """The device of a process."""
    return SimulatedDevice(Behaviour(frame_ms=4.0, frame_noise=0.01, process_noise=0.02), seed)


def install() -> None:
    """Let this process see the simulated device wherever the runner opens one."""
    for module in (compare, recording):
        module.open_device = lambda spec="auto": device()  # type: ignore[attr-defined]


def measure(job: Job) -> Record:
    """What a process would have measured."""
    index = job.process.index if job.process else 0
    gpu = device(zlib.crc32(f"{job.model} {job.resolution} {index}".encode()))
    protocol = job.settings.protocol()
    speed = speed_of(time_frames(gpu.launch, protocol, gpu), protocol, gpu)
    return job.blank(
        speed=speed,
        params=0 if job.settings.counts else None,
        modules=[] if job.settings.module_levels else None,
        waterfall=[] if job.settings.waterfall else None,
        notes=[NOTE],
    )


def without_gpu(step: Step) -> Step:
    """A step whose command only says that it is simulated; the fast mode is left out of its jobs."""
    jobs = tuple(replace(job, settings=replace(job.settings, optimize=False)) for job in step.jobs)
    return replace(step, jobs=jobs, command=("-c", f"print({NOTE!r})") if step.command else ())
