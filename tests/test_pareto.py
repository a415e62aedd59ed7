"""Pareto plots: the right frontier, the right pairs, labels that can be read, and the same bytes each time."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from segbench.catalog import CATALOG
from segbench.claims import DATASET_CLASSES, Claim, Figure, load_claims
from segbench.errors import OutputError
from segbench.records.record import Record
from segbench.records.results import Accuracy
from segbench.report.labels import Box, place_labels
from segbench.report.measured import measured
from segbench.report.pareto import pareto_front
from segbench.report.pareto import pareto_plots as plots_of_rows
from segbench.report.plots import Plot, write_plots
from segbench.report.scatter import Pair, draw_pairs
from segbench.report.style import looks
from tests.report_records import other_plots
from tests.test_report_table import claim, record

PAIRS = [("mfpnet", (512, 1024)), ("frfnet", (512, 1024)), ("frfnet-slim", (512, 1024)), ("erfnet", (512, 1024))]


def timed(model: str, size: tuple[int, int], fps: float, device: str = "cuda", **fields: Any) -> Record:
    made = record(model, fps=fps, device=device, resolution=size, **fields)
    assert made.speed is not None
    made.speed = replace(made.speed, fps_ci95=(0.98 * fps, 1.02 * fps))
    return made


def pareto_plots(records: Iterable[Record], claims: list[Claim]) -> list[Plot]:
    return plots_of_rows(measured(records), claims)


def sweep() -> list[Record]:
    """Made-up measurements of every network of the catalog that has a claim, at each claimed size."""
    rng, records = random.Random(3), {}
    for row in load_claims():
        if row.model in CATALOG and row.dataset and row.miou_percent:
            size, classes = row.size or (512, 1024), DATASET_CLASSES[row.dataset]
            macs = int(rng.uniform(3, 60) * 1e9 * size[0] * size[1] / 2**20)
            records[row.model, size, classes] = timed(
                row.model,
                size,
                5e3 / (macs / 1e9),
                classes=classes,
                params=CATALOG[row.model].params,
                operations={"macs": macs},
            )
    return list(records.values())


def named(plots: list[Plot]) -> dict[str, Plot]:
    assert len({plot.name for plot in plots}) == len(plots)
    return {plot.name: plot for plot in plots}


@pytest.mark.parametrize(
    ("points", "more", "front"),
    [
        ([], True, []),
        ([(5, 70)], True, [True]),
        ([(10, 70), (20, 75), (30, 72)], False, [True, True, False]),
        ([(10, 70), (20, 75), (30, 72)], True, [False, True, True]),
        ([(10, 70), (10, 72)], False, [False, True]),
        ([(10, 70), (20, 70)], False, [True, False]),
        ([(10, 70), (20, 70)], True, [False, True]),
        ([(10, 70), (10, 70), (20, 70)], False, [True, True, False]),
        ([(10, 70), (10, 70), (10, 69)], True, [True, True, False]),
    ],
)
def test_the_front_of_small_sets_with_ties(points: list[tuple[float, float]], more: bool, front: list[bool]) -> None:
    assert pareto_front(points, more_is_better=more) == front


def test_the_front_is_what_the_definition_says() -> None:
    rng = random.Random(0)
    for _ in range(200):
        points = [(float(rng.randrange(6)), float(rng.randrange(6))) for _ in range(rng.randrange(12))]
        for more in (True, False):
            sign = 1 if more else -1

            def beats(a: tuple[float, float], b: tuple[float, float], sign: int = sign) -> bool:
                return sign * a[0] >= sign * b[0] and a[1] >= b[1] and a != b

            expected = [not any(beats(other, point) for other in points) for point in points]
            assert pareto_front(points, more_is_better=more) == expected


def test_one_plot_for_each_data_set_and_size() -> None:
    records = [timed(model, size, 100.0 + place) for place, (model, size) in enumerate(PAIRS)]
    records += [timed("mfpnet", (360, 480), 200.0, classes=11), timed("eseg-s", (1024, 2048), 50.0)]
    plots = named(pareto_plots(records, load_claims()))
    for group in ("cityscapes-512x1024", "cityscapes-1024x2048", "camvid-360x480"):
        assert {f"{group}-fps-cuda", f"{group}-params", f"{group}-macs"} <= set(plots)
    names = {point.model for point in plots["cityscapes-512x1024-fps-cuda"].points}
    assert names == {"mfpnet", "frfnet", "frfnet-slim", "erfnet"}
    assert {point.model for point in plots["cityscapes-1024x2048-fps-cuda"].points} == {"eseg-s"}


def test_pairs_are_of_the_same_network_data_set_and_size() -> None:
    plots = named(pareto_plots([timed("mfpnet", (512, 1024), 128.0), timed("efrnet", (360, 640), 90.0)], load_claims()))
    (mfpnet,) = [point for point in plots["cityscapes-512x1024-fps-cuda"].points if point.solid]
    assert (mfpnet.solid, mfpnet.hollow, mfpnet.split) == ((128.0, 71.5), ((106.0, 71.5),), "test")
    # EFRNet's mIoU is claimed at 1024x2048 only: at 360x640 it has a cost and no mIoU.
    assert not any(point.model == "efrnet" for plot in plots.values() for point in plot.points)


def test_claims_without_a_size_are_drawn_against_parameters_only() -> None:
    plots = named(pareto_plots([timed("frfnet-danet", (512, 1024), 100.0)], load_claims()))
    assert set(plots) == {"cityscapes-size-not-printed-params"}


def test_unbuilt_networks_are_hollow_and_never_on_the_frontier() -> None:
    claims = [
        claim(miou_percent=Figure("71.5")),
        claim(model="not-built-here", miou_percent=Figure("99.0"), params_m=Figure("0.01")),
        claim(paper="frfnet", model="of-a-paper-not-plotted", miou_percent=Figure("60.0"), params_m=Figure("2.0")),
    ]
    # Of several papers' claims, what was not chosen is not drawn.
    plot = named(pareto_plots([record()], claims))["cityscapes-512x1024-params"]
    assert all(point.solid for point in plot.points)
    plot = named(pareto_plots([record()], claims[:2]))["cityscapes-512x1024-params"]
    peers = [point for point in plot.points if point.solid is None]
    assert [(peer.model, peer.hollow) for peer in peers] == [("not-built-here", ((0.01, 99.0),))]
    label = next(text for text in plot.figure.axes[0].texts if text.get_text() == "mfpnet")
    assert label.get_fontweight() == "bold"


def test_a_measured_network_outside_the_catalog_is_drawn_once() -> None:
    claims = [claim(model="not-built-here", miou_percent=Figure("70.0"), params_m=Figure("1.01"))]
    plot = named(pareto_plots([record("not-built-here")], claims))["cityscapes-512x1024-params"]
    assert [(point.solid, point.hollow) for point in plot.points] == [((1.001696, 70.0), ((1.01, 70.0),))]


def test_each_paper_keeps_its_own_point() -> None:
    claims = [claim(miou_percent=Figure("58.3")), claim(paper="frfnet", miou_percent=Figure("57.0"))]
    plot = named(pareto_plots([record()], claims))["cityscapes-512x1024-macs"]
    assert {point.label: point.solid for point in plot.points} == {
        "mfpnet [mfpnet]": (18.310205312, 58.3),
        "mfpnet [frfnet]": (18.310205312, 57.0),
    }


def test_a_cpu_is_labelled_and_meets_no_gpu_claim() -> None:
    plots = named(pareto_plots([timed("mfpnet", (512, 1024), 2.3, "cpu")], load_claims()))
    plot = plots["cityscapes-512x1024-fps-cpu"]
    assert "CPU" in plot.figure.axes[0].get_xlabel()
    assert all(not point.hollow for point in plot.points)


def test_timings_under_other_conditions_are_other_plots() -> None:
    half = timed("mfpnet", (512, 1024), 200.0)
    assert half.speed is not None
    half.speed = replace(half.speed, precision="fp16")
    plots = named(
        pareto_plots(
            [half, timed("mfpnet", (512, 1024), 100.0), timed("mfpnet", (512, 1024), 2.0, "cpu")], load_claims()
        )
    )
    timings = [name for name in plots if "-fps-" in name]
    assert timings == [
        "cityscapes-512x1024-fps-cuda-fp16",
        "cityscapes-512x1024-fps-cuda-fp32",
        "cityscapes-512x1024-fps-cpu",
    ]


def test_a_batch_has_no_fps_and_no_macs_of_one_image() -> None:
    plots = named(pareto_plots([timed("mfpnet", (512, 1024), 100.0, batch=8)], load_claims()))
    assert set(plots) == {"cityscapes-512x1024-params"}


def test_a_measured_miou_is_drawn_where_it_was_measured() -> None:
    accuracy = Accuracy(dataset="Cityscapes", split="val", miou=0.69)
    plot = named(pareto_plots([timed("mfpnet", (512, 1024), 128.0, accuracy=accuracy)], load_claims()))[
        "cityscapes-512x1024-fps-cuda"
    ]
    (point,) = plot.points
    assert point.miou_measured
    assert point.solid is not None
    assert point.solid[0] == 128.0
    assert round(point.solid[1], 6) == 69.0
    assert point.hollow == ((106.0, 71.5),)
    own = record("my.package:Net", accuracy=accuracy)
    assert "my.package:Net" in {point.model for plot in pareto_plots([own], []) for point in plot.points}


def test_failures_and_missing_metrics_leave_no_point_and_no_error() -> None:
    nothing = record(params=None, operations={}, failure="out of memory")
    no_speed = record("frfnet")
    zero = record("frfnet-slim", params=0, operations={"macs": 0})
    plots = named(pareto_plots([nothing, no_speed, zero], load_claims()))
    assert not [name for name in plots if "fps" in name]
    solid = {point.model for point in plots["cityscapes-512x1024-params"].points if point.solid}
    assert solid == {"frfnet"}
    assert pareto_plots([], load_claims()) == []


def test_labels_of_a_whole_sweep_do_not_overlap_and_none_is_lost() -> None:
    plots = pareto_plots(sweep(), load_claims())
    assert len(plots) > 12
    for plot in plots:
        axes, renderer = plot.figure.axes[0], plot.figure.canvas.get_renderer()  # type: ignore[attr-defined]
        labels = [text for text in axes.texts if text.get_gid() == "label"]
        assert len(labels) == len(plot.points), plot.name
        extents = [text.get_window_extent(renderer) for text in labels]
        boxes = [Box(extent.x0, extent.y0, extent.x1, extent.y1) for extent in extents]
        for (first, a), (second, b) in itertools.combinations(zip(labels, boxes, strict=True), 2):
            assert not a.overlaps(b), f"{plot.name}: {first.get_text()} covers {second.get_text()}"
        frame = axes.get_window_extent(renderer)
        for text, box in zip(labels, boxes, strict=True):
            inside = frame.x0 <= box.x0 and frame.y0 <= box.y0 and box.x1 <= frame.x1 + 1 and box.y1 <= frame.y1 + 1
            assert inside, f"{plot.name}: {text.get_text()} leaves the axes"
            for point in plot.points:
                if point.solid:
                    x, y = axes.transData.transform(point.solid)
                    assert not box.overlaps(Box(x - 1, y - 1, x + 1, y + 1)), (
                        f"{plot.name}: {text.get_text()} on a point"
                    )


def test_nothing_is_cut_off() -> None:
    for plot in pareto_plots([timed(model, size, 100.0) for model, size in PAIRS], load_claims()):
        figure, renderer = plot.figure, plot.figure.canvas.get_renderer()  # type: ignore[attr-defined]
        tight = figure.get_tightbbox(renderer)
        assert tight.x0 >= 0, plot.name
        assert tight.y0 >= 0, plot.name
        assert tight.x1 <= figure.get_figwidth(), plot.name
        assert tight.y1 <= figure.get_figheight(), plot.name


def test_no_text_is_cut_off_in_a_column() -> None:
    cpu = "AMD EPYC 9654 96-Core Processor"
    records = [timed(model, size, 100.0, device="cpu") for model, size in PAIRS]
    for item in records:
        assert item.speed is not None
        item.speed = replace(item.speed, device_name=cpu, energy_mj=1000.0)
    claims = load_claims()
    plots = [*pareto_plots([*records, *sweep()], claims), *other_plots(sweep(), claims)]
    assert any("latency" in plot.name for plot in plots)
    for plot in plots:
        for paper in (False, True):
            figure = plot.painter(paper=paper)
            renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
            texts = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
            texts += [text for axes in figure.axes for text in (axes.xaxis.label, axes.yaxis.label)]
            figure.draw(renderer)
            for text in texts:
                extent = text.get_window_extent(renderer)
                assert extent.x0 >= 0, (plot.name, text.get_text())
                assert extent.x1 <= figure.bbox.x1, (plot.name, text.get_text())
                assert extent.y0 >= 0, (plot.name, text.get_text())
                assert extent.y1 <= figure.bbox.y1, (plot.name, text.get_text())


def test_the_legend_of_claims_covers_no_pair() -> None:
    pairs = [Pair("slim", "frfnet", claimed, 24.0) for claimed in (145.0, 205.0)]
    pairs += [Pair("fast", "frfnet", claimed, 300.0) for claimed in (25.0, 100.0, 140.0)]
    for paper in (False, True):
        figure = draw_pairs("Claimed", "FPS", "FPS", pairs, paper=paper)
        axes, renderer = figure.axes[0], figure.canvas.get_renderer()  # type: ignore[attr-defined]
        legend = axes.get_legend()
        assert legend is not None
        box = legend.get_window_extent(renderer)
        for pair in pairs:
            assert not box.contains(*axes.transData.transform((pair.claimed, pair.measured)))


def test_drawing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    records = [timed(model, size, 100.0 + place) for place, (model, size) in enumerate(PAIRS)]
    first = write_plots(pareto_plots(records, load_claims()), tmp_path / "first")
    second = write_plots(pareto_plots(reversed(records), load_claims()), tmp_path / "second")
    assert [path.name for path in first] == [path.name for path in second]
    assert {path.suffix for path in first} == {".pdf", ".png", ".svg"}
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name
        assert b"<dc:date>" not in one.read_bytes()


def test_the_users_matplotlib_settings_neither_change_nor_matter(tmp_path: Path) -> None:
    import matplotlib

    records = [timed("mfpnet", (512, 1024), 128.0)]
    plain = write_plots(pareto_plots(records, load_claims()), tmp_path / "plain")
    with matplotlib.rc_context({"font.size": 20, "svg.hashsalt": "mine", "axes.facecolor": "red", "savefig.dpi": 30}):
        before = dict(matplotlib.rcParams)
        styled = write_plots(pareto_plots(records, load_claims()), tmp_path / "styled")
        assert dict(matplotlib.rcParams) == before
    assert [path.read_bytes() for path in plain] == [path.read_bytes() for path in styled]


def test_hostile_names_are_drawn_as_text(tmp_path: Path) -> None:
    accuracy = Accuracy(dataset="../Street & <b>", split="val", miou=0.5)
    names = ["$x_{", "<script>alert(1)</script>", "网络", "a" * 200]
    plots = pareto_plots([record(name, accuracy=accuracy) for name in names], [])
    paths = write_plots(plots, tmp_path / "out")
    assert {path.parent for path in paths} == {tmp_path / "out"}
    for path in paths:
        assert path.exists()
        if path.suffix == ".svg":
            assert b"<script" not in path.read_bytes()


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(OutputError, match="cannot write plots"):
        write_plots(pareto_plots([record()], load_claims()), blocker / "plots")


def test_every_shape_is_explained_by_the_legend() -> None:
    plots = pareto_plots(sweep(), load_claims())
    many = max(plots, key=lambda plot: len({point.family for point in plot.points if point.solid}))
    few = min(plots, key=lambda plot: len({point.family for point in plot.points if point.solid}))
    shapes = []
    for plot in (many, few):
        drawn = {str(line.get_marker()) for line in plot.figure.axes[0].lines} - {"None", "none", "", "|"}
        told = {str(item.get_marker()) for legend in plot.figure.legends for item in legend.legend_handles}  # type: ignore[union-attr]
        assert drawn <= told, plot.name
        shapes.append(len(drawn))
    assert len({point.family for point in many.points if point.solid}) > 12
    assert shapes[0] < 6


def test_families_can_be_told_apart_without_colour_alone() -> None:
    found = looks(f"family {number}" for number in range(66))
    assert len({(look.marker, look.colour) for look in found.values()}) == 66


def test_labels_find_room_in_a_crowd_and_say_so_where_there_is_none() -> None:
    bounds = Box(0, 0, 400, 400)
    points = [(200.0 + place % 3, 200.0 + place // 3) for place in range(9)]
    markers = [Box(x - 3, y - 3, x + 3, y + 3) for x, y in points]
    places = place_labels(points, [(60, 12)] * 9, markers, [], bounds, gap=5)
    boxes = [place.box for place in places if place is not None]
    assert len(boxes) == 9
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    assert not any(box.overlaps(marker) for box in boxes for marker in markers)
    assert any(place.leader for place in places if place is not None)
    tight = place_labels(points, [(60, 12)] * 9, markers, [], Box(190, 190, 300, 215), gap=5)
    assert tight[0] is not None
    assert None in tight
    assert place_labels([], [], [], [], bounds, gap=5) == []
