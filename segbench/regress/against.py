"""Two revisions of the checked-out project, measured in turn: no stored baseline, and no drift between the sides.

Each revision is checked out into a worktree of its own (`git worktree`), and every measurement is a fresh process that
imports the project from there. Timings alternate A B B A, so that a clock that rises or falls steadily weighs on both
sides alike.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from segbench.errors import RecordError, some
from segbench.git import GitError, git
from segbench.job import Job
from segbench.records.processes import with_timings
from segbench.records.record import Record
from segbench.regress.judge import Outcome, compare_records
from segbench.regress.options import Options
from segbench.regress.revision import MissingNetwork, Revision, RevisionError, remove_stale, run_worker, worktree
from segbench.regress.rows import Key, key
from segbench.regress.sampling import Say, turns
from segbench.regress.sizing import plan_processes

BALANCED = ("A", "B", "B", "A")

Sides = tuple[dict[Key, list[Record]], dict[Key, list[Record]]]
"""Timings of the revision to compare with and of the checked-out one, one Record per process."""


def order(processes: int) -> list[str]:
    """Which side each of ``2 x processes`` processes belongs to: A B B A, A B B A, ... and A B where that is left."""
    return [BALANCED[index % 4] for index in range(2 * processes)]


@contextlib.contextmanager
def revisions(name: str) -> Iterator[tuple[Revision, Revision]]:
    """Worktrees of a revision and of the checked-out one, removed on leaving.

    Raises:
        GitError: this is no git checkout.
        RevisionError: it has changes that are not committed, or there is no such revision.
    """
    root = Path(git("rev-parse", "--show-toplevel", wrong="--against needs a git checkout to work in"))
    changed = git("status", "--porcelain", "--untracked-files=no").splitlines()
    if changed:
        files = some([line.split(maxsplit=1)[-1] for line in changed])
        raise RevisionError(f"--against compares commits, and {root} has changes ({files}): commit or stash them first")
    if name.startswith("-"):
        raise RevisionError(f"--against takes a revision, such as main or HEAD~1: {name!r} given")
    name, base = _find(name)
    remove_stale()
    with worktree(base) as one, worktree(git("rev-parse", "HEAD")) as other:
        yield replace(one, name=name), replace(other, name="HEAD")


def _find(name: str) -> tuple[str, str]:
    """A revision's name and commit; a branch that only the remote has, as in a checkout of CI, is found there."""
    for known in (name, f"origin/{name}"):
        with contextlib.suppress(GitError):
            return known, git("rev-parse", "--verify", "--quiet", f"{known}^{{commit}}")
    if git("rev-parse", "--is-shallow-repository") == "true":
        raise RevisionError(
            f"there is no revision {name!r} in this shallow clone: check out all commits (actions/checkout with "
            "`fetch-depth: 0`, or `git fetch --unshallow`)"
        )
    raise RevisionError(f"there is no revision {name!r}, and no origin/{name}")


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
        timed = [
            row
            for row, (job, old) in there.items()
            if options.speed and job.settings.speed and job in after and not before[old].failure
        ]

        base = {row: before[old] for row, (_, old) in there.items()}
        networks = {row: there[row][0] for row in timed}
        one, other, warnings = time_both(base, counted, networks, (a, b), options, say)
        outcome = compare_records(one, other, replace(options, speed=bool(timed)))
    outcome.warnings += warnings
    outcome.baseline = f"{a.name} ({a.commit[:10]})"
    outcome.removed += [rows[row][0].title for row in gone]
    outcome.added += [job.title for job, old in new.items() if old not in before and job in after]
    both = [old for job, old in new.items() if old not in before and job not in after]
    outcome.warnings += [f"{job.title} can be built at neither revision: {broken[job]}" for job in both]
    return outcome


def time_both(
    before: Mapping[Key, Record],
    after: Mapping[Key, Record],
    jobs: Mapping[Key, Job],
    sides: tuple[Revision, Revision],
    options: Options,
    say: Say,
) -> tuple[dict[Key, Record], dict[Key, Record], list[str]]:
    """Both sides' counts with their timings, and warnings; a slowdown that is to be found takes as many as it needs.

    Args:
        before: counts at the revision to compare with, by row.
        after: counts at the other.
        jobs: which rows to time.
        sides: both revisions.
        options: how many processes; where a slowdown is to be found, the first ones say how many more.
        say: told of progress.
    """
    timings = interleaved(jobs, sides, dict.fromkeys(jobs, options.processes), options, say)

    def together() -> tuple[dict[Key, Record], dict[Key, Record]]:
        one, other = (
            {row: with_timings(record, timed[row]) if row in timed else record for row, record in counts.items()}
            for counts, timed in zip((before, after), timings, strict=True)
        )
        return one, other

    first = together()
    plan = plan_processes({row: [side[row] for side in first] for row in jobs}, options, stored=False)
    more = {row: count - options.processes for row, count in plan.processes.items()}
    for timed, further in zip(timings, interleaved(jobs, sides, more, options, say, seed=1), strict=True):
        for row, records in further.items():
            timed[row] += records
    return *together(), plan.warnings


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
    jobs: Mapping[Key, Job],
    sides: tuple[Revision, Revision],
    processes: Mapping[Key, int],
    options: Options,
    say: Say,
    seed: int = 0,
) -> Sides:
    """Time both revisions A B B A, network after network in each round, in an order that each round shuffles anew."""
    chance = random.Random(seed)
    found: Sides = ({name: [] for name in jobs}, {name: [] for name in jobs})
    total, done = 2 * sum(max(count, 0) for count in processes.values()), 0
    # A round is A B B A: two processes a side, of which the last round of an odd number leaves out the second.
    for round_, names in enumerate(turns({name: (count + 1) // 2 for name, count in processes.items()})):
        for name in chance.sample(names, len(names)):
            for side in order(processes[name])[4 * round_ : 4 * round_ + 4]:
                which = "AB".index(side)
                try:
                    record = run_worker("time", jobs[name], sides[which], options.timeout_s)
                except RevisionError as error:
                    record = jobs[name].failed(str(error))
                found[which][name].append(record)
                done += 1
                say(f"timing {jobs[name].title} at {sides[which].name}", done, total)
    return found
