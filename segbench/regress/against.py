"""Two revisions of the checked-out project, measured in turn: no stored baseline, and no drift between the sides.

Each revision is checked out into a worktree of its own (`git worktree`), and every measurement is a fresh process that
imports the project from there. Timings alternate A B B A, so that a clock that rises or falls steadily weighs on both
sides alike.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from segbench.errors import RecordError, SegbenchError
from segbench.job import Job
from segbench.record import Record
from segbench.regress import sampling
from segbench.regress.judge import Outcome
from segbench.regress.looks import Options, Sides, look_twice
from segbench.regress.rows import Key, key
from segbench.regress.sampling import Say
from segbench.regress.worker import UNKNOWN

_START = """
import sys
if sys.path[:1] == [""]:
    del sys.path[0]
import os, runpy, sysconfig
python = sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")
behind = 1 + max([n for n, place in enumerate(sys.path) if place.removesuffix("/lib-dynload") in python], default=-1)
sys.path[behind:behind] = sys.argv[1].split(os.pathsep)
os.environ["PYTHONPATH"] = sys.argv.pop(1)
runpy.run_module("segbench.regress.worker", run_name="__main__", alter_sys=True)
"""
"""Runs the worker of a revision: imported from there, but nothing that is Python's own."""

BALANCED = ("A", "B", "B", "A")


class RevisionError(SegbenchError):
    """A revision that does not exist or cannot be built, or a working tree that is not committed."""


class MissingNetwork(RevisionError):
    """A network that a revision does not have."""


@dataclass(frozen=True)
class Revision:
    """A commit in a worktree.

    Attributes:
        name: as the user gave it.
        commit: its hash.
        folder: where in the worktree to start processes: the folder that the check was started in.
        root: of the worktree.
    """

    name: str
    commit: str
    folder: Path
    root: Path


def order(processes: int) -> list[str]:
    """Which side each of ``2 x processes`` processes belongs to: A B B A, A B B A, ... and A B where that is left."""
    return [BALANCED[place % 4] for place in range(2 * processes)]


@contextlib.contextmanager
def revisions(name: str) -> Iterator[tuple[Revision, Revision]]:
    """Worktrees of a revision and of the checked-out one, removed on leaving.

    Raises:
        RevisionError: this is no git checkout, it has changes that are not committed, or there is no such revision.
    """
    root = Path(_git("rev-parse", "--show-toplevel", wrong="--against needs a git checkout to work in"))
    prefix = _git("rev-parse", "--show-prefix")
    changed = _git("status", "--porcelain", "--untracked-files=no").splitlines()
    if changed:
        files = ", ".join(line.split(maxsplit=1)[-1] for line in changed[:3]) + (", ..." if len(changed) > 3 else "")
        raise RevisionError(f"--against compares commits, and {root} has changes ({files}): commit or stash them first")
    if name.startswith("-"):
        raise RevisionError(f"--against takes a revision, such as main or HEAD~1: {name!r} given")
    base = _git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", wrong=f"there is no revision {name!r}")
    head = _git("rev-parse", "HEAD")
    with tempfile.TemporaryDirectory(prefix="segbench-against-") as folder:
        made = []
        try:
            for side, commit in (("a", base), ("b", head)):
                place = Path(folder) / side
                wrong = f"revision {name!r} cannot be checked out"
                _git("worktree", "add", "--detach", "--quiet", str(place), commit, wrong=wrong)
                made.append(place)
            yield (
                Revision(name, base, made[0] / prefix, made[0]),
                Revision("HEAD", head, made[1] / prefix, made[1]),
            )
        finally:
            for place in made:
                with contextlib.suppress(RevisionError):
                    _git("worktree", "remove", "--force", str(place))


def _git(*arguments: str, wrong: str = "git failed") -> str:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise RevisionError("--against needs git, which is not installed") from error
    except subprocess.CalledProcessError as error:
        reason = " ".join(error.stderr.split())[-200:]
        raise RevisionError(f"{wrong}{f' ({reason})' if reason else ''}") from error
    return done.stdout.strip()


