"""segbench's FPS beside that of a bare loop: synchronise, 100 forwards, synchronise.

    python -m benchmarks.bare_loop [--model mfpnet] [--res 512x1024] [--device auto] [--repeats 10]

Both time one network instance on one input in one process, in turns and in changing order, under the same flags, so
drift falls on both alike. On CUDA the median ratio must be within 0.5 % of 1, else the exit status is 1. On a CPU,
which other programs share, the ratio and its spread are printed and nothing is judged.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from statistics import median

import torch

import segbench
from segbench.errors import SegbenchError
from segbench.measure.device import Device, open_device
from segbench.measure.flags import measurement_flags
from segbench.measure.frame import Frame, make_frame
from segbench.measure.speed import time_frames
from segbench.protocol import PRESETS
from segbench.resolution import parse

LIMIT = 0.005


def bare_fps(frame: Frame, frames: int, device: Device) -> float:
    """The loop that papers' scripts have, with nothing of segbench in it but the frame."""
    on_cuda = device.torch_device.type == "cuda"
    if on_cuda:
        torch.cuda.synchronize(device.torch_device)
    start = time.perf_counter()
    for _ in range(frames):
        frame()
    if on_cuda:
        torch.cuda.synchronize(device.torch_device)
    return frames / (time.perf_counter() - start)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mfpnet")
    parser.add_argument("--res", default="512x1024")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--frames", type=int, default=100)
    given = parser.parse_args()
    try:
        device, resolution = open_device(given.device), parse(given.res)
        net = segbench.build(given.model)
    except SegbenchError as error:
        print(error, file=sys.stderr)
        return 2
    protocol = replace(PRESETS["forward"], frames=given.frames, rounds=1)
    ratios = []
    with measurement_flags(protocol):
        frame = make_frame(net, resolution, protocol, device)
        # The first turn warms up by passes and seconds; the others are warm.
        time_frames(frame, protocol, device)
        warm = replace(protocol, warmup_passes=1, warmup_seconds=0.0)
        print(f"{given.model} at {given.res}, fp32, forward, on {device.name} ({device.kind})")
        for turn in range(given.repeats):
            bare = bare_fps(frame, given.frames, device) if turn % 2 else 0.0
            ours = given.frames / time_frames(frame, warm, device).round_seconds[0]
            bare = bare or bare_fps(frame, given.frames, device)
            ratios.append(ours / bare)
            print(f"  segbench {ours:9.2f} FPS   bare loop {bare:9.2f} FPS   ratio {ours / bare:.4f}", flush=True)
    middle = median(ratios)
    print(f"median ratio {middle:.4f}, from {min(ratios):.4f} to {max(ratios):.4f}")
    if device.kind != "cuda":
        print("on a CPU nothing is judged")
        return 0
    good = abs(middle - 1) <= LIMIT
    print(f"{'within' if good else 'OUTSIDE'} {LIMIT:.1%}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
