"""Counting time: one trace and all rules on meta, against fvcore on real tensors, in one run.

    python benchmarks/count_ratio.py [PATTERN...] [--res HxW]

Each network is built once. Our side is one `trace`, counted under every rule; fvcore's side is one
`FlopCountAnalysis(...).total()` on the CPU, without autograd, which counts under one rule only. A network on which
fvcore fails counts for neither side. Peak memory of our side is read before fvcore starts.
"""

from __future__ import annotations

import argparse
import resource
import time

import torch
from torch import nn

from segbench import build
from segbench.catalog import find, match
from segbench.counting.count import count_trace
from segbench.counting.rules import RULES
from segbench.counting.tools import run_tool
from segbench.counting.tracer import trace
from segbench.errors import SegbenchError


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("patterns", nargs="*", default=["*"])
    arguments.add_argument("--res", default=None, help="HxW; each network's first paper resolution by default")
    given = arguments.parse_args()
    networks = {name: on_meta(name) for name in match(given.patterns)}
    shapes = {name: (1, 3, *size_of(name, given.res)) for name in networks}

    # The first runs import torch's meta kernels and fvcore.
    warm_up = next(iter(networks))
    trace(networks[warm_up], shapes[warm_up])
    run_tool("fvcore", nn.Conv2d(3, 4, 1), (1, 3, 8, 8))

    trace_seconds: dict[str, float] = {}
    for name, net in networks.items():
        start = time.perf_counter()
        traced = trace(net, shapes[name])
        for rule in RULES:
            count_trace(traced, rule)
        trace_seconds[name] = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    print(f"{'network':36} {'size':>10} {'trace s':>9} {'fvcore s':>9} {'ratio':>7}")
    ours = theirs = 0.0
    for name, net in networks.items():
        size = f"{shapes[name][2]}x{shapes[name][3]}"
        start = time.perf_counter()
        try:
            run_tool("fvcore", net, shapes[name])
        except SegbenchError as error:
            print(f"{name:36} {size:>10} {trace_seconds[name]:9.3f} {'-':>9} {'-':>7}  {error}", flush=True)
            continue
        seconds = time.perf_counter() - start
        ours, theirs = ours + trace_seconds[name], theirs + seconds
        ratio = seconds / trace_seconds[name]
        print(f"{name:36} {size:>10} {trace_seconds[name]:9.3f} {seconds:9.3f} {ratio:7.1f}", flush=True)
    total = sum(trace_seconds.values())
    print(f"trace: {total:.1f} s for {len(networks)} networks, {total / len(networks):.2f} s each, peak {peak:.0f} MiB")
    if ours:
        print(f"fvcore takes {theirs / ours:.1f} times as long as the trace ({theirs:.1f} s against {ours:.1f} s)")


def on_meta(name: str) -> nn.Module:
    with torch.device("meta"):
        return build(name)


def size_of(name: str, given: str | None) -> tuple[int, int]:
    if given is None:
        return find(name).resolutions[0]
    height, width = given.lower().split("x")
    return int(height), int(width)


if __name__ == "__main__":
    main()
