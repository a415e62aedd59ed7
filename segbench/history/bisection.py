"""Which commit made a network different or slower: git's own bisection, with each commit measured in a worktree.

What is deterministic is decided by counting alone. Otherwise each commit is timed in turn with the good one, and judged
by the statistics of `segbench check --against`. Verdicts are kept in the repository's git folder until the commit is
found, so a bisection that was interrupted goes on.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from segbench import files
from segbench.errors import BadOption, SegbenchError
from segbench.git import GitError, git
from segbench.history.commits import resolve
from segbench.history.measuring import Measuring, NotBuilt, Target
from segbench.job import Job, Settings
from segbench.regress.baseline import jobs_for
from segbench.regress.options import Options
from segbench.regress.revision import RevisionError, remove_stale, worktree
from segbench.regress.sampling import Say
from segbench.spec import is_own, parse

GOOD, BAD, SKIP = "good", "bad", "skip"


class NoDifference(SegbenchError):
    """Two commits between which there is nothing to find."""


@dataclass
class Found:
    """How a bisection ended.

    Attributes:
        commit: the first bad commit; None where commits that could not be judged hide it.
        suspects: the commits that it may be, the newest first.
        target: what was looked for.
        skipped: commits that could not be built, or not be judged, and why.
    """

    commit: str | None
    suspects: list[str]
    target: Target
    skipped: dict[str, str] = field(default_factory=dict)


def bisect(
    ends: tuple[str, str], job: Job, options: Options, quantity: str | None, say: Say, tell: Callable[[str], None]
) -> Found:
    """Find the first commit at which a network is different, or slower, than at a good one.

    Args:
        ends: the good revision and the bad one, of the repository of the current folder.
        job: the network; without `Settings.speed` what is deterministic is compared alone.
        options: how timings are judged.
        quantity: what to look for; by default what differs, and a timing only where nothing deterministic does.
        say: told of progress.
        tell: told of the verdict on each commit, in one line.

    Raises:
        GitError: this is no repository, or there is no such revision.
        BadOption: the good revision is no ancestor of the bad one.
        RevisionError: one of the two cannot be measured.
        NoDifference: nothing differs, or not beyond chance.
    """
    git("rev-parse", "--show-toplevel", wrong="bisect needs a git repository to work in")
    good, bad = map(resolve, ends)
    if good == bad:
        raise NoDifference(f"{ends[0]} and {ends[1]} are one commit ({good[:10]}): there is nothing to find")
    try:
        git("merge-base", "--is-ancestor", good, bad)
    except GitError:
        raise BadOption(f"{ends[0]} is no ancestor of {ends[1]}: give the older commit, the good one, first") from None
    remove_stale()
    state = State(_state_file(good, bad, job, options, quantity))
    with worktree(good) as old, worktree(bad, files=False) as empty:
        measuring = Measuring(job, options, say)
        try:
            measuring.start(old)
        except NotBuilt as error:
            raise RevisionError(f"{ends[0]} cannot be measured: {error}") from error
        if state.target is None:
            with worktree(bad) as new:
                try:
                    target = measuring.difference(new, quantity)
                except NotBuilt as error:
                    raise RevisionError(f"{ends[1]} cannot be measured: {error}") from error
            if target is None:
                raise NoDifference(f"nothing to find between {ends[0]} and {ends[1]}: {measuring.nothing}")
            state.begin(target)
        assert state.target is not None
        search = _Search(empty.root, good, bad)
        tell(f"{ends[0]} to {ends[1]}, {len(search.suspects())} commits: {state.target.words}{state.goes_on()}")
        while len(search.suspects()) > 1 and search.at not in state.skipped:
            commit, verdict = search.at, state.verdicts.get(search.at)
            if verdict is None:
                left = len(search.suspects())
                verdict, why = _verdict(commit, measuring, state.target)
                state.add(commit, verdict, why)
                said = "skipped" if verdict == SKIP else verdict
                tell(f"{_named(commit)}: {said}{f': {why}' if why else ''} (1 of {left} that it may be)")
            search.mark(verdict, commit)
        suspects = search.suspects()
    if len(suspects) == 1:
        state.forget()
    return Found(suspects[0] if len(suspects) == 1 else None, suspects, state.target, state.skipped)


def only_one(model: str, sizes: Sequence[tuple[int, int]], classes: int | None, settings: Settings) -> Job:
    """The job of one network, a file of which is named as it lies in the repository.

    Raises:
        BadOption: several networks, or a file outside of the repository.
        UnknownName: no such network of the catalog.
    """
    spec = parse(model) if is_own(model) else None
    if spec and spec.is_file:
        root = Path(git("rev-parse", "--show-toplevel", wrong="bisect needs a git repository to work in")).resolve()
        place = Path(spec.source).resolve()
        if not place.is_relative_to(root):
            raise BadOption(f"{spec.source} is not in the repository {root}: its commits do not change it")
        model = str(replace(spec, source=f"./{os.path.relpath(place)}"))
    jobs = jobs_for([model], sizes, classes, settings)
    if len(jobs) > 1:
        raise BadOption(f"bisect takes one network: {model} names {len(jobs)}")
    return jobs[0]


def title(commit: str) -> str:
    """Hash and subject of a commit, as the last line of a bisection names it."""
    return git("log", "-1", "--format=%H %s", commit)


def _named(commit: str) -> str:
    return git("log", "-1", "--format=%h %s", commit)


def _verdict(commit: str, measuring: Measuring, target: Target) -> tuple[str, str]:
    try:
        with worktree(commit) as revision:
            found, why = measuring.has(revision, target)
    except (NotBuilt, GitError) as error:
        return SKIP, f"it cannot be measured: {error}"
    return {True: BAD, False: GOOD, None: SKIP}[found], why


class _Search:
    """git's bisection in a worktree of its own, which leaves one of the user's alone."""

    def __init__(self, folder: Path, good: str, bad: str) -> None:
        self._folder = folder
        git("bisect", "start", "--no-checkout", bad, good, folder=folder)

    @property
    def at(self) -> str:
        """The commit to judge next."""
        return git("rev-parse", "BISECT_HEAD", folder=self._folder)

    def suspects(self) -> list[str]:
        """The commits that may be the first bad one, the newest first."""
        return git(
            "rev-list", "refs/bisect/bad", "--not", "--glob=refs/bisect/good-*", folder=self._folder
        ).splitlines()

    def mark(self, verdict: str, commit: str) -> None:
        """Tell a verdict. That only skipped commits are left is no failure, though git ends with another status."""
        subprocess.run(["git", "bisect", verdict, commit], cwd=self._folder, capture_output=True, check=False)


class State:
    """The verdicts of a bisection on disk; commits that were skipped are tried again, as what they lacked may be there.

    Attributes:
        target: what is looked for; None before that is known.
        verdicts: of commits, `GOOD` or `BAD`; of this run those that were skipped as well.
        skipped: of this run, with the reasons.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.target: Target | None = None
        self.verdicts: dict[str, str] = {}
        self.skipped: dict[str, str] = {}
        with contextlib.suppress(ValueError, KeyError, TypeError):  # what is not whole is found again
            for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
                content = json.loads(line)
                if "verdict" in content:
                    self.verdicts[content["commit"]] = content["verdict"]
                else:
                    self.target = Target.from_json(content)

    def begin(self, target: Target) -> None:
        """Keep what is looked for."""
        self.target = target
        self._write(json.dumps(target.to_json()))

    def add(self, commit: str, verdict: str, why: str) -> None:
        """Keep a verdict."""
        self.verdicts[commit] = verdict
        if verdict == SKIP:
            self.skipped[commit] = why
        else:
            self._write(json.dumps({"commit": commit, "verdict": verdict}))

    def goes_on(self) -> str:
        """What is known from an earlier run, for the first line."""
        return f"; {len(self.verdicts)} commits are judged already" if self.verdicts else ""

    def forget(self) -> None:
        """Remove what was kept."""
        self._path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._path.parent.rmdir()

    def _write(self, line: str) -> None:
        old = self._path.read_text(encoding="utf-8") if self._path.exists() else ""
        files.write_text(self._path, f"{old}{line}\n")


def _state_file(good: str, bad: str, job: Job, options: Options, quantity: str | None) -> Path:
    """Where the verdicts of this very call are kept: other software or another device is another bisection."""
    here = replace(job.settings, environment={}, rates=None)
    software = {name: job.settings.environment.get(name) for name in ("torch", "python", "segbench", "driver", "gpu")}
    told = [good, bad, replace(job, settings=here), options, quantity, software]
    name = hashlib.sha256(repr(told).encode()).hexdigest()[:16]
    return Path(git("rev-parse", "--git-common-dir")).resolve() / "segbench-bisect" / f"{name}.jsonl"


def suspects_in_words(found: Found) -> Sequence[str]:
    """What is known where skipped commits hide the first bad one."""
    lines = [f"  {title(commit)}" for commit in found.suspects]
    return [f"the first bad commit cannot be told from those that were skipped; it is one of {len(lines)}:", *lines]
