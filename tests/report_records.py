"""Invented Records with real networks and sizes, and names that a careless program would trip over."""

from __future__ import annotations

import random
from typing import Any

from segbench.catalog import CATALOG
from segbench.claims import Claim
from segbench.records.record import Record
from segbench.records.results import Accuracy, Latency, Memory, ModuleRow, Speed, WaterfallRow
from segbench.report.comparison import PLOTS
from segbench.report.measured import measured
from segbench.report.plots import Plot

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "=HYPERLINK(1)",
    "网络-模型",
    "x\ud800\x1b[31m\u202ey",
    "$\\frac{1}{2}$ & % # _ ~ ^ {",
    "@@data@@",
    "__proto__",
    "../../etc/passwd",
    "a" * 200,
)

RULES = ("macs", "conv-macs", "2xmacs", "fvcore", "thop", "ptflops-0.6.3", "ptflops-0.6.9", "live-macs")


def timing(fps: float, device: str = "NVIDIA H200", **fields: Any) -> Speed:
    """A plausible `speed`."""
    kind = "cpu" if "EPYC" in device else "cuda"
    content: dict[str, Any] = {
        "mode": "forward",
        "device": kind,
        "device_name": device,
        "precision": "fp32",
        "fps": fps,
        "fps_ci95": (0.98 * fps, 1.02 * fps),
        "latency_ms": Latency(mean=1e3 / fps, median=1e3 / fps, p5=0.9e3 / fps, p95=1.2e3 / fps),
        "gpu_busy_ms": 0.6e3 / fps,
        "launches": 300,
        "energy_mj": 2e5 / fps,
        "verdict": "launch-bound",
    }
    return Speed(**{**content, **fields})


def waterfall(fps: float) -> list[WaterfallRow]:
    """A plausible waterfall, with a switch that the device lacks and one that was not kept."""
    rows = []
    for switch, factor in (("swiftnet", None), ("copies", 1.3), ("argmax", 1.2), ("TF32", 0.9)):
        fps *= factor or 1.0
        rows.append(WaterfallRow(switch=switch, fps=fps, factor=factor, kept=switch != "TF32"))
    return [*rows, WaterfallRow(switch="fp16", unavailable="no fp16")]


def records(count: int = 24, seed: int = 0, device: str = "NVIDIA H200") -> list[Record]:
    """Timed networks of the catalog at their papers' sizes, one failure and one network of a user's own."""
    rng, found = random.Random(seed), []
    entries = list(CATALOG.values())[:count]
    environment = {"torch": "2.13.0", "cuda": "12.8", "gpu": {"name": device, "driver": "570.1"}, "load": float("nan")}
    for place, entry in enumerate(entries):
        macs = rng.randrange(10**9, 10**11)
        fps = rng.uniform(10, 400)
        found.append(
            Record(
                model=entry.name,
                fidelity=entry.fidelity,
                classes=19,
                resolution=entry.resolutions[0],
                params=entry.params,
                live_params=entry.params,
                operations={rule: int(macs * rng.uniform(1.0, 1.2)) if rule != "macs" else macs for rule in RULES},
                speed=timing(fps, device),
                memory=Memory(peak_mib=rng.uniform(50, 900)),
                waterfall=waterfall(fps) if place < 2 else None,
                modules=_modules(entry.params, macs) if place < 2 else None,
                environment=environment,
                created=f"2026-11-21T10:{place % 60:02d}:00Z",
            )
        )
    out_of_memory = "out of memory: tried to allocate 12.00 GiB"
    found.append(_plain("pspnet-r101", failure=out_of_memory, environment=environment, params=None))
    accuracy = Accuracy(dataset="Cityscapes", split="val", miou=0.7321)
    found.append(_plain("my.package:Net", accuracy=accuracy, speed=timing(220.5, device), environment=environment))
    return found


def hostile_records() -> list[Record]:
    """Records whose every text wants to be something else than text, with and without figures."""
    found = []
    for place, name in enumerate(HOSTILE):
        accuracy = Accuracy(dataset=name, split=name, miou=0.5 + place / 50)
        speed = timing(10.0 + place, name, mode=name, verdict=name) if place % 2 else None
        found.append(
            _plain(
                name,
                accuracy=accuracy,
                speed=speed,
                failure=name if place % 3 == 0 else None,
                notes=[name],
                environment={name: name, "nested": {name: [name]}},
                waterfall=[WaterfallRow(switch=name, fps=5.0), WaterfallRow(switch=name, fps=7.0, factor=1.4)],
                modules=[ModuleRow(path=name, type=name, params=1, macs=2)],
            )
        )
    return found


def other_plots(items: list[Record], claims: list[Claim]) -> list[Plot]:
    """Every plot but those of accuracy against cost."""
    return [plot for kind, draw in PLOTS.items() if kind != "pareto" for plot in draw(measured(items), claims)]


def _plain(model: str, **fields: Any) -> Record:
    settled: dict[str, Any] = {
        "classes": 19,
        "resolution": (512, 1024),
        "params": 12_345_678,
        "operations": {"macs": 10**10},
        "created": "2026-11-21T11:00:00Z",
    }
    return Record(model=model, **{**settled, **fields})


def _modules(params: int, macs: int) -> list[ModuleRow]:
    parts = (("stem", 0.1), ("stage1", 0.2), ("stage2", 0.6), ("stage2.0", 0.35), ("stage2.1", 0.25), ("head", 0.1))
    rows = [
        ModuleRow(path=path, type="Stage", params=int(params * share), macs=int(macs * share)) for path, share in parts
    ]
    return [ModuleRow(path="", type="Net", params=params, macs=macs), *rows]
