"""What the papers print, as data: one CSV per paper, every figure kept as its printed text.

The files were transcribed from the papers' tables, abstracts and prose. Doubts stand in a row's `note`; no figure is
corrected. Imports no torch and no pandas.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from types import MappingProxyType

from segbench.catalog import CATALOG
from segbench.claims.peers import PEERS
from segbench.claims.schema import (
    DATASET_CLASSES,
    SPLITS,
    Claim,
    ClassClaim,
    Figure,
    read_claims,
    read_class_claims,
)
from segbench.errors import UnknownName

__all__ = [
    "DATASET_CLASSES",
    "PAPERS",
    "PEERS",
    "SPLITS",
    "Claim",
    "ClassClaim",
    "Figure",
    "load_claims",
    "load_class_claims",
    "not_built",
    "read_claims",
    "read_class_claims",
    "select",
]

PAPERS: Mapping[str, str] = MappingProxyType(
    {
        "mfpnet": "MFPNet: Multi-scale Feature Propagation Network for Lightweight Semantic Segmentation",
        "frmnet": "A Feature Refinement Module for Light-weight Semantic Segmentation Network",
        "frfnet": "Feature Reuse and Fusion for Real-time Semantic segmentation",
        "eseg": "Revisiting Multi-Scale Feature Fusion for Semantic Segmentation",
        "efrnet": "EFRNet: A Lightweight Network with Efficient Feature Fusion and Refinement for Real-Time Semantic "
        "Segmentation",
    }
)
"""Key and title of every paper whose claims are held, in the order in which they are listed."""


def load_claims(paper: str | None = None, model: str | None = None) -> list[Claim]:
    """Every row that the papers print, paper by paper in the order of `PAPERS`, rows in the order of the file.

    Args:
        paper: only this paper's rows.
        model: only the rows of this network, built here or not. A user's own ``package.module:factory`` has none.

    Raises:
        UnknownName: no such paper, or no paper and no catalog entry has such a network.
        ClaimsError: a file is malformed; names file and line.

    Example:
        Figures stay as they are printed: ENet's in the table of MFPNet's paper.

        >>> claim = load_claims(paper="mfpnet", model="enet")[0]
        >>> claim.table, claim.printed_name, claim.params_m, claim.gflops, claim.fps
        ('2', 'ENet', '0.36', '3.8', '135')
    """
    if paper is not None and paper not in PAPERS:
        raise UnknownName("paper", paper, PAPERS)
    rows = [claim for key in PAPERS if paper in (None, key) for claim in _paper_claims(key)]
    if model is None:
        return rows
    names = {claim.model for key in PAPERS for claim in _paper_claims(key) if claim.model}
    if model not in names and model not in CATALOG and ":" not in model:
        raise UnknownName("network", model, sorted(names.union(CATALOG)), "see `segbench claims`")
    return [claim for claim in rows if claim.model == model]


def select(target: str | None) -> list[Claim]:
    """The claims of a paper or of a network; all of them without a target.

    Raises:
        UnknownName: neither a paper nor a network.
    """
    # A paper's key may be its network's name too; the paper's tables hold the network's claims and its rivals'.
    return load_claims(paper=target) if target is None or target in PAPERS else load_claims(model=target)


def load_class_claims(paper: str | None = None) -> list[ClassClaim]:
    """Every IoU per class that the papers print; few print any.

    Raises:
        UnknownName: no such paper.
        ClaimsError: a file is malformed; names file and line.
    """
    if paper is not None and paper not in PAPERS:
        raise UnknownName("paper", paper, PAPERS)
    files = (_file(f"{key}_per_class.csv") for key in PAPERS if paper in (None, key))
    return [claim for file in files if file.is_file() for claim in read_class_claims(file)]


def not_built(claims: Iterable[Claim]) -> list[str]:
    """Names of the networks that are claimed and not in the catalog, in order of first appearance."""
    names = dict.fromkeys(claim.model for claim in claims if claim.model)
    return [name for name in names if name not in CATALOG]


@functools.cache
def _paper_claims(paper: str) -> tuple[Claim, ...]:
    return tuple(read_claims(_file(f"{paper}.csv")))


def _file(name: str) -> Path:
    return Path(str(resources.files("segbench.claims").joinpath(name)))
