"""Networks of other libraries by name: what is registered, what is refused, and the counts of each adapter."""

from __future__ import annotations

import importlib
import importlib.metadata
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

import segbench
import segbench.compare.run
from segbench import libraries
from segbench.cli import isolated
from segbench.errors import BadOption, FactoryError, SegbenchError, UnknownName
from segbench.job import Job, Settings
from segbench.measure.record import check_settings, measure_job
from segbench.models.own import build_own
from segbench.places.isolate import Outcome
from tests.conftest import Answer
from tests.torchvision_operators import declare

Cli = Callable[..., Answer]


@dataclass(frozen=True)
class Point:
    """An entry point, as `importlib.metadata` gives it."""

    name: str
    content: Any
    value: str = "company.networks"

    def load(self) -> Any:
        if isinstance(self.content, Exception):
            raise self.content
        return self.content


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Register libraries in place of those that are installed."""

    def use(**contents: Any) -> None:
        points = [Point(name, content) for name, content in contents.items()]

        def entry_points(group: str, name: str | None = None) -> list[Point]:
            assert group == "segbench.networks"
            return [point for point in points if name in (None, point.name)]

        monkeypatch.setattr(libraries, "entry_points", entry_points)

    return use


def own_library(seen: list[Any]) -> SimpleNamespace:
    def build(name: str, classes: int | None, arguments: Any) -> nn.Module:
        libraries.known("company", name, ("roadnet", "railnet"))
        seen.append((name, classes, dict(arguments)))
        return nn.Conv2d(3, classes or 2, 3, 2, 1, bias=False)

    return SimpleNamespace(names=lambda: ("roadnet", "railnet"), build=build)


def test_a_company_registers_its_own_networks(register: Callable[..., None], segbench_cli: Cli) -> None:
    seen: list[Any] = []
    register(company=own_library(seen))
    # In this process: a registration that a test makes is not that of the process in which a command builds networks.
    settings = check_settings(Settings(device="cpu", speed=False))
    job = Job(model="company:roadnet(width=3)", classes=5, resolution=(64, 128), settings=settings)
    assert measure_job(job).operations["macs"] > 0
    assert seen[0] == ("roadnet", 5, {"width": 3})
    listed = segbench_cli("models", "--library", "company")
    assert listed.status == 0 and listed.out.splitlines()[:2] == ["company:railnet", "company:roadnet"]
    with pytest.raises(SegbenchError, match="did you mean roadnet") as unknown:
        build_own("company:roadnat")
    assert len(str(unknown.value).splitlines()) <= 2


def test_a_registered_prefix_comes_before_a_module_and_not_before_a_file(
    register: Callable[..., None], in_folder: Path
) -> None:
    (in_folder / "company.py").write_text("from torch import nn\ndef roadnet(): return nn.Conv2d(3, 4, 1)\n")
    register(company=own_library([]))
    assert build_own("company:roadnet").network.kernel_size == (3, 3)
    assert build_own("./company.py:roadnet").network.kernel_size == (1, 1)
    register()
    assert build_own("company:roadnet").network.kernel_size == (1, 1)


@pytest.mark.parametrize("content", [ImportError("no such thing"), SimpleNamespace(names=list)])
def test_a_library_that_does_not_load_is_named(register: Callable[..., None], content: Any) -> None:
    register(company=content)
    with pytest.raises(FactoryError, match=r"company.*company\.networks"):
        build_own("company:roadnet")


def test_an_unknown_library_is_told_with_those_that_are_there(register: Callable[..., None], segbench_cli: Cli) -> None:
    register(company=own_library([]))
    answer = segbench_cli("models", "--library", "companie")
    assert answer.status == 2 and "company" in answer.err


@pytest.mark.parametrize(
    ("adapter", "module", "package"),
    [
        ("smp", "segmentation_models_pytorch", "segmentation-models-pytorch"),
        ("torchvision", "torchvision", "torchvision"),
        ("hf", "transformers", "transformers"),
    ],
)
def test_a_library_that_is_missing_says_what_to_install(
    adapter: str, module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(sys.modules):
        if name.partition(".")[0] == module:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [_Hides(module), *sys.meta_path])
    with pytest.raises(FactoryError, match=f"pip install {package}") as told:
        importlib.import_module(f"segbench.libraries.{adapter}").names()
    assert "segbench[libraries]" in str(told.value)


@dataclass(frozen=True)
class _Hides:
    """Finds no module of one package, as where it is not installed."""

    module: str

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] == self.module:
            raise ModuleNotFoundError(f"No module named {self.module!r}", name=self.module)


def test_a_library_that_does_not_import_says_why(in_folder: Path) -> None:
    (in_folder / "broken_library.py").write_text("raise RuntimeError('operator nms does not exist')")
    with pytest.raises(FactoryError, match=r"operator nms does not exist.*pip install"):
        libraries.imported("broken_library", "broken-library")


def test_no_host_is_looked_up_while_a_library_builds(register: Callable[..., None]) -> None:
    def build(name: str, classes: int | None, arguments: Any) -> nn.Module:
        socket.create_connection(("localhost", 9))
        return nn.Identity()

    register(company=SimpleNamespace(names=list, build=build))
    looked_up = socket.getaddrinfo
    with pytest.raises(FactoryError, match="downloads nothing"):
        build_own("company:roadnet")
    assert socket.getaddrinfo is looked_up


def flops(net: nn.Module, size: tuple[int, int]) -> int:
    """What torch's own counter says, in multiply-accumulates."""
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net.to("meta")(torch.empty(1, 3, *size, device="meta"))
    return counter.get_total_flops() // 2


