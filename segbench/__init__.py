"""segbench: what a segmentation network really costs and really scores, beside what its paper claims.

Each name is imported when it is first used; `list_models` and `SegbenchError` import no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segbench.version import __version__

if TYPE_CHECKING:
    from segbench.catalog import list_models
    from segbench.counting.count import count
    from segbench.errors import SegbenchError
    from segbench.models import build
    from segbench.weights.load import load_checkpoint

__all__ = ["SegbenchError", "__version__", "build", "count", "list_models", "load_checkpoint"]


_LAZY = {
    "SegbenchError": "segbench.errors",
    "build": "segbench.models",
    "count": "segbench.counting.count",
    "list_models": "segbench.catalog",
    "load_checkpoint": "segbench.weights.load",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