def run_worker(what: str, job: Job, revision: Revision, timeout_s: float) -> Record:
    """Measure a job in a fresh process that imports from a revision.

    Args:
        what: ``count`` or ``time``.
        job: the network and its conditions.
        revision: whose code to run.
        timeout_s: seconds after which the process is killed.

    Returns:
        The Record.

    Raises:
        MissingNetwork: there is no such network at that revision.
        RevisionError: it could not be measured; says why, in one line.
    """
    with tempfile.TemporaryDirectory(prefix="segbench-job-") as folder:
        source, target = Path(folder) / "job.json", Path(folder) / "record.json"
        source.write_text(json.dumps(job.to_json()), encoding="utf-8")
        command = [sys.executable, "-c", _START, places(revision), what, str(source), str(target)]
        try:
            done = subprocess.run(
                command,
                cwd=revision.folder,
                env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise RevisionError(f"timed out after {timeout_s:g} s") from error
        except OSError as error:
            raise RevisionError(f"{revision.folder} of that revision: {error.strerror}") from error
        if done.returncode == 0 and target.exists():
            return Record.from_json(json.loads(target.read_text(encoding="utf-8")))
        lines = [line.strip() for line in done.stderr.strip().splitlines() if line.strip()]
        reason = lines[-1][:300] if lines else f"the process ended with status {done.returncode}"
        raise MissingNetwork(reason) if done.returncode == UNKNOWN else RevisionError(reason)


def places(revision: Revision) -> str:
    """Where a process imports from before whatever is installed: a revision's folder, root and src."""
    paths = [str(place) for place in (revision.folder, revision.root, revision.root / "src") if place.is_dir()]
    before = os.environ.get("PYTHONPATH", "")
    return os.pathsep.join([*paths, *([before] if before else [])])


def check_against(name: str, jobs: Sequence[Job], options: Options, say: Say) -> Outcome:
    """Measure the networks of two revisions in turn and judge the checked-out one.

    Args:
        name: the revision to compare with.
        jobs: what to measure; the same at both revisions.
        options: how to judge.
        say: told of progress.

    Returns:
        The outcome. A network that only one of the revisions has is listed as added or removed; one that fails at the
        checked-out revision is a failure.

    Raises:
        RevisionError: see `revisions`, or no network can be built at that revision.
        RecordError: no network is in both revisions.
    """
    with revisions(name) as (a, b):
        before, broken = _count(a, jobs, options, say)
        if not before:
            raise RevisionError(f"revision {name!r} cannot be built: {next(iter(broken.values()))}")
        # Signatures of both sides are taken alike.
        alike = [replace(job, signature_at=_signed(before[job])) if job in before else job for job in jobs]
        after, failures = _count(b, alike, options, say)
        new = dict(zip(alike, jobs, strict=True))
        rows = {key(before[old]): (job, old) for job, old in new.items() if old in before}
        gone = {row for row, (job, _) in rows.items() if isinstance(failures.get(job), MissingNetwork)}
        there = {row: both for row, both in rows.items() if row not in gone}
        if not there:
            raise RecordError(f"no network is in both {name!r} and HEAD: {', '.join(job.title for job in jobs)} given")
        counted = {row: after.get(job) or job.failed(str(failures[job])) for row, (job, _) in there.items()}
        timed = [row for row, (job, _) in there.items() if options.speed and job.settings.speed and job in after]

        def measure(names: Sequence[Key], look: int) -> Sides:
            wanted = options.processes * (sampling.GROWTH_BOTH if look else 1)
            return interleaved({row: there[row][0] for row in names}, (a, b), wanted, options, say, seed=look)

        outcome = look_twice({row: before[old] for row, (_, old) in there.items()}, counted, timed, measure, options)
    outcome.baseline = f"{name} ({a.commit[:10]})"
    outcome.removed += [rows[row][0].title for row in gone]
    outcome.added += [job.title for job, old in new.items() if old not in before and job in after]
    both = [old for job, old in new.items() if old not in before and job not in after]
    outcome.warnings += [f"{job.title} can be built at neither revision: {broken[job]}" for job in both]
    return outcome


def _signed(record: Record) -> tuple[int, int, float] | None:
    sign = record.signature
    return (*sign.resolution, sign.gain) if sign else None


def _count(
    revision: Revision, jobs: Sequence[Job], options: Options, say: Say
) -> tuple[dict[Job, Record], dict[Job, RevisionError]]:
    found, failures = {}, {}
    for done, job in enumerate(jobs, 1):
        try:
            found[job] = run_worker("count", job, revision, options.timeout_s)
        except RevisionError as error:
            failures[job] = error
        say(f"counting {job.title} at {revision.name}", done, len(jobs))
    return found, failures


def interleaved(
    jobs: dict[Key, Job], sides: tuple[Revision, Revision], processes: int, options: Options, say: Say, seed: int
) -> Sides:
    """Time both revisions A B B A, network after network in each round, in an order that each round shuffles anew."""
    chance = random.Random(seed)
    found: Sides = ({name: [] for name in jobs}, {name: [] for name in jobs})
    total, done = 2 * processes * len(jobs), 0
    turns = order(processes)
    for start in range(0, len(turns), 4):
        for name in chance.sample(list(jobs), len(jobs)):
            for side in turns[start : start + 4]:
                which = "AB".index(side)
                try:
                    record = run_worker("time", jobs[name], sides[which], options.timeout_s)
                except RevisionError as error:
                    record = jobs[name].failed(str(error))
                found[which][name].append(record)
                done += 1
                say(f"timing {jobs[name].title} at {sides[which].name}", done, total)
    return found