def installed(*modules: str) -> None:
    """Skip where a library is not installed, or segbench's entry points are not."""
    declare()
    for module in modules:
        pytest.importorskip(module)
    if not {"smp", "torchvision", "hf"} <= set(libraries.prefixes()):
        pytest.skip("segbench is not installed with its entry points")


LIBRARIES = {
    "torchvision": (
        ("torchvision",),
        ("lraspp_mobilenet_v3_large", "deeplabv3_mobilenet_v3_large", "fcn_resnet50(aux_loss=True)"),
    ),
    "smp": (
        ("torchvision", "timm", "segmentation_models_pytorch"),
        ("Unet(encoder_name='resnet18')", "FPN(encoder_name='tu-mobilenetv3_small_100')", "Segformer"),
    ),
    "hf": (
        ("transformers",),
        (
            "segformer(depths=[1, 1, 1, 1])",
            "mobilenet_v2(image_size=128)",
            "beit(image_size=128, hidden_size=32, num_hidden_layers=4, num_attention_heads=2, intermediate_size=64, "
            "out_indices=[1, 2, 3, 4], pool_scales=[1, 2])",
        ),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("library", LIBRARIES)
def test_an_adapter_builds_and_counts_what_torch_counts(library: str) -> None:
    modules, networks = LIBRARIES[library]
    installed(*modules)
    for name in networks:
        net = build_own(f"{library}:{name}", 7)
        counted = segbench.count(net.network, (128, 128))
        assert counted["params"] == sum(parameter.numel() for parameter in net.parameters())
        assert counted["uncounted"] == {}
        with torch.inference_mode():
            assert net(torch.zeros(1, 3, 128, 128)).shape == (1, 7, 128, 128)
        assert counted["operations"]["macs"] == flops(net.network, (128, 128)), name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("library", "name", "message"),
    [
        ("torchvision", "fcn_resnet5", "did you mean fcn_resnet50"),
        ("torchvision", "fcn_resnet50(weights='DEFAULT')", "downloads nothing"),
        ("torchvision", "fcn_resnet50(width=3)", "unknown argument"),
        ("smp", "Unte", "did you mean Unet"),
        ("smp", "Unet(encoder_weights='imagenet')", "downloads nothing"),
        ("smp", "Unet(encoder_nam='resnet18')", "did you mean encoder_name"),
        ("smp", "Unet(encoder_name='resnet9')", "resnet9"),
        ("hf", "segformerr", "did you mean segformer"),
        ("hf", "./nowhere", "no folder"),
        ("hf", "segformer(depth=[1])", "did you mean depths"),
    ],
)
def test_an_adapter_refuses_what_its_library_does_not_have(library: str, name: str, message: str) -> None:
    installed(*LIBRARIES[library][0])
    with pytest.raises((UnknownName, BadOption, FactoryError), match=message) as told:
        build_own(f"{library}:{name}")
    assert len(str(told.value).splitlines()) == 1


@pytest.mark.slow
def test_a_folder_with_a_configuration_is_a_network(in_folder: Path) -> None:
    installed("transformers")
    (in_folder / "mine").mkdir()
    (in_folder / "mine" / "config.json").write_text('{"model_type": "segformer", "depths": [1, 1, 1, 1]}')
    net = build_own("hf:./mine", 3)
    assert getattr(net.network.config, "depths", None) == [1, 1, 1, 1]
    with torch.inference_mode():
        assert net(torch.zeros(1, 3, 64, 64)).shape == (1, 3, 64, 64)


@pytest.mark.slow
def test_compare_takes_every_library_beside_the_catalog(
    monkeypatch: pytest.MonkeyPatch, segbench_cli: Cli, in_folder: Path
) -> None:
    installed("torchvision", "timm", "segmentation_models_pytorch", "transformers")

    def here(function: Callable[[Any], Any], tasks: Any, **options: Any) -> Any:
        """In this process, where torchvision's operators are declared."""
        for task in tasks:
            yield Outcome(task, function(task), None, 0.0)

    for module in (segbench.compare.run, isolated):
        monkeypatch.setattr(module, "run_isolated", here)
    networks = ("smp:Unet(encoder_name='resnet18')", "torchvision:lraspp_mobilenet_v3_large", "hf:mobilenet_v2")
    answer = segbench_cli("compare", "erfnet", *networks, "--res", "64x128", "--no-speed", "--out", "runs")
    assert answer.status == 0, answer.err
    table = (in_folder / "runs" / "table.md").read_text()
    assert table.count("| own |") == 3 and "| official |" in table
