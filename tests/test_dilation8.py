"""Dilation8 scores the middle of an image: what is done about the rest."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from segbench.models.dilation8 import MARGIN, Dilation8, reflect


@pytest.mark.parametrize("margin", [2, 5, 12])
def test_reflection_is_that_of_numpy_however_wide(margin: int) -> None:
    x = torch.arange(6.0).view(1, 1, 1, 6)
    expected = np.pad(np.arange(6.0), margin, mode="reflect")
    assert reflect(x, margin, 3).flatten().tolist() == expected.tolist()


def network(monkeypatch: pytest.MonkeyPatch, seen: list[tuple[int, ...]], reflected: bool = False) -> Dilation8:
    """A network whose scores are the column at which they stand, in units of their stride."""
    with torch.device("meta"):
        net = Dilation8(1, reflected, width=1)

    def logits(x: Tensor) -> Tensor:
        seen.append(tuple(x.shape))
        height, width = (x.shape[2] - 2 * MARGIN) // 8, (x.shape[3] - 2 * MARGIN) // 8
        return torch.arange(float(width)).expand(1, 1, height, width)

    monkeypatch.setattr(net, "logits", logits)
    return net


def test_a_small_image_is_reflected_first(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []
    assert network(monkeypatch, seen)(torch.zeros(1, 3, 360, 480)).shape == (1, 1, 360, 480)
    assert seen == [(1, 3, 732, 852)]


def test_every_image_is_reflected_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []
    assert network(monkeypatch, seen, reflected=True)(torch.zeros(1, 3, 400, 480)).shape == (1, 1, 400, 480)
    assert seen == [(1, 3, 772, 852)]


def test_the_scores_of_a_large_image_stand_where_they_belong(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []
    row = network(monkeypatch, seen)(torch.zeros(1, 3, 380, 480))[0, 0, 200]
    assert seen == [(1, 3, 380, 480)]
    assert row.shape == (480,)
    # 13 columns of scores: the first is centred between pixels 3 and 4 of the 104 that it and its neighbours cover.
    assert row[MARGIN + 3 + 8 : MARGIN + 5 + 8].mean().item() == pytest.approx(1.0)
    assert set(row[:MARGIN].tolist()) == {0.0}
    assert set(row[MARGIN + 104 :].tolist()) == {12.0}
