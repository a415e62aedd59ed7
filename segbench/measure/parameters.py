"""Parameters of a network: all of them, and those that reach the output."""

from __future__ import annotations

from torch import nn
from torch.nn.parameter import is_lazy

from segbench.errors import FactoryError
from segbench.measure.operations import Ledger, record


def parameters(net: nn.Module) -> int:
    """All parameters, trainable or not; one that is shared counts once.

    Raises:
        FactoryError: `net` has lazy modules, whose parameters have no shape before the first run.
    """
    if any(is_lazy(parameter) for parameter in net.parameters()):
        raise FactoryError(
            f"{type(net).__name__} has lazy modules, whose parameters have no shape yet: "
            "run it once, or take `params` of its ledger"
        )
    return sum(parameter.numel() for parameter in net.parameters())


def live_parameters(net: nn.Module, at: Ledger | tuple[int, int, int, int]) -> int:
    """Parameters that the network's main output depends on.

    Args:
        net: the network.
        at: its ledger, or the image (N, C, H, W) at which to record one.
    """
    ledger = at if isinstance(at, Ledger) else record(net, at)
    return ledger.live_params
