"""How often does `segbench check` cry wolf, and how often does it see the wolf?

    python benchmarks/false_alarms.py [--runs 1000] [--networks 60] [--processes 10]

A run is a whole check of 60 networks, three metrics each (time per image, latency, memory), judged by segbench's own
code: ten processes a side, then for each network that is not settled as many again as the command takes, then the
verdicts with Holm over all comparisons, and for a stored baseline the guard against a machine that drifted between the
two looks. What is simulated is the cost that a process shows, the only thing that the
verdicts see: noise between processes is log-normal (or heavy-tailed, or of two clocks), memory is the same in every
process, latency is the time per image with a little noise of its own. `tests/test_check.py` runs the same through the
command line on a simulated device with a clock of its own.

Two designs are judged: a stored baseline, whose ten processes stay ten while the current side grows to thirty, and
`--against`, where both sides grow to twenty in the order A B B A. A third, a single look at ten processes a side (what
`--current` has), is shown beside them: it keeps the level and says UNDECIDED where the two others find a slowdown.

Alarm: a run in which nothing changed says SLOWER of anything; judged to stay within 1 % of the runs.
Found: the one network of a run that is slower is called SLOWER; judged to reach 95 % at 5 % and 2 % noise.
A slowdown that equals the minimum effect is found in about half of the runs, as its estimate falls on either side.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from segbench.regress.sampling import GROWTH_BOTH, GROWTH_ONE
from segbench.regress.verdicts import SAME, SLOWER, UNDECIDED, Verdict, beside_drift, drift, judge

MIN_EFFECT = 0.03
METRICS = 3
MOST_ALARMS, LEAST_FOUND = 0.01, 0.95

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


def times(world: World, chance: np.random.Generator, networks: int, moments: Array, changed: bool) -> Array:
    """Costs (networks, metrics, processes) of processes that start at the given moments of a session (0 to 1)."""
    count = len(moments)
    log = world.draw(chance, (networks, count)) + math.log1p(world.drift) * moments
    if changed:
        log[0] += math.log1p(world.slower)
    latency = log + 0.002 * chance.standard_normal((networks, count))
    memory = np.full((networks, count), math.log(1.0))
    return np.exp(np.stack([log, latency, memory], axis=1))


def moments(design: str, processes: int) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """When the processes of both sides start, at the first look and in the extension."""
    if design == "against":
        total = 2 * (processes + GROWTH_BOTH * processes)
        places = np.arange(total) / total
        first = np.isin(np.arange(total) % 4, (0, 3))
        a, b = places[first], places[~first]
        return (a[:processes], b[:processes]), (a[processes:], b[processes:])
    total = processes + GROWTH_ONE * processes
    places = np.arange(total) / total
    return (places[:processes], places[:processes]), (places[:0], places[processes:])


def check(world: World, design: str, networks: int, processes: int, seed: int) -> list[str]:
    """One run: the verdict of each network, the worst of its metrics."""
    chance = np.random.default_rng(seed)
    first, later = moments("stored" if design == "single look" else design, processes)

    def measure(look: tuple[Array, Array]) -> tuple[Array, Array]:
        before, after = (times(world, chance, networks, at, side) for at, side in zip(look, (False, True), strict=True))
        return before, after

    sides = measure(first)
    verdicts = _judge(sides, sides, [False] * networks)
    again = [any(verdict.verdict != SAME for verdict in row) for row in verdicts]
    if design == "single look" or not any(again):
        return [_worst(row) for row in verdicts]
    more = measure(later)
    longer = (np.concatenate([sides[0], more[0]], axis=2), np.concatenate([sides[1], more[1]], axis=2))
    verdicts = _judge(sides, longer, again)
    looks = [(sides[1][index, 0].tolist(), more[1][index, 0].tolist()) for index in range(networks) if again[index]]
    drifted = drift(looks) if design == "stored" else None
    if drifted is not None:
        verdicts = [
            [beside_drift(verdict, drifted) if grown else verdict for verdict in row]
            for row, grown in zip(verdicts, again, strict=True)
        ]
    return [_worst(row) for row in verdicts]


def _judge(short: tuple[Array, Array], long: tuple[Array, Array], grown: Sequence[bool]) -> list[list[Verdict]]:
    pairs = []
    for index, more in enumerate(grown):
        before, after = long if more else short
        pairs += [(before[index, metric].tolist(), after[index, metric].tolist()) for metric in range(METRICS)]
    flat = judge(pairs, MIN_EFFECT)
    return [flat[start : start + METRICS] for start in range(0, len(flat), METRICS)]


def _worst(row: Sequence[Verdict]) -> str:
    names = {verdict.verdict for verdict in row}
    return next((name for name in (SLOWER, UNDECIDED) if name in names), SAME if names == {SAME} else "FASTER")


def rates(
    world: World, design: str, networks: int, processes: int, runs: int, workers: int
) -> tuple[Counter[str], ...]:
    """Over many runs: how many had an alarm, the verdicts of the slower network, and those of the others."""
    one = partial(check, world, design, networks, processes)
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        results = pool.map(one, range(runs), chunksize=max(runs // (8 * workers), 1))
    start = 1 if world.slower else 0
    alarms = Counter({"runs": sum(SLOWER in result[start:] for result in results)})
    return alarms, Counter(result[0] for result in results), Counter(name for result in results for name in result[1:])


WORLDS = {
    "equal": World(),
    "equal, 1 % noise": World(noise=0.01),
    "equal, 5 % noise": World(noise=0.05),
    "equal, heavy tails": World(kind="heavy tails"),
    "equal, two clocks": World(kind="two clocks"),
    "equal, drift of 5 % in a session": World(drift=0.05),
    "1 % slower": World(slower=0.01),
    "3 % slower": World(slower=0.03),
    "5 % slower": World(slower=0.05),
    "5 % slower, heavy tails": World(slower=0.05, kind="heavy tails"),
    "5 % slower, drift of 5 %": World(slower=0.05, drift=0.05),
    "10 % slower": World(slower=0.10),
    "10 % slower, two clocks": World(slower=0.10, kind="two clocks"),
}
DESIGNS = ("stored", "against", "single look")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000, help="runs a row")
    parser.add_argument("--networks", type=int, default=60)
    parser.add_argument("--processes", type=int, default=10, help="processes a side at the first look")
    parser.add_argument("--designs", nargs="+", choices=DESIGNS, default=list(DESIGNS))
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    print(f"{given.runs} runs a row of {given.networks} networks, {given.processes} processes a side at first, minimum")
    print(f"effect {MIN_EFFECT:.0%}, 2 % noise between processes where no other is named. `alarm`: runs that call an")
    print(
        "unchanged network SLOWER. The other columns: verdicts of the changed network, or of all where none changed.\n"
    )
    print(f"{'design':<13}{'truth':<36}{'alarm':>7}{'SLOWER':>9}{'SAME':>8}{'FASTER':>8}{'UNDECIDED':>11}")
    good = True
    for design in given.designs:
        for title, world in WORLDS.items():
            alarms, changed, others = rates(world, design, given.networks, given.processes, given.runs, given.workers)
            shown = changed if world.slower else changed + others
            share = {name: shown[name] / shown.total() for name in (SLOWER, SAME, "FASTER", UNDECIDED)}
            alarm = alarms["runs"] / given.runs
            # Two standard errors of a true 1 %: what this number of runs leaves uncertain.
            passed = alarm <= MOST_ALARMS + 2 * math.sqrt(MOST_ALARMS * (1 - MOST_ALARMS) / given.runs)
            if title == "5 % slower" and design != "single look":
                passed &= share[SLOWER] >= LEAST_FOUND
            good &= passed
            columns = f"{share[SLOWER]:>9.1%}{share[SAME]:>8.1%}{share['FASTER']:>8.1%}{share[UNDECIDED]:>11.1%}"
            print(f"{design:<13}{title:<36}{alarm:>7.1%}{columns}  {'ok' if passed else 'MISSED'}", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
