"""One network's profile for the terminal: what it costs, how fast it runs, and under which conditions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from segbench.catalog import CATALOG, FIDELITY_MEANING
from segbench.claims import Claim, load_claims
from segbench.claims.provenance import MARK, QUANTITIES, mark
from segbench.counting.meanings import MEANINGS
from segbench.records.record import Record
from segbench.records.results import Optimized, Speed, WaterfallRow
from segbench.report.launching import headline
from segbench.report.layers import DEPTH, heaviest_table, layers_tree, slowest_table
from segbench.report.listing import Listing
from segbench.report.side_by_side import headline as headline_of
from segbench.resolution import show
from segbench.units import AT_LEAST, DASH, scaled, significant

MOST_CLAIMS = 8

VERDICT_MEANING = {
    "launch-bound": "the GPU waits for the host to launch its kernels",
    "compute-bound": "arithmetic is the nearer roof",
    "memory-bound": "moving data is the nearer roof",
}


def profile_card(
    record: Record,
    counters: Sequence[str] = (),
    depth: int | None = DEPTH,
    *,
    rules: bool = False,
    top: int | None = None,
) -> RenderableType:
    """Everything a Record says, for a person.

    Args:
        record: one measurement.
        counters: counting rules to show beside ``macs``.
        depth: deepest level of the modules, where the Record has them.
        rules: show every counting rule that the Record has; without it and `counters` they are one line.
        top: show so many modules of most MACs instead of the tree of all.
    """
    parts: list[RenderableType] = [Text(headline_of(record), style="bold"), _title(record)]
    parts.append(Padding(_costs(record, counters, rules=rules), (0, 0, 0, 2)))
    if record.speed:
        parts += [Text(""), Padding(_speed(record, record.speed), (0, 0, 0, 2))]
    if record.waterfall:
        parts += [Text(""), Padding(waterfall_table(record), (0, 0, 0, 2))]
    claimed = claimed_table(record)
    if claimed is not None:
        parts += [Text(""), Padding(claimed, (0, 0, 0, 2))]
    if record.speed and record.speed.layer_timing:
        parts += [Text(""), Padding(slowest_table(record, record.speed.layer_timing), (0, 0, 0, 2))]
    if record.modules:
        modules = layers_tree(record, depth) if top is None else heaviest_table(record, top)
        parts += [Text(""), Padding(modules, (0, 0, 0, 2))]
    parts += [Padding(Text(f"- {note}", style="yellow"), (0, 0, 0, 2)) for note in _notes(record)]
    if record.failure:
        parts.append(Text(f"  failed: {record.failure}", style="bold red"))
    parts.append(Text(""))
    return Group(*parts)


def _title(record: Record) -> Text:
    entry = CATALOG.get(record.model)
    title = Text()
    classes = f", {record.classes} classes" if record.classes else ""
    title.append(f"  {show(record.resolution)} (HxW){classes}, batch {record.batch}")
    if entry:
        title.append(f"; {entry.paper}", style="dim")
    return title


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    # A long word of an explanation is broken on a narrow terminal, and never cut.
    grid.add_column(style="dim", overflow="fold")
    return grid


# Rules that claim to see everything; the others repeat a tool, with what it leaves out.
_BOUNDED = ("macs", "conv-macs", "2xmacs")


def _costs(record: Record, counters: Sequence[str], *, rules: bool) -> Table:
    grid = _grid()
    if record.params is not None:
        grid.add_row("parameters", f"{record.params:,}", scaled(record.params))
        if record.live_params is not None and record.live_params != record.params:
            reach = "those that reach the output"
            grid.add_row("live parameters", f"{record.live_params:,}", scaled(record.live_params), reach)
    for rule, total in record.operations.items():
        if rule in MEANINGS and (rules or rule == "macs" or rule in counters):
            mark = AT_LEAST if record.uncounted and rule in _BOUNDED else ""
            grid.add_row(rule, f"{mark}{total:,}", f"{mark}{scaled(total)}", MEANINGS[rule])
    others = [total for rule, total in record.operations.items() if rule in MEANINGS and rule != "macs"]
    if others and not rules and not counters:
        spread = f"{scaled(min(others))} to {scaled(max(others))}"
        grid.add_row("other rules", "", spread, f"{len(others)} more ways to count; --rules shows them")
    flops = record.operations.get("fft-flops")
    if flops:
        grid.add_row("fft-flops", f"{flops:,}", scaled(flops), "Fourier transforms, 5 N log2 N operations each")
    macs, live = record.operations.get("macs"), record.operations.get("live-macs")
    if macs and live is not None and live < macs:
        share = f"{(macs - live) / macs:.1%} of the MACs never reach the output"
        grid.add_row(Text("dead compute", style="yellow"), f"{macs - live:,}", scaled(macs - live), share)
    for tool, total in record.tools.items():
        grid.add_row(f"{tool} (package)", f"{total:,}", scaled(total), f"what {tool} itself reports")
    return grid


def _speed(record: Record, speed: Speed) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(style="dim")
    device = "CPU" if speed.device == "cpu" else speed.device_name or speed.device
    conditions = f"on {device}, mode {speed.mode}, {speed.precision}"
    if speed.fps_ci95:
        low, high = speed.fps_ci95
        conditions += f"; 95 % interval {significant(low)} to {significant(high)}"
    words = headline(speed)
    if words:
        grid.add_row(Text("launch-bound", style="bold yellow"), "", Text(words, style="yellow"))
    name = "throughput" if record.batch > 1 else "FPS"
    grid.add_row(Text(name, style="bold"), Text(significant(speed.fps), style="bold"), conditions)
    latency = speed.latency_ms
    if latency and latency.median is not None:
        ends = [f"{end} {significant(ms)}" for end, ms in (("p5", latency.p5), ("p95", latency.p95)) if ms is not None]
        told = "; ".join(filter(None, ("median", ", ".join(ends))))
        grid.add_row("latency", f"{significant(latency.median)} ms", told)
    if record.memory and record.memory.peak_mib is not None:
        grid.add_row("peak memory", f"{significant(record.memory.peak_mib)} MiB", record.memory.kind or "")
    for row in _bounds(speed):
        grid.add_row(*row)
    if speed.optimized:
        grid.add_row(*_optimized(speed.optimized))
    grid.add_row("measured with", "", _machine(record.environment))
    return grid


def _bounds(speed: Speed) -> Iterator[tuple[str, str, str]]:
    """What bounds the speed, and the figures behind it."""
    if speed.energy_mj is not None:
        yield "energy", f"{significant(speed.energy_mj)} mJ", "per image, of the whole GPU"
    if speed.gpu_busy_ms is not None:
        launches = "" if speed.launches is None else f"; {speed.launches:g} kernel launches"
        yield "GPU busy", f"{significant(speed.gpu_busy_ms)} ms", f"of a frame{launches}"
    if speed.enqueue_ms is not None:
        yield "enqueue", f"{significant(speed.enqueue_ms)} ms", "that the host takes to launch a frame"
    if speed.graph_fps is not None:
        yield "CUDA graph", significant(speed.graph_fps), "FPS of the same network, launched by one call"
    roof = speed.roofline
    if roof and roof.fastest_ms is not None:
        parts = [] if roof.share is None else [f"{roof.share:.0%} of this device's roofline"]
        roofs = ((roof.tmacs_per_s, "T MAC/s"), (roof.gb_per_s, "GB/s"))
        found = [f"{significant(value)} {unit}" for value, unit in roofs if value is not None]
        parts += [f"{', '.join(found)} measured"] if found else []
        yield "fastest here", f"{significant(roof.fastest_ms)} ms", ": ".join(parts)
    if speed.verdict:
        yield "verdict", speed.verdict, VERDICT_MEANING.get(speed.verdict, "")


def _optimized(fast: Optimized) -> tuple[str, str, str]:
    """The fast mode as a row of its own."""
    folded = f"{fast.folding['folded']} batch normalisations folded" if fast.folding else "batch normalisation kept"
    parts = [f"{fast.engine}, channels_last, {fast.precision}", folded]
    if fast.deviation:
        parts.append(_deviation(fast.deviation))
    return "optimized", significant(fast.fps), f"FPS: {'; '.join(parts)}"


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
    speed = record.speed
    if speed:
        if speed.device == "cpu":
            yield "a CPU timing: not comparable with the papers' FPS, which are CUDA's"
        if speed.shortened:
            yield speed.shortened
        yield from speed.warnings
        if speed.optimized:
            for engine in speed.optimized.tried:
                if engine.get("unavailable"):
                    yield f"optimized without {engine['engine']}: {engine['unavailable']}"
            yield from speed.optimized.notes
    yield from record.notes
    entry = CATALOG.get(record.model)
    if entry:
        yield f"{entry.fidelity}: {FIDELITY_MEANING[entry.fidelity]}"
        if entry.note:
            yield entry.note


def waterfall_table(record: Record) -> Table:
    """One row for each switch: FPS, the factor of the step, FPS over that of the first row, and what it changed."""
    title = "waterfall: one switch after another, from SwiftNet's Figure 5; random weights"
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False
    )
    table.add_column("switch", no_wrap=True)
    for heading in ("FPS", "factor", "total"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for row in record.waterfall or ():
        if row.fps is None:
            table.add_row(row.switch, DASH, DASH, DASH, f"not available: {row.unavailable}", style="dim")
            continue
        table.add_row(
            Text(row.switch, style="bold" if row.kept else ""),
            significant(row.fps),
            _factor(row.factor),
            _factor(row.total),
            _changed(row),
        )
    return table


def _factor(value: float | None) -> str:
    return DASH if value is None else f"{value:.2f}x"


def _changed(row: WaterfallRow) -> str:
    parts = [row.meaning or ""]
    if row.folding:
        parts.append(f"{row.folding['folded']} folded, {row.folding['left']} left; {_deviation(row.folding)}")
    if row.deviation:
        parts.append(_deviation(row.deviation))
    if row.deviation_failure:
        parts.append(f"deviation not measured: {row.deviation_failure}")
    if not row.kept:
        parts.append("not kept: a faster precision follows or precedes")
    return "; ".join(part for part in parts if part)


def _deviation(deviation: dict[str, Any]) -> str:
    """``logits within 0.046 std, 1.7 % of labels change``."""
    largest = deviation.get("max_over_std")
    logits = "logits not finite" if largest is None else f"logits within {largest:.2g} std"
    return f"{logits}, {deviation['labels_changed']:.2%} of labels change"


def claimed_table(record: Record) -> RenderableType | None:
    """The rows that papers print for the Record's network, those at its size first; None where there is none."""
    claims = _ordered(record)
    rows = list(dict.fromkeys(map(_cells, claims)))
    if not rows:
        return None
    headings = ("in", "size", "data set", "M params", "G FLOPs", "FPS", "GPU", "mIoU %")
    table = Listing(headings, rows[:MOST_CLAIMS], frozenset({"M params", "G FLOPs", "FPS", "mIoU %"}))
    title = Text("claimed: as printed, on the papers' own GPUs and under their own counting rules", style="dim")
    more = len(rows) - MOST_CLAIMS
    rest = [Text(f"and {more} more: segbench claims --network {record.model}", style="dim")] if more > 0 else []
    marks = dict.fromkeys(
        f"{MARK} {claim.paper} {claim.where}, {getattr(claim, field)}: {of}"
        for claim in claims
        for quantity, field in QUANTITIES.items()
        if (of := mark(claim, quantity)) and _cells(claim) in rows[:MOST_CLAIMS]
    )
    return Group(title, table, *(Text(line, style="dim") for line in marks), *rest)


def _ordered(record: Record) -> list[Claim]:
    """Rows with a figure: those at the Record's size first, those without a size and from running text last."""
    # Not by `load_claims(model=)`, which refuses names that no paper and no catalog has: a Record may have any.
    claims = [claim for claim in load_claims() if claim.model == record.model]
    figures = [claim for claim in claims if claim.params_m or claim.gflops or claim.fps or claim.miou_percent]
    return sorted(
        figures,
        key=lambda claim: (claim.size != record.resolution, not claim.table.isdigit(), claim.size is None),
    )


def _cells(claim: Claim) -> tuple[str, ...]:
    params, flops, fps, miou = (
        f"{getattr(claim, field) or DASH}{MARK if mark(claim, quantity) else ''}"
        for quantity, field in QUANTITIES.items()
    )
    return (
        f"{claim.paper} {claim.where}",
        show(claim.size) if claim.size else DASH,
        f"{claim.dataset} {claim.split}".strip() or DASH,
        *(params, flops, fps),
        claim.gpu if claim.fps else "",
        miou,
    )
