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
from typing import Any

from segbench.errors import RecordError, SegbenchError
from segbench.record import Record
from segbench.regress import sampling
from segbench.regress.conditions import Key, key
from segbench.regress.judge import Outcome
from segbench.regress.looks import Options, Sides, look_twice
from segbench.regress.sampling import Say, Task

BALANCED = ("A", "B", "B", "A")


class RevisionError(SegbenchError):
    """A revision that does not exist or cannot be built, or a working tree that is not committed."""


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


def run_worker(what: str, task: Task, revision: Revision, timeout_s: float) -> tuple[dict[str, Any] | None, str]:
    """Measure a task in a fresh process that imports from a revision.

    Args:
        what: ``count`` or ``time``.
        task: the network and its conditions.
        revision: whose code to run.
        timeout_s: seconds after which the process is killed.

    Returns:
        The Record as JSON, or None with the reason.
    """
    with tempfile.TemporaryDirectory(prefix="segbench-task-") as folder:
        source, target = Path(folder) / "task.json", Path(folder) / "record.json"
        source.write_text(json.dumps(task.to_json()), encoding="utf-8")
        command = [sys.executable, "-m", "segbench.regress.worker", what, str(source), str(target)]
        try:
            done = subprocess.run(
                command,
                cwd=revision.folder,
                env=environment(revision),
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None, f"timed out after {timeout_s:g} s"
        except OSError as error:
            return None, f"{revision.folder} of that revision: {error.strerror}"
        if done.returncode == 0 and target.exists():
            content: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
            return content, ""
        lines = [line.strip() for line in done.stderr.strip().splitlines() if line.strip()]
        return None, lines[-1][:300] if lines else f"the process ended with status {done.returncode}"


def environment(revision: Revision) -> dict[str, str]:
    """Variables for a process that imports from a revision, before whatever is installed: its folder, root and src."""
    places = [revision.folder, revision.root, revision.root / "src"]
    paths = [str(place) for place in places if place.is_dir()]
    before = os.environ.get("PYTHONPATH", "")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([*paths, *([before] if before else [])])}


def check_against(name: str, tasks: Sequence[Task], options: Options, say: Say) -> Outcome:
    """Measure the networks of two revisions in turn and judge the checked-out one.

    Args:
        name: the revision to compare with.
        tasks: what to measure; the same at both revisions.
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
        before, broken = _count(a, tasks, options, say)
        if not before:
            raise RevisionError(f"revision {name!r} cannot be built: {next(iter(broken.values()))}")
        # Signatures of both sides are taken alike.
        alike = [replace(task, signature_at=_signed(before[task])) if task in before else task for task in tasks]
        after, failures = _count(b, alike, options, say)
        new = dict(zip(alike, tasks, strict=True))
        rows = {key(before[old]): (task, old) for task, old in new.items() if old in before}
        gone = {name for name, (task, _) in rows.items() if sampling.unknown(failures.get(task))}
        there = {name: row for name, row in rows.items() if name not in gone}
        if not there:
            raise RecordError(
                f"no network is in both {name!r} and HEAD: {', '.join(task.name for task in tasks)} given"
            )
        counted = {name: after.get(task) or sampling.failed(task, failures[task]) for name, (task, _) in there.items()}
        timed = [name for name, (task, _) in there.items() if options.speed and task.settings.speed and task in after]

        def measure(names: Sequence[Key], look: int) -> Sides:
            wanted = options.processes * (sampling.GROWTH_BOTH if look else 1)
            return interleaved({name: there[name][0] for name in names}, (a, b), wanted, options, say, seed=look)

        outcome = look_twice({name: before[old] for name, (_, old) in there.items()}, counted, timed, measure, options)
    outcome.baseline = f"{name} ({a.commit[:10]})"
    outcome.removed += [rows[name][0].name for name in gone]
    outcome.added += [task.name for task, old in new.items() if old not in before and task in after]
    both = [old for task, old in new.items() if old not in before and task not in after]
    if both:
        outcome.warnings += [f"{task.name} can be built at neither revision: {broken[task]}" for task in both]
    return outcome


def _signed(record: Record) -> tuple[int, int, float] | None:
    sign = record.signature
    return (*sign["resolution"], sign["gain"]) if sign else None


def _count(
    revision: Revision, tasks: Sequence[Task], options: Options, say: Say
) -> tuple[dict[Task, Record], dict[Task, str]]:
    found, failures = {}, {}
    for done, task in enumerate(tasks, 1):
        content, reason = run_worker("count", task, revision, options.timeout_s)
        if content is None:
            failures[task] = reason
        else:
            found[task] = Record.from_json(content)
        say(f"counting {task.name} at {revision.name}", done, len(tasks))
    return found, failures


def interleaved(
    tasks: dict[Key, Task], sides: tuple[Revision, Revision], processes: int, options: Options, say: Say, seed: int
) -> Sides:
    """Time both revisions A B B A, network after network in each round, in an order that each round shuffles anew."""
    chance = random.Random(seed)
    found: Sides = ({name: [] for name in tasks}, {name: [] for name in tasks})
    total, done = 2 * processes * len(tasks), 0
    places = order(processes)
    for start in range(0, len(places), 4):
        for name in chance.sample(list(tasks), len(tasks)):
            for side in places[start : start + 4]:
                which = "AB".index(side)
                content, reason = run_worker("time", tasks[name], sides[which], options.timeout_s)
                record = sampling.failed(tasks[name], reason) if content is None else Record.from_json(content)
                found[which][name].append(record)
                done += 1
                say(f"timing {tasks[name].name} at {sides[which].name}", done, total)
    return found
