"""README and docs: every command and Python block runs, every link resolves, every option and number is the code's."""

from __future__ import annotations

import functools
import importlib.util
import inspect
import math
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import typer
from torch import Tensor, nn

import segbench
from segbench.cli import app, run
from segbench.records.record import Record
from tests.counting_networks import Function

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]

# Pages whose commands take a moment each; the others only name commands.
QUICK = {"index.md"}

# Pages whose end changes the repository: tests/test_adding_a_network.py runs it in a copy.
IN_A_COPY = {"adding-a-network.md": "\n## Into the catalog\n"}

# Command lines that are parsed and not run, with the reason. By the program, by an option, or by the whole line.
NOT_RUN_PROGRAMS = {
    "pip": "installs",
    "python -m segbench.published": "recounts and redraws all that is published",
    "torchrun": "starts two processes",
    "python examples/train_synthetic.py": "trains for minutes; tests/test_eval_cli.py evaluates",
}
# What a user puts into a repository of their own: tests/test_workflow.py runs the workflow's steps.
NOT_RUN_LANGUAGES = {"bash", "yaml", "toml"}
NOT_RUN_OPTIONS = {
    "--device cuda": "needs a GPU",
    "--optimize": "compiles for minutes on a CPU",
}
NOT_RUN_LINES = {
    "python -m pytest -n auto": "would run this very test",
    "segbench eval erfnet --checkpoint erfnet-scenes.pth --dataset cityscapes --root scenes": "wants trained weights",
    "segbench profile mfpnet --res 512x1024": "times at full size; speed-protocol.md does at a small one",
    "segbench profile mypackage.mymodule:MyNet --res 512x1024 --classes 19": "adding-a-network.md does at a small size",
}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    text: str
    line: int

    @property
    def commands(self) -> list[str]:
        """Command lines of a console block."""
        return [part.strip() for line in self.text.splitlines() for part in line.split("&&") if part.strip()]


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in re.finditer(r"^```(\w+)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL):
        yield Block(found[1], found[2], text[: found.start()].count("\n") + 1)


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def console_lines() -> list[tuple[str, str]]:
    return [
        (page.name, line)
        for page in PAGES
        for block in blocks(page)
        if block.language == "console"
        for line in block.commands
    ]


@functools.cache
def commands() -> Mapping[str, Any]:
    """The commands of segbench by name, with those of groups as ``baseline save``."""
    group: Any = typer.main.get_command(app)
    found = dict(group.commands)
    for name, command in group.commands.items():
        found.update({f"{name} {inner}": item for inner, item in getattr(command, "commands", {}).items()})
    return found


def options(command: Any) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts if name.startswith("-")} | {"--help"}


@functools.cache
def all_options() -> frozenset[str]:
    return frozenset({"--version", "--debug"}).union(*(options(command) for command in commands().values()))


def named_file(block: Block) -> str | None:
    """The file that a Python block is to be saved as: its first line says so."""
    found = re.match(r"# ([\w/]+\.py)\n", block.text)
    return found[1] if found else None


@functools.cache
def files_of_pages() -> frozenset[str | None]:
    return frozenset(named_file(block) for page in PAGES for block in blocks(page))


def in_a_copy(page: Path) -> int:
    """The line from which on a page is run in a copy of the repository."""
    text = page.read_text(encoding="utf-8")
    return text[: text.index(IN_A_COPY[page.name])].count("\n") + 2 if page.name in IN_A_COPY else len(text)


def reason_not_to_run(line: str) -> str | None:
    programs = [reason for start, reason in NOT_RUN_PROGRAMS.items() if f"{line} ".startswith(f"{start} ")]
    asked = [reason for option, reason in NOT_RUN_OPTIONS.items() if option in line]
    return next(iter([*programs, *asked]), NOT_RUN_LINES.get(line))


def check_segbench(words: list[str]) -> None:
    """Parse a call without making it."""
    if words and words[0].startswith("-"):
        assert set(words) <= all_options()
        return
    name, *arguments = words
    if arguments and f"{name} {arguments[0]}" in commands():
        name, arguments = f"{name} {arguments[0]}", arguments[1:]
    assert name in commands(), f"segbench has no command {name}"
    if "--help" not in arguments:
        commands()[name].make_context(name, list(arguments))


