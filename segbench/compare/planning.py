"""What a comparison measures: which networks, at which sizes, with how many classes, in how many processes."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from segbench import catalog, limits, resolution
from segbench.errors import BadOption, UnknownName
from segbench.job import Job, Settings
from segbench.records.results import Process
from segbench.resolution import show
from segbench.spec import OWN_SIZE, is_own

STAGE_LEVELS = 2
"""Levels of modules that a Record needs for the picture of a network's stages: its parts, and the parts of these."""


def choose(patterns: Sequence[str], everything: bool, paper: str | None) -> list[str]:
    """The networks that a comparison takes: by pattern, all, or those in a paper's tables.

    Networks of the user's own may stand among patterns, and beside `everything` and `paper`.

    Raises:
        BadOption: nothing was chosen, or too much.
        UnknownName: no such network or paper.
    """
    from segbench.claims import PAPERS, load_claims

    own = [pattern for pattern in patterns if is_own(pattern)]
    named = [pattern for pattern in patterns if not is_own(pattern)]
    if everything + (paper is not None) + bool(named) > 1 or not (everything or paper is not None or patterns):
        raise BadOption("compare takes either networks (names or patterns), or --all, or --paper KEY")
    if everything:
        return [*catalog.list_models(), *own]
    if paper is None:
        return [*(catalog.match(named) if named else []), *own]
    if paper not in PAPERS:
        raise UnknownName("paper", paper, PAPERS)
    claimed = {claim.model for claim in load_claims(paper=paper)}
    return [*(name for name in catalog.list_models() if name in claimed), *own]


def plan(
    names: Iterable[str],
    resolutions: Sequence[tuple[int, int]],
    classes: int | None,
    settings: Settings,
    seed: int = 0,
    paper: str | None = None,
    processes: int = 1,
    inputs: Sequence[str] = (),
    output: str | None = None,
    *,
    nearest: bool = False,
) -> list[Job]:
    """The jobs of a comparison: each network at the sizes asked for, or at those of its paper, in its processes.

    Without `resolutions` a network is measured at its first catalog size; with `paper`, at every size at which that
    paper's tables print it. Without `classes` it has those of the data set that the papers use at that size. A network
    of the user's own is measured at `OWN_SIZE`, and keeps the classes that it has by itself; `inputs` and `output` are
    those of all such networks.
    With timings each round of processes takes every network once, in an order of its own, shuffled by `seed`: a
    drifting clock does not fall on one network or family, and a sweep that is cut has as many samples of each, plus or
    minus one. Counts, what bounds a network, waterfall and fast mode are found in the first process of a network.

    With `nearest` a network that does not take a size is measured at the nearest that it takes (`Job.asked`), or, where
    none is near, not at all (`Job.refused`).

    Raises:
        SegbenchError: a resolution that a network cannot take, or a number of processes below 1.
    """
    limits.check("processes", processes, 1, limits.PROCESSES)
    if processes > 1 and not settings.speed:
        raise BadOption("--processes repeats timings: give it without --no-speed")
    repeats = replace(
        settings, counts=False, waterfall=False, optimize=False, layer_times=False, module_levels=0, bounds="none"
    )
    networks: dict[tuple[str, tuple[int, int], int | None], tuple[tuple[int, int] | None, str]] = {}
    limits.check("classes", classes, 1, limits.CLASSES)
    for name in names:
        own = is_own(name)
        rule = resolution.ANY_SIZE if own else catalog.find(name).size_rule
        places: Iterable[tuple[tuple[int, int], int | None]] = (
            ((size, None) for size in resolutions or [OWN_SIZE]) if own else sizes_and_classes(name, resolutions, paper)
        )
        for size, trained in places:
            if not nearest or rule.accepts(*size):
                resolution.check(*size, rule, name)
                networks[name, size, classes or trained] = None, ""
                continue
            near = rule.near(size)
            if near is None:
                networks[name, size, classes or trained] = size, f"takes {rule}, and none is near {show(size)}"
            else:
                networks.setdefault((name, near, classes or trained), (size, ""))
    chance, order = random.Random(seed), []
    for process in range(processes):
        number = Process(index=process, of=processes, seed=seed) if settings.speed else None
        for name, size, count in chance.sample(list(networks), len(networks)) if settings.speed else networks:
            own = is_own(name)
            asked, refused = networks[name, size, count]
            job = Job(
                model=name,
                classes=count,
                resolution=size,
                settings=repeats if process else settings,
                process=number,
                inputs=tuple(inputs) if own else (),
                output=output if own else None,
                asked=asked,
                refused=refused,
            )
            order.append(job)
    return order


def sizes_and_classes(
    name: str, resolutions: Sequence[tuple[int, int]] = (), paper: str | None = None
) -> Iterator[tuple[tuple[int, int], int]]:
    """Sizes and class counts at which a network is measured; arguments as for `plan`."""
    from segbench.claims import load_claims

    entry = catalog.find(name)
    printed = [claim for claim in load_claims(paper=paper, model=name) if claim.dataset]
    claims = [claim for claim in printed if claim.size]
    if paper and not resolutions and printed:
        for claim in claims:
            assert claim.size is not None
            yield entry.size_rule.nearest(claim.size), _classes(entry, {claim.dataset})
        # Rows without a size, of a data set that the paper prints at none, take the catalog's first one.
        for dataset in dict.fromkeys(claim.dataset for claim in printed):
            if all(claim.dataset != dataset for claim in claims):
                yield entry.resolutions[0], _classes(entry, {dataset})
        return
    for size in resolutions or [entry.resolutions[0]]:
        yield size, _classes(entry, {claim.dataset for claim in claims if claim.size == size})


def _classes(entry: catalog.Entry, datasets: set[str]) -> int:
    """The class count for the data sets claimed at a size; the catalog's unless all of them have another one."""
    from segbench.claims import DATASET_CLASSES

    counts = {DATASET_CLASSES[dataset] for dataset in datasets}
    # Released networks may carry an unlabelled class beside Cityscapes' 19; the catalog's count stands for both.
    return counts.pop() if len(counts) == 1 and not counts & {19} else entry.classes
