"""Batch normalisation is folded where nothing lies between, and the logits stay."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

import segbench
from segbench.counting.tracer import trace
from segbench.measure import folding
from segbench.measure.device import CpuDevice
from segbench.measure.folding import FoldingError, fold, pairs
from segbench.models.layers import ConvBNReLU
from tests.forms_networks import SIZE, Tiny, randomised

CPU = CpuDevice()


def found(net: nn.Module) -> list[tuple[str, str]]:
    return pairs(net.eval(), trace(net.eval(), (1, 3, *SIZE)))


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(3, 6, 3, padding=1),
        nn.Conv2d(3, 6, 3, padding=1, bias=False),
        nn.Conv2d(3, 6, 3, groups=3, padding="same"),
        nn.ConvTranspose2d(3, 6, 3, 2, 1, output_padding=1),
        nn.ConvTranspose2d(3, 6, 2, 2, groups=3, bias=False),
    ],
    ids=["bias", "no bias", "groups", "transposed", "transposed groups"],
)
@pytest.mark.parametrize("affine", [True, False])
def test_a_convolution_takes_the_normalisation_in(layer: nn.Module, affine: bool) -> None:
    net = randomised(nn.Sequential(copy.deepcopy(layer), nn.BatchNorm2d(6, affine=affine), nn.ReLU()))
    image = torch.randn(2, 3, 16, 32)
    with torch.no_grad():
        before = net(image)
        result = fold(net, (16, 32), CPU)
        after = net(image)
    assert result.folded == (("0", "1"),)
    assert isinstance(net[1], nn.Identity)  # type: ignore[index]
    torch.testing.assert_close(after, before, atol=1e-5, rtol=1e-5)
    assert (after - before).abs().max() < before.abs().max()  # a bug that gives zeros would be close to nothing


def test_a_linear_layer_takes_the_normalisation_in() -> None:
    class Classifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 5)
            self.norm = nn.BatchNorm1d(5)

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(self.linear(x.mean((2, 3))))[:, :, None, None]

    result = fold(randomised(Classifier()), SIZE, CPU)
    assert result.folded == (("linear", "norm"),)


def test_a_pre_activation_is_left_alone() -> None:
    net = randomised(Tiny())
    result = fold(net, SIZE, CPU)
    assert result.folded == (("stem.conv", "stem.bn"),)
    assert result.left == ("norm",)
    assert result.to_json()["folded"] == result.to_json()["left"] == 1


class Branching(nn.Module):
    """One convolution and one normalisation with something between or beside them."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.other = nn.Conv2d(3, 3, 1)
        self.norm = nn.BatchNorm2d(6 if how == "concatenation" else 3)
        self.second = nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        if self.how == "read twice":
            return self.norm(y) + y
        if self.how == "concatenation":
            return self.norm(torch.cat((y, x), 1))
        if self.how == "activation in place":
            return self.norm(torch.relu_(y))
        if self.how == "sum":
            return self.norm(y + x)
        if self.how == "two normalisations of one convolution":
            return self.norm(y) + self.second(self.conv(y))
        if self.how == "two convolutions of one normalisation":
            return self.norm(y) + self.norm(self.other(x))
        if self.how == "view":
            return self.norm(y.flatten(2).unflatten(2, x.shape[2:]))
        assert self.how == "changed afterwards"
        z = self.norm(y)
        y.add_(1)
        return z + y


@pytest.mark.parametrize(
    "how",
    [
        *("read twice", "concatenation", "activation in place", "sum", "two normalisations of one convolution"),
        *("two convolutions of one normalisation", "view", "changed afterwards"),
    ],
)
def test_what_does_not_stand_alone_is_left(how: str) -> None:
    assert found(Branching(how)) == []


def test_a_convolution_that_is_returned_is_left() -> None:
    class Auxiliary(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 5, 1), nn.BatchNorm2d(5)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            y = self.conv(x)
            return self.norm(y), y

    assert found(Auxiliary()) == []


def test_a_pair_that_is_called_twice_is_folded_once() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = ConvBNReLU(3, 3, 3)
            self.again = self.block

        def forward(self, x: Tensor) -> Tensor:
            return self.again(self.block(x))

    net = randomised(Shared())
    assert fold(net, SIZE, CPU).folded == (("block.conv", "block.bn"),)
    assert isinstance(net.get_submodule("again.bn"), nn.Identity)


def test_layers_that_do_more_are_left() -> None:
    class ScaledConv(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            return self._conv_forward(x, self.weight / self.weight.std(), self.bias)

    class NormReLU(nn.BatchNorm2d):
        def forward(self, x: Tensor) -> Tensor:
            return torch.relu(super().forward(x))

    assert found(nn.Sequential(ScaledConv(3, 5, 1), nn.BatchNorm2d(5))) == []
    assert found(nn.Sequential(parametrizations.weight_norm(nn.Conv2d(3, 5, 1)), nn.BatchNorm2d(5))) == []
    assert found(nn.Sequential(nn.Conv2d(3, 5, 1), NormReLU(5))) == []
    assert found(nn.Sequential(nn.Conv2d(3, 5, 1), nn.BatchNorm2d(5, track_running_stats=False))) == []


@pytest.mark.parametrize("name", ["efrnet", "enet", "erfnet", "ddrnet-23-slim", "swiftnet-r18-pyramid", "stdc1-seg"])
def test_networks_of_the_catalog_keep_their_logits(name: str) -> None:
    net = randomised(segbench.build(name))
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in net.modules())
    result = fold(net, SIZE, CPU)
    left = sum(isinstance(module, nn.BatchNorm2d) for module in net.modules())
    assert result.folded
    assert norms - left == len(result.folded)
    assert result.deviation["max_over_std"] < folding.TOLERANCE / 5
    assert result.deviation["labels_changed"] < 0.001


def test_logits_that_change_are_refused_and_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    right = folding.folded_weights

    def slightly_wrong(layer: folding.Foldable, norm: nn.modules.batchnorm._BatchNorm) -> tuple[Tensor, Tensor]:
        weight, bias = right(layer, norm)
        return weight * 1.001, bias

    monkeypatch.setattr(folding, "folded_weights", slightly_wrong)
    net = randomised(Tiny())
    state, image = copy.deepcopy(net.state_dict()), torch.randn(1, 3, *SIZE)
    with torch.no_grad():
        before = net(image)
        with pytest.raises(FoldingError, match=r"not folded: the logits change by 0.* at 64x128, 0.0001 is the limit"):
            fold(net, SIZE, CPU)
        assert torch.equal(net(image), before)
    assert state.keys() == net.state_dict().keys()
    assert isinstance(net.stem.bn, nn.BatchNorm2d)  # type: ignore[union-attr]


def test_logits_that_are_no_numbers_are_refused() -> None:
    net = randomised(Tiny())
    assert isinstance(net, Tiny)
    with torch.no_grad():
        net.head.weight.fill_(float("inf"))
    with pytest.raises(FoldingError, match="are not finite"):
        fold(net, SIZE, CPU)
    assert isinstance(net.stem.bn, nn.BatchNorm2d)


def test_a_folded_network_can_be_copied_and_trained_again() -> None:
    net = randomised(Tiny())
    with torch.inference_mode():
        fold(net, SIZE, CPU)
    copy.deepcopy(net).double()(torch.randn(1, 3, *SIZE).double()).sum().backward()