def check_line(line: str) -> None:
    """Every program is known, and what is named on the line exists."""
    words = shlex.split(line)
    match words:
        case ["segbench", *arguments]:
            check_segbench(arguments)
        case ["torchrun", "--nproc-per-node", count, "-m", "segbench", *arguments]:
            assert count.isdigit()
            check_segbench(arguments)
        case ["python", "-m", module, *arguments]:
            assert importlib.util.find_spec(module) is not None
            for argument in arguments:
                known = not argument.endswith((".py", ".jsonl")) or (ROOT / argument).exists()
                assert known or argument in files_of_pages(), argument
        case ["python", script, *_]:
            assert (ROOT / script).is_file(), script
        case ["pip", "install", *_]:
            for extra in re.findall(r"\[(\w+)\]", line):
                assert f"\n{extra} = [" in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        case _:
            pytest.fail(f"no test knows how to check {line!r}")


@pytest.mark.parametrize(("page", "line"), console_lines(), ids=lambda value: str(value)[:60])
def test_commands_are_accepted(page: str, line: str) -> None:
    check_line(line)


def test_what_is_not_run_is_in_the_docs() -> None:
    lines = [line for _, line in console_lines()]
    for start in NOT_RUN_PROGRAMS:
        assert any(line.startswith(start) for line in lines), start
    for option in NOT_RUN_OPTIONS:
        assert any(option in line for line in lines), option
    assert set(NOT_RUN_LINES) <= set(lines)


# The network of the user's own in docs/choosing.md and docs/paper.md.
MINE = """
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes=19):
        super().__init__()
        self.head = nn.Conv2d(3, num_classes, 3, 2, 1)

    def forward(self, x):
        return self.head(x)
"""

# Lines that leave no files: one that another page has run already is not run again.
_SHOWS_ONLY = ("profile", "audit", "claims", "models", "env")
_ran: set[str] = set()


def _run_line(line: str) -> int:
    words = shlex.split(line)[1:]
    if words[0] in _SHOWS_ONLY and not {"--json", "--csv", "--markdown"} & set(words):
        if line in _ran:
            return 0
        _ran.add(line)
    return run(words)


