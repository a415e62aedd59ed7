"""Every network's forward is its logits, resized to the input's size as its reference resizes them."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from segbench import build
from segbench.catalog import CATALOG
from segbench.models.base import Network
from tests.wiring import slow_if_large


@pytest.mark.parametrize("name", [pytest.param(name, marks=slow_if_large(CATALOG[name])) for name in CATALOG])
def test_a_forward_is_the_logits_resized_as_the_class_says(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    net = build(name).eval()
    assert isinstance(net, Network)
    own, seen = net.logits, []

    def logits(x: Tensor) -> Tensor:
        scores = own(x)
        # Some fresh networks score all pixels alike, and anything resizes these alike.
        seen.append(scores + torch.randn_like(scores))
        return seen[-1]

    monkeypatch.setattr(net, "logits", logits)
    size = CATALOG[name].size_rule.nearest((128, 256))
    with torch.inference_mode():
        found = net(torch.randn(1, 3, *size))
        (scores,) = seen
        resized = {
            corners: F.interpolate(scores, size, mode="bilinear", align_corners=corners) for corners in (False, True)
        }
    assert found.shape[-2:] == size
    torch.testing.assert_close(found, resized[type(net).align_corners])
    if scores.shape[-2:] != size:
        assert not torch.allclose(resized[False], resized[True], atol=0.1), "either would pass"
