"""PSPNet: the sizes that its reference code takes."""

from __future__ import annotations

import pytest
import torch

from segbench.catalog import find
from segbench.errors import BadResolution
from segbench.models.pspnet import PSPNet
from segbench.resolution import SizeRule
from tests.wiring import built_on_meta


def test_sizes_other_than_8k_plus_1_are_refused() -> None:
    net = built_on_meta("pspnet-r50")
    with pytest.raises(BadResolution, match="multiples of 8 plus 1"):
        net(torch.zeros(1, 3, 512, 1024, device="meta"))


def test_the_catalog_says_what_the_network_accepts() -> None:
    entry = find("pspnet-r50")
    assert PSPNet.size_rule == entry.size_rule == SizeRule(8, 1)
    assert all(side % 8 == 1 for size in entry.resolutions for side in size)