def _given(page: Path, folder: Path) -> None:
    """The files that a page supposes its reader to have."""
    if page.name == "README.md":
        net = segbench.build("mfpnet", num_classes=11)
        torch.save(net.state_dict(), folder / "weights.pth")
    if page.name in ("choosing.md", "paper.md"):
        (folder / "mine.py").write_text(MINE, encoding="utf-8")


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # data loading, from the threads of a test run
@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=() if page.name in QUICK else pytest.mark.slow, id=page.stem) for page in PAGES],
)
def test_a_page_runs_from_top_to_bottom(page: Path, in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _given(page, in_folder)
    printed = ""
    for block in blocks(page):
        if block.line > in_a_copy(page):
            break
        where = f"{page.name}, line {block.line}"
        if block.language == "python":
            saved = named_file(block)
            if saved:
                (in_folder / saved).write_text(block.text, encoding="utf-8")
            exec(compile(block.text, where, "exec"), {"__name__": "__docs__"})
        elif block.language == "console":
            for line in block.commands:
                if reason_not_to_run(line) is None:
                    capsys.readouterr()
                    assert _run_line(line) == 0, f"{where}: {line}\n{capsys.readouterr().err}"
                    printed = capsys.readouterr().out
        elif block.language == "text":
            assert printed == block.text, where
        elif block.language not in NOT_RUN_LANGUAGES:
            pytest.fail(f"{where}: no test knows blocks of {block.language}")
    if page.name == "paper.md":
        _check_paper(in_folder)


def _check_paper(folder: Path) -> None:
    """What docs/paper.md promises: a table that cites its papers, a plot with TrueType fonts, a page of its own."""
    for table, keys in (("paper/table", 6), ("tables/costs", 6)):
        text, papers = ((folder / f"{table}{ending}").read_text(encoding="utf-8") for ending in (".tex", ".bib"))
        assert {"ENet~\\cite{enet}", "BiSeNetV2~\\cite{bisenetv2}"} <= set(re.findall(r"\w+~\\cite\{\w+\}", text))
        assert len(re.findall(r"^@", papers, flags=re.MULTILINE)) == keys
        assert set(re.findall(r"\\cite\{(\w+)\}", text)) <= set(
            re.findall(r"^@\w+\{(\w+),", papers, flags=re.MULTILINE)
        )
    for plot in (folder / "figures" / "pareto.pdf", *(folder / "paper" / "plots").glob("*.pdf")):
        content = plot.read_bytes()
        assert content.startswith(b"%PDF") and b"/FontFile2" in content and b"/Type3" not in content, plot
    assert {path.suffix for path in (folder / "paper" / "plots").iterdir()} == {".pdf", ".svg"}
    page = (folder / "paper" / "index.html").read_text(encoding="utf-8")
    assert "mine:Net" in page and not re.search(r"<(script|link)[^>]*(src|href)=.https?:", page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_resolve(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), f"{page.name}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in slugs, f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_and_options_in_prose_exist(page: Path) -> None:
    for code in re.findall(r"`([^`\n]+)`", prose(page)):
        words = code.split()
        if words[:3] == ["python", "-m", "pytest"]:
            continue
        named = {word for word in words if re.fullmatch(r"--[a-z][a-z-]*", word)}
        if words[:1] == ["segbench"] and len(words) > 1 and re.fullmatch(r"[a-z]+", words[1]):
            name = " ".join(words[1:3])
            name = name if name in commands() else words[1]
            assert name in commands(), f"{page.name}: {code}"
            assert named <= options(commands()[name]), f"{page.name}: {code}"
        else:
            assert named <= all_options(), f"{page.name}: {code}"


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.stem)
def test_every_page_is_reached_from_the_index(page: Path) -> None:
    assert page.name == "index.md" or f"({page.name})" in (DOCS / "index.md").read_text(encoding="utf-8")


def table(page: str, heading: str) -> list[list[str]]:
    """Cells of the table whose first row begins with `heading`."""
    lines = (DOCS / page).read_text(encoding="utf-8").splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return [rows[0], *rows[2:]]


STEPS = {
    "conv": ("conv2d", "Conv2d"),
    "bn": ("batch_norm", "BatchNorm2d"),
    "relu": ("relu", "ReLU"),
    "matmul": ("matmul",),
    "softmax": ("softmax",),
    "up": ("conv_transpose2d", "ConvTranspose2d"),
    "resize": ("upsample_bilinear2d",),
}


def test_the_worked_layers_are_what_the_rules_count(in_folder: Path) -> None:
    from segbench.counting.count import count_trace
    from segbench.counting.rules import RULES
    from segbench.counting.tracer import trace

    namespace: dict[str, Any] = {}
    exec(next(block.text for block in blocks(DOCS / "counting-rules.md") if "class Worked" in block.text), namespace)
    traced = trace(namespace["Worked"]().eval(), (1, 3, 64, 128))
    header, *rows = table("counting-rules.md", "step")
    assert [cell.strip("`") for cell in header[2:]] == list(RULES)
    assert [row[0] for row in rows] == [*STEPS, "total"]
    for column, rule in enumerate(RULES, 2):
        counted = count_trace(traced, rule)
        for row in rows[:-1]:
            expected = sum(counted.by_kind.get(kind, 0) for kind in STEPS[row[0]])
            assert int(row[column].replace(",", "")) == expected, f"{row[0]} under {rule}"
        assert int(rows[-1][column].replace(",", "")) == counted.total


def attention(x: Tensor) -> Tensor:
    x = x.flatten(2)
    return F.scaled_dot_product_attention(x, x, x)


OPERATIONS: dict[str, Callable[[], nn.Module]] = {
    "convolution": lambda: nn.Conv2d(4, 4, 3),
    "transposed convolution": lambda: nn.ConvTranspose2d(4, 4, 3),
    "linear layer": lambda: nn.Linear(8, 4),
    "matrix product": lambda: Function(lambda x: x @ x),
    "`scaled_dot_product_attention`": lambda: Function(attention),
    "`nn.MultiheadAttention`": lambda: Function(
        lambda x, heads: heads(*[x.flatten(2)] * 3)[0], heads=nn.MultiheadAttention(64, 4, batch_first=True)
    ),
    "batch normalisation": lambda: nn.BatchNorm2d(4),
    "layer normalisation": lambda: nn.LayerNorm(8),
    "group normalisation": lambda: nn.GroupNorm(2, 4),
    "instance normalisation": lambda: nn.InstanceNorm2d(4, affine=True),
    "ReLU": nn.ReLU,
    "PReLU": nn.PReLU,
    "GELU": nn.GELU,
    "softmax": lambda: nn.Softmax(1),
    "max pooling": lambda: nn.MaxPool2d(2),
    "average pooling": lambda: nn.AvgPool2d(2),
    "adaptive average pooling": lambda: nn.AdaptiveAvgPool2d(2),
    "bilinear resize": lambda: nn.Upsample(scale_factor=2, mode="bilinear"),
    "nearest resize": lambda: nn.Upsample(scale_factor=2),
    "grid sampling": lambda: Function(
        lambda x: F.grid_sample(x, x.flatten(1)[:, :128].view(1, 8, 8, 2), align_corners=False)
    ),
}


def test_the_table_of_operations_says_what_each_rule_counts() -> None:
    from segbench.counting.count import count_trace
    from segbench.counting.tracer import trace

    header, *rows = table("counting-rules.md", "operation")
    assert [row[0] for row in rows] == list(OPERATIONS)
    for name, *cells in rows:
        traced = trace(OPERATIONS[name](), (1, 4, 8, 8))
        elements = math.prod(traced.output_shape)
        for rule, cell in zip((heading.strip("`") for heading in header[1:]), cells, strict=True):
            counted = count_trace(traced, rule)
            where = f"{name} under {rule}: {cell}"
            if number := re.match(r"\d+(?=$|;|, of)", cell):
                assert counted.total == int(number[0]) * elements, where
                assert not counted.unsupported, where
            elif cell == "-":
                assert counted.total == 0 and counted.unsupported, where
            elif cell == "1 per *input* element":
                assert counted.total == 4 * 8 * 8, where
            else:
                assert counted.total > 0, where


def test_the_worked_scores_are_what_the_rules_give() -> None:
    from segbench.accuracy.datasets import DATASETS
    from segbench.accuracy.scoring import RULES, score

    confusion = torch.zeros(19, 21, dtype=torch.int64)
    confusion[0, 0], confusion[0, 1] = 90, 10
    confusion[13, 13], confusion[13, 19] = 40, 10
    rows = table("evaluation-protocol.md", "`--rule`")[1:]
    assert {row[0].strip("`") for row in rows} == set(RULES)
    for rule, _, miou in rows:
        given = score(DATASETS["cityscapes"], confusion, rule.strip("`")).miou
        assert f"{given:.4f}".replace("nan", "NaN") == miou, rule


def test_every_data_set_is_in_the_evaluation_protocol() -> None:
    from segbench.accuracy.datasets import DATASETS

    rows = {row[0].strip("`"): row for row in table("evaluation-protocol.md", "`--dataset`")[1:]}
    assert set(rows) == set(DATASETS)
    for name, spec in DATASETS.items():
        assert rows[name][2].split(",")[0].split()[0] == str(spec.num_classes)
        assert rows[name][3].strip("`") == spec.rule


def test_every_preset_is_in_the_speed_protocol() -> None:
    from segbench.protocol import PRESETS

    named = {row[0].strip("`") for row in table("speed-protocol.md", "name")[1:]}
    assert named | {"forward"} == set(PRESETS)


def section(title: str) -> str:
    """A section of the page on the Record."""
    text = (DOCS / "record.md").read_text(encoding="utf-8")
    return re.split(r"^## ", text.split(f"\n## {title}\n")[1], flags=re.MULTILINE)[0]


def words_of(title: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", section(title)))


def fields_of(kind: str) -> set[str]:
    """The names in the table of a type."""
    text = (DOCS / "record.md").read_text(encoding="utf-8")
    rows = text.split(f"<!-- fields of {kind} -->")[1].split("<!-- end -->")[0].splitlines()
    return {line.split("`")[1] for line in rows if line.startswith("| `")}


def test_the_page_on_the_record_has_its_fields_and_no_others() -> None:
    from segbench.records.schema import TABLES, with_field_tables

    page = (DOCS / "record.md").read_text(encoding="utf-8")
    assert with_field_tables(page) == page, "python -m segbench.records.schema writes the tables anew"
    assert all(f"<!-- fields of {kind} -->" in page for kind in TABLES)
    # `extra` holds what a newer segbench wrote.
    assert fields_of("Record") == {item.name for item in fields(Record)} - {"extra"}


TINY = """
from torch import nn

def tiny(num_classes=2):
    return nn.Sequential(nn.Conv2d(3, 4, 3, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, num_classes, 1))
"""


@pytest.mark.slow
def test_the_page_on_the_record_has_every_key_of_a_profile(in_folder: Path) -> None:
    from segbench.job import Job, Settings
    from segbench.measure.nvml import Gpu
    from segbench.measure.record import check_settings, measure_job
    from segbench.records.results import Telemetry

    (in_folder / "tiny_docs.py").write_text(TINY, encoding="utf-8")
    settings = check_settings(Settings(device="cpu", budget_s=0.5, module_levels=None, waterfall=True))
    measured = measure_job(Job(model="tiny_docs:tiny", classes=2, resolution=(64, 64), settings=settings))
    assert measured.failure is None
    record = measured.to_json()
    speed = record["speed"]
    assert speed and record["memory"] and record["modules"] and record["waterfall"]

    assert record.keys() <= fields_of("Record")
    assert speed.keys() <= fields_of("Speed")
    assert speed["latency_ms"].keys() == fields_of("Latency")
    assert speed["roofline"].keys() == fields_of("Roofline")
    assert record["protocol"].keys() <= words_of("`protocol`")
    assert record["memory"].keys() <= fields_of("Memory")
    assert record["modules"][0].keys() <= fields_of("ModuleRow")
    for row in record["waterfall"]:
        assert row.keys() <= fields_of("WaterfallRow")
        assert {*(row["deviation"] or {}), *(row["folding"] or {})} <= words_of("`waterfall`")
    described = Gpu(None).describe().keys() - {item.name for item in fields(Telemetry)}
    assert record["environment"].keys() | described <= words_of("`environment`")


@pytest.mark.slow
def test_the_page_on_the_record_has_every_key_of_a_signature(in_folder: Path) -> None:
    from segbench.measure.signature import signature
    from segbench.measure.subject import resolve
    from segbench.records.reading import plain

    (in_folder / "tiny_docs.py").write_text(TINY, encoding="utf-8")
    assert plain(signature(resolve("tiny_docs:tiny", 2))).keys() == fields_of("Signature")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_the_page_on_the_record_has_the_keys_of_an_evaluation_and_no_others(in_folder: Path) -> None:
    from segbench.accuracy.run import run as evaluate
    from segbench.accuracy.settings import EvaluationSettings
    from segbench.accuracy.synthetic import write_synthetic

    (in_folder / "tiny_docs.py").write_text(TINY, encoding="utf-8")
    keys: set[str] = set()
    for dataset, classes in (("cityscapes", 19), ("ade20k", 150)):
        write_synthetic(dataset, in_folder / dataset, images=1, size=(64, 128))
        namespace: dict[str, Callable[..., torch.nn.Module]] = {}
        exec(TINY, namespace)
        checkpoint = in_folder / f"{dataset}.pth"
        torch.save(namespace["tiny"](classes).state_dict(), checkpoint)
        settings = EvaluationSettings(
            model="tiny_docs:tiny",
            checkpoint=checkpoint,
            dataset=dataset,
            root=in_folder / dataset,
            device="cpu",
            workers=0,
            speed=False,
        )
        keys |= evaluate(settings).record.to_json()["accuracy"].keys()
    # What processes that share the images add, and a baseline.
    assert fields_of("Accuracy") == keys | {"processes", "tolerance_points"}


@pytest.mark.parametrize("name", [name for name in segbench.__all__ if inspect.isfunction(getattr(segbench, name))])
def test_a_public_function_has_an_example_that_runs(name: str, pytestconfig: pytest.Config) -> None:
    function = getattr(segbench, name)
    assert ">>>" in (function.__doc__ or "")
    file = Path(inspect.getfile(function)).relative_to(ROOT)
    assert file.as_posix() in pytestconfig.getini("testpaths")
    assert "--doctest-modules" in pytestconfig.getini("addopts")
