"""What a GPU day does, in which order, and about how long each step takes."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from segbench.catalog import CATALOG
from segbench.claims import PAPERS, load_claims
from segbench.compare.planning import STAGE_LEVELS, plan
from segbench.compare.run import RECORDS
from segbench.job import Job, Settings

ROOT = Path(__file__).resolve().parent.parent.parent
PARTS = ("check", "headline", "comparators", "ablations", "slow")
HEADLINE = ("mfpnet", "frmnet", "frfnet", "frfnet-slim", "eseg-s", "eseg-lite-s", "efrnet")
OWN = ("MFPNet", "FRMNet", "FRFNet", "ESeg", "EFRNet")
PROCESSES = 5
BASELINE = "baseline.json"
# G MACs of a frame up to which a comparator is light: about 30 ms in fp32 on an H100.
LIGHT = 150.0
# A network above it is timed within a budget, which its Record states.
HEAVY_BUDGET_S = 20.0
GROUP = 8
# Expected seconds of one process; the first of a network also finds what bounds it.
REPEAT_S, FIRST_S, HEAVY_S = 12.0, 18.0, 40.0

Size = tuple[int, int]


@dataclass(frozen=True)
class Step:
    """One thing to do: a command, or jobs that are measured, each in a process of its own.

    Attributes:
        name: also that of the file that keeps what a command prints.
        part: one of `PARTS`.
        seconds: how long it is expected to take.
        command: what Python is called with, in the checkout; ``{out}`` stands for the folder.
        jobs: all that it answers for, those of earlier steps among them where processes are repeats.
        needs: file in the folder without which it cannot run.
        writes: file in the folder that it refuses to write over.
    """

    name: str
    part: str
    seconds: float
    command: tuple[str, ...] = ()
    jobs: tuple[Job, ...] = ()
    needs: str = ""
    writes: str = ""


def steps(settings: Settings, references: Path | None = None) -> list[Step]:
    """All steps, the most valuable first.

    Args:
        settings: checked ones, with device and environment.
        references: folder with reference implementations and their ``references.json``; see `_references`.
    """
    settings = replace(settings, module_levels=STAGE_LEVELS)
    forward, swiftnet = (Processes(settings, mode) for mode in ("forward", "swiftnet"))
    repeats = [(of_mode, index) for of_mode in (forward, swiftnet) for index in range(1, PROCESSES)]
    return [
        *_checks(forward),
        forward.step(0),
        swiftnet.step(0),
        *_comparators(settings),
        *(of_mode.step(index) for of_mode, index in repeats),
        *_ablations(settings),
        *_slow(settings, references),
    ]


class Processes:
    """The headline networks in one mode, with cudnn.benchmark off and on, process by process."""

    def __init__(self, settings: Settings, mode: str) -> None:
        """Plan all of them; see the class."""
        self.mode = mode
        both = [replace(settings, mode=mode, cudnn_benchmark=on) for on in (False, True)]
        self.jobs = [job for how in both for job in plan(HEADLINE, [], None, how, processes=PROCESSES)]

    def step(self, index: int) -> Step:
        """The jobs up to process `index`, each process of all networks in an order of its own."""
        chance, jobs = random.Random(index), []
        for process in range(index + 1):
            of_process = [job for job in self.jobs if job.process and job.process.index == process]
            jobs += chance.sample(of_process, len(of_process))
        name = f"{self.mode}-{index + 1}" if index else self.mode
        return Step(name, "headline", len(self.jobs) / PROCESSES * (REPEAT_S if index else FIRST_S), jobs=tuple(jobs))


def _checks(forward: Processes) -> Iterator[Step]:
    """What shows that a GPU is measured rightly."""
    yield Step("facts", "check", 15, ("-m", "benchmarks.gpu_day.facts", "{out}/facts.json"))
    # frmnet is bound by its arithmetic there; of a launch-bound network the loops differ by chance alone.
    loop = ("-m", "benchmarks.bare_loop", "--model", "frmnet", "--res", "1024x2048", "--device", "cuda")
    yield Step("bare-loop", "check", 45, (*loop, "--frames", "50"))
    yield Step("gpu-tests", "check", 90, _pytest("gpu and not slow"))
    save = ("-m", "segbench", "baseline", "save", "frmnet", "efrnet", "--device", "cuda", "--processes", "5")
    yield Step("baseline", "check", 120, (*save, "--rounds", "2", "-b", f"{{out}}/{BASELINE}"), writes=BASELINE)
    check = ("-m", "segbench", "check", "-b", f"{{out}}/{BASELINE}", "--processes", "10")
    yield Step("baseline-unchanged", "check", 150, check, needs=BASELINE)
    slowed = ("-m", "benchmarks.gpu_day.slowed", f"{{out}}/{BASELINE}")
    yield Step("baseline-slowed", "check", 150, slowed, needs=BASELINE)
    first = next(job for job in forward.jobs if job.model == "mfpnet" and not job.settings.cudnn_benchmark)
    yield Step("waterfall", "check", 150, jobs=(replace(first, settings=replace(first.settings, waterfall=True)),))


def _comparators(settings: Settings) -> Iterator[Step]:
    """The light networks of the papers' tables, the lightest first."""
    claimed = {claim.model for paper in PAPERS for claim in load_claims(paper=paper)}
    names = [name for name in _others() if name in claimed and gmacs(name) <= LIGHT]
    yield from _groups("comparators", "comparators", names, settings, FIRST_S)


