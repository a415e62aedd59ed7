"""git, as far as segbench needs it: what it prints, or why it failed, in one line."""

from __future__ import annotations

import subprocess
from pathlib import Path

from segbench.errors import SegbenchError


class GitError(SegbenchError):
    """A revision that does not exist, or a folder without git."""


def git(*arguments: str, folder: Path | None = None, wrong: str = "git failed") -> str:
    """What git prints.

    Args:
        arguments: of git.
        folder: where to run it; the current folder by default.
        wrong: what to say where git fails; its own reason is added.

    Raises:
        GitError: git is not installed or fails.
    """
    try:
        done = subprocess.run(
            ["git", *arguments], capture_output=True, encoding="utf-8", errors="replace", check=True, cwd=folder
        )
    except FileNotFoundError as error:
        raise GitError("git is not installed") from error
    except subprocess.CalledProcessError as error:
        reason = " ".join(error.stderr.split())[-200:]
        raise GitError(f"{wrong}{f' ({reason})' if reason else ''}") from error
    return done.stdout.strip()
