"""What is measured: a catalog network or a user's own, buildable afresh as often as metrics need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from segbench import limits
from segbench import resolution as sizes
from segbench.catalog import Entry, find
from segbench.errors import BadOption
from segbench.inputs import IMAGE, Input, parse_all
from segbench.models import build
from segbench.models.own import OwnNetwork, build_own
from segbench.spec import OWN_SIZE, is_own


@dataclass(frozen=True)
class Subject:
    """A MODEL argument, resolved.

    Attributes:
        spec: the catalog name, or ``source:name`` for a user's own network or a library's.
        classes: output channels; None leaves them to a user's own network.
        entry: the catalog entry; None for a user's own network.
        asked: the class count that the user insists on; None for whatever comes out.
        inputs: what a user's own network takes.
        output: key, field or index of the output of a user's own network that counts.
        options: constructor options of a catalog network.
    """

    spec: str
    classes: int | None
    entry: Entry | None
    asked: int | None = None
    inputs: tuple[Input, ...] = (IMAGE,)
    output: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def fidelity(self) -> str | None:
        """How far the network is known to be the authors'; None for a user's own."""
        return self.entry.fidelity if self.entry else None

    @property
    def default_resolution(self) -> tuple[int, int]:
        """The first size at which papers cost the network; `OWN_SIZE` for a user's own."""
        return self.entry.resolutions[0] if self.entry else OWN_SIZE

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
                return build(self.spec, self.classes, **self.options)
            return build_own(self.spec, self.asked, self.inputs, self.output)

    def counted(self) -> nn.Module:
        """A fresh instance of what counters look at: the user's bare network, a catalog network on meta."""
        if self.entry:
            return self.build("meta")
        net = self.build()
        return net.network if isinstance(net, OwnNetwork) else net

    def bare(self) -> nn.Module:
        """A fresh instance of what a user of a counting tool would give it."""
        return self.build() if self.entry else self.counted()


def resolve(spec: str, classes: int | None = None, inputs: Sequence[str] = (), output: str | None = None) -> Subject:
    """Find the network that a MODEL argument names.

    Args:
        spec: the MODEL argument.
        classes: output channels to insist on.
        inputs: what a user's own network takes, such as ``("1x3xHxW", "1x1xHxW")``.
        output: key, field or index of the logits of a user's own network.

    Raises:
        BadOption: a class count below 1, or inputs or an output for a catalog network.
        UnknownName: no such catalog network.
        FactoryError: a user's factory that cannot be imported, raises, or returns no module.
    """
    limits.check("classes", classes, 1, limits.CLASSES)
    if is_own(spec):
        given = parse_all(inputs)
        own = build_own(spec, classes, given, output)
        return Subject(spec, own.told, None, classes, given, output)
    entry = find(spec)
    if inputs or output is not None:
        raise BadOption(
            f"--input and --output are for networks of your own: {entry.name} takes an RGB image and returns its logits"
        )
    return Subject(entry.name, classes or entry.classes, entry)
