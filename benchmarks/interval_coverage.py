"""Does the 95 % interval of the FPS cover the truth in 95 % of runs?

    python benchmarks/interval_coverage.py [--devices 2000] [--processes 5]
    python benchmarks/interval_coverage.py --pool results/<device>/records.jsonl

A run is what stands behind a number in results/: five fresh processes, each timed by segbench's own core under the
default protocol (warm-up of 50 passes and 1 s, five rounds of 100 frames). Here the device is simulated, so the truth
is known: the expected FPS of a process, its frames over its elapsed time, over all processes that could be started on
that device. It is computed from many more processes than a run has; its own error is below 0.1 %, where the interval is
some 3 % wide.

Judged are devices with 1, 2 and 3 % noise between processes, each steady, with heavy tails, drifting, and with clocks
that jump. Each row must lie within 93 to 97 %, give or take what the number of simulated devices leaves uncertain.
Not judged, but shown: a device on which one process in four is 10 % slower (as when cuDNN takes another algorithm);
among five processes often none is of the slow kind, and no interval from these five can know of it.

With --pool nothing is simulated: the pool is the round FPS of real repeats (Records of one network under the same
conditions, one process each, ten or more), the truth its mean, and runs of five are drawn from it with replacement.
Nothing is judged: a pool of ten or twenty has a shape of its own, and coverage from 88 to 97 % is then ordinary.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import random
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean, harmonic_mean
from typing import Any

import numpy as np

from segbench.measure.simulated import Behaviour, process_rounds
from segbench.protocol import PRESETS
from segbench.statistics import fps_interval

TRUTH_PROCESSES = 4000
LEAST, MOST = 0.93, 0.97
RESAMPLES = 1000

Interval = Callable[[Sequence[Sequence[float]], random.Random], tuple[float, float]]


def scenarios() -> dict[str, Behaviour]:
    """Every judged device, by name."""
    kinds: dict[str, dict[str, Any]] = {
        "steady": {"frame_noise": 0.005},
        "heavy tails": {
            "frame_noise": 0.02,
            "stall_probability": 0.005,
            "stall_ms": 5.0,
            "process_tail_freedom": 3,
        },
        "drift": {"frame_noise": 0.01, "drift": 0.05, "drift_s": 3.0},
        "bimodal clocks": {"frame_noise": 0.01, "clock_states": (1.0, 0.93), "clock_dwell_s": 1.0},
        "all of them": {
            "frame_noise": 0.02,
            "stall_probability": 0.005,
            "stall_ms": 5.0,
            "drift": 0.05,
            "drift_s": 3.0,
            "clock_states": (1.0, 0.93),
            "clock_dwell_s": 1.0,
        },
    }
    return {
        f"{name}, {noise:.0%} between processes": Behaviour(process_noise=noise, **kind)
        for name, kind in kinds.items()
        for noise in (0.01, 0.02, 0.03)
    }


UNJUDGED = {
    "one process in four 10 % slower": Behaviour(
        process_noise=0.01, frame_noise=0.005, clock_states=(1.0, 1.0, 1.0, 0.9), clock_dwell_s=1e9
    )
}


def segbench_interval(run: Sequence[Sequence[float]], _: random.Random) -> tuple[float, float]:
    """What segbench reports."""
    ends = fps_interval(run).ends()
    assert ends is not None
    return ends[0], ends[1]


def percentile_bootstrap(run: Sequence[Sequence[float]], chance: random.Random) -> tuple[float, float]:
    """The plain bootstrap of the mean over processes, for comparison."""
    fps = np.array([harmonic_mean(rounds) for rounds in run])
    picks = np.random.default_rng(chance.getrandbits(32)).integers(0, len(fps), (RESAMPLES, len(fps)))
    low, high = np.quantile(fps[picks].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def bootstrap_t(run: Sequence[Sequence[float]], chance: random.Random) -> tuple[float, float]:
    """The studentised bootstrap of the mean of logarithms, for comparison."""
    logs = np.log([harmonic_mean(rounds) for rounds in run])
    count = len(logs)
    picks = logs[np.random.default_rng(chance.getrandbits(32)).integers(0, count, (RESAMPLES, count))]
    errors = np.maximum(picks.std(axis=1, ddof=1) / math.sqrt(count), 1e-12)
    low, high = np.quantile((picks.mean(axis=1) - logs.mean()) / errors, [0.025, 0.975])
    error = logs.std(ddof=1) / math.sqrt(count)
    # Where a fiftieth of the resamples has no spread at all, its ends are infinite: one more reason not to report it.
    with np.errstate(over="ignore"):
        ends = np.exp(np.array([logs.mean() - high * error, logs.mean() - low * error]))
    return float(ends[0]), float(ends[1])


METHODS: dict[str, Interval] = {
    "segbench": segbench_interval,
    "percentile": percentile_bootstrap,
    "bootstrap-t": bootstrap_t,
}


def one_process(behaviour: Behaviour, seed: int) -> list[float]:
    """Round FPS of the process with this seed, under the default protocol."""
    return process_rounds(behaviour, PRESETS["forward"], seed)


def covered(runs: Sequence[Sequence[Sequence[float]]], truth: float) -> tuple[dict[str, float], float]:
    """Share of runs whose interval holds the truth, by method, and the mean half width of segbench's interval."""
    chance = random.Random(0)
    shares = {}
    for name, method in METHODS.items():
        intervals = [method(run, chance) for run in runs]
        shares[name] = fmean(low <= truth <= high for low, high in intervals)
        if name == "segbench":
            width = fmean((high - low) / 2 / truth for low, high in intervals)
    return shares, width


