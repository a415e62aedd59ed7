"""Every network that segbench knows: name, factory, paper, fidelity, resolutions. Imports no torch."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable

from segbench.catalog.collect import Catalog
from segbench.catalog.entry import FIDELITY_MEANING, Checkpoint, Entry, Fidelity, Golden, Preprocessing
from segbench.catalog.known import KNOWN, KnownNetwork
from segbench.errors import BadType, UnknownName

__all__ = [
    "CATALOG",
    "FIDELITY_MEANING",
    "KNOWN",
    "Catalog",
    "Checkpoint",
    "Entry",
    "Fidelity",
    "Golden",
    "KnownNetwork",
    "Preprocessing",
    "find",
    "list_models",
    "match",
]


_ALL = "see `segbench models`"

CATALOG = Catalog()
"""Entry of every network by name; `segbench.catalog.collect` says in which order."""


def list_models(*patterns: str) -> list[str]:
    """Names of the networks that match any shell pattern, in catalog order; all of them without a pattern.

    Raises:
        BadType: a pattern that is no text.

    Example:
        >>> list_models("enet*", "ERFNet")
        ['enet', 'enet-torch7', 'erfnet']
        >>> list_models("no-such-*")
        []
    """
    if not patterns:
        return list(CATALOG)
    if not all(isinstance(pattern, str) for pattern in patterns):
        raise BadType(f"a pattern is a text, such as 'mfpnet*': {', '.join(map(repr, patterns))[:80]} given")
    lowered = [pattern.lower() for pattern in patterns]
    return [name for name in CATALOG if any(fnmatch.fnmatchcase(name, pattern) for pattern in lowered)]


def match(patterns: Iterable[str]) -> list[str]:
    """Names that match, in the order asked for, each once.

    Raises:
        UnknownName: a pattern that matches nothing; the nearest names are offered.

    Example:
        >>> match(["erfnet", "enet*", "enet"])
        ['erfnet', 'enet', 'enet-torch7']
    """
    chosen: dict[str, None] = {}
    for pattern in patterns:
        names = list_models(pattern)
        if not names:
            raise _unknown(pattern)
        chosen.update(dict.fromkeys(names))
    return list(chosen)


def _unknown(name: str) -> UnknownName:
    known = KNOWN.get(name.lower())
    return UnknownName("network", name, CATALOG, f"known, not built: {known.reason}" if known else _ALL)


def find(name: str) -> Entry:
    """The entry of one network.

    Raises:
        BadType: the name is no text.
        UnknownName: no such network; the nearest names are offered.

    Example:
        >>> entry = find("enet")
        >>> entry.paper
        'ENet (Paszke et al., arXiv 1606.02147)'
        >>> entry.params, entry.classes, entry.fidelity
        (360422, 19, 'port')
        >>> find("enett")
        Traceback (most recent call last):
            ...
        segbench.errors.UnknownName: unknown network 'enett': did you mean enet, esnet, segnet?; see `segbench models`
    """
    if not isinstance(name, str):
        raise BadType(f"a network has a name, such as 'enet': {type(name).__name__} given")
    entry = CATALOG.get(name.lower())
    if entry is None:
        raise _unknown(name)
    return entry
