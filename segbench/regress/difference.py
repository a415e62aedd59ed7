"""The deterministic comparison: any change of a count, a constant or what is computed, and which module it is in."""

from __future__ import annotations

import difflib
import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from segbench.counting.modules import operation_totals
from segbench.records.accuracy_conditions import AccuracyConditions
from segbench.records.record import NO_SIGNATURE, Record
from segbench.records.results import Signature

TOLERANCE = 1e-4
"""Largest difference of a sampled logit that is no change, in standard deviations of the logits."""

# How many changed modules a message names; the rest are counted.
NAMED = 12

_BY_THE_OUTPUT = ("live parameters", "live-macs")

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Finding:
    """One deterministic quantity that changed.

    Attributes:
        quantity: ``params``, ``macs``, ``signature``, ...
        before: as a person reads it.
        after: the same now.
    """

    quantity: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.quantity}: {self.before} -> {self.after}"


def compare_counts(before: Record, after: Record, *, same_torch: bool, same_machine: bool) -> list[Finding]:
    """Every deterministic quantity that both Records have and that differs.

    Args:
        before: the baseline's Record.
        after: the current one, of the same network at the same size.
        same_torch: another torch may give its own modules other settings; these are compared only where it is the same.
        same_machine: kernel launches are compared only where device, driver, torch and protocol are the same.
    """
    found = [*_numbers(before, after), *_operations(before, after)]
    if before.signature and after.signature:
        found += _signature(before.signature, after.signature)
    elif before.signature and (reason := unsigned(after)):
        found.append(Finding("signature", _moments(before.signature), f"none: {reason}"))
    if same_machine:
        found += _launches(before, after)
    # A constant that changes neither a count nor a logit beyond the tolerance: another eps, a dropout's rate.
    if same_torch and not found and before.modules and after.modules and _changed_settings(before, after):
        found.append(Finding("constants", f"digest {_digest(before)}", f"digest {_digest(after)}"))
    return found


def unsigned(record: Record) -> str:
    """Why a signature that was to be taken could not be; empty otherwise."""
    return next((note.removeprefix(NO_SIGNATURE) for note in record.notes if note.startswith(NO_SIGNATURE)), "")


def explain(before: Record, after: Record) -> list[str]:
    """Which modules changed, one line each; empty where neither structure nor signature tells."""
    structural = changed_modules(_named(before), _named(after)) if before.modules and after.modules else []
    culprits = []
    if before.signature and after.signature:
        calls = (before.signature.modules or [], after.signature.modules or [])
        wrapper = "network" if _own(before) else ""
        paths = [path.removeprefix(wrapper).removeprefix(".") for path in changed_calls(*calls)]
        culprits = [path or "the network" for path in paths]
    lines = structural[:NAMED]
    if len(structural) > NAMED:
        lines.append(f"and {len(structural) - NAMED} more modules")
    mentioned = {line.partition(" (")[0] for line in structural}
    lines += [f"{path} computes something else from the same input" for path in culprits if path not in mentioned]
    return lines


def _numbers(before: Record, after: Record) -> Iterator[Finding]:
    pairs = {
        "parameters": (before.params, after.params),
        "live parameters": (before.live_params, after.live_params),
        **{rule: (count, after.operations.get(rule)) for rule, count in before.operations.items()},
        **{f"{tool} (package)": (count, after.tools.get(tool)) for tool, count in before.tools.items()},
    }
    for name, (old, new) in pairs.items():
        if old is not None and new is not None and old != new:
            yield Finding(name, f"{old:,}", f"{new:,} ({_relative(old, new)})")
        elif old is not None and new is None and name in _BY_THE_OUTPUT:
            yield Finding(name, f"{old:,}", "none: the network returns no tensor")


def quantities(record: Record) -> list[str]:
    """What a finding about a network may be called."""
    fixed = (
        "parameters",
        "live parameters",
        "operations",
        "signature",
        "logits",
        "constants",
        "kernel launches",
        "mIoU",
    )
    return [*fixed, *record.operations, *(f"{tool} (package)" for tool in record.tools)]


def compare_accuracies(before: Record, after: Record, tolerance_points: float) -> Iterator[Finding]:
    """A mIoU that changed under the same conditions, or is gone; see `accuracy_differences` for other conditions.

    Args:
        before: the baseline's Record.
        after: the current one.
        tolerance_points: largest change that is none, in percentage points: an evaluation on another device rounds
            otherwise.
    """
    if before.accuracy is None or before.accuracy.miou is None:
        return
    old, new = before.accuracy.miou, after.accuracy.miou if after.accuracy else None
    if new is None:
        yield Finding("mIoU", f"{old:.4%}", "none: it was not evaluated, or nothing was scored")
    # Rounded, or a change of just the tolerance would be more than that in binary.
    elif round(100 * abs(new - old), 9) > tolerance_points and not accuracy_differences(before, after):
        yield Finding("mIoU", f"{old:.4%}", f"{new:.4%} ({100 * (new - old):+.3f} points)")


