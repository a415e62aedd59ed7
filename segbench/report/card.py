"""One network's profile for the terminal: what it costs, how fast it runs, and under which conditions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from segbench.catalog import CATALOG, FIDELITY_MEANING
from segbench.record import Record
from segbench.resolution import show
from segbench.units import scaled, significant

RULE_MEANING = {
    "macs": "multiply-accumulates: convolutions, linear layers, matrix products",
    "conv-macs": "the same without matrix products of activations",
    "2xmacs": "two operations per multiply-accumulate",
    "fvcore": "as fvcore counts",
    "thop": "as thop counts",
    "ptflops-0.6.3": "as ptflops 0.6.3 counts",
    "ptflops-0.6.9": "as ptflops 0.6.9 counts",
}


def profile_card(record: Record, counters: Sequence[str] = ()) -> RenderableType:
    """Everything a Record says, for a person.

    Args:
        record: one measurement.
        counters: counting rules to show beside ``macs``; every rule that the Record has where none is given.
    """
    parts: list[RenderableType] = [_title(record), Padding(_costs(record, counters), (0, 0, 0, 2))]
    if record.speed:
        parts += [Text(""), Padding(_speed(record, record.speed), (0, 0, 0, 2))]
    parts += [Text(f"  {note}", style="yellow") for note in _notes(record)]
    if record.failure:
        parts.append(Text(f"  failed: {record.failure}", style="bold red"))
    parts.append(Text(""))
    return Group(*parts)


def _title(record: Record) -> Text:
    classes, size = f"{record.classes} classes", show(record.resolution)
    title = Text(record.model, style="bold")
    title.append(f"  {size} (HxW), {classes}, batch {record.batch}", style="default not bold")
    return title


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(style="dim")
    return grid


def _costs(record: Record, counters: Sequence[str]) -> Table:
    grid = _grid()
    if record.params is not None:
        grid.add_row("parameters", f"{record.params:,}", scaled(record.params))
        if record.live_params not in (None, record.params):
            grid.add_row("live parameters", f"{record.live_params:,}", "those that reach the output")
    for rule, total in record.operations.items():
        if rule in RULE_MEANING and (not counters or rule == "macs" or rule in counters):
            grid.add_row(rule, scaled(total), f"{total:,}; {RULE_MEANING[rule]}")
    macs, live = record.operations.get("macs"), record.operations.get("live-macs")
    if macs and live is not None and live < macs:
        share = f"{(macs - live) / macs:.1%} of the executed MACs never reach the output"
        grid.add_row(Text("dead compute", style="yellow"), scaled(macs - live), share)
    for tool, total in record.tools.items():
        grid.add_row(f"{tool} (the package)", scaled(total), f"{total:,}")
    return grid


def _speed(record: Record, speed: dict[str, Any]) -> Table:
    grid = _grid()
    device = "CPU" if speed["device"] == "cpu" else speed.get("device_name") or speed["device"]
    bounds = speed.get("fps_ci95")
    interval = f"95 % interval {significant(bounds[0])} to {significant(bounds[1])}, " if bounds else ""
    conditions = f"{device}, mode {speed['mode']}, {speed['precision']}"
    name = "throughput" if record.batch > 1 else "FPS"
    grid.add_row(Text(name, style="bold"), Text(significant(speed["fps"]), style="bold"), f"{interval}{conditions}")
    latency = speed["latency_ms"]
    percentiles = f"p5 {significant(latency['p5'])}, p95 {significant(latency['p95'])}"
    grid.add_row("latency, median", f"{significant(latency['median'])} ms", percentiles)
    peak = (record.memory or {}).get("peak_mib")
    if peak is not None:
        grid.add_row("peak memory", f"{significant(peak)} MiB", "")
    if speed.get("verdict"):
        grid.add_row("bound by", speed["verdict"], "")
    grid.add_row("on", "", _machine(record.environment))
    return grid


def _machine(environment: dict[str, Any]) -> str:
    gpu = environment.get("gpu") or {}
    parts = [
        str(gpu["name"]) if isinstance(gpu, dict) and gpu.get("name") else "",
        f"driver {gpu['driver']}" if isinstance(gpu, dict) and gpu.get("driver") else "",
        str(environment.get("cpu_model") or environment.get("cpu", "")),
        f"torch {environment['torch']}" if environment.get("torch") else "",
    ]
    return ", ".join(part for part in parts if part)


def _notes(record: Record) -> Iterator[str]:
    if record.speed:
        if record.speed["device"] == "cpu":
            yield "a CPU timing: not comparable with any paper's FPS, which are CUDA's"
        if record.speed.get("shortened"):
            yield str(record.speed["shortened"])
        yield from (_warning(item) for item in record.speed.get("warnings", ()))
    yield from record.notes
    entry = CATALOG.get(record.model)
    if entry:
        yield f"{entry.fidelity}: {FIDELITY_MEANING[entry.fidelity]}"
        if entry.note:
            yield entry.note


def _warning(item: Any) -> str:
    if isinstance(item, dict):
        return "; ".join(str(item[key]) for key in ("seen", "meaning", "advice") if item.get(key))
    return str(item)
