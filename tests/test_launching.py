"""A CUDA FPS that speaks of the host and not of the network says so, wherever it stands."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from statistics import harmonic_mean

from segbench.claims import load_claims
from segbench.measure.bounds import crowded
from segbench.measure.gpu import GpuEvent
from segbench.measure.simulated import Behaviour, process_rounds
from segbench.measure.trust import of_the_host, trust_warnings
from segbench.protocol import PRESETS
from segbench.records.processes import one_number
from segbench.records.record import Record
from segbench.records.results import Speed
from segbench.regress.judge import compare_records
from segbench.regress.rows import key
from segbench.regress.verdicts import FASTER, SAME, SLOWER, judge
from segbench.report.launching import headline, steady
from segbench.report.leaderboard import comparison_table
from segbench.report.measured import measured
from segbench.report.paper_table import paper_view
from segbench.report.papers import paper_tables
from tests.conditions_records import timed

BOUND = replace(
    timed(fps=65.0).speed or Speed(mode="", device="cuda", precision="", fps=1),
    verdict="launch-bound",
    gpu_busy_ms=8.5,
    graph_fps=118.0,
    launches=655,
    enqueue_ms=15.0,
)


def test_the_headline_says_what_the_gpu_needs() -> None:
    assert headline(BOUND) == "65.0 FPS as called; the GPU needs 8.50 ms: 118 FPS as a CUDA graph"
    assert headline(replace(BOUND, gpu_busy_ms=None)) == "65.0 FPS as called; 118 FPS as a CUDA graph"
    assert headline(replace(BOUND, verdict="compute-bound")) == ""


def test_every_table_names_a_launch_bound_network_and_its_steady_figures() -> None:
    record = replace(timed(fps=65.0), speed=BOUND)
    table = comparison_table(measured([record, timed("frmnet", 42.0)]), [])
    text = table.markdown()
    assert "as called, launch-bound; 118 as a CUDA graph, GPU busy 8.50 ms, enqueued in 15.0 ms, 655 kernels" in text
    assert "Launch-bound: the host launches the kernels of mfpnet 512x1024 more slowly" in text
    assert "as called, launch-bound; " in table.latex("tab")
    (cells,) = [line for line in csv.DictReader(io.StringIO(table.csv())) if line["model"] == "mfpnet"]
    assert [cells[name] for name in ("gpu_busy_ms", "graph_fps", "launches", "bound_by")] == [
        "8.5",
        "118",
        "655",
        "launch-bound",
    ]
    assert steady(Speed(mode="forward", device="cpu", precision="fp32", fps=3)) == ""


def test_a_paper_s_table_names_it_too() -> None:
    record = replace(timed(fps=65.0), speed=BOUND)
    tables = paper_tables(measured([record]), load_claims(paper="mfpnet"), "mfpnet")
    texts = [paper_view(table).table.markdown() for table in tables]
    said = "Launch-bound: MFPNet, 65.0 FPS as called; the GPU needs 8.50 ms: 118 FPS as a CUDA graph."
    assert any(said in text for text in texts)


def test_more_than_ten_kernels_a_convolution_are_named() -> None:
    events = [GpuEvent(name, 0.0, 1.0) for name in ["gemv"] * 200 + ["relu"] * 50 + ["Memcpy HtoD"] * 900]
    (note,) = crowded(events, 10, 2)
    assert note.startswith("25 kernels a frame, 12 for each of 2 convolutions")
    assert "gemv (20), relu (5)" in note and "Memcpy" not in note
    assert crowded(events, 10, 3) == []
    assert crowded(events, 10, 0) == []


def test_a_warning_says_what_it_is_about() -> None:
    (jitter, *_) = trust_warnings([[1.0, 1.2] * 20, [1.0, 1.2] * 20], [100.0, 100.0])
    assert jitter.startswith("host jitter, clocks or other programs: latency varies by 9")
    assert of_the_host(jitter).startswith("host jitter: latency varies by 9")
    assert "CUDA graph's FPS are the steady figures" in of_the_host(jitter)
    assert of_the_host("one round only") == "one round only"


def _processes(scale: float, busy: float) -> Record:
    """Ten processes whose FPS jitters by a third, and whose GPU-busy time hardly does."""
    jitter = (0.8, 1.25, 0.9, 1.1, 1.0, 0.85, 1.2, 0.95, 1.05, 1.15)
    speeds = [
        replace(BOUND, fps=65 * scale * factor, round_fps=[65 * scale * factor], gpu_busy_ms=busy * (1 + place / 2000))
        for place, factor in enumerate(jitter)
    ]
    return one_number([replace(timed(), speed=replace(speed, latency_ms=None)) for speed in speeds])


def test_check_rests_on_the_steady_figure_too_and_says_which_moved() -> None:
    before, slower = _processes(1.0, 8.5), _processes(1.0, 9.4)
    assert before.speed is not None and len(before.speed.process_gpu_busy_ms or []) == 10
    (network,) = compare_records({key(before): before}, {key(before): slower}).networks
    assert {item.metric: item.verdict.verdict for item in network.comparisons}["GPU busy"] == SLOWER
    assert {item.metric for item in network.verdicts(SLOWER)} == {"GPU busy"}
    (network,) = compare_records({key(before): before}, {key(before): before}).networks
    assert {item.metric: item.verdict.verdict for item in network.comparisons}["GPU busy"] == SAME


def test_the_default_protocol_lets_cudnn_choose_and_figure_5_does_not() -> None:
    import torch

    from segbench.measure.flags import measurement_flags

    for name, switched in (("forward", True), ("swiftnet", False)):
        with measurement_flags(PRESETS[name]):
            assert torch.backends.cudnn.benchmark is switched
        assert PRESETS[name].to_json()["cudnn_benchmark"] is switched


def test_the_first_records_of_an_h100_show_both_figures_at_one_glance() -> None:
    path = Path(__file__).parent.parent / "results" / "nvidia-h100-80gb-hbm3" / "records.jsonl"
    records = [Record.from_json(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    table = comparison_table(measured(records), []).markdown()
    row = next(line for line in table.splitlines() if line.startswith("| frfnet |"))
    assert "24.3" in row and "141 as a CUDA graph" in row
    assert "cudnn.benchmark off" in table


def test_a_choice_that_differs_between_processes_raises_no_false_alarm() -> None:
    """cuDNN's benchmark takes one of two algorithms in each process, one 10 % slower: the same code on both sides."""
    behaviour = Behaviour(process_choices=(1.0, 0.9), process_noise=0.002, frame_noise=0.01)
    protocol = replace(PRESETS["forward"], rounds=2, frames=10, warmup_passes=1, warmup_seconds=0.0)
    alarms = 0
    for run in range(200):
        seeds = range(20 * run, 20 * run + 20)
        costs = [1 / harmonic_mean(process_rounds(behaviour, protocol, seed)) for seed in seeds]
        (verdict,) = judge([(costs[:10], costs[10:])])
        alarms += verdict.verdict in (SLOWER, FASTER)
    # Both directions at one percent each: four of 200 are expected at most, and 11 would be no chance (0.3 %).
    assert alarms <= 10
    # A slowdown of all algorithms is still found where it is larger than the choice.
    slower = replace(behaviour, frame_ms=behaviour.frame_ms * 1.3)
    before, after = (
        [1 / harmonic_mean(process_rounds(one, protocol, seed)) for seed in range(10)] for one in (behaviour, slower)
    )
    assert judge([(before, after)])[0].verdict == SLOWER
