"""What a history must know of a commit to order it without git, and how git tells it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import pairwise
from typing import Annotated

from msgspec import Meta

from segbench.errors import BadOption
from segbench.git import GitError, git
from segbench.records.record import Date
from segbench.records.results import AtLeastOne, Extra, meaning

SHA = re.compile(r"[0-9a-f]{7,64}")


@dataclass(frozen=True, kw_only=True)
class Commit:
    """A commit of the project, and its place among the others."""

    commit: Annotated[str, Meta(pattern=r"^[0-9a-f]{7,64}$"), meaning("its hash")]
    number: Annotated[
        AtLeastOne | None,
        meaning("commits on its branch up to it, first parents alone; null where git did not tell", "count"),
    ] = None
    date: Annotated[Date, meaning("when it was committed", "UTC")] = ""
    subject: Annotated[str, meaning("first line of its message")] = ""
    extra: Extra = field(default_factory=dict, hash=False, compare=False)

    @property
    def short(self) -> str:
        """Its hash, as short as people say it."""
        return self.commit[:10]


def in_order(commits: Iterable[Commit]) -> list[Commit]:
    """Each commit once, from the oldest to the newest: by number where all have one, otherwise by date."""
    known: dict[str, Commit] = {}
    for commit in commits:
        # One machine's clone may have been shallow, and another's not.
        if commit.commit not in known or known[commit.commit].number is None:
            known[commit.commit] = commit
    numbered = all(commit.number is not None for commit in known.values())

    def place(commit: Commit) -> tuple[int, str, int, str]:
        return (commit.number or 0) if numbered else 0, commit.date, commit.number or 0, commit.commit

    return sorted(known.values(), key=place)


def of_several_branches(commits: Sequence[Commit]) -> tuple[Commit, Commit] | None:
    """Two commits that are not of one branch, as their equal numbers show; None where there are none."""
    pairs = ((one, other) for one, other in pairwise(commits) if one.number is not None and one.number == other.number)
    return next(pairs, None)


def resolve(revision: str) -> str:
    """The hash of the commit that a revision of the current folder's repository names.

    Raises:
        GitError: there is none.
    """
    wrong = f"there is no revision {revision!r}"
    if revision.startswith("-") or not revision:
        raise GitError(wrong)
    return git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}", wrong=wrong)


def describe(sha: str) -> Commit:
    """A commit of the current folder's repository.

    Raises:
        GitError: git fails.
    """
    seconds, _, subject = git("log", "-1", "--format=%ct %s", sha).partition(" ")
    shallow = git("rev-parse", "--is-shallow-repository") == "true"
    return Commit(
        commit=sha,
        # A shallow clone ends somewhere, and would number its commits from there.
        number=None if shallow else int(git("rev-list", "--count", "--first-parent", sha)),
        date=_utc(datetime.fromtimestamp(int(seconds), timezone.utc)),
        subject=subject,
    )


def find(revision: str, date: str | None) -> Commit:
    """A commit that a user names: as git knows it, or by its hash and date where git does not.

    Raises:
        GitError: git knows no such revision, and no date is given.
        BadOption: a date or a hash that is malformed.
    """
    try:
        found = describe(resolve(revision))
    except GitError as error:
        if date is None:
            raise GitError(f"{error}: give --date too for a commit that git does not know here") from error
        if not SHA.fullmatch(revision.lower()):
            raise BadOption(f"--commit takes a hash of 7 to 64 letters a-f and digits: {revision!r} given") from None
        return Commit(commit=revision.lower(), date=_parsed(date))
    if date is not None:
        raise BadOption(f"git knows the date of {found.short}: leave out --date")
    return found


def _parsed(date: str) -> str:
    try:
        moment = datetime.fromisoformat(date.replace("Z", "+00:00"))
        return _utc(moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc))
    except (ValueError, OverflowError):
        raise BadOption(f"--date takes a date such as 2026-11-21T10:00:00Z: {date!r} given") from None


def _utc(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
