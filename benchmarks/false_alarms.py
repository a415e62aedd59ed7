"""How often does `segbench check` cry wolf, and how often does it see the wolf?

    python benchmarks/false_alarms.py [--runs 1000] [--networks 60] [--processes 10] [--designs stored ...]

A run is a whole check of several networks, three metrics each (time per image, latency, memory), judged by segbench's
own code: the processes that it would take, then the verdicts with Holm over all comparisons. What is simulated is the
cost that a process shows, the only thing that the verdicts see: noise between processes is log-normal (or heavy-tailed,
or of two clocks), memory is the same in every process, latency is the time per image with a little noise of its own.
`tests/test_check.py` runs the same through the command line on a simulated device with a clock of its own.

Designs: `stored` and `against` take ten processes a side, in two sessions or A B B A in one. With `--for` they take as
many as finding a slowdown of 5 % needs, at least ten, by the noise of the first ten; a check takes no more than its
stored baseline has.

Alarm: a run in which nothing changed says SLOWER of anything; judged to stay within 1 % of the runs.
Found: the one network of a run that is slower is called SLOWER; judged to reach 95 % where `--for` asks for it. A
slowdown that equals the minimum effect is found in half of the runs, as its estimate falls on either side.
Said: the smallest slowdown that a run says it would have found, and how often a slowdown of just that size is found
(judged to reach 93 %, as the noise that it rests on is itself estimated).
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from segbench.regress.power import MOST, process_noise, processes_for, smallest_effect
from segbench.regress.verdicts import SAME, SLOWER, UNDECIDED, judge

MIN_EFFECT, FIND = 0.03, 0.05
METRICS = 3
MOST_ALARMS, LEAST_FOUND, LEAST_SAID = 0.01, 0.95, 0.93
DESIGNS = ("stored", "against", "stored --for", "against --for")

Array = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """What processes on a simulated device show.

    Attributes:
        slower: true slowdown of the one network that changed.
        noise: standard deviation of the logarithm between processes.
        kind: ``normal``, ``heavy tails`` (Student t with 3 degrees of freedom, scaled to `noise`), or ``two clocks``
            (one process in four runs on a clock that is 6 % lower).
        drift: slowdown of the device over the whole session, reached linearly and there again in the next session.
    """

    slower: float = 0.0
    noise: float = 0.02
    kind: str = "normal"
    drift: float = 0.0

    def draw(self, chance: np.random.Generator, shape: tuple[int, ...]) -> Array:
        """Noise of processes, as logarithms."""
        if self.kind == "heavy tails":
            return self.noise * chance.standard_t(3, shape) / math.sqrt(3)
        clock = math.log(1.06) * (chance.random(shape) < 0.25) if self.kind == "two clocks" else 0.0
        return self.noise * chance.standard_normal(shape) + clock


@dataclass(frozen=True)
class Run:
    """One simulated check.

    Attributes:
        verdicts: of each network, the worst of its metrics.
        processes: of the current side, of the first network.
        said: smallest slowdown of the first network that it says it would have found; 0 where it says none.
    """

    verdicts: list[str]
    processes: int
    said: float


def times(world: World, chance: np.random.Generator, moments: Array, changed: bool) -> Array:
    """Costs (metrics, processes) of one network's processes, which start at the given moments of a session (0 to 1)."""
    count = len(moments)
    log = world.draw(chance, (count,)) + math.log1p(world.drift) * moments + math.log1p(world.slower) * changed
    latency = log + 0.002 * chance.standard_normal(count)
    return np.exp(np.stack([log, latency, np.zeros(count)]))


def alternating(
    world: World, chance: np.random.Generator, processes: int, part: tuple[float, float], changed: bool
) -> tuple[Array, Array]:
    """Costs of both sides' processes A B B A within a part of the session."""
    places = np.arange(2 * processes)
    at = part[0] + (part[1] - part[0]) * places / max(2 * processes, 1)
    first = np.isin(places % 4, (0, 3))
    return times(world, chance, at[first], False), times(world, chance, at[~first], changed)


def check(world: World, design: str, networks: int, processes: int, seed: int) -> Run:
    """One run of a design."""
    chance = np.random.default_rng(seed)
    both, find = design.startswith("against"), design.endswith("--for")
    pairs, counts = [], []
    for index in range(networks):
        if both:
            # The first half of the session chooses how many processes follow in the second.
            before, after = alternating(world, chance, processes, (0.0, 0.5 if find else 1.0), index == 0)
            wanted = _chosen((before, after), networks * METRICS) if find else processes
            more = alternating(world, chance, max(wanted - processes, 0), (0.5, 1.0), index == 0)
            before, after = (np.concatenate(parts, axis=1) for parts in zip((before, after), more, strict=True))
        else:
            before, after = one_after_another(world, chance, processes, networks * METRICS if find else 0, index == 0)
        counts.append(after.shape[1])
        pairs += [(before[metric].tolist(), after[metric].tolist()) for metric in range(METRICS)]
    flat = judge(pairs, MIN_EFFECT)
    rows = [flat[start : start + METRICS] for start in range(0, len(flat), METRICS)]
    noise = process_noise(*pairs[0])
    assert noise is not None
    said = smallest_effect(noise, flat[0].samples, len(pairs), MIN_EFFECT)
    return Run([_worst(verdict.verdict for verdict in row) for row in rows], counts[0], said or 0.0)


