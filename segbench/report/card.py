"""One network's profile for the terminal: what it costs, how fast it runs, and under which conditions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from segbench.catalog import CATALOG, FIDELITY_MEANING
from segbench.counting.meanings import MEANINGS
from segbench.record import Record
from segbench.report.claimed import claimed_table
from segbench.report.layers import DEPTH, layers_tree
from segbench.report.waterfall import deviation_text, waterfall_table
from segbench.resolution import show
from segbench.units import scaled, significant

VERDICT_MEANING = {
    "launch-bound": "the GPU waits for the host to launch its kernels",
    "compute-bound": "arithmetic is the nearer roof",
    "memory-bound": "moving data is the nearer roof",
}


def profile_card(record: Record, counters: Sequence[str] = (), depth: int | None = DEPTH) -> RenderableType:
    """Everything a Record says, for a person.

    Args:
        record: one measurement.
        counters: counting rules to show beside ``macs``; every rule that the Record has where none is given.
        depth: deepest level of the modules, where the Record has them.
    """
    parts: list[RenderableType] = [_title(record), Padding(_costs(record, counters), (0, 0, 0, 2))]
    if record.speed:
        parts += [Text(""), Padding(_speed(record, record.speed), (0, 0, 0, 2))]
    if record.waterfall:
        parts += [Text(""), Padding(waterfall_table(record), (0, 0, 0, 2))]
    claimed = claimed_table(record)
    if claimed is not None:
        parts += [Text(""), Padding(claimed, (0, 0, 0, 2))]
    if record.modules:
        parts += [Text(""), Padding(layers_tree(record, depth), (0, 0, 0, 2))]
    parts += [Padding(Text(f"- {note}", style="yellow"), (0, 0, 0, 2)) for note in _notes(record)]
    if record.failure:
        parts.append(Text(f"  failed: {record.failure}", style="bold red"))
    parts.append(Text(""))
    return Group(*parts)


def _title(record: Record) -> Text:
    entry = CATALOG.get(record.model)
    title = Text(record.model, style="bold")
    size, classes = show(record.resolution), f"{record.classes} classes"
    title.append(f"  {size} (HxW), {classes}, batch {record.batch}", style="default not bold")
    if entry:
        title.append(f"; {entry.paper}", style="dim not bold")
    return title


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(style="dim")
    return grid


def _costs(record: Record, counters: Sequence[str]) -> Table:
    grid = _grid()
    if record.params is not None:
        grid.add_row("parameters", f"{record.params:,}", scaled(record.params))
        if record.live_params is not None and record.live_params != record.params:
            reach = "those that reach the output"
            grid.add_row("live parameters", f"{record.live_params:,}", scaled(record.live_params), reach)
    for rule, total in record.operations.items():
        if rule in MEANINGS and (not counters or rule == "macs" or rule in counters):
            grid.add_row(rule, f"{total:,}", scaled(total), MEANINGS[rule])
    macs, live = record.operations.get("macs"), record.operations.get("live-macs")
    if macs and live is not None and live < macs:
        share = f"{(macs - live) / macs:.1%} of the MACs never reach the output"
        grid.add_row(Text("dead compute", style="yellow"), f"{macs - live:,}", scaled(macs - live), share)
    for tool, total in record.tools.items():
        grid.add_row(f"{tool} (package)", f"{total:,}", scaled(total), f"what {tool} itself reports")
    return grid


def _speed(record: Record, speed: dict[str, Any]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(style="dim")
    device = "CPU" if speed["device"] == "cpu" else speed.get("device_name") or speed["device"]
    conditions = f"on {device}, mode {speed['mode']}, {speed['precision']}"
    bounds = speed.get("fps_ci95")
    if bounds:
        conditions += f"; 95 % interval {significant(bounds[0])} to {significant(bounds[1])}"
    name = "throughput" if record.batch > 1 else "FPS"
    grid.add_row(Text(name, style="bold"), Text(significant(speed["fps"]), style="bold"), conditions)
    latency = speed["latency_ms"]
    percentiles = f"median; p5 {significant(latency['p5'])}, p95 {significant(latency['p95'])}"
    grid.add_row("latency", f"{significant(latency['median'])} ms", percentiles)
    peak = (record.memory or {}).get("peak_mib")
    if peak is not None:
        grid.add_row("peak memory", f"{significant(peak)} MiB", (record.memory or {}).get("kind", ""))
    for row in _bounds(speed):
        grid.add_row(*row)
    if speed.get("optimized"):
        grid.add_row(*_optimized(speed["optimized"]))
    grid.add_row("measured with", "", _machine(record.environment))
    return grid


def _bounds(speed: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What bounds the speed, and the figures behind it."""
    if speed.get("energy_mj") is not None:
        yield "energy", f"{significant(speed['energy_mj'])} mJ", "per image, of the whole GPU"
    if speed.get("gpu_busy_ms") is not None:
        yield "GPU busy", f"{significant(speed['gpu_busy_ms'])} ms", f"of a frame; {speed['launches']} kernel launches"
    if speed.get("graph_fps") is not None:
        yield "CUDA graph", significant(speed["graph_fps"]), "FPS of the same network, launched by one call"
    roof = speed.get("roofline")
    if roof:
        share = f"{roof['share']:.0%} of this device's roofline" if roof.get("share") is not None else ""
        yield (
            "fastest here",
            f"{significant(roof['fastest_ms'])} ms",
            f"{share}: {significant(roof['tmacs_per_s'])} T MAC/s, {significant(roof['gb_per_s'])} GB/s measured",
        )
    if speed.get("verdict"):
        yield "verdict", str(speed["verdict"]), VERDICT_MEANING.get(speed["verdict"], "")


def _optimized(fast: dict[str, Any]) -> tuple[str, str, str]:
    """The fast mode as a row of its own."""
    parts = [f"{fast['engine']}, channels_last, {fast['precision']}"]
    folding = fast.get("folding")
    parts.append(f"{folding['folded']} batch normalisations folded" if folding else "batch normalisation kept")
    parts.append(deviation_text(fast["deviation"]))
    return "optimized", significant(fast["fps"]), f"FPS: {'; '.join(parts)}"


def _machine(environment: dict[str, Any]) -> str:
    gpus = environment.get("gpus") or {}
    names = dict.fromkeys(str(gpu.get("name")) for gpu in gpus.values() if isinstance(gpu, dict) and gpu.get("name"))
    parts = [
        *names,
        f"driver {environment['driver']}" if environment.get("driver") else "",
        str(environment.get("cpu") or ""),
        f"torch {environment['torch']}" if environment.get("torch") else "",
    ]
    return ", ".join(part for part in parts if part)


def _notes(record: Record) -> Iterator[str]:
    if record.speed:
        if record.speed["device"] == "cpu":
            yield "a CPU timing: not comparable with the papers' FPS, which are CUDA's"
        if record.speed.get("shortened"):
            yield str(record.speed["shortened"])
        yield from (_warning(item) for item in record.speed.get("warnings", ()))
        for row in (record.speed.get("optimized") or {}).get("tried", ()):
            if row.get("unavailable"):
                yield f"optimized without {row['engine']}: {row['unavailable']}"
        yield from (record.speed.get("optimized") or {}).get("notes", ())
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
