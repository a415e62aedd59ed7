"""Torch's global flags, set as a protocol says while measuring and put back afterwards."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import torch

from segbench.protocol import Protocol

# From torch 2.9 each operation of a backend also has a precision of its own. The older flags write it, but "off" as
# "none", which takes over what the backend, or all of torch, is set to; and they do not restore it.
_NEWER = (
    ("cuda", "matmul"),
    ("cudnn", "conv"),
    ("cudnn", "rnn"),
    ("mkldnn", "matmul"),
    ("mkldnn", "conv"),
    ("mkldnn", "rnn"),
)


@contextlib.contextmanager
def measurement_flags(protocol: Protocol) -> Iterator[None]:
    """Set cuDNN, TF32, float32 matrix precision and grad mode as `protocol` says; restore all of them on leaving."""
    tf32 = protocol.precision == "tf32"
    saved = _read()
    try:
        _write(
            {
                "older": {
                    "cudnn_enabled": True,
                    "cudnn_benchmark": protocol.cudnn_benchmark,
                    "cudnn_deterministic": False,
                    "float32_matmul_precision": "high" if tf32 else "highest",
                    "matmul_tf32": tf32,
                    "cudnn_tf32": tf32,
                },
                "newer": dict.fromkeys(saved["newer"], "tf32" if tf32 else "ieee"),
            }
        )
        with _grad_mode(protocol.grad):
            yield
    finally:
        _write(saved)


def flags_in_force() -> dict[str, Any]:
    """The flags that decide speed, as they are now; None for one that torch refuses to tell."""
    return _read()["older"]


@contextlib.contextmanager
def _without_advice() -> Iterator[None]:
    # torch 2.9 and 2.10 advise the newer flags; the older ones set both, and torch before 2.9 has no others.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Please use the new API", category=UserWarning)
        yield


def _grad_mode(grad: str) -> contextlib.AbstractContextManager[Any]:
    if grad == "inference":
        return torch.inference_mode()
    return torch.no_grad() if grad == "no_grad" else torch.enable_grad()


@_without_advice()
def _read() -> dict[str, dict[str, Any]]:
    older = {
        "cudnn_enabled": torch.backends.cudnn.enabled,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        "float32_matmul_precision": _or_none(torch.get_float32_matmul_precision),
        "matmul_tf32": _or_none(lambda: torch.backends.cuda.matmul.allow_tf32),
        "cudnn_tf32": _or_none(lambda: torch.backends.cudnn.allow_tf32),
    }
    newer = {}
    with _nothing_inherited():
        for backend, operation in _NEWER:
            setting: Any = getattr(getattr(torch.backends, backend), operation, None)
            if hasattr(setting, "fp32_precision"):
                newer[f"{backend}.{operation}"] = setting.fp32_precision
    return {"older": older, "newer": newer}


@contextlib.contextmanager
def _nothing_inherited() -> Iterator[None]:
    """Let each operation tell the precision of its own, which restoring must not replace by an inherited one."""
    backends: Any = torch.backends
    above = [item for item in (backends, backends.cudnn, backends.mkldnn) if hasattr(item, "fp32_precision")]
    before = []
    try:
        # All of torch first: the backends inherit from it, too. And restored last: in torch 2.11 and 2.13 the setter of
        # mkldnn's own is that of all of torch.
        for item in above:
            before.append((item, item.fp32_precision))
            item.fp32_precision = "none"
        yield
    finally:
        for item, precision in reversed(before):
            item.fp32_precision = precision


def _or_none(read: Any) -> Any:
    # torch raises when a program set the precision through the newer flags only; those are restored below.
    try:
        return read()
    except RuntimeError:
        return None


@_without_advice()
def _write(saved: dict[str, dict[str, Any]]) -> None:
    older = saved["older"]
    torch.backends.cudnn.enabled = older["cudnn_enabled"]
    torch.backends.cudnn.benchmark = older["cudnn_benchmark"]
    torch.backends.cudnn.deterministic = older["cudnn_deterministic"]
    if older["matmul_tf32"] is not None:
        torch.backends.cuda.matmul.allow_tf32 = older["matmul_tf32"]
    if older["cudnn_tf32"] is not None:
        torch.backends.cudnn.allow_tf32 = older["cudnn_tf32"]
    # After `matmul_tf32`, which would turn "medium" into "high".
    if older["float32_matmul_precision"] is not None:
        torch.set_float32_matmul_precision(older["float32_matmul_precision"])
    for key, value in saved["newer"].items():
        backend, operation = key.split(".")
        getattr(getattr(torch.backends, backend), operation).fp32_precision = value
