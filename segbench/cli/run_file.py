"""``segbench.toml``: what a comparison that is run again and again measures; the command line goes before it."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from segbench.errors import BadOption, UnknownName

NAME = "segbench.toml"


@dataclass(frozen=True)
class RunFile:
    """The content of a run file.

    Attributes:
        networks: names, patterns, or networks of the user's own.
        sizes: as ``512x1024``; none for the papers' own.
        classes: of the output.
        device: where to time.
        out: folder of the Records, relative to the file.
    """

    networks: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    classes: int | None = None
    device: str | None = None
    out: Path | None = None


def read_run_file(path: Path) -> RunFile:
    """Read a run file.

    Raises:
        BadOption: unreadable, no TOML, or a value of the wrong kind.
        UnknownName: a key that no run file has.
    """
    # TOML is in Python's library from 3.11 on.
    toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        content: dict[str, Any] = toml.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise BadOption(f"cannot read {path}: {reason}") from error
    known = [item.name for item in fields(RunFile)]
    for key in content:
        if key not in known:
            raise UnknownName(f"key of {path}", key, known)
    for key in ("networks", "sizes"):
        value = content.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise _wrong(path, key, 'a list of texts, as in ["enet", "mynets:Net"]')
        content[key] = tuple(value)
    if not isinstance(content.get("classes", 1), int) or isinstance(content.get("classes"), bool):
        raise _wrong(path, "classes", "a whole number")
    for key in ("device", "out"):
        if not isinstance(content.get(key, ""), str):
            raise _wrong(path, key, "a text")
    if "out" in content:
        content["out"] = path.parent / content["out"]
    return RunFile(**content)


def _wrong(path: Path, key: str, accepted: str) -> BadOption:
    return BadOption(f"{key} in {path} has to be {accepted}")