def _ablations(settings: Settings) -> Iterator[Step]:
    """The papers' other networks, the headline's other sizes, and every other network of the catalog."""
    own = [entry.name for entry in CATALOG.values() if entry.family in OWN and entry.name not in HEADLINE]
    yield from _groups("ablations", "ablations", own, settings, FIRST_S)
    jobs = [
        job
        for name in HEADLINE
        for size in CATALOG[name].resolutions[1:]
        for job in plan([name], [size], None, settings)
    ]
    yield Step("sizes", "ablations", FIRST_S * len(jobs), jobs=tuple(jobs))
    done = {job.model for step in _comparators(settings) for job in step.jobs}
    rest = [name for name in _others() if name not in done]
    yield from _groups("others", "ablations", [name for name in rest if gmacs(name) <= LIGHT], settings, FIRST_S)
    heavy = replace(settings, gpu_budget_s=HEAVY_BUDGET_S)
    yield from _groups("heavy", "ablations", [name for name in rest if gmacs(name) > LIGHT], heavy, HEAVY_S)


def _slow(settings: Settings, references: Path | None) -> Iterator[Step]:
    fast = replace(settings, precision="fp16", optimize=True)
    yield Step("fast-mode", "slow", 150, jobs=tuple(plan(["mfpnet", "efrnet"], [], None, fast)))
    yield from _references(references)
    yield Step("slow-gpu-tests", "slow", 280, _pytest("gpu and slow"))


def _references(folder: Path | None) -> Iterator[Step]:
    """Ours against reference implementations, which are not part of the repository.

    Their ``references.json`` is a list of ``model``, ``folder`` (in the same folder), ``factory``, ``arguments`` and
    ``res``, as `benchmarks.reference_speed` takes them.
    """
    content = json.loads((folder / "references.json").read_text(encoding="utf-8")) if folder else []
    for item in content:
        where = ("--folder", str(folder / item["folder"]), "--factory", item["factory"])
        how = ("--arguments", json.dumps(item.get("arguments", {})), "--res", item["res"], "--device", "cuda")
        command = ("-m", "benchmarks.reference_speed", item["model"], *where, *how)
        yield Step(f"reference-{item['model']}", "slow", 40, command)


def _pytest(marks: str) -> tuple[str, ...]:
    files = [path for path in sorted((ROOT / "tests").glob("test_*.py")) if "mark.gpu" in path.read_text("utf-8")]
    return ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", marks, *(str(path) for path in files))


def _groups(name: str, part: str, names: Sequence[str], settings: Settings, seconds: float) -> Iterator[Step]:
    """Networks in one process each, a few to a step: the archive is written after each step."""
    for number, start in enumerate(range(0, len(names), GROUP), 1):
        some = names[start : start + GROUP]
        yield Step(f"{name}-{number}", part, seconds * len(some), jobs=tuple(plan(some, [], None, settings)))


def _others() -> list[str]:
    """The catalog's networks that are not the papers' own, by their MACs."""
    return sorted((entry.name for entry in CATALOG.values() if entry.family not in OWN), key=gmacs)


def gmacs(name: str) -> float:
    """G MACs of a network at its first size, from the published counts; infinite where there are none."""
    size = CATALOG[name].resolutions[0]
    counted = _published().get(name, {})
    if size in counted:
        return counted[size]
    # MACs grow with the pixels, near enough to choose by.
    return next((macs * size[0] * size[1] / (at[0] * at[1]) for at, macs in counted.items()), float("inf"))


_COUNTS: dict[str, dict[Size, float]] = {}


def _published() -> dict[str, dict[Size, float]]:
    if not _COUNTS:
        for line in _lines(ROOT / "results" / "costs.jsonl"):
            row = json.loads(line)
            height, width = row["resolution"]
            _COUNTS.setdefault(row["model"], {})[height, width] = row["operations"]["macs"] / 1e9
    return _COUNTS


def _lines(path: Path) -> Iterable[str]:
    return path.read_text(encoding="utf-8").splitlines()


def arguments(step: Step, out: Path) -> list[str]:
    """What a step's command is started with."""
    return [sys.executable, *(part.replace("{out}", str(out)) for part in step.command)]


__all__ = ["PARTS", "RECORDS", "ROOT", "Step", "arguments", "gmacs", "steps"]
