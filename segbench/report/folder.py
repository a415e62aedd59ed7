"""A report's folder: filled beside the old one and put in its place whole, so that a failure leaves the old report."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from segbench.errors import OutputError
from segbench.files import OLD_REPORT, draft_folder

MANIFEST = "report.json"
"""Lists the files that the report wrote, so that the next one removes those and nothing else."""


@contextlib.contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A fresh folder to write a report into; when the block ends without an error its files take their place.

    Files in `folder` that no report wrote stay as they are.

    Args:
        folder: where the report belongs; made if it is missing.

    Yields:
        An empty folder on the same disk.

    Raises:
        OutputError: the folder cannot be written.
    """
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with draft_folder(folder) as draft:
            yield draft
            _install(draft, folder)
    except OSError as error:
        raise OutputError(f"cannot write into {folder}: {error.strerror}") from error
    finally:
        if made:
            with contextlib.suppress(OSError):
                folder.rmdir()  # only if nothing was put there


def files_of(folder: Path) -> list[str]:
    """The files that the report in `folder` consists of, as its manifest lists them; none without a manifest."""
    try:
        listed = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    if not isinstance(listed, list):
        return []
    # A manifest that points outside its folder is not ours.
    return [name for name in listed if isinstance(name, str) and _inside(name)]


def _inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and bool(path.parts)


def _install(draft: Path, folder: Path) -> None:
    """Move every file into place; on an error move back what was there."""
    new = sorted(path.relative_to(draft).as_posix() for path in draft.rglob("*") if path.is_file())
    manifest = {"files": [*new, MANIFEST]}
    (draft / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    old = files_of(folder)
    moved: list[str] = []
    placed: list[str] = []
    with draft_folder(folder, OLD_REPORT) as backup:
        try:
            for name in dict.fromkeys((*old, *new, MANIFEST)):
                if (folder / name).is_file():
                    (backup / name).parent.mkdir(parents=True, exist_ok=True)
                    (folder / name).replace(backup / name)
                    moved.append(name)
            for name in (*new, MANIFEST):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (draft / name).replace(folder / name)
                placed.append(name)
        except BaseException:
            _restore(folder, backup, moved, placed)
            raise
    for name in old:
        with contextlib.suppress(OSError):
            (folder / name).parent.rmdir()  # only if nothing is left in it


def _restore(folder: Path, backup: Path, moved: Sequence[str], placed: Sequence[str]) -> None:
    for name in placed:
        (folder / name).unlink(missing_ok=True)
    for name in moved:
        (backup / name).replace(folder / name)
