"""Which networks are ablations: those that papers print nowhere but in the tables that take their own network apart."""

from __future__ import annotations

import functools

from segbench.claims import load_claims

ABLATION_TABLES = frozenset(
    {
        ("mfpnet", "3"),  # without the SGCN
        ("mfpnet", "4"),  # other heads
        ("mfpnet", "5"),  # fewer blocks, other dilations
        ("frmnet", "2"),  # other modules in place of the FRM
        ("frfnet", "3"),  # module by module
        ("eseg", "8"),  # other backbones and decoders under the same training
        ("efrnet", "1"),  # module by module, from ENet
    }
)
"""Paper and number of every table whose rows are steps of one paper's own network."""


@functools.cache
def ablations() -> frozenset[str]:
    """Names of the networks of `ABLATION_TABLES` that no other numbered table prints.

    Example:
        >>> "mfpnet-no-sgcn" in ablations(), "mfpnet" in ablations(), "enet" in ablations()
        (True, False, False)
    """
    numbered = [claim for claim in load_claims() if claim.table.isdigit()]
    inside = {claim.model for claim in numbered if (claim.paper, claim.table) in ABLATION_TABLES}
    return frozenset(inside - {claim.model for claim in numbered if (claim.paper, claim.table) not in ABLATION_TABLES})
