"""Time by layer: every interval belongs to the innermost module that ran, and all of them add up to the frame."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from segbench import build
from segbench.errors import BadOption
from segbench.job import Job, Settings
from segbench.measure.device import CpuDevice
from segbench.measure.layers import time_layers, with_times
from segbench.measure.record import check_settings, measure_job
from segbench.protocol import PRESETS
from segbench.records.record import Record
from segbench.records.results import LayerTiming, ModuleRow
from segbench.report.layers import heaviest_table, layers_tree, slowest_table

SIZE = (64, 128)


class MeteredDevice(CpuDevice):
    """A processor on whose clock nothing takes time but operations of modules and readings of the clock itself."""

    def __init__(self, reading_s: float) -> None:
        super().__init__()
        self.now, self.reading_s = 0.0, reading_s

    def clock(self) -> float:
        self.now += self.reading_s
        return self.now


METER = MeteredDevice(0.0)


class Pause(nn.Module):
    """Takes a while on the clock of `METER`."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def forward(self, x: Tensor) -> Tensor:
        METER.now += self.seconds
        return x


class Nested(nn.Module):
    """A leaf, a block with a leaf and work of its own, and work outside of both."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 2, 1)
        self.first = Pause(0.004)
        self.block = Block()

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(self.stem(x))
        METER.now += 0.002
        return self.block(x)


class Block(nn.Module):
    """A leaf, and a pause in its own forward."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Pause(0.008)

    def forward(self, x: Tensor) -> Tensor:
        METER.now += 0.006
        return self.inner(x)


def test_each_interval_belongs_to_the_innermost_module() -> None:
    timing, own = time_layers(Nested, SIZE, PRESETS["forward"], METER, frames=3)
    found = {path: time_ms for path, time_ms in own.items() if time_ms > 1e-9}
    assert found == pytest.approx({"first": 4, "block.inner": 8, "block": 6, "": 2})
    assert timing.plain_ms == pytest.approx(20)
    assert timing.frame_ms == pytest.approx(sum(own.values()))
    assert timing.between_modules_ms == pytest.approx(own[""] + own["block"])
    assert timing.frames == 3


def test_rows_have_the_time_of_everything_inside_them() -> None:
    rows = [ModuleRow(path=path, type="M") for path in ("", "block", "block.inner", "first", "never")]
    timed = {row.path: row for row in with_times(rows, {"": 2.0, "block": 6.0, "block.inner": 8.0, "first": 4.0})}
    assert [timed[path].time_ms for path in timed] == [20.0, 14.0, 8.0, 4.0, 0.0]
    assert timed["block"].time_share == pytest.approx(0.7)


class Metered(TorchDispatchMode):
    """Charges each operation its time to a clock."""

    def __init__(self, device: MeteredDevice, operation_s: float) -> None:
        super().__init__()
        self.device, self.operation_s = device, operation_s

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.device.now += self.operation_s
        return func(*args, **(kwargs or {}))


def metered(name: str, reading_s: float) -> tuple[LayerTiming, dict[str, float]]:
    device = MeteredDevice(reading_s)
    with Metered(device, 1e-4):
        return time_layers(lambda: build(name), SIZE, PRESETS["forward"], device, frames=3)


@pytest.mark.parametrize("name", ["efrnet", "enet", "fastscnn"])
def test_layers_add_up_to_the_frame_without_hooks(name: str) -> None:
    free, exact = metered(name, 0.0)
    assert free.hooks_ms == pytest.approx(0, abs=1e-6)
    assert free.frame_ms == pytest.approx(free.plain_ms)
    # A mark as dear as an operation: what is left of each module's time is what it takes without marks.
    timing, own = metered(name, 1e-4)
    assert timing.plain_ms == pytest.approx(free.plain_ms, rel=0.01)
    assert timing.hooks_ms > timing.plain_ms / 2
    assert sum(own.values()) == pytest.approx(timing.plain_ms, rel=0.1)
    assert own.keys() == exact.keys() <= {path for path, _ in build(name).named_modules()}
    for path, time_ms in exact.items():
        assert own[path] == pytest.approx(time_ms, rel=0.1, abs=0.01)