def accuracy_differences(before: Record, after: Record) -> list[str]:
    """How the conditions of two accuracies differ, the weights aside: other weights are what is compared."""
    old, new = AccuracyConditions.of(before), AccuracyConditions.of(after)
    return replace(old, checkpoint=None).differences(replace(new, checkpoint=None)) if old and new else []


def _relative(old: int, new: int) -> str:
    return f"{new / old - 1:+.2%}" if old else "from none"


def _operations(before: Record, after: Record) -> Iterator[Finding]:
    old, new = operation_totals(list(before.modules or [])), operation_totals(list(after.modules or []))
    if not old or not new:
        return
    changed = [kind for kind in sorted({*old, *new}) if old.get(kind, 0) != new.get(kind, 0)]
    if changed:
        yield Finding(
            "operations",
            ", ".join(f"{old.get(kind, 0)} {kind}" for kind in changed),
            ", ".join(f"{new.get(kind, 0)} {kind}" for kind in changed),
        )


def _signature(before: Signature, after: Signature) -> Iterator[Finding]:
    if before.resolution != after.resolution or before.gain != after.gain:
        return
    if before.shape != after.shape or len(before.samples) != len(after.samples):
        yield Finding("logits", "x".join(map(str, before.shape)), "x".join(map(str, after.shape)))
        return
    old = [*before.samples, before.mean, before.std]
    new = [*after.samples, after.mean, after.std]
    gaps = [_gap(one, other) for one, other in zip(old, new, strict=True)]
    worst = max(gaps) / before.std if before.std and not isinstance(before.std, str) else max(gaps)
    if not worst <= TOLERANCE:
        what = f"sampled logits differ by up to {worst:.2g} standard deviations, {TOLERANCE:g} is the tolerance"
        yield Finding("signature", _moments(before), f"{_moments(after)} ({what})")


def _moments(signature: Signature) -> str:
    values = (signature.mean, signature.std)
    mean, std = (value if isinstance(value, str) else f"{value:.4g}" for value in values)
    return f"mean {mean}, std {std}"


def _gap(one: Any, other: Any) -> float:
    if isinstance(one, str) or isinstance(other, str):
        return 0.0 if one == other else math.inf
    return abs(one - other)


def _launches(before: Record, after: Record) -> Iterator[Finding]:
    old, new = (record.speed.launches if record.speed else None for record in (before, after))
    if old is not None and new is not None and old != new:
        yield Finding("kernel launches", f"{old:,.0f}", f"{new:,.0f}")


def _changed_settings(before: Record, after: Record) -> bool:
    old, new = ([row.settings for row in record.modules or []] for record in (before, after))
    return any(old) and any(new) and old != new


def _digest(record: Record) -> str:
    settings = json.dumps([row.settings for row in record.modules or []], sort_keys=True)
    return hashlib.sha256(settings.encode()).hexdigest()[:8]


def _own(record: Record) -> bool:
    return ":" in record.model


def _named(record: Record) -> list[dict[str, Any]]:
    """Modules under the names that a user gave them: without the wrapper around a network of their own."""
    rows = [dict(vars(row)) for row in record.modules or []]
    if not _own(record):
        return rows
    inner = [row for row in rows if row["path"] == "network" or row["path"].startswith("network.")]
    if not inner:
        return rows  # counted without the wrapper
    return [{**row, "path": row["path"].removeprefix("network").removeprefix(".")} for row in inner] + [
        # Operations of the wrapper, such as the final resize, belong to no module of the user's.
        {**row, "path": "(output)", "params": 0, "macs": 0, "settings": {}}
        for row in rows
        if row["path"] == ""
    ]


