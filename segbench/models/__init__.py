"""Build a network of the catalog: random weights, eval mode, nothing downloaded."""

from __future__ import annotations

import importlib
from typing import Any

from segbench import limits
from segbench.catalog import find
from segbench.errors import BadOption, SegbenchError, first_line
from segbench.models.base import Network

__all__ = ["Network", "build"]


def build(name: str, num_classes: int | None = None, **options: Any) -> Network:
    """Build a network by its catalog name.

    Args:
        name: a catalog name; see `segbench.list_models`.
        num_classes: output channels; the catalog's class count by default.
        options: constructor arguments of the architecture.

    Returns:
        The network in eval mode with random weights: ``(N, 3, H, W)`` to logits ``(N, num_classes, H, W)``.

    Raises:
        UnknownName: no such network.
        BadType: a name that is no text, or a class count that is no whole number.
        BadOption: a class count out of range, or an option that the network does not take.

    Example:
        >>> import torch
        >>> net = build("enet", num_classes=11)
        >>> with torch.inference_mode():
        ...     net(torch.zeros(1, 3, 64, 128)).shape
        torch.Size([1, 11, 64, 128])

        On the meta device it costs neither memory nor time:

        >>> with torch.device("meta"):
        ...     net = build("setr")
        >>> sum(parameter.numel() for parameter in net.parameters())
        309594899
    """
    entry = find(name)
    classes = entry.classes if num_classes is None else num_classes
    limits.check_integer("classes", classes)
    limits.check("classes", classes, 1, limits.CLASSES)
    module, function = entry.factory.split(":")
    factory = getattr(importlib.import_module(module), function)
    try:
        net = factory(num_classes=classes, **options)
    except SegbenchError:
        raise
    except Exception as error:
        if options:
            raise BadOption(f"{name} does not take these options: {first_line(error)}") from error
        raise
    assert isinstance(net, Network)
    return net.eval()
