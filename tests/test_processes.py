"""Several processes as one number: what is combined over all of them, and where the rest comes from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from segbench.records.processes import combine, one_number, with_timings
from segbench.records.record import Record
from segbench.records.results import (
    Accuracy,
    Latency,
    Memory,
    ModuleRow,
    Optimized,
    Process,
    Roofline,
    Signature,
    Speed,
    Telemetry,
    WaterfallRow,
)

SIZE = (64, 128)


def speed(**changes: Any) -> Speed:
    """One process of two rounds with two frames each: 8, 12, 9 and 11 ms."""
    plain: dict[str, Any] = {
        **{"mode": "forward", "precision": "fp32", "device": "cuda", "device_name": "X", "batch": 1},
        **{"fps": 100.0, "round_fps": [100.0, 100.0], "rounds_ms": [[8.0, 12.0], [9.0, 11.0]], "frames": 2},
        **{"cov": 0.18, "round_spread": 0.0, "latency_ms": Latency(median=10.0), "round_seconds": [0.02, 0.02]},
    }
    return Speed(**{**plain, **changes})


def record(index: int, how: Speed | None = None, **content: Any) -> Record:
    """Process `index` of three, a minute after the one before it."""
    plain: dict[str, Any] = {
        **{"model": "enet", "classes": 19, "resolution": SIZE, "params": 7, "operations": {"macs": 9}},
        **{"created": f"2026-11-21T10:0{index}:00Z", "process": Process(index=index, of=3)},
    }
    return Record(**{**plain, **content}, speed=how or speed())


def combined(*records: Record) -> tuple[Record, Speed]:
    (one,) = combine(records)
    assert one.speed is not None
    return one, one.speed


def test_variation_spread_and_energy_are_those_of_all_processes_by_hand() -> None:
    """Each mutant of one process alone gives another number: 10, 20 and 30 ms are no process's own."""
    speeds = [
        speed(
            fps=1000 / ms,
            round_fps=[1000 / ms] * 2,
            rounds_ms=[[ms, ms], [ms, ms]],
            cov=0.0,
            round_spread=0.0,
            energy_mj=energy,
            latency_ms=Latency(median=ms),
            gpu_busy_ms=ms / 2,
            graph_fps=2000 / ms,
        )
        for ms, energy in ((10.0, 1.0), (20.0, 2.0), (30.0, 6.0))
    ]
    _, one = combined(*(record(index, how) for index, how in enumerate(speeds)))
    # Twelve frames with mean 20: 4 x (100 + 0 + 100) over 11 degrees of freedom.
    assert one.cov == pytest.approx((800 / 11) ** 0.5 / 20)
    # Rounds of 100, 50 and 33.3 images/s, two each: their mean is 61.1.
    assert one.round_spread == pytest.approx((100 - 100 / 3) / (550 / 9))
    assert one.energy_mj == pytest.approx(3.0)
    assert one.gpu_busy_ms == pytest.approx(10.0)
    assert one.graph_fps == pytest.approx((200 + 100 + 200 / 3) / 3)
    assert one.fps == pytest.approx((100 + 50 + 100 / 3) / 3)
    assert one.process_fps == pytest.approx([100, 50, 100 / 3])
    assert one.process_cov == pytest.approx((((350 / 9) ** 2 + (100 / 9) ** 2 + (250 / 9) ** 2) / 2) ** 0.5 / (550 / 9))
    assert one.process_latency_ms == [10.0, 20.0, 30.0]
    assert one.latency_ms is not None
    assert (one.latency_ms.min, one.latency_ms.median, one.latency_ms.max) == (10.0, 20.0, 30.0)
    assert one.rounds_ms == [[ms, ms] for ms in (10.0, 10.0, 20.0, 20.0, 30.0, 30.0)]


def test_what_is_not_combined_is_that_of_the_latest_process_in_whatever_order_they_stand() -> None:
    records = [
        record(
            index,
            speed(frames=10 + index, protocol=f"run {index}", extra={"newer": index}),
            environment={"load_average": index},
        )
        for index in range(3)
    ]
    for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0)):
        one, how = combined(*(records[index] for index in order))
        assert (how.frames, how.protocol, how.extra) == (12, "run 2", {"newer": 2})
        assert (one.created, one.environment) == (records[2].created, {"load_average": 2})
        assert one.process is None


