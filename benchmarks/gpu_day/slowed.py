"""Check a baseline against networks that are slowed on purpose: `python -m benchmarks.gpu_day.slowed BASELINE`.

Exit status 0 where `segbench check` would find every one of them slower. Each timed frame waits on the host and, on the
GPU, behind a kernel that does nothing, for `SHARE` of its time, so that networks bound by either are slowed. Counts,
launches and memory are those of the networks themselves.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from segbench.job import Job
from segbench.measure import speed
from segbench.measure.device import Device
from segbench.measure.frame import Frame, Prepare, make_frame
from segbench.protocol import Protocol
from segbench.records.record import Record
from segbench.regress import sampling
from segbench.regress.options import Options
from segbench.regress.render import lines
from segbench.regress.run import check_now
from segbench.regress.stored import read_baseline
from segbench.regress.verdicts import SLOWER

SHARE = 0.2
PROCESSES = 10
_FRAMES = 20
_CYCLES = 10_000_000


def time_slowed(job: Job) -> Record:
    """`segbench.regress.sampling.time_once` with slowed frames; called in a process of its own."""
    speed.make_frame = _slow_frame  # type: ignore[attr-defined]
    return sampling.time_once(job)


def _slow_frame(
    net: nn.Module, resolution: tuple[int, int], protocol: Protocol, device: Device, prepare: Prepare | None = None
) -> Frame:
    frame = make_frame(net, resolution, protocol, device, prepare)
    for _ in range(_FRAMES):
        frame()
    wait_s = SHARE * _seconds(lambda: [frame() for _ in range(_FRAMES)], device) / _FRAMES
    cycles = 0
    if device.kind == "cuda":
        cycles = int(_CYCLES * wait_s / _seconds(lambda: torch.cuda._sleep(_CYCLES), device))

    def slowed() -> Tensor:
        if cycles:
            torch.cuda._sleep(cycles)
        begin = time.perf_counter()
        while time.perf_counter() - begin < wait_s:
            pass
        return frame()

    return slowed


def _seconds(run: Callable[[], Any], device: Device) -> float:
    device.synchronise()
    start = device.clock()
    run()
    device.synchronise()
    return device.clock() - start


def main(path: Path) -> int:
    """Check, print what a check prints, and say which networks were not found slower."""
    original, sampling.time_once = sampling.time_once, time_slowed
    try:
        options = Options(processes=PROCESSES)
        outcome = check_now(read_baseline(path), options, [], lambda what, done, total: None)
    finally:
        sampling.time_once = original
    for line in lines(outcome):
        print(line)
    missed = [
        network.title
        for network in outcome.networks
        if not any(item.metric == "FPS" and item.verdict.verdict == SLOWER for item in network.comparisons)
    ]
    print(f"slowed by {SHARE:.0%}, not found: {', '.join(missed)}" if missed else f"slowed by {SHARE:.0%}: all found")
    return 1 if missed else 0


if __name__ == "__main__":
    from benchmarks.gpu_day.slowed import main  # processes find what they call by this module's name

    sys.exit(main(Path(sys.argv[1])))
