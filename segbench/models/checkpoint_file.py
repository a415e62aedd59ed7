"""Checkpoint files: read without running any code that they carry, and told apart by their SHA-256."""

from __future__ import annotations

import hashlib
import os
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from segbench.errors import CheckpointError

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
        CheckpointError: no such file, not a checkpoint, damaged, or a pickle that needs more than tensors.
    """
    path = Path(path)
    # Unlike Path.is_file, this takes names that are too long for a file.
    if not os.path.isfile(path):  # noqa: PTH113
        is_folder = os.path.isdir(path)  # noqa: PTH112
        raise CheckpointError(
            f"{path} is a folder: {ACCEPTED}" if is_folder else f"no checkpoint at {path}: {ACCEPTED}"
        )
    if path.stat().st_size == 0:
        raise CheckpointError(f"{path} is empty: {ACCEPTED}")
    try:
        content = _read(path)
    except Exception as error:
        raise CheckpointError(_reason(path, str(error).strip() or type(error).__name__)) from error
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path} holds a {type(content).__name__}: a state dict of weights is accepted")
    return content


def _read(path: Path) -> Any:
    if path.suffix == ".safetensors":
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