def test_what_one_process_alone_measured_survives() -> None:
    """Modules, waterfall, fast mode and what bounds the speed are found in the first process; the others are later."""
    fast = Optimized(**{**vars(speed(fps=300.0)), "engine": "eager"})
    roof, rows = Roofline(share=0.5), [WaterfallRow(switch="swiftnet")]
    bounds: dict[str, Any] = {"verdict": "memory-bound", "roofline": roof, "gpu_busy_ms": 4.0, "launches": 40.0}
    first = record(
        0,
        speed(**bounds, graph_fps=150.0, optimized=fast),
        modules=[ModuleRow(path="", type="ENet")],
        waterfall=rows,
        live_params=6,
        tools={"thop": 8},
        signature=Signature(resolution=SIZE, gain=1.0, shape=[1], samples=[1.0], mean=1.0, std=0.0),
        accuracy=Accuracy(dataset="CamVid", miou=0.5),
    )
    others = [record(index, params=None, operations={}) for index in (1, 2)]
    one, how = combined(first, *others)
    for name in ("modules", "waterfall", "params", "live_params", "tools", "operations", "signature", "accuracy"):
        assert getattr(one, name) == getattr(first, name), name
    for name, value in {**bounds, "graph_fps": 150.0, "optimized": fast}.items():
        assert getattr(how, name) == value, name


def test_launches_that_differ_between_processes_are_no_number() -> None:
    assert combined(*(record(index, speed(launches=40.0 + index)) for index in range(2)))[1].launches is None
    assert combined(*(record(index, speed(launches=40.0)) for index in range(2)))[1].launches == 40


def test_what_any_process_says_against_its_timing_is_said_of_all() -> None:
    states = [Telemetry(sm_clock_mhz=1000 + index) for index in range(3)]
    told = [["drift"], ["drift", "hot"], []]
    cuts = ["cut to 3 frames", None, None]
    records = [
        record(index, speed(warnings=told[index], shortened=cuts[index], telemetry=[states[index]]), notes=[f"{index}"])
        for index in range(3)
    ]
    one, how = combined(*records)
    assert how.warnings == ["drift", "hot"]
    assert how.shortened == "cut to 3 frames"
    assert how.telemetry == states
    assert one.notes == ["0", "1", "2"]


def test_peaks_of_memory_are_kept_and_their_median_is_the_peak() -> None:
    peaks = (100.0, 130.0, 110.0)
    one, _ = combined(*(record(index, memory=Memory(peak_mib=peak)) for index, peak in enumerate(peaks)))
    assert one.memory is not None
    assert (one.memory.peak_mib, one.memory.process_peak_mib) == (110.0, [100.0, 130.0, 110.0])


def test_combining_what_is_combined_keeps_every_process() -> None:
    fps = (100.0, 101.0, 99.0)
    records = [record(index, speed(fps=one, round_fps=[one, one])) for index, one in enumerate(fps)]
    _, at_once = combined(*records)
    first, _ = combined(*records[:2])
    _, in_turn = combined(first, records[2])
    assert in_turn.process_fps == at_once.process_fps == pytest.approx(fps)
    assert (in_turn.processes, in_turn.fps, in_turn.fps_ci95) == (3, at_once.fps, at_once.fps_ci95)
    assert in_turn.process_latency_ms == at_once.process_latency_ms


@pytest.mark.parametrize(
    "change",
    [
        {"options": {"alpha3": 8}},
        {"output": "aux"},
        {"inputs": ("image", "depth")},
        {"fidelity": "reconstruction"},
        {"params": 8},
        {"operations": {"macs": 10}},
        {"segbench": "9"},
        {"classes": 3},
        {"batch": 2},
    ],
    ids=lambda change: next(iter(change)),
)
def test_processes_of_two_networks_are_never_one_number(change: dict[str, Any]) -> None:
    both = [record(0), record(1, **change)]
    assert combine(both) == both


def test_a_repeat_without_counts_belongs_to_the_network_that_was_counted_before_it() -> None:
    changed = record(2, params=8, operations={"macs": 10})
    repeats = [record(number, params=None, operations={}) for number in (1, 3)]
    one, other = combine([record(0), repeats[0], changed, repeats[1]])
    assert (one.params, other.params) == (7, 8)
    assert one.speed is not None and other.speed is not None
    assert (one.speed.processes, other.speed.processes) == (2, 2)


def test_unlike_conditions_and_versions_are_never_one_number() -> None:
    other = record(1, speed(precision="fp16"))
    newer = record(1, environment={"torch": "3"})
    for unlike, said in ((other, "precision fp32 -> fp16"), (newer, "torch none -> 3")):
        assert combine([record(0), unlike]) == [record(0), unlike]
        with pytest.raises(ValueError, match=f"the same conditions: {said}"):
            one_number([record(0), unlike])
        with pytest.raises(ValueError, match=f"the same conditions: {said}"):
            with_timings(record(0), [record(0), unlike])
    for missing in ([], [replace(record(0), speed=None)]):
        with pytest.raises(ValueError, match="need a timing each"):
            one_number(missing)
