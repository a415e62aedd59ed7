"""What a comparison measures: which networks, at which sizes, with how many classes, in how many processes."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from segbench import catalog, limits, resolution
from segbench.errors import BadOption, UnknownName
from segbench.job import Job, Settings
from segbench.results import Process

STAGE_LEVELS = 2
"""Levels of modules that a Record needs for the picture of a network's stages: its parts, and the parts of these."""


def choose(patterns: Sequence[str], everything: bool, paper: str | None) -> list[str]:
    """The catalog networks that a comparison takes: by pattern, all, or those in a paper's tables.

    Raises:
        BadOption: nothing was chosen, or too much.
        UnknownName: no such network or paper.
    """
    from segbench.claims import PAPERS, load_claims

    if sum((bool(patterns), everything, paper is not None)) != 1:
        raise BadOption("compare takes either networks (names or patterns), or --all, or --paper KEY")
    if everything:
        return catalog.list_models()
    if paper is None:
        return catalog.match(patterns)
    if paper not in PAPERS:
        raise UnknownName("paper", paper, PAPERS)
    claimed = {claim.model for claim in load_claims(paper=paper)}
    return [name for name in catalog.list_models() if name in claimed]


def plan(
    names: Iterable[str],
    resolutions: Sequence[tuple[int, int]],
    classes: int | None,
    settings: Settings,
    seed: int = 0,
    paper: str | None = None,
    processes: int = 1,
) -> list[Job]:
    """The jobs of a comparison: each network at the sizes asked for, or at those of its paper, in its processes.

    Without `resolutions` a network is measured at its first catalog size; with `paper`, at every size at which that
    paper's tables print it. Without `classes` it has those of the data set that the papers use at that size.
    With timings the order of all processes of all networks is shuffled by `seed`, so that a drifting clock does not
    fall on one network or family. Waterfall and fast mode are measured in the first process of a network.

    Raises:
        SegbenchError: a resolution that a network cannot take, or a number of processes below 1.
    """
    limits.check("processes", processes, 1, limits.PROCESSES)
    if processes > 1 and not settings.speed:
        raise BadOption("--processes repeats timings: give it without --no-speed")
    repeats = replace(settings, waterfall=False, optimize=False, module_levels=0, bounds="none")
    jobs: dict[Job, None] = {}
    limits.check("classes", classes, 1, limits.CLASSES)
    for name in names:
        rule = catalog.find(name).size_rule
        for size, trained in sizes_and_classes(name, resolutions, paper):
            resolution.check(*size, rule, name)
            for process in range(processes):
                how = repeats if process else settings
                number = Process(index=process, of=processes, seed=seed) if settings.speed else None
                job = Job(model=name, classes=classes or trained, resolution=size, settings=how, process=number)
                jobs[job] = None
    order = list(jobs)
    if settings.speed:
        random.Random(seed).shuffle(order)
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
