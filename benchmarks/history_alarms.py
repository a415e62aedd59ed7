"""How often does `segbench history` see a change where there is none, and how often does it see one that there is?

    python benchmarks/history_alarms.py [--runs 1000] [--networks 4]

A run is a whole history on one machine: four networks, three quantities each that have noise (time per image, GPU-busy
time, memory), ten processes a commit. It is searched by segbench's own code with the penalty for that many series; what
is simulated is what processes show, the only thing that the search sees. Each commit has a noise of its own beside that
of its processes: a machine's day, and the placement of code.

False: histories without a change in which any quantity of any network is said to change, of 60 commits where no other
number is named; judged to stay within 1 %.
Found: histories in which the one network that becomes slower does so in FPS, within the range of commits that is said;
judged to reach 95 % for 5 %. The range is right: of those found, the planted commit lies in it.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from segbench.history.shifts import CONFIRMED, LEAST, find_shifts

QUANTITIES = 3
MOST_FALSE, LEAST_FOUND = 0.01, 0.95

Array = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """What processes show on a machine, commit after commit; noise as standard deviations of the logarithm.

    Attributes:
        commits: of the history.
        noise: between processes of a commit.
        days: between commits.
        kind: ``normal``, ``heavy tails`` (Student t with 3 degrees of freedom, scaled to the noise), ``two clocks``
            (one process in four runs on a clock that is 6 % lower) or ``disturbed`` (one commit in 50 is measured
            beside another program, 15 % slower).
        processes: of each commit.
        slower: what the first network slows down by.
        tail: commits from the slowdown on.
    """

    commits: int = 60
    noise: float = 0.02
    days: float = 0.005
    kind: str = "normal"
    processes: int = 10
    slower: float = 0.0
    tail: int = 20

    def draw(self, chance: np.random.Generator, shape: tuple[int, ...]) -> Array:
        """Noise as a multiple of its standard deviation."""
        if self.kind == "heavy tails":
            return chance.standard_t(3, shape) / math.sqrt(3)
        return chance.standard_normal(shape)

    def network(self, chance: np.random.Generator, slower: float) -> list[Array]:
        """Samples of each quantity, by commit and process."""
        shape = (self.commits, self.processes)
        days = self.days * self.draw(chance, (self.commits, 1))
        if self.kind == "disturbed":
            days = days + math.log(1.15) * (chance.random((self.commits, 1)) < 1 / 50)
        log = days + self.noise * self.draw(chance, shape)
        if self.kind == "two clocks":
            log = log + math.log(1.06) * (chance.random(shape) < 0.25)
        log[self.commits - self.tail :] += math.log1p(slower)
        # What the GPU computes varies less than how long it is waited for; memory is the same in every process.
        busy = days / 2 + self.noise / 2 * self.draw(chance, shape)
        return [np.exp(log), np.exp(busy), np.ones(shape)]


def run(world: World, networks: int, seed: int) -> tuple[bool, bool, bool]:
    """Whether there was a false change, whether the planted one was found, and whether its range holds it."""
    chance = np.random.default_rng(seed)
    false = found = right = False
    for network in range(networks):
        for quantity, samples in enumerate(world.network(chance, world.slower if network == 0 else 0.0)):
            planted = world.commits - world.tail if world.slower and network == quantity == 0 else None
            for shift in find_shifts(samples.tolist(), networks * QUANTITIES):
                # A range that is off by a commit or two is a change that was found and located wrongly.
                if planted is not None and abs(shift.place - planted) <= CONFIRMED:
                    found, right = True, shift.first <= planted <= shift.last
                else:
                    false = True
    return false, found, right


def rates(world: World, networks: int, runs: int) -> tuple[float, float, float]:
    """Share of histories with a false change, with the planted one, and of these with a range that holds it."""
    with multiprocessing.Pool(os.cpu_count()) as pool:
        results = pool.map(partial(run, world, networks), range(runs), chunksize=max(runs // 64, 1))
    false, found, right = (sum(column) for column in zip(*results, strict=True))
    return false / runs, found / runs, right / found if found else math.nan


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--networks", type=int, default=4)
    given = parser.parse_args(arguments)
    usual, failed = World(), False
    print(f"{given.runs} histories, {given.networks} networks, {QUANTITIES} quantities each, ten processes a commit")
    print("\n| history without a change | false |\n|---|---|")
    for name, world in {
        "2 % noise between processes, 0.5 % between commits": usual,
        f"{LEAST} commits": replace(usual, commits=LEAST, tail=LEAST // 2),
        "20 commits": replace(usual, commits=20, tail=10),
        "240 commits": replace(usual, commits=240),
        "1 % between commits": replace(usual, days=0.01),
        "2 % between commits": replace(usual, days=0.02),
        f"2 % between commits, {LEAST} of them": replace(usual, days=0.02, commits=LEAST, tail=LEAST // 2),
        "one process a commit": replace(usual, processes=1),
        "heavy tails (Student t, 3 degrees of freedom)": replace(usual, kind="heavy tails"),
        "two clocks, 6 % apart": replace(usual, kind="two clocks"),
        "one commit in 50 disturbed by 15 %": replace(usual, kind="disturbed"),
    }.items():
        false, _, _ = rates(world, given.networks, given.runs)
        failed |= false > MOST_FALSE
        print(f"| {name} | {false:.1%} |", flush=True)
    print("\n| slowdown | found | range is right |\n|---|---|---|")
    for name, world in {
        "3 %": replace(usual, slower=0.03),
        "4 %": replace(usual, slower=0.04),
        "5 %": replace(usual, slower=0.05),
        f"5 %, {CONFIRMED} commits ago": replace(usual, slower=0.05, tail=CONFIRMED),
        "5 %, 1 % between commits": replace(usual, slower=0.05, days=0.01),
        "10 %, 2 % between commits": replace(usual, slower=0.1, days=0.02),
        "5 %, one process a commit": replace(usual, slower=0.05, processes=1),
        f"5 %, in {LEAST} commits": replace(usual, slower=0.05, commits=LEAST, tail=LEAST // 2),
        f"10 %, in {LEAST} commits": replace(usual, slower=0.1, commits=LEAST, tail=LEAST // 2),
    }.items():
        _, found, right = rates(world, given.networks, given.runs)
        failed |= name == "5 %" and found < LEAST_FOUND
        print(f"| {name} | {found:.1%} | {right:.1%} |", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
