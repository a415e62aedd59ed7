"""What a GPU day keeps under its folder: whose day it is, the status of each step, and one archive of everything."""

from __future__ import annotations

import json
import os
import tarfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from segbench.compare.run import RATES, RECORDS
from segbench.errors import BadOption
from segbench.records import store
from segbench.records.record import now

ARCHIVE, DAY, STEPS = "gpu-day.tgz", "day.json", "steps.jsonl"
MOST_BYTES = 16 * 2**20
# Whatever else has to be left out of an archive that would be too large.
_ALWAYS = (DAY, STEPS, RECORDS, RATES)

PASSED, FAILED, CUT, SKIPPED = "passed", "failed", "cut", "skipped"
"""Done; done and wrong; stopped because the time was used up, goes on in the next call; not begun."""


@dataclass(frozen=True)
class Status:
    """How a step ended."""

    step: str
    status: str
    seconds: float
    reason: str = ""


def open_day(out: Path, gpu: str, revision: str | None, version: str) -> None:
    """Begin a day under `out`, or go on with the one that lies there, perhaps only as its archive.

    Raises:
        BadOption: that one is of another GPU model or revision.
        OutputError: the folder cannot be written.
    """
    store.require_writable(out)
    archive = out / ARCHIVE
    if archive.exists() and not (out / DAY).exists():
        unpack(archive, out)
    today = {"gpu": gpu, "revision": revision, "segbench": version}
    if (out / DAY).exists():
        known = json.loads((out / DAY).read_text(encoding="utf-8"))
        unlike = [f"{name} {known.get(name)} -> {value}" for name, value in today.items() if known.get(name) != value]
        if unlike:
            raise BadOption(f"{out} holds a day of another kind ({'; '.join(unlike)}): choose another --out")
    store.write_text(out / DAY, json.dumps(today) + "\n")


def keep(out: Path, status: Status) -> None:
    """Add a step's status; it is on disk when this returns."""
    with (out / STEPS).open("a", encoding="utf-8") as file:
        # A line that a killed call left unfinished is closed first.
        file.write(("" if _ends_well(out / STEPS) else "\n") + json.dumps({**asdict(status), "at": now()}) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _ends_well(path: Path) -> bool:
    content = path.read_bytes()
    return not content or content.endswith(b"\n")


def statuses(out: Path) -> dict[str, str]:
    """The last status of each step; a line that a killed call left unfinished is no status."""
    found: dict[str, str] = {}
    for line in (out / STEPS).read_text(encoding="utf-8").splitlines() if (out / STEPS).exists() else ():
        try:
            content: Any = json.loads(line)
        except ValueError:
            continue
        found[content["step"]] = content["status"]
    return found


def pack(out: Path, most_bytes: int = MOST_BYTES) -> list[str]:
    """Write the archive anew, whole or not at all.

    Returns:
        What was left out to stay below `most_bytes`: the largest files that are no Records.
    """
    files = [path for path in out.rglob("*") if path.is_file() and not path.name.startswith((ARCHIVE, "."))]
    # The smallest first: what is dropped, where the archive grows too large, are the last.
    files.sort(key=lambda path: (path.relative_to(out).as_posix() not in _ALWAYS, path.stat().st_size))
    left_out: list[str] = []
    while True:
        temporary = out / f"{ARCHIVE}.new"
        with tarfile.open(temporary, "w:gz") as archive:
            for path in files:
                archive.add(path, path.relative_to(out).as_posix())
        if temporary.stat().st_size <= most_bytes or files[-1].name in _ALWAYS:
            temporary.replace(out / ARCHIVE)
            return left_out
        left_out.append(files.pop().relative_to(out).as_posix())


def unpack(archive: Path, out: Path) -> None:
    """Put an archive's files under `out`; names that lead out of it are refused."""
    with tarfile.open(archive) as file:
        file.extractall(out, filter="data")
