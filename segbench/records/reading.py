"""JSON into typed results and back: strict on every field that is known, tolerant of those of a newer segbench.

msgspec converts and checks types and ranges. What JSON allows and a measurement never has (NaN, integers beyond 64
bits, endless nesting, lone surrogates) is refused here, each by the name of its field. Imports no torch.
"""

from __future__ import annotations

import functools
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import msgspec

from segbench.errors import RecordError

Result = TypeVar("Result")

DEEPEST = 32
LARGEST = 2**63 - 1
# Fields of combined or optional measurements, which a plain measurement does not write as null.
_LEFT_OUT_WHEN_NONE = frozenset(
    {
        *("processes", "process_fps", "process_cov", "process_latency_ms", "process_round_fps", "process_peak_mib"),
        "process_gpu_busy_ms",
        *("process", "optimized", "roofline", "enqueue_ms", "round_throttled_ms", "runtime", "settings", "operations"),
        *("deviation_failure", "time_ms", "time_share", "layer_timing", "options"),
        *("accepted", "value", "until", "tolerance_points"),
    }
)


def read(kind: type[Result], content: Any) -> Result:
    """A typed result from plain JSON types.

    Args:
        kind: a dataclass of `segbench.records.results`, or `Record`, with a field ``extra`` for what it does not know.
        content: as `json.loads` gives it.

    Raises:
        RecordError: names the field, and says what it takes.
    """
    if not isinstance(content, Mapping):
        raise RecordError(f"an object is accepted: {type(content).__name__} given")
    known = _known(typing.cast(type, kind))
    for name, value in content.items():
        _sane(value, name, 1, finite=name in known and name != "environment")
    try:
        return msgspec.convert(_with_extra(kind, content), kind)
    except msgspec.ValidationError as error:
        raise RecordError(_in_words(str(error))) from None


def check(content: Any, kind: Any, name: str) -> None:
    """Refuse an open object of which a known field is malformed.

    Args:
        content: the object, or a list of them.
        kind: a `TypedDict` of its known fields, or a list of it.
        name: of the field that holds it.

    Raises:
        RecordError: names the field, and says what it takes.
    """
    try:
        msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        text = _in_words(str(error))
        raise RecordError(f"{name}{text}" if text.startswith("[") else f"{name}.{text}") from None


def plain(result: Any) -> dict[str, Any]:
    """A typed result as plain JSON types, fields that were unknown in their place again."""
    content = msgspec.to_builtins(result)
    _without_extra(type(result), content)
    return typing.cast(dict[str, Any], content)


def _sane(value: Any, where: str, depth: int, *, finite: bool) -> None:
    if isinstance(value, float):
        if finite and not math.isfinite(value):
            raise RecordError(f"{where}: a finite number is accepted: {value} given")
    elif isinstance(value, str):
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise RecordError(f"{where}: text is accepted: half of a surrogate pair given")
    elif isinstance(value, int):
        if abs(value) > LARGEST:
            raise RecordError(f"{where}: numbers up to {LARGEST} are accepted")
    elif isinstance(value, (list, Mapping)):
        if depth > DEEPEST:
            field, *_ = where.replace("[", ".").split(".")
            raise RecordError(f"{field}: at most {DEEPEST} levels of nesting are accepted")
        pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
        for name, item in pairs:
            # A list of numbers is most of a Record; its name is put together only where one is wrong.
            if type(item) is float and math.isfinite(item):
                continue
            inner = f"{where}.{name}" if isinstance(value, Mapping) else f"{where}[{name}]"
            _sane(item, inner, depth + 1, finite=finite)


def _in_words(message: str) -> str:
    """``speed.fps: Expected `float`, got `str``` from msgspec's message, which has the field last."""
    text, _, where = message.partition(" - at `$")
    name = where.rstrip("`").lstrip(".").replace("[...]", "[]")
    text = text[0].lower() + text[1:]
    return f"{name}: {text}" if name else text


@functools.cache
def _known(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {item.name: hints[item.name] for item in fields(kind) if item.name != "extra"}


@functools.cache
def _nested(kind: type) -> dict[str, tuple[type, bool]]:
    """Fields that hold a typed result, or a list of them: the type, and whether it is a list."""
    found = {}
    for name, hint in _known(kind).items():
        options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        for option in options:
            if is_dataclass(option):
                found[name] = (typing.cast(type, option), False)
            elif typing.get_origin(option) is list and is_dataclass(typing.get_args(option)[0]):
                found[name] = (typing.get_args(option)[0], True)
    return found


def _with_extra(kind: type, content: Mapping[str, Any]) -> dict[str, Any]:
    known, nested = _known(kind), _nested(kind)
    values = {name: value for name, value in content.items() if name in known}
    values["extra"] = {name: value for name, value in content.items() if name not in known}
    for name, (inner, many) in nested.items():
        value = values.get(name)
        if many and isinstance(value, list):
            values[name] = [_with_extra(inner, item) if isinstance(item, Mapping) else item for item in value]
        elif isinstance(value, Mapping):
            values[name] = _with_extra(inner, value)
    return values


def _without_extra(kind: type, content: dict[str, Any]) -> None:
    for name, (inner, many) in _nested(kind).items():
        value = content.get(name)
        if value is None:
            continue
        for item in value if many else [value]:
            _without_extra(inner, item)
    for name, value in list(content.items()):
        if isinstance(value, tuple):
            content[name] = list(value)
        elif name in _LEFT_OUT_WHEN_NONE and value is None:
            del content[name]
        elif isinstance(value, list) and value and isinstance(value[0], tuple):
            content[name] = [list(item) for item in value]
    content.update(content.pop("extra"))
