r"""Time a reference implementation and segbench's network in turn, in one process, and print the ratio.

Give it a folder with the reference's code (nothing of it is part of segbench) and the callable that builds it:

    python -m benchmarks.reference_speed ddrnet-23-slim --folder DDRNet/segmentation \
        --factory DDRNet_23_slim:get_seg_model --arguments '{"cfg": null}' --res 512x1024 --device cuda

Both return the tensor that the reference returns in eval mode (`Network.logits` of ours). They take turns in the order
A B B A, so a drifting clock falls on both alike. On a CPU one thread's process time is taken, which other programs
disturb least; on CUDA the wall clock between two synchronisations. A ratio above 1 says that ours is faster.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

import segbench
from segbench.resolution import parse


def build_reference(folder: str, factory: str, arguments: dict[str, object]) -> nn.Module:
    sys.path.insert(0, folder)
    module, _, name = factory.partition(":")
    net = getattr(importlib.import_module(module), name)(**arguments)
    assert isinstance(net, nn.Module), f"{factory} returned {type(net).__name__}"
    return net.eval()


def timer(device: torch.device) -> Callable[[Callable[[], object], int], float]:
    """Seconds per call of a function called some number of times."""

    def on_cuda(call: Callable[[], object], frames: int) -> float:
        torch.cuda.synchronize(device)
        start = time.perf_counter()
        for _ in range(frames):
            call()
        torch.cuda.synchronize(device)
        return (time.perf_counter() - start) / frames

    def on_cpu(call: Callable[[], object], frames: int) -> float:
        start = time.process_time()
        for _ in range(frames):
            call()
        return (time.process_time() - start) / frames

    return on_cuda if device.type == "cuda" else on_cpu


def compare(ours: Callable[[Tensor], object], theirs: Callable[[Tensor], object], x: Tensor, turns: int) -> list[float]:
    """Reference time over our time, one ratio for each turn A B B A."""
    seconds = timer(x.device)
    frames = 20 if x.device.type == "cuda" else 1
    with torch.inference_mode():
        for call in (ours, theirs, ours, theirs):
            seconds(lambda call=call: call(x), frames)  # type: ignore[misc]
        ratios = []
        for _ in range(turns):
            first = seconds(lambda: ours(x), frames)
            middle = seconds(lambda: theirs(x), frames) + seconds(lambda: theirs(x), frames)
            ratios.append(middle / (first + seconds(lambda: ours(x), frames)))
    return ratios


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="catalog name")
    parser.add_argument("--folder", required=True, help="where the reference's modules are")
    parser.add_argument("--factory", required=True, help="module:callable that returns the reference network")
    parser.add_argument("--arguments", default="{}", help="its keyword arguments as JSON")
    parser.add_argument("--classes", type=int, default=None, help="output classes of ours")
    parser.add_argument("--res", default="256x512", help="HxW")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--turns", type=int, default=25)
    options = parser.parse_args()

    device = torch.device(options.device)
    if device.type == "cpu":
        torch.set_num_threads(1)
    ours = segbench.build(options.model, options.classes).to(device)
    theirs = build_reference(options.folder, options.factory, json.loads(options.arguments)).to(device)
    x = torch.randn(1, 3, *parse(options.res), device=device)
    ratios = compare(ours.logits, theirs, x, options.turns)
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(f"{options.model} at {options.res} on {device}: reference time / segbench time")
    print(f"median {middle:.3f}, quartiles {low:.3f} to {high:.3f}, {len(ratios)} turns")


if __name__ == "__main__":
    main()
