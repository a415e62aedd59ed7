"""Checkpoint files: read without running any code that they carry, and told apart by their SHA-256."""

from __future__ import annotations

import hashlib
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from segbench.errors import CheckpointError
from segbench.models.stubs import PICKLE
from segbench.weights.sets import weight_sets

ACCEPTED = "a .pth, .pt, .tar or .safetensors file is accepted"

# How torch says that a pickle asks for more than tensors in plain containers, in the wording of its releases.
_NEEDS_CODE = re.compile(
    r"Unsupported (?:global|class)|unsupported GLOBAL|not an allowed global|Can only (?:build|create)|"
    r"Trying to (?:call|instantiate)"
)
_NAMED = re.compile(r"(?:GLOBAL|class|for) ([A-Za-z_][\w.]*)")
_ZIP, _PICKLE = b"PK", b"\x80"


def read_checkpoint(path: str | Path) -> Mapping[str, Any]:
    """Read a checkpoint file onto the CPU without running any code that it carries.

    Raises:
        CheckpointError: no such file, not a checkpoint (an HTML page or a Git LFS pointer is named), damaged, or a
            pickle without weights in plain containers. Objects beside them become `Stub` instances.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise CheckpointError(
                f"{path} is a folder: {ACCEPTED}" if path.is_dir() else f"no checkpoint at {path}: {ACCEPTED}"
            )
        if path.stat().st_size == 0:
            raise CheckpointError(f"{path} is empty: {ACCEPTED}")
    except OSError as error:
        raise CheckpointError(f"cannot read {str(path)[:80]}: {error.strerror}") from error
    if kind := _foreign(path):
        raise CheckpointError(f"{path} is not a checkpoint but {kind}: {ACCEPTED}")
    try:
        content = _read(path)
    except Exception as error:
        reason = _reason(path, str(error).strip() or type(error).__name__)
        content = _with_stubs(path) if _NEEDS_CODE.search(str(error)) else None
        if content is None:
            raise CheckpointError(reason) from error
    if isinstance(content, (list, tuple)) and weight_sets(content, str(path)):
        return {str(place): part for place, part in enumerate(content)}
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path} holds a {type(content).__name__}: a state dict of weights is accepted")
    return content


def _with_stubs(path: Path) -> Any:
    """What a pickle holds beside objects that need code, which become stubs; None where that is no weights."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", pickle_module=PICKLE, weights_only=False)
        return content if weight_sets(content, str(path)) else None
    except CheckpointError:
        raise
    except Exception:
        return None


def _foreign(path: Path) -> str:
    """What a file is that was meant to be a checkpoint and is something else; empty for a possible one."""
    with path.open("rb") as file:
        start = file.read(1024)
    text = start.lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<?xml")):
        return "an HTML page, as a download behind a sign-in or a confirmation leaves it (download it anew)"
    if text.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer (run `git lfs pull` where it comes from)"
    if text.startswith((b"/annex/objects", b"../.git/annex", b".git/annex")):
        return "a git-annex pointer (run `git annex get` where it comes from)"
    if start.startswith(b"\x1f\x8b"):
        return "a gzip archive (unpack it first)"
    return ""


def _is_safetensors(path: Path) -> bool:
    """Whether a file begins as the format does, whatever its name: a length, and that much JSON."""
    with path.open("rb") as file:
        start = file.read(9)
    length = int.from_bytes(start[:8], "little")
    return len(start) == 9 and start[8:] == b"{" and 2 <= length <= path.stat().st_size - 8


def _read(path: Path) -> Any:
    if path.suffix == ".safetensors" or _is_safetensors(path):
        from safetensors.torch import load_file

        return load_file(path)
    if _is_torchscript(path):
        # Older releases of torch run it although only weights are asked for.
        raise ValueError("TorchScript")
    with warnings.catch_warnings():
        # Foreign pickles are announced by warnings before they are refused.
        warnings.simplefilter("ignore")
        return torch.load(path, map_location="cpu", weights_only=True)


def _is_torchscript(path: Path) -> bool:
    """Whether a file is an archive of code and constants; one of weights alone has neither."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _reason(path: Path, message: str) -> str:
    if "TorchScript" in message:
        return f"{path} is a TorchScript archive, which holds code: save the network's `state_dict()`"
    if "legacy .tar format" in message:
        return f"{path} is in torch's .tar format from before 0.1.10, which holds code: save it anew with torch"
    if _NEEDS_CODE.search(message):
        named = _NAMED.search(message)
        what = f" ({named[1]})" if named else ""
        return (
            f"{path} needs code to unpickle{what} and is refused: only tensors in plain containers are read "
            "(save `model.state_dict()`)"
        )
    with path.open("rb") as file:
        start = file.read(2)
    if start[:1] == _PICKLE and "Unsupported operand" in message:
        return f"{path} is a pickle that torch did not write, which may hold code, and is refused: {ACCEPTED}"
    if start != _ZIP and start[:1] != _PICKLE and path.suffix != ".safetensors":
        return f"{path} is not a checkpoint: {ACCEPTED}"
    first = message.splitlines()[0][:120].rstrip(".")
    return f"{path} is not a readable checkpoint; it may be damaged or truncated ({first})"


def sha256(path: str | Path) -> str:
    """The SHA-256 of a file in hexadecimal digits.

    Raises:
        CheckpointError: the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with Path(path).open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from error
    return digest.hexdigest()
