"""What is measured: a catalog network or a user's own, buildable afresh as often as metrics need."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from segbench import limits
from segbench import resolution as sizes
from segbench.catalog import Entry, find
from segbench.models import build
from segbench.models.own import build_own, is_own


@dataclass(frozen=True)
class Subject:
    """A MODEL argument, resolved.

    Attributes:
        spec: the catalog name, or ``package.module:factory``.
        classes: output channels; None leaves them to a user's own network.
        entry: the catalog entry; None for a user's own network.
    """

    spec: str
    classes: int | None
    entry: Entry | None

    @property
    def fidelity(self) -> str | None:
        """How far the network is known to be the authors'; None for a user's own."""
        return self.entry.fidelity if self.entry else None

    @property
    def default_resolution(self) -> tuple[int, int]:
        """The first size at which papers cost the network; 1024x2048 for a user's own."""
        return self.entry.resolutions[0] if self.entry else (1024, 2048)

    @property
    def size_rule(self) -> sizes.SizeRule:
        """Heights and widths that the network takes: all for a user's own."""
        return self.entry.size_rule if self.entry else sizes.ANY_SIZE

    def check_resolution(self, resolution: tuple[int, int]) -> None:
        """Refuse a size that the network cannot take.

        Raises:
            BadResolution: too small, or not a multiple that the reference code needs.
        """
        sizes.check(*resolution, self.size_rule, self.spec)

    def build(self, device: str = "cpu") -> nn.Module:
        """A fresh instance in eval mode, random weights, on `device` (``"meta"`` for counting)."""
        with torch.device(device):
            if self.entry:
                return build(self.spec, self.classes)
            return build_own(self.spec, self.classes)


def resolve(spec: str, classes: int | None = None) -> Subject:
    """Find the network that a MODEL argument names.

    Raises:
        BadOption: a class count below 1.
        UnknownName: no such catalog network.
        FactoryError: a user's factory that cannot be imported, raises, or returns no module.
    """
    limits.check("classes", classes, 1, limits.CLASSES)
    if is_own(spec):
        own = build_own(spec, classes)
        return Subject(spec, own.classes, None)
    entry = find(spec)
    return Subject(entry.name, classes or entry.classes, entry)
