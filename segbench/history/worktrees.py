"""Worktrees of a bisection: one for each commit that is measured, none left behind."""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from segbench.history.commits import GitError, git
from segbench.regress.against import Revision, RevisionError, run_python

_PREFIX = "segbench-bisect-"

_ORIGIN = """
import importlib.util, json, sys
found = importlib.util.find_spec(sys.argv[1])
places = [found.origin, *(found.submodule_search_locations or [])] if found else []
print(json.dumps([place for place in places if place]))
"""


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
            yield Revision(commit[:10], commit, place / prefix, place)
        finally:
            with contextlib.suppress(GitError):
                git("worktree", "remove", "--force", "--force", str(place))


def remove_stale() -> None:
    """Remove the worktrees of bisections that were killed."""
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


def require_inside(package: str, revision: Revision) -> None:
    """Refuse a network that would be imported from elsewhere than its commit, and so be the same at every commit.

    Raises:
        RevisionError: the commit has no such package.
    """
    try:
        done = run_python(revision, _ORIGIN, package)
    except OSError as error:
        raise RevisionError(f"{revision.folder.name} is no folder of the commit: {error.strerror}") from error
    if done.returncode:
        reason = [*done.stderr.strip().splitlines(), f"status {done.returncode}"][-2:][0]
        raise RevisionError(f"{package} cannot be looked for: {reason}")
    places = json.loads(done.stdout)
    root = revision.root.resolve()
    if not any(Path(place).resolve().is_relative_to(root) for place in places):
        where = f"; it would be imported from {places[0]}" if places else ""
        raise RevisionError(f"the commit has no {package}{where}")
