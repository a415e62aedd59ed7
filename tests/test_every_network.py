"""What every network does beside its outputs: batches, bfloat16, a saved state dict, torch.compile and torch.export.

A check that a network does not meet has its reason in ``Entry.unsupported``, and then it must fail: a reason that no
longer holds is an error as much as a missing one.

One network stands for its family in a model file, that of the fewest parameters: the others differ in width, depth or
options. torch.compile and torch.export read some fifty modules a second, so that networks of more than
`TRACED_MODULES` are left out there. ``--every-variant`` leaves out nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

import pytest
import torch
from torch import Tensor

import segbench
from segbench.catalog import CATALOG, Entry
from segbench.catalog.entry import BASE_CHECK_MEANING, BaseCheck
from segbench.models import Network

QUICK_PARAMS = 600_000
TRACED_MODULES = 220
TRACING: tuple[BaseCheck, ...] = ("compile", "export")


@lru_cache(maxsize=1)
def network(name: str) -> Network:
    """The network with random weights; kept until another is asked for, as all checks of one follow each other."""
    torch.manual_seed(0)
    return segbench.build(name)


def images(entry: Entry) -> Tensor:
    """Two images ``(2, 3, H, W)`` of the smallest size from 64x64 up that the network takes."""
    multiple, offset = entry.size_rule.multiple, entry.size_rule.offset
    side = -(-(64 - offset) // multiple) * multiple + offset
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))


def assert_close(got: Tensor, expected: Tensor) -> None:
    """Within 1e-5 of the largest score."""
    assert got.shape == expected.shape
    assert (got - expected).abs().max() <= 1e-5 * expected.abs().max()


def batch(entry: Entry, folder: Path) -> None:
    net, both = network(entry.name), images(entry)
    assert_close(net(both), torch.cat([net(both[:1]), net(both[1:])]))


def bfloat16(entry: Entry, folder: Path) -> None:
    try:
        scores = copy.deepcopy(network(entry.name)).bfloat16()(images(entry)[:1].bfloat16())
    except RuntimeError as error:
        # Torch 2.4 unpools no BFloat16 on the CPU, 2.11 does.
        if torch.__version__ < "2.11" and "\"max_unpool2d\" not implemented for 'BFloat16'" in str(error):
            pytest.skip(str(error))
        raise
    assert scores.dtype == torch.bfloat16
    assert scores.isfinite().all()


def state_dict(entry: Entry, folder: Path) -> None:
    net, image = network(entry.name), images(entry)[:1]
    other = segbench.build(entry.name)
    expected = net(image)
    assert not torch.equal(other(image), expected)
    torch.save(net.state_dict(), folder / "weights.pth")
    segbench.load_checkpoint(other, folder / "weights.pth")
    (folder / "weights.pth").unlink()
    assert torch.equal(other(image), expected)


def compiled(entry: Entry, folder: Path) -> None:
    net, image = network(entry.name), images(entry)[:1]
    torch._dynamo.reset()
    assert_close(torch.compile(net, backend="aot_eager", fullgraph=True)(image), net(image))


def exported(entry: Entry, folder: Path) -> None:
    net, image = network(entry.name), images(entry)[:1]
    assert_close(torch.export.export(net, (image,)).module()(image), net(image))


CHECKS: Mapping[BaseCheck, Callable[[Entry, Path], None]] = {
    "batch": batch,
    "bfloat16": bfloat16,
    "state-dict": state_dict,
    "compile": compiled,
    "export": exported,
}


def representatives() -> list[Entry]:
    """The network of the fewest parameters of each family in a model file."""
    chosen: dict[tuple[str, str], Entry] = {}
    for entry in CATALOG.values():
        key = entry.family, entry.factory.split(":")[0]
        chosen[key] = min(chosen.get(key, entry), entry, key=lambda candidate: candidate.params)
    return list(chosen.values())


def cases(entries: Iterable[Entry]) -> Iterator[object]:
    """Every check of every network, all checks of one network in a row."""
    for entry in entries:
        for check in CHECKS:
            quick = check not in TRACING and entry.params < QUICK_PARAMS
            marks = [] if quick else [pytest.mark.slow]
            if check in entry.unsupported:
                marks.append(pytest.mark.xfail(reason=entry.unsupported[check], strict=True))
            yield pytest.param(entry, check, id=f"{entry.name}-{check}", marks=marks)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "check" in metafunc.fixturenames:
        every = metafunc.config.getoption("every_variant")
        metafunc.parametrize(("entry", "check"), list(cases(CATALOG.values() if every else representatives())))


def test_a_network_passes_every_check_but_those_that_have_a_reason(
    entry: Entry, check: BaseCheck, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    if check in TRACING and not pytestconfig.getoption("every_variant"):
        modules = sum(1 for _ in network(entry.name).modules())
        if modules > TRACED_MODULES:
            pytest.skip(f"more than {TRACED_MODULES} modules take long to trace: --every-variant does it")
    with torch.no_grad():
        CHECKS[check](entry, tmp_path)


def test_the_guide_says_what_is_checked() -> None:
    page = (Path(__file__).parent.parent / "docs" / "adding-a-network.md").read_text(encoding="utf-8")
    for check, meaning in BASE_CHECK_MEANING.items():
        assert f"| `{check}` | {meaning} |" in page
    assert f"more than {TRACED_MODULES} modules" in page


def test_reasons_are_given_for_checks_that_there_are() -> None:
    assert set(CHECKS) == set(BASE_CHECK_MEANING)
    for entry in CATALOG.values():
        assert set(entry.unsupported) <= set(CHECKS), entry.name
        assert all(entry.unsupported.values()), entry.name
