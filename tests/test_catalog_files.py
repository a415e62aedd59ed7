"""How the catalog is collected: a file beside each model file, its order, and what is said of a malformed one."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
import torch

from segbench import catalog
from segbench.catalog import CATALOG, Catalog, find
from segbench.catalog.collect import BUILDING_BLOCKS, FIRST, HELPERS, forgotten
from segbench.claims import PAPERS
from segbench.errors import BadResolution, CatalogError
from segbench.models.base import Network
from segbench.models.swiftnet_pyramid import PyramidSwiftNet, swiftnet_r18_pyramid
from segbench.resolution import ANY_SIZE, SizeRule

CATALOG_FILES = Path(catalog.__file__).parent


def test_each_model_file_has_its_catalog_file() -> None:
    assert forgotten() == []


def test_a_model_file_without_catalog_file_is_found(tmp_path: Path) -> None:
    for name in ("base.py", "enet.py", "nonesuch.py"):
        (tmp_path / name).touch()
    assert forgotten(models=tmp_path) == ["nonesuch"]


def test_building_blocks_and_helpers_are_files_that_exist() -> None:
    models = CATALOG_FILES.parent / "models"
    assert {*BUILDING_BLOCKS} <= {file.stem for file in models.glob("*.py")}
    assert {*HELPERS, *FIRST} <= {file.stem for file in CATALOG_FILES.glob("*.py")}


def test_the_papers_own_networks_come_first_and_the_other_files_by_name() -> None:
    files = list(CATALOG.files())
    assert tuple(files[: len(FIRST)]) == FIRST == tuple(PAPERS)[: len(FIRST)]
    assert files[len(FIRST) :] == sorted(files[len(FIRST) :])
    assert list(CATALOG) == [entry.name for file in files for entry in CATALOG.files()[file]]


GOOD = """
from segbench.catalog.entry import Entry
from segbench.resolution import SizeRule

def entry(name, factory="{package}_models.lone:lone", rule=SizeRule()):
    return Entry(name, factory, "Lone", "Lone", "reconstruction", ((512, 1024),), 1, size_rule=rule)
"""


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("ENTRIES = (entry('a'), entry('b'))", None),
        ("import nonesuch", "lone.py cannot be imported: ModuleNotFoundError: No module named 'nonesuch'"),
        ("ENTRIES = (", "lone.py cannot be imported: SyntaxError: '(' was never closed (lone.py, line 7)"),
        ("ENTRY = entry('a')", "lone.py has no ENTRIES: a tuple of at least one Entry is accepted"),
        ("ENTRIES = ()", "lone.py has no ENTRIES"),
        ("ENTRIES = (entry('a'), 'b')", "lone.py: ENTRIES holds 'b', which is no Entry"),
        ("ENTRIES = (entry('a'), entry('a'))", "lone.py: the name 'a' is there twice"),
        ("ENTRIES = (entry('zebra'),)", "zoo.py: the name 'zebra' is there twice, and in segbench/catalog/lone.py"),
        ("ENTRIES = (entry('a', 'segbench.models.enet:enet'),)", "the factory of 'a' is 'segbench.models.enet:enet'"),
        ("ENTRIES = (entry('a', '{package}_models.lone'),)", "_models.lone:function' is accepted"),
        (
            "ENTRIES = (entry('a'), entry('b', rule=SizeRule(8, 1)))",
            "lone.py: 'b' takes multiples of 8 plus 1, 'a' all heights and widths; networks of one file",
        ),
    ],
)
def test_a_malformed_file_is_named_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, message: str | None
) -> None:
    package = f"zoo_{uuid.uuid4().hex}"
    folder = tmp_path / package
    folder.mkdir()
    (folder / "__init__.py").touch()
    for file, text in (("lone", body), ("zoo", "ENTRIES = (entry('zebra', '{package}_models.zoo:zoo'),)")):
        (folder / f"{file}.py").write_text((GOOD + text).replace("{package}", package))
    monkeypatch.syspath_prepend(str(tmp_path))
    collected = Catalog(package, f"{package}_models")
    if message is None:
        assert list(collected) == ["a", "b", "zebra"]
        return
    with pytest.raises(CatalogError) as caught:
        list(collected)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_factory_called_alone_refuses_what_the_catalog_refuses() -> None:
    with torch.device("meta"):
        net = swiftnet_r18_pyramid()
    assert net.size_rule == find("swiftnet-r18-pyramid").size_rule == SizeRule(4)
    with pytest.raises(BadResolution, match="multiples of 4, as its reference code does: 66x64 given, 64x64 is the"):
        net(torch.zeros(1, 3, 66, 64, device="meta"))


def test_a_network_outside_the_catalog_takes_what_its_base_class_takes() -> None:
    class Own(Network):
        pass

    class Derived(PyramidSwiftNet):
        pass

    assert Own.size_rule == ANY_SIZE
    assert Derived.size_rule == SizeRule(4)


@pytest.mark.parametrize(
    ("rule", "size", "nearest", "words"),
    [
        (SizeRule(), (65, 67), (65, 67), "all heights and widths"),
        (SizeRule(32), (100, 130), (96, 128), "multiples of 32"),
        (SizeRule(8, 1), (512, 1028), (513, 1025), "multiples of 8 plus 1"),
        (SizeRule(64), (20, 500), (64, 512), "multiples of 64"),
    ],
)
def test_a_size_rule_offers_the_nearest_size(
    rule: SizeRule, size: tuple[int, int], nearest: tuple[int, int], words: str
) -> None:
    assert rule.nearest(size) == nearest
    assert rule.accepts(*nearest)
    assert rule.accepts(*size) == (size == nearest)
    assert str(rule) == words
