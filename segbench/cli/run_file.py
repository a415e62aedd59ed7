"""``segbench.toml``: what comparisons measure and how checks judge; the command line goes before it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from segbench.errors import BadOption, UnknownName
from segbench.regress.options import Thresholds, parse_effect

NAME = "segbench.toml"


@dataclass(frozen=True)
class CheckTable:
    """The table ``[check]`` of a run file.

    Attributes:
        min_effect: smallest change of a timing that matters, as a share; None for the usual.
        find: slowdown that is to be found, as a share.
        thresholds: of single metrics and networks.
    """

    min_effect: float | None = None
    find: float | None = None
    thresholds: Thresholds = field(default_factory=Thresholds)


@dataclass(frozen=True)
class RunFile:
    """The content of a run file.

    Attributes:
        networks: names, patterns, or networks of the user's own.
        sizes: as ``512x1024``; none for the papers' own.
        classes: of the output.
        device: where to time.
        out: folder of the Records, relative to the file.
        check: how `segbench check` judges.
    """

    networks: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    classes: int | None = None
    device: str | None = None
    out: Path | None = None
    check: CheckTable = field(default_factory=CheckTable)


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
    except (OSError, ValueError, RecursionError) as error:
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
    content["check"] = _check(path, content.get("check", {}))
    return RunFile(**content)


_METRICS = {"fps": "FPS", "gpu-busy": "GPU busy", "latency": "latency", "memory": "memory", "miou": "mIoU"}
"""Keys of ``[check]`` that are thresholds, and what a check calls these metrics."""


def _check(path: Path, table: Any) -> CheckTable:
    if not isinstance(table, dict):
        raise _wrong(path, "check", "a table, as in [check]")
    networks = table.pop("networks", {})
    if not isinstance(networks, dict) or not all(isinstance(item, dict) for item in networks.values()):
        raise _wrong(path, "check.networks", 'tables by network, as in [check.networks."enet*"]')
    _known(path, "check", table, ("min-effect", "for", "networks", *_METRICS))
    own = {}
    for name, item in networks.items():
        _known(path, f"check.networks.{name}", item, ("min-effect", *_METRICS))
        everything = _share(path, f"check.networks.{name}", item, "min-effect")
        # The network's own minimum effect is that of each of its metrics, which may have one of their own.
        all_metrics = {} if everything is None else dict.fromkeys(set(_METRICS.values()) - {"mIoU"}, everything)
        own[name] = {**all_metrics, **_thresholds(path, f"check.networks.{name}", item)}
    return CheckTable(
        min_effect=_share(path, "check", table, "min-effect"),
        find=_share(path, "check", table, "for"),
        thresholds=Thresholds(_thresholds(path, "check", table), own),
    )


def _thresholds(path: Path, where: str, table: dict[str, Any]) -> dict[str, float]:
    found = {_METRICS[key]: _share(path, where, table, key) for key in table if key in _METRICS and key != "miou"}
    if "miou" in table:
        points = table["miou"]
        if isinstance(points, bool) or not isinstance(points, (int, float)) or not 0 <= points <= 100:
            raise _wrong(path, f"{where}.miou", f"percentage points from 0 to 100, as in 0.005: {points!r} given")
        found["mIoU"] = float(points)
    return {metric: value for metric, value in found.items() if value is not None}


def _share(path: Path, where: str, table: dict[str, Any], key: str) -> float | None:
    if key not in table:
        return None
    value = table[key]
    try:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise BadOption("no share")
        return parse_effect(str(value))
    except BadOption:
        raise _wrong(path, f"{where}.{key}", f'a share between 0 % and 100 %, as in "3%": {value!r} given') from None


def _known(path: Path, where: str, table: dict[str, Any], known: Sequence[str]) -> None:
    for key in table:
        if key not in known:
            raise UnknownName(f"key of [{where}] in {path}", key, known)


def _wrong(path: Path, key: str, accepted: str) -> BadOption:
    return BadOption(f"{key} in {path} has to be {accepted}")