def one_after_another(
    world: World, chance: np.random.Generator, processes: int, comparisons: int, changed: bool
) -> tuple[Array, Array]:
    """A stored baseline and a check of it, each in a session of its own.

    Args:
        world: what processes show.
        chance: all randomness.
        processes: a side, or of the baseline at first.
        comparisons: that choose the processes of both; 0 for `processes`.
        changed: whether the check's network is the slower one.
    """
    first = times(world, chance, np.linspace(0, 0.5 if comparisons else 1, processes), False)
    if not comparisons:
        return first, times(world, chance, np.linspace(0, 1, processes), changed)
    wanted = _chosen((first,), comparisons)
    more = max(wanted - processes, 0)
    before = np.concatenate([first, times(world, chance, np.linspace(0.5, 1, more), False)], axis=1)
    count = min(_chosen((before,), comparisons, before.shape[1]), before.shape[1])
    return before, times(world, chance, np.linspace(0, 1 if more else 0.5, count), changed)


def _chosen(sides: tuple[Array, ...], comparisons: int, baseline: int | None = None) -> int:
    wanted = [2]
    for metric in range(METRICS):
        noise = process_noise(*(side[metric].tolist() for side in sides))
        assert noise is not None
        count = processes_for(FIND, noise, comparisons, MIN_EFFECT, baseline)
        wanted.append(count or baseline or MOST)
    return max(wanted)


def _worst(verdicts: Iterable[str]) -> str:
    names = set(verdicts)
    return next((name for name in (SLOWER, UNDECIDED) if name in names), SAME if names == {SAME} else "FASTER")


def said_and_found(world: World, design: str, networks: int, processes: int, seed: int) -> tuple[float, bool]:
    """What a run without a change says it would have found, and whether another run finds just that."""
    said = check(world, design, networks, processes, seed).said
    again = check(replace(world, slower=said), design, networks, processes, seed + 1_000_000)
    return said, bool(said) and again.verdicts[0] == SLOWER


WORLDS = {
    "equal": World(),
    "equal, 1 % noise": World(noise=0.01),
    "equal, 5 % noise": World(noise=0.05),
    "equal, heavy tails": World(kind="heavy tails"),
    "equal, two clocks": World(kind="two clocks"),
    "equal, drift of 5 % in a session": World(drift=0.05),
    "1 % slower": World(slower=0.01),
    "3 % slower": World(slower=0.03),
    "5 % slower, 1 % noise": World(slower=0.05, noise=0.01),
    "5 % slower": World(slower=0.05),
    "5 % slower, heavy tails": World(slower=0.05, kind="heavy tails"),
    "5 % slower, drift of 5 %": World(slower=0.05, drift=0.05),
    "10 % slower": World(slower=0.10),
    "10 % slower, two clocks": World(slower=0.10, kind="two clocks"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000, help="runs a row")
    parser.add_argument("--networks", type=int, default=60)
    parser.add_argument("--processes", type=int, default=10, help="processes a side; with --for at first")
    parser.add_argument("--designs", nargs="+", choices=DESIGNS, default=list(DESIGNS))
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    print(
        f"{given.runs} runs a row of {given.networks} networks, {given.processes} processes a side, with --for 5 % as"
    )
    print(f"many as that needs; minimum effect {MIN_EFFECT:.0%}, 2 % noise between processes where no other is named.")
    print(
        "Verdicts of the changed network, or of all where none changed; said: smallest slowdown, and how often found.\n"
    )
    columns = (
        f"{'alarm':>7}{'SLOWER':>9}{'SAME':>8}{'FASTER':>8}{'UNDECIDED':>11}{'processes':>11}{'said':>7}{'found':>8}"
    )
    print(f"{'design':<15}{'truth':<34}{columns}")
    good = True
    with multiprocessing.get_context("fork").Pool(given.workers) as pool:
        for design in given.designs:
            for title, world in WORLDS.items():
                rest = (world, design, given.networks, given.processes)
                runs = pool.map(partial(check, *rest), range(given.runs), chunksize=8)
                told = [] if world.slower else pool.map(partial(said_and_found, *rest), range(given.runs), chunksize=8)
                good &= _print_row(design, title, world, runs, told)
    return 0 if good else 1


def _print_row(design: str, title: str, world: World, runs: list[Run], told: list[tuple[float, bool]]) -> bool:
    start = 1 if world.slower else 0
    alarm = sum(SLOWER in run.verdicts[start:] for run in runs) / len(runs)
    shown = Counter(name for run in runs for name in (run.verdicts[:1] if world.slower else run.verdicts))
    share = {name: shown[name] / shown.total() for name in (SLOWER, SAME, "FASTER", UNDECIDED)}
    # Two standard errors: what this number of runs leaves uncertain.
    passed = alarm <= MOST_ALARMS + 2 * math.sqrt(MOST_ALARMS * (1 - MOST_ALARMS) / len(runs))
    if design.endswith("--for") and world.slower == FIND and not world.drift:
        passed &= share[SLOWER] >= LEAST_FOUND - 2 * math.sqrt(LEAST_FOUND * (1 - LEAST_FOUND) / len(runs))
    said = ""
    if told:
        effect, found = float(np.median([one for one, _ in told])), sum(one for _, one in told) / len(told)
        said = f"{effect:>7.1%}{found:>8.1%}"
        if world.kind == "normal" and not world.drift and effect:
            passed &= found >= LEAST_SAID - 2 * math.sqrt(LEAST_SAID * (1 - LEAST_SAID) / len(told))
    processes = sorted(run.processes for run in runs)[len(runs) // 2]
    verdicts = f"{alarm:>7.1%}{share[SLOWER]:>9.1%}{share[SAME]:>8.1%}{share['FASTER']:>8.1%}{share[UNDECIDED]:>11.1%}"
    print(f"{design:<15}{title:<34}{verdicts}{processes:>11}{said:<15}  {'ok' if passed else 'MISSED'}", flush=True)
    return passed


if __name__ == "__main__":
    sys.exit(main())