def changed_modules(before: Rows, after: Rows) -> list[str]:
    """What was added, removed and changed, in the order of the network.

    Modules are aligned as lines of two files are, by what they are and where, so that one layer put into an
    `nn.Sequential` is one addition and not a change of every layer after it. A module whose cost alone differs, because
    an earlier one changed its input, is only counted.
    """
    old, new = _own_costs(before), _own_costs(after)
    matcher = difflib.SequenceMatcher(None, _keys(old), _keys(new), autojunk=False)
    removed: list[Mapping[str, Any]] = []
    added: list[Mapping[str, Any]] = []
    pairs: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = []
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal":
            pairs += zip(old[i1:i2], new[j1:j2], strict=True)
            continue
        there = {row["path"]: row for row in new[j1:j2]}
        kept = {row["path"] for row in old[i1:i2]} & there.keys()
        pairs += [(row, there[row["path"]]) for row in old[i1:i2] if row["path"] in kept]
        removed += [row for row in old[i1:i2] if row["path"] not in kept]
        added += [row for row in new[j1:j2] if row["path"] not in kept]
    lines = [f"{_path(row)} ({row['type']}) added: {_costs(row)}" for row in _outermost(added)]
    lines += [f"{_path(row)} ({row['type']}) removed: {_costs(row)}" for row in _outermost(removed)]
    cost_only = []
    for one, other in pairs:
        differences = list(_differences(one, other))
        if differences:
            lines.append(f"{_path(other)} ({other['type']}): {'; '.join(differences)}")
        elif one["own_macs"] != other["own_macs"]:
            cost_only.append(f"{_path(other)} ({other['type']}): MACs {one['own_macs']:,} -> {other['own_macs']:,}")
    if not lines:
        return cost_only
    if cost_only:
        lines.append(f"(and {len(cost_only)} modules whose MACs follow from their input)")
    return lines


def _own_costs(rows: Rows) -> list[dict[str, Any]]:
    """Rows with what is theirs alone: costs without those of the modules inside."""
    own = {row["path"]: {**row, "own_params": row["params"], "own_macs": row["macs"]} for row in rows}
    for row in rows:
        if row["path"]:
            outer = own.get(row["path"].rpartition(".")[0])
            if outer is not None:
                outer["own_params"] -= row["params"]
                outer["own_macs"] -= row["macs"]
    return list(own.values())


def _keys(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    return [
        json.dumps(
            [
                re.sub(r"\d+", "*", row["path"]),
                row["type"],
                row.get("settings"),
                row.get("operations"),
                row["own_params"],
            ],
            sort_keys=True,
        )
        for row in rows
    ]


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    if before["type"] != after["type"]:
        yield f"was a {before['type']}"
    old, new = before.get("settings") or {}, after.get("settings") or {}
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield f"{name} {_show(old.get(name))} -> {_show(new.get(name))}"
    old, new = before.get("operations") or {}, after.get("operations") or {}
    for kind in sorted({*old, *new}):
        if old.get(kind, 0) != new.get(kind, 0):
            yield f"{kind} called {old.get(kind, 0)} -> {new.get(kind, 0)} times"
    if before["own_params"] != after["own_params"]:
        yield f"parameters {before['own_params']:,} -> {after['own_params']:,}"


def _show(value: object) -> str:
    return "none" if value is None else json.dumps(value)


def _path(row: Mapping[str, Any]) -> str:
    return row["path"] or "the network"


def _costs(row: Mapping[str, Any]) -> str:
    return f"{row['params']:,} parameters, {row['macs']:,} MACs"


def _outermost(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    paths = {row["path"] for row in rows}
    return [row for row in rows if not any(outer in paths for outer in _enclosing(row["path"]))]


def _enclosing(path: str) -> Iterator[str]:
    while path:
        path = path.rpartition(".")[0]
        yield path


def changed_calls(before: Rows, after: Rows) -> list[str]:
    """The modules that give another output for the same input: the innermost ones, in the order of the network.

    A change of the forward itself, such as a factor between two layers, is in the innermost module around it.
    """
    old, new = _numbered(before), _numbered(after)
    found = [
        key
        for key, row in new.items()
        if key in old and _alike(old[key]["in"], row["in"]) and not _alike(old[key]["out"], row["out"])
    ]
    paths = list(dict.fromkeys(path for path, _ in found))
    return [path for path in paths if not any(path in _enclosing(other) for other in paths if other != path)]


def _numbered(rows: Rows) -> dict[tuple[str, int], Mapping[str, Any]]:
    seen: dict[str, int] = {}
    numbered = {}
    for row in rows:
        index = seen.get(row["path"], 0)
        seen[row["path"]] = index + 1
        numbered[row["path"], index] = row
    return numbered


def _alike(one: Sequence[Any], other: Sequence[Any]) -> bool:
    if len(one) != len(other):
        return False
    for start in range(0, len(one) - 2, 3):
        spread = one[start + 1]
        mean = one[start]
        # Sums of many values carry rounding of the size of the mean, however small the spread is.
        room = TOLERANCE * spread + 1e-5 * abs(mean) if not isinstance(spread, str) and not isinstance(mean, str) else 0
        if any(_gap(a, b) > room for a, b in zip(one[start : start + 3], other[start : start + 3], strict=True)):
            return False
    return True