def show(title: str, shares: dict[str, float], width: float, uncertain: float, judged: bool) -> bool:
    share = shares["segbench"]
    good = LEAST - uncertain <= share <= MOST + uncertain
    verdict = ("ok" if good else "MISSED") if judged else "not judged"
    columns = "  ".join(f"{shares[name]:>11.1%}" for name in METHODS)
    print(f"{title:<44}{columns}  {f'±{width:.1%}':>8}  {verdict}", flush=True)
    return good or not judged


def simulate(devices: int, processes: int, workers: int) -> bool:
    uncertain = 2 * math.sqrt(0.95 * 0.05 / devices)
    print(f"{devices} simulated devices a row, {processes} processes each; judged: {LEAST:.0%} to {MOST:.0%}, give or")
    print(f"take {uncertain:.1%} (two standard errors of {devices} devices); ± is the interval's mean half width\n")
    print(f"{'device':<44}{'  '.join(f'{name:>11}' for name in METHODS)}  {'width':>8}")
    good, total = True, defaultdict[str, list[float]](list)
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for row, (title, behaviour) in enumerate({**scenarios(), **UNJUDGED}.items()):
            # Seeds of its own for each row: the rows are independent tries.
            first = 1_000_000 * row
            measured = pool.map(
                partial(one_process, behaviour),
                range(first, first + devices * processes + TRUTH_PROCESSES),
                chunksize=100,
            )
            runs = [measured[start : start + processes] for start in range(0, devices * processes, processes)]
            truth = fmean(harmonic_mean(rounds) for rounds in measured[devices * processes :])
            shares, width = covered(runs, truth)
            judged = title not in UNJUDGED
            good &= show(title, shares, width, uncertain, judged)
            for name, share in shares.items():
                if judged:
                    total[name].append(share)
    count = devices * len(total["segbench"])
    means = {name: fmean(shares) for name, shares in total.items()}
    print(f"\n{f'all {count} judged devices':<44}{'  '.join(f'{means[name]:>11.1%}' for name in METHODS)}")
    return good and LEAST <= means["segbench"] <= MOST


def resample(path: Path, devices: int, processes: int) -> bool:
    groups: dict[tuple[Any, ...], list[list[float]]] = defaultdict(list)
    for line in path.read_text(encoding="utf-8").splitlines():
        record = json.loads(line) if line.strip() else {}
        speed = record.get("speed")
        if speed:
            size = "x".join(str(side) for side in record["resolution"])
            device = speed.get("device_name", speed["device"])
            groups[record["model"], size, speed["mode"], speed["precision"], device].append(speed["round_fps"])
    pools = {key: pool for key, pool in groups.items() if len(pool) >= 10}
    if not pools:
        print(f"{path} has no network with ten processes or more under the same conditions: nothing to resample")
        return True
    chance = random.Random(0)
    print(f"{'pool':<60}{'  '.join(f'{name:>11}' for name in METHODS)}  {'width':>8}")
    for key, pool in pools.items():
        truth = fmean(harmonic_mean(rounds) for rounds in pool)
        runs = [[chance.choice(pool) for _ in range(processes)] for _ in range(devices)]
        # All draws the same has no width and cannot cover; with ten real repeats it happens in one run of 10,000.
        shares, width = covered(runs, truth)
        show(f"{' '.join(map(str, key))} ({len(pool)})"[:59], shares, width, 0.0, judged=False)
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=2000, help="simulated devices a row")
    parser.add_argument("--processes", type=int, default=5, help="processes a run")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--pool", type=Path, help="Records (.jsonl) of real repeats to resample")
    given = parser.parse_args()
    if given.pool:
        return 0 if resample(given.pool, given.devices, given.processes) else 1
    return 0 if simulate(given.devices, given.processes, given.workers) else 1


if __name__ == "__main__":
    sys.exit(main())