def test_the_card_warns_where_layers_do_not_add_up_to_the_frame_without_hooks() -> None:
    record = Record(model="net", classes=2, resolution=SIZE, modules=[ModuleRow(path="", type="Net")])
    for frame_ms, said in ((10.9, False), (12.1, True), (8.5, True)):
        timing = LayerTiming(frames=10, frame_ms=frame_ms, plain_ms=10.0, hooks_ms=1.0, between_modules_ms=3.0)
        caption = str(slowest_table(record, timing).caption)
        assert (f"ratio of {frame_ms / 10:.2f}" in caption) is said


def test_a_module_that_is_called_twice_has_the_time_of_both_calls() -> None:
    pause = Pause(0.003)
    _, own = time_layers(lambda: nn.Sequential(nn.Conv2d(3, 2, 1), pause, pause), SIZE, PRESETS["forward"], METER)
    assert set(own) == {"", "0", "1"}
    assert own["1"] == pytest.approx(6)


def test_the_record_has_the_times_and_the_call_is_checked() -> None:
    settings = Settings(device="cpu", budget_s=0.5, module_levels=None, layer_times=True, bounds="none")
    record = measure_job(Job(model="efrnet", classes=19, resolution=SIZE, settings=check_settings(settings)))
    assert record.modules is not None and record.speed is not None and record.speed.layer_timing is not None
    assert record.modules[0].time_ms == pytest.approx(record.speed.layer_timing.frame_ms)
    assert record.modules[0].time_share == pytest.approx(1.0)
    with pytest.raises(BadOption, match="--time belongs to --layers"):
        check_settings(Settings(device="cpu", layer_times=True))


def test_the_card_s_table_adds_up_to_the_frame() -> None:
    timing = LayerTiming(frames=10, frame_ms=20.0, plain_ms=19.0, hooks_ms=1.0, between_modules_ms=3.0)
    block = ModuleRow(path="block", type="Sequential", time_ms=17.0)
    leaves = [ModuleRow(path=f"block.{place}", type="Conv2d", macs=10, share=0.05, time_ms=1.0) for place in range(17)]
    record = Record(model="net", classes=2, resolution=SIZE, modules=[ModuleRow(path="", type="Net"), block, *leaves])
    screen = Console(width=100, file=io.StringIO())
    screen.print(slowest_table(record, timing))
    lines = screen.file.getvalue().splitlines()  # type: ignore[attr-defined]
    rows = {name: line.split() for line in lines for name in ("7 other", "between") if line.startswith(name)}
    assert sum("Conv2d" in line for line in lines) == 10
    assert rows["7 other"][3:5] == ["7.00", "35.0%"]
    assert rows["between"][2:4] == ["3.00", "15.0%"]
    assert "19.0 ms without them" in " ".join(" ".join(lines).split())


def _shown(table: object) -> list[str]:
    screen = Console(width=120, file=io.StringIO())
    screen.print(table)
    return screen.file.getvalue().splitlines()  # type: ignore[attr-defined]


def test_leaves_without_macs_are_one_line_for_each_module() -> None:
    def row(path: str, kind: str, macs: int, params: int = 0) -> ModuleRow:
        return ModuleRow(path=path, type=kind, macs=macs, params=params, share=macs / 100)

    modules = [row("", "Net", 100, 30), row("a", "Block", 100, 30), row("a.conv", "Conv2d", 60, 20)]
    modules += [
        row("a.bn", "BatchNorm2d", 0, 6),
        row("a.act", "PReLU", 0, 4),
        row("a.last", "Conv2d", 40),
        row("b", "ReLU", 0),
    ]
    record = Record(model="net", classes=2, resolution=(8, 8), params=30, modules=modules)
    text = _shown(layers_tree(record))
    (folded,) = (line for line in text if "BatchNorm2d" in line)
    assert "1 BatchNorm2d, 1 PReLU" in folded and " 10 " in folded
    # A single one keeps its name.
    assert any("b  ReLU" in line for line in text)
    top = _shown(heaviest_table(record, 1))
    assert any("a.conv" in line and "60.0%" in line for line in top)
    assert any("4 other modules" in line and "40.0%" in line for line in top)
