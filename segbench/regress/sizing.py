"""How many processes each network of a check takes: as many as asked for, or as finding a given slowdown needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from segbench.records.record import Record
from segbench.regress.judge import costs
from segbench.regress.options import METRICS, Options
from segbench.regress.power import MOST, process_noise, processes_for, smallest_effect
from segbench.regress.rows import Key, label


@dataclass
class Plan:
    """What a check is to measure.

    Attributes:
        processes: of each network, a side.
        warnings: which networks cannot show the slowdown asked for, and why.
    """

    processes: dict[Key, int]
    warnings: list[str] = field(default_factory=list)


def plan_processes(known: Mapping[Key, Sequence[Record]], options: Options, *, stored: bool) -> Plan:
    """Choose the number of processes of each network, which grows with the comparisons that share the level.

    Args:
        known: for each network the Records whose processes show its noise.
        options: how to judge.
        stored: those are a stored baseline's. A check takes no more than the baseline has: in a longer session the
            machine is warmer, and a machine that is slower cannot be told from a slower network.
    """
    plan = Plan(dict.fromkeys(known, options.processes))
    if options.find is None:
        return plan
    samples = {name: [costs(record) for record in records] for name, records in known.items()}
    metrics = {
        name: [metric for metric in METRICS if all(metric in side for side in sides)] for name, sides in samples.items()
    }
    comparisons = sum(map(len, metrics.values()))
    for name, records in known.items():
        wanted = [1]
        for metric in metrics[name]:
            sides = [side[metric] for side in samples[name]]
            count, finds = _processes(sides, comparisons, records[0].model, metric, options, stored)
            wanted.append(count)
            if finds:
                plan.warnings.append(f"{label(records[0])}: {finds}")
        plan.processes[name] = max(2, *wanted)
    return plan


def _processes(
    sides: Sequence[Sequence[float]], comparisons: int, model: str, metric: str, options: Options, stored: bool
) -> tuple[int, str]:
    """How many processes one metric needs, and why they will not do; empty where they will."""
    noise = process_noise(*sides)
    if noise is None:
        return options.processes, f"the baseline's {metric} is of one process, which shows no noise to choose by"
    effect, limit = options.find_of(model, metric), options.min_effect_of(model, metric)
    baseline = len(sides[0]) if stored else None
    most = baseline or MOST
    count = processes_for(effect, noise, comparisons, limit, baseline)
    if count is not None and count <= most:
        return count, ""
    finds = smallest_effect(noise, (most, most), comparisons, limit)
    best = "no slowdown is found" if finds is None else f"a slowdown of {finds:.1%} is found"
    remedy = "; save the baseline with --for too: a check takes no more processes than it has" if baseline else ""
    return most, (
        f"{metric} varies by {noise:.1%} between processes: with {most} a side {best} in 95 % of runs, not one of "
        f"{effect:.1%}{remedy}"
    )
