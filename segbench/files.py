"""Files that results go to: written whole or not at all, checked before anything is measured. Imports no torch.

A regular file is written beside the old one and put in its place; a symbolic link is followed; a device, or a FIFO that
somebody reads, is written through to.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from segbench.errors import BadOption, OutputError, legible

try:
    import fcntl
except ImportError:  # not a Unix
    fcntl = None  # type: ignore[assignment]

DRAFT, REPORT, OLD_REPORT = ".segbench-", ".report-", ".old-report-"
"""How the names of drafts begin: of files, of reports' folders, and of what a report replaces."""
_YOUNG_S = 60.0
"""A draft of this age may belong to a process that has not locked it yet."""

# FIFOs that were found to have a reader: closing one would tell the reader that there is no more.
_open: dict[Path, int] = {}


def write_text(path: Path, text: str) -> None:
    """Write a text file as `write_bytes` does."""
    write_bytes(path, legible(text).encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: a reader never sees half of it, a failure leaves the old one.

    Raises:
        OutputError: the folder or the file cannot be written.
    """
    try:
        if _is_special(path):
            _write_through(path, content)
            return
        target = _real(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_stale(target.parent)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=DRAFT)
        try:
            with os.fdopen(handle, "wb") as file:
                _lock(file.fileno())
                file.write(content)
            umask = os.umask(0)
            os.umask(umask)
            Path(temporary).chmod(0o666 & ~umask)
            Path(temporary).replace(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _refused(path, error) from error


@contextlib.contextmanager
def draft_folder(folder: Path, prefix: str = REPORT) -> Iterator[Path]:
    """An empty folder inside of another, gone when the block ends, or at the next one if this process is killed."""
    remove_stale(folder)
    draft = Path(tempfile.mkdtemp(dir=folder, prefix=prefix))
    handle = os.open(draft, os.O_RDONLY)
    try:
        _lock(handle)
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        os.close(handle)


def remove_stale(folder: Path) -> None:
    """Remove what killed processes were writing into a folder; what another is writing now is locked and stays."""
    for draft in [draft for prefix in (DRAFT, REPORT, OLD_REPORT) for draft in folder.glob(f"{prefix}*")]:
        with contextlib.suppress(OSError):
            if time.time() - draft.lstat().st_mtime < _YOUNG_S or draft.is_symlink():
                continue
            handle = os.open(draft, os.O_RDONLY)
            try:
                if fcntl is not None:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if draft.is_dir():
                    shutil.rmtree(draft, ignore_errors=True)
                else:
                    draft.unlink()
            finally:
                os.close(handle)


def require_writable(folder: Path) -> None:
    """Prove that files can be put into `folder`, which need not exist yet and is not made.

    Raises:
        OutputError: the folder cannot be made or written, or is ``-``.
    """
    _require_named(folder)
    try:
        place = _real(folder)
        missing = []
        while not place.exists():
            missing.append(place.name)
            place = place.parent
        longest = os.pathconf(place, "PC_NAME_MAX")
        if any(len(os.fsencode(name)) > longest for name in missing):
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise OutputError(f"cannot write into {_short(folder)}: {error.strerror}") from error


def require_writable_file(path: Path) -> None:
    """Prove that a file can be written, without making it.

    Raises:
        OutputError: it is a folder or ``-``, its folder cannot be made or written, or it is a FIFO that nobody reads.
    """
    _require_named(path)
    try:
        if path.is_dir():
            raise OutputError(f"cannot write {path}: it is a folder, a file is accepted")
        if _is_special(path):
            _opened(path)
            return
        target = _real(path)
        if len(os.fsencode(target.name)) > 255:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    except OSError as error:
        raise _refused(path, error) from error
    require_writable(target.parent)


def _require_named(path: Path) -> None:
    """Refuse ``-`` where no standard output is meant by it."""
    if str(path) == "-":
        raise OutputError("- is standard output, and here a file or folder with a name is accepted")


def require_apart(targets: Iterable[tuple[str, str | Path | None]]) -> None:
    """Refuse options that name one file twice, of which the last would be left.

    Args:
        targets: options and what they were given; None for those that were not, ``-`` for standard output.

    Raises:
        BadOption: names both options.
    """
    seen: dict[str, str] = {}
    for option, given in targets:
        if given is None or (str(given) != "-" and _is_special(Path(given))):
            continue
        name = "-" if str(given) == "-" else os.path.realpath(given)
        if name in seen:
            raise BadOption(f"{seen[name]} and {option} are one file, {_short(given)}: give each its own")
        seen[name] = option


def require_unread(targets: Iterable[tuple[str, str | Path | None]], reads: Iterable[str | Path | None]) -> None:
    """Refuse to write over what the same call reads: a file, or one that a folder has.

    Args:
        targets: as for `require_apart`.
        reads: files and folders; None for what was not given.

    Raises:
        BadOption: names the option.
    """
    sources = [Path(os.path.realpath(source)) for source in reads if source is not None]
    for option, given in targets:
        if given is None or str(given) == "-":
            continue
        target = Path(os.path.realpath(given))
        if any(target == source or source in target.parents for source in sources) and os.path.isfile(target):  # noqa: PTH113
            raise BadOption(f"{option} {_short(given)} would replace what this call reads: give it a name of its own")


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep a folder to this process while the block runs; what was made for it and stays empty is gone afterwards.

    Raises:
        OutputError: another process holds it; names it where the system tells.
    """
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise OutputError(f"cannot write into {_short(folder)}: {error.strerror}") from error
    try:
        try:
            if fcntl is not None:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError(
                f"{folder} is being written by {_holder(handle)}: wait until it ends, or choose another folder"
            ) from None
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        with contextlib.suppress(OSError):
            for place in made:
                place.rmdir()  # only if nothing was put there
        os.close(handle)


def _holder(handle: int) -> str:
    """Who holds the lock of a folder, from the system's list of locks."""
    found = os.fstat(handle)
    place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    with contextlib.suppress(OSError):
        for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
            parts = line.split()
            if place in parts and "FLOCK" in parts and "->" not in parts:
                return f"process {parts[4]}"
    return "another process"


def _lock(handle: int) -> None:
    if fcntl is not None:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _descriptor(path: Path) -> int | None:
    """The number of an open file that a path such as ``/dev/stdout`` names; None for any other path."""
    found = re.fullmatch(r"/dev/(stdout|stderr)|(?:/dev|/proc/self)/fd/(\d+)", str(path))
    return None if found is None else int(found[2] or ("stdout", "stderr").index(found[1]) + 1)


def _is_special(path: Path) -> bool:
    """Whether a path leads to a device, a FIFO, a socket or an open file, which have no old content to keep."""
    if _descriptor(path) is not None:
        return True
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _real(path: Path) -> Path:
    """Where a path leads to, symbolic links followed."""
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return target


def _opened(path: Path) -> int:
    if path not in _open:
        number = _descriptor(path)
        if number is not None:
            # Opened anew, a file would be written from its beginning, over what was printed into it.
            _open[path] = os.dup(number)
            return _open[path]
        # Without O_NONBLOCK a FIFO that nobody reads would be waited for.
        handle = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        os.set_blocking(handle, True)
        _open[path] = handle
    return _open[path]


def _write_through(path: Path, content: bytes) -> None:
    sys.stdout.flush()
    with os.fdopen(_opened(path), "wb") as file:
        del _open[path]
        file.write(content)


def _refused(path: Path, error: OSError) -> OutputError:
    unread = error.errno == errno.ENXIO and path.is_fifo()
    reason = "nobody reads from it" if unread else error.strerror
    return OutputError(f"cannot write {_short(path)}: {reason}")


def _short(path: str | Path) -> str:
    text = str(path)
    return text if len(text) <= 120 else f"{text[:100]}... ({len(text)} characters)"
