"""A commit in a worktree of its own, and processes that import from there."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from segbench.errors import SegbenchError
from segbench.git import GitError, git
from segbench.job import Job
from segbench.records.record import Record
from segbench.regress.worker import UNKNOWN

_PREFIX = "segbench-worktree-"

_IMPORTING = """
import sys
if sys.path[:1] == [""]:
    del sys.path[0]
import os, runpy, sysconfig
python = sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")
behind = 1 + max([n for n, place in enumerate(sys.path) if place.removesuffix("/lib-dynload") in python], default=-1)
sys.path[behind:behind] = sys.argv[1].split(os.pathsep)
os.environ["PYTHONPATH"] = sys.argv.pop(1)
"""
"""Imports from the places of a revision, but nothing that is Python's own."""

_WORKER = 'runpy.run_module("segbench.regress.worker", run_name="__main__", alter_sys=True)'


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


@contextlib.contextmanager
def worktree(commit: str, *, files: bool = True) -> Iterator[Revision]:
    """A commit of the current folder's repository, checked out beside it; removed on leaving, however that is.

    Args:
        commit: its hash.
        files: without them the worktree is empty, and git works in it all the same.

    Raises:
        GitError: git cannot check it out.
    """
    prefix = git("rev-parse", "--show-prefix")
    # Each commit has a folder of its own: in a folder that is checked out anew within a second, Python runs old code.
    with tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-") as folder:
        place = Path(folder) / "worktree"
        empty = () if files else ("--no-checkout",)
        try:
            wrong = f"commit {commit[:10]} cannot be checked out"
            git("worktree", "add", "--detach", "--quiet", *empty, str(place), commit, wrong=wrong)
            if files:
                _fill_submodules(Path(git("rev-parse", "--show-toplevel")), commit, place)
            yield Revision(commit[:10], commit, place / prefix, place)
        finally:
            with contextlib.suppress(GitError):
                git("worktree", "remove", "--force", "--force", str(place))


def _fill_submodules(root: Path, commit: str, place: Path) -> None:
    """Check out the submodules that the user has checked out: git leaves those of a worktree empty.

    An empty one would be looked for elsewhere, such as in the user's checkout, and be the same at every commit.

    Raises:
        GitError: the user's clone of a submodule lacks the commit.
    """
    for line in git("ls-tree", "-r", "--full-tree", commit, folder=root).splitlines():
        about, _, path = line.partition("\t")
        mode, _, wanted = about.split(" ")
        if mode != "160000" or not (root / path / ".git").exists():
            continue
        wrong = f"submodule {path} of commit {commit[:10]} cannot be checked out: fetch {wanted[:10]} there"
        git("clone", "--quiet", "--shared", "--no-checkout", str(root / path), str(place / path), wrong=wrong)
        git("checkout", "--quiet", "--detach", wanted, folder=place / path, wrong=wrong)
        _fill_submodules(root / path, wanted, place / path)


def remove_stale() -> None:
    """Remove the worktrees of calls that were killed."""
    for line in git("worktree", "list", "--porcelain").splitlines():
        found = re.fullmatch(rf"worktree (.*{_PREFIX}(\d+)-[^/]*/worktree)", line)
        if found and not _alive(int(found[2])):
            with contextlib.suppress(GitError):
                git("worktree", "remove", "--force", "--force", found[1])
            with contextlib.suppress(OSError):
                Path(found[1]).parent.rmdir()
    git("worktree", "prune")


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


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
        try:
            done = run_python(revision, _WORKER, what, str(source), str(target), timeout_s=timeout_s)
        except subprocess.TimeoutExpired as error:
            raise RevisionError(f"timed out after {timeout_s:g} s") from error
        except OSError as error:
            raise RevisionError(f"{revision.folder} of that revision: {error.strerror}") from error
        if done.returncode == 0 and target.exists():
            return Record.from_json(json.loads(target.read_text(encoding="utf-8")))
        lines = [line.strip() for line in done.stderr.strip().splitlines() if line.strip()]
        reason = lines[-1][:300] if lines else f"the process ended with status {done.returncode}"
        raise MissingNetwork(reason) if done.returncode == UNKNOWN else RevisionError(reason)


def run_python(
    revision: Revision, code: str, *arguments: str, timeout_s: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process that imports from a revision, but nothing from there that is Python's own.

    Args:
        revision: whose folders come before whatever is installed.
        code: finds its arguments in ``sys.argv[1:]``.
        arguments: those.
        timeout_s: seconds after which the process is killed.

    Raises:
        subprocess.TimeoutExpired: it was killed.
        OSError: the revision has no such folder.
    """
    return subprocess.run(
        [sys.executable, "-c", _IMPORTING + code, places(revision), *arguments],
        cwd=revision.folder,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def places(revision: Revision) -> str:
    """Where a process imports from before whatever is installed: a revision's folder, root and src."""
    paths = [str(place) for place in (revision.folder, revision.root, revision.root / "src") if place.is_dir()]
    before = os.environ.get("PYTHONPATH", "")
    return os.pathsep.join([*paths, *([before] if before else [])])
