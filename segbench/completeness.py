"""What a network of the catalog still lacks, all of it at once: ``python -m segbench.catalog check NAME``.

Every aspect of a network is looked at, whatever the others say; each gives one line, which says what to do about what
is missing. It reads the folder that segbench lies in, so that it needs a checkout of the repository.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from segbench.catalog import CATALOG, KNOWN, Entry, find, match
from segbench.catalog.collect import file_names, forgotten, path, read
from segbench.catalog.references import references
from segbench.claims import load_claims
from segbench.costs import costs, sizes_and_classes
from segbench.counting.tracer import trace
from segbench.errors import BadOption, CatalogError, UnknownName
from segbench.models.base import Network
from segbench.records import store
from segbench.records.record import Record
from segbench.resolution import show

ROOT = Path(__file__).parent.parent
OTHER_CLASSES = 7

Status = Literal["ok", "missing", "later"]


@dataclass(frozen=True)
class Finding:
    """One aspect of one network.

    Attributes:
        model: catalog name, or the name of a file of ``segbench/models/``.
        aspect: what was looked at.
        status: ``later`` is what is done once for several networks, and is no fault.
        text: what is there, or what is missing.
        remedy: what to do about what is missing.
    """

    model: str
    aspect: str
    status: Status
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        """One line for the terminal."""
        remedy = f" — {self.remedy}" if self.remedy else ""
        return f"{self.model}: {self.status}: {self.aspect}: {self.text}{remedy}"


Answer = tuple[Status, str, str]


def _ok(text: str) -> Answer:
    return "ok", text, ""


def _missing(text: str, remedy: str) -> Answer:
    return "missing", text, remedy


def check(names: Iterable[str] = (), root: Path = ROOT) -> Iterator[Finding]:
    """Everything that was looked at, network by network.

    Args:
        names: catalog names, patterns, or names of files of ``segbench/models/``; the whole catalog without any.
        root: the checkout.

    Raises:
        BadOption: `root` is no checkout of the repository.
        UnknownName: neither a network nor a model file.
    """
    if not (root / "tests" / "golden").is_dir():
        raise BadOption(f"{root} is no checkout of segbench: there is no tests/golden")
    malformed = list(_malformed())
    yield from malformed
    if malformed:
        return
    lone = forgotten()
    names = list(names)
    chosen: dict[str, None] = dict.fromkeys(() if names else CATALOG)
    for name in names:
        if name in lone:
            continue
        if name in CATALOG.files() and name not in CATALOG:
            chosen.update(dict.fromkeys(entry.name for entry in CATALOG.files()[name]))
        else:
            try:
                chosen.update(dict.fromkeys(match([name])))
            except UnknownName as error:
                raise UnknownName("network", name, [*CATALOG, *lone], error.hint) from None
    for file in lone:
        if not names or file in names:
            remedy = f"write {path(file)}: ENTRIES = (Entry(...),)"
            yield Finding(file, "catalog file", "missing", f"none beside segbench/models/{file}.py", remedy)
    for name in chosen:
        yield from check_network(find(name), root)


def _malformed() -> Iterator[Finding]:
    """Files of the catalog that cannot be read, or else what keeps them from being put together."""
    count = 0
    for file in file_names():
        try:
            read(file)
        except CatalogError as error:
            count += 1
            yield Finding(file, "catalog file", "missing", str(error), "mend it; all else is looked at then")
    if not count:
        try:
            CATALOG.files()
        except CatalogError as error:
            yield Finding("catalog", "names", "missing", str(error), "give each network a name of its own")


def check_network(entry: Entry, root: Path = ROOT) -> Iterator[Finding]:
    """Every aspect of one network."""
    aspects: tuple[tuple[str, Callable[[Entry, Path], Answer]], ...] = (
        ("catalog file", _file),
        ("factory", _factory),
        ("parameters", _parameters),
        ("resolutions", _resolutions),
        ("meta device", _meta_device),
        ("proof", _proof),
        ("fidelity", _fidelity),
        ("reference", _reference),
        ("costs", _costs),
        ("claims", _claims),
        ("published report", _report),
    )
    for aspect, look in aspects:
        try:
            status, text, remedy = look(entry, root)
        except Exception as error:
            status, text, remedy = "missing", _one_line(error), "make this work"
        yield Finding(entry.name, aspect, status, text, remedy)


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _model_file(entry: Entry) -> str:
    return entry.factory.split(":")[0].rpartition(".")[2]


def _build(entry: Entry, classes: int | None = None) -> nn.Module:
    module, function = entry.factory.split(":")
    factory = getattr(importlib.import_module(module), function)
    with torch.device("meta"):
        net: nn.Module = factory(num_classes=entry.classes if classes is None else classes)
    return net.eval()


def _file(entry: Entry, root: Path) -> Answer:
    if entry.name in KNOWN:
        return _missing("it is among the networks that are not built", "take it out of segbench/catalog/known.py")
    return _ok(path(_model_file(entry)))


def _factory(entry: Entry, root: Path) -> Answer:
    net = _build(entry)
    where = entry.factory.split(":")[0]
    if not isinstance(net, Network):
        return _missing(f"{entry.factory} returns {type(net).__name__}", "derive it from segbench.models.base.Network")
    if type(net).__module__ != where:
        remedy = f"define its class in {where}, from which it has its size rule"
        return _missing(f"{type(net).__name__} is of {type(net).__module__}", remedy)
    return _ok(f"{entry.factory} builds {type(net).__name__}")


def _parameters(entry: Entry, root: Path) -> Answer:
    net = _build(entry)
    params = sum(parameter.numel() for parameter in net.parameters())
    if params != entry.params:
        return _missing(f"{params:,} at {entry.classes} classes, {entry.params:,} stated", f"state params={params:_}")
    live = trace(net, (1, 3, *entry.resolutions[0])).live_params
    if live != (params if entry.live_params is None else entry.live_params):
        remedy = f"leave out what is never used, or state live_params={live:_} and why in note"
        return _missing(f"{live:,} of {params:,} reach the output", remedy)
    return _ok(f"{params:,} at {entry.classes} classes")


def _resolutions(entry: Entry, root: Path) -> Answer:
    if not entry.resolutions:
        return _missing("none", "state the sizes at which papers cost the network, the first as the default")
    for size in entry.resolutions:
        if not entry.size_rule.accepts(*size):
            remedy = f"state an accepted size, such as {show(entry.size_rule.nearest(size))}"
            return _missing(f"{show(size)} is not accepted: {entry.size_rule}", remedy)
    return _ok(f"{', '.join(map(show, entry.resolutions))}; accepted: {entry.size_rule}")


def _meta_device(entry: Entry, root: Path) -> Answer:
    net = _build(entry, OTHER_CLASSES)
    sizes = [entry.size_rule.nearest(size) for size in ((135, 167), entry.resolutions[0])]
    for size in sizes:
        try:
            with torch.inference_mode():
                shape = tuple(net(torch.zeros(1, 3, *size, device="meta")).shape)
        except Exception as error:
            remedy = (
                "take every size, or state size_rule=SizeRule(32) where the reference rejects others; read no values"
            )
            return _missing(f"{show(size)}: {_one_line(error)}", remedy)
        if shape != (1, OTHER_CLASSES, *size):
            remedy = f"return logits of num_classes channels; (1, {OTHER_CLASSES}, {size[0]}, {size[1]}) is expected"
            return _missing(f"with {OTHER_CLASSES} classes {show(size)} gives {shape}", remedy)
    return _ok(f"runs at {' and '.join(map(show, sizes))}")


def _proof(entry: Entry, root: Path) -> Answer:
    for golden in entry.golden:
        file = root / "tests" / "golden" / f"{golden.file}.json"
        if not file.is_file():
            return _missing(f"no tests/golden/{golden.file}.json", "store the reference outputs by its recipe")
        if "golden" not in json.loads(file.read_text(encoding="utf-8")):
            return _missing(f"tests/golden/{golden.file}.json holds no outputs", "store the reference outputs")
    if entry.golden:
        return _ok(f"reference outputs in {', '.join(f'{golden.file}.json' for golden in entry.golden)}")
    pins = [file.name for file in sorted((root / "tests").glob("test_*.py")) if _pins(entry, file)]
    if pins:
        return _ok(f"pinned in {', '.join(pins)}")
    test = f"tests/test_{_model_file(entry)}.py"
    if entry.fidelity in ("official", "port"):
        return _missing("no reference outputs", f"store tests/golden/{_model_file(entry)}.json and name it in golden")
    return _missing("no test of its own", f"pin parameters and MACs as integers in {test}")


def _pins(entry: Entry, file: Path) -> bool:
    """Whether a test file names the network, and is about its model file or pins its parameters."""
    text, model = file.read_text(encoding="utf-8"), _model_file(entry)
    about = file.name == f"test_{model}.py" or f"segbench.models.{model} import" in text
    pinned = entry.params >= 1000 and re.search(rf"\b{entry.params:_}\b", text) is not None
    return (about or pinned) and f'"{entry.name}"' in text


def _fidelity(entry: Entry, root: Path) -> Answer:
    if entry.fidelity in ("official", "port"):
        repository, _, commit = entry.source.partition("@")
        if repository.count("/") != 1 or not commit:
            return _missing(f"{entry.fidelity} of no source", "state source='owner/repository@commit'")
        if repository.split("/")[1].lower() not in _docstring(entry).lower():
            remedy = f"name {repository} and the commit in the docstring of the model file"
            return _missing(f"the model file does not name its source {repository}", remedy)
        return _ok(f"{entry.fidelity}, {entry.source}")
    if not entry.note:
        return _missing(f"{entry.fidelity} without a note", "say in note what is inferred and which costs are met")
    return _ok(f"{entry.fidelity}, and its note says what is inferred")


def _reference(entry: Entry, root: Path) -> Answer:
    paper = references().get(entry.cite)
    if paper is None:
        remedy = "add it to segbench/catalog/references.bib, so that tables cite it"
        return "later", f"no paper of the key {entry.cite}", remedy
    return _ok(f"{entry.title}, {paper.title}")


def _docstring(entry: Entry) -> str:
    module = importlib.import_module(entry.factory.split(":")[0])
    return ast.get_docstring(ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))) or ""


def _costs(entry: Entry, root: Path) -> Answer:
    file = root / "results" / "costs.jsonl"
    remedy = f"python -m segbench.costs --only {entry.name} results/costs.jsonl"
    stored = {(item.resolution, item.classes): item for item in store.read(file) if item.model == entry.name}
    # Those of the tables first: nothing need be counted to see that one is lacking.
    for wanted in (dict.fromkeys(sizes_and_classes(entry.name)), _counted(entry.name)):
        if lacking := [f"{show(size)} with {classes} classes" for size, classes in wanted.keys() - stored.keys()]:
            return _missing(f"results/costs.jsonl has none at {', '.join(sorted(lacking))}", remedy)
    if stored.keys() - wanted.keys():
        return _missing("results/costs.jsonl has sizes or classes that are asked for no more", remedy)
    for key, item in wanted.items():
        for name in ("params", "live_params", "operations", "modules", "fidelity"):
            if getattr(item, name) != getattr(stored[key], name):
                return _missing(f"{name} at {show(key[0])} are not what is counted today", remedy)
    return _ok(f"{len(wanted)} of {len(wanted)} sizes and class counts, as counted today")


def _counted(name: str) -> dict[tuple[tuple[int, int], int], Record]:
    return {(item.resolution, item.classes): item for item in costs([name])}


def _claims(entry: Entry, root: Path) -> Answer:
    if not entry.checkpoints and not entry.searched:
        remedy = "state released weights in checkpoints, or in searched where they were looked for"
        return _missing("no released weights, and no word on where they were looked for", remedy)
    rows = load_claims(model=entry.name)
    papers = dict.fromkeys(claim.paper for claim in rows)
    return _ok(f"{len(rows)} printed rows, of {', '.join(papers)}" if rows else "none printed")


def _report(entry: Entry, root: Path) -> Answer:
    table = (root / "results" / "report" / "table.csv").read_text(encoding="utf-8")
    if entry.name in table.replace('"', "").replace("\n", ",").split(","):
        return _ok("in results/report")
    remedy = "python -m segbench.published results README.md, once before a release"
    return "later", "not in results/report yet", remedy
