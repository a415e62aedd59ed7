"""One comparison in several calls, such as the tasks of a SLURM array: which of them measures which networks.

The same call gives the same shards on any machine: nothing but the jobs and the published costs decides. Imports no
torch.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from statistics import median

from segbench.errors import BadOption
from segbench.job import Job
from segbench.published_costs import published_costs
from segbench.resolution import show

FIXED_MACS = 20e9
"""What every job takes however light its network is (start, build, warm-up), in MACs: a light network is not free."""


def parse_shard(text: str) -> tuple[int, int]:
    """``"2/8"`` as the second of eight.

    Raises:
        BadOption: no such pair, or out of range.
    """
    found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text.strip())
    if found is None:
        raise BadOption(f"--shard takes which of how many, as in 2/8: {text} given")
    number, of = int(found[1]), int(found[2])
    if not 1 <= number <= of:
        raise BadOption(f"--shard counts from 1/{max(of, 1)} to {max(of, 1)}/{max(of, 1)}: {text} given")
    return number, of


def part_of(jobs: Sequence[Job], text: str | None) -> list[Job]:
    """The jobs of the shard that ``--shard`` names; all of them for None.

    Raises:
        BadOption: see `parse_shard`.
    """
    return list(jobs) if text is None else shard(jobs, *parse_shard(text))


def shard(jobs: Sequence[Job], number: int, of: int) -> list[Job]:
    """The jobs of one shard, in their order.

    All processes of a network at a size stay together, so that its interval is that of one machine. The heaviest
    networks are dealt first, each to the shard that has least to do (Graham's rule): no shard has more than 4/3 of what
    the best division would give it.

    Args:
        jobs: all of them, from `plan`.
        number: which shard, from 1.
        of: how many there are.
    """
    costs: dict[tuple[object, ...], float] = {}
    for job in jobs:
        costs[_network(job)] = costs.get(_network(job), 0.0) + predicted_cost(job)
    loads, mine = [0.0] * of, set()
    for network in sorted(costs, key=lambda network: (-costs[network], *map(str, network))):
        least = loads.index(min(loads))
        loads[least] += costs[network]
        if least == number - 1:
            mine.add(network)
    return [job for job in jobs if _network(job) in mine]


def _network(job: Job) -> tuple[object, ...]:
    return job.model, show(job.resolution), job.classes, job.settings.batch


def predicted_cost(job: Job) -> float:
    """What a job is expected to take, in MACs: those published for the network, in proportion to the pixels.

    A network of the user's own counts as the median one of the catalog; one that is not measured costs nothing.
    """
    if job.refused:
        return 0.0
    height, width = job.resolution
    per_pixel = _macs_per_pixel()
    known = per_pixel.get(job.model)
    return FIXED_MACS + (median(per_pixel.values()) if known is None else known) * height * width * job.settings.batch


@functools.cache
def _macs_per_pixel() -> dict[str, float]:
    """MACs of each network of the catalog by pixel, at the first size of its published costs."""
    found: dict[str, float] = {}
    for record in published_costs():
        height, width = record.resolution
        found.setdefault(record.model, record.operations.get("macs", 0) / (height * width * record.batch))
    return found or {"": 0.0}
