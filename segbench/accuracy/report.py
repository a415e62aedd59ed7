"""An evaluation for people and for files: a table per class, CSV, Markdown, JSON, and the confusion matrix drawn."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from torch import Tensor

from segbench.accuracy.claimed import claim_lines
from segbench.accuracy.run import Evaluation
from segbench.accuracy.scoring import RULES, Scores
from segbench.datasets.spec import DatasetSpec
from segbench.errors import some
from segbench.records import store
from segbench.records.record import Record
from segbench.resolution import show
from segbench.units import DASH, scaled, significant

_ANNOTATED_UP_TO = 20
_SKIPPED_SHOWN = 5


def write_report(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write ``record.json``, ``classes.csv``, ``confusion.csv``, ``report.md`` and ``confusion.png``.

    Raises:
        OutputError: the folder or a file cannot be written.
    """
    store.require_writable(folder)
    texts = {"record.json": store.dumps([evaluation.record])}
    if evaluation.scores is not None and evaluation.confusion is not None:
        texts["classes.csv"] = classes_csv(evaluation.spec, evaluation.scores, evaluation.confusion)
        texts["confusion.csv"] = confusion_csv(evaluation.spec, evaluation.confusion)
        texts["report.md"] = markdown(evaluation)
    files = [folder / name for name in texts]
    for path, text in zip(files, texts.values(), strict=True):
        store.write_text(path, text)
    if evaluation.confusion is not None:
        files.append(folder / "confusion.png")
        drawn = io.BytesIO()
        figure = confusion_figure(evaluation.spec, evaluation.confusion)
        figure.savefig(drawn, format="png", dpi=100, metadata={"Software": None})
        store.write_bytes(files[-1], drawn.getvalue())
    return files


def card(evaluation: Evaluation) -> RenderableType:
    """The result for the terminal: one row per class, the means, and under which conditions they hold."""
    record = evaluation.record
    title = Text(record.model, style="bold")
    title.append(f"  {show(record.resolution)} (HxW), {record.classes} classes", style="default not bold")
    if evaluation.scores is None or evaluation.confusion is None:
        if record.failure:
            return Group(title, Text(f"  failed: {record.failure}", style="bold red"))
        return Group(title, *[Text(f"- {note}", style="yellow") for note in _notes(record)])
    scores, spec = evaluation.scores, evaluation.spec
    table = Table(box=None, header_style="bold", pad_edge=True)
    table.add_column("class", no_wrap=True)
    for heading in _headings(scores):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, cells in _rows(spec, scores, evaluation.confusion):
        table.add_row(name, *cells)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, text in summary(evaluation):
        grid.add_row(label, Text(text, style="bold" if label == "mIoU" else ""))
    notes = [Text(f"- {note}", style="yellow") for note in _notes(record)]
    return Group(title, table, Text(""), grid, *notes)


def summary(evaluation: Evaluation) -> list[tuple[str, str]]:
    """The means, the speed beside them, the claims, and the protocol, each with its label; mIoU first."""
    record, scores = evaluation.record, evaluation.scores
    accuracy = record.accuracy
    if scores is None or accuracy is None:
        return []
    means = (
        ("pixel accuracy", scores.pixel_accuracy),
        ("mean accuracy", scores.mean_accuracy),
        ("category mIoU", scores.category_miou),
        ("iIoU", scores.iiou),
        ("category iIoU", scores.category_miiou),
        ("final score", scores.final_score),
    )
    lines = [
        ("mIoU", f"{_percent(scores.miou)} %"),
        ("", ", ".join(f"{label} {_percent(value)} %" for label, value in means if value is not None)),
    ]
    if scores.category_iou:
        categories = ", ".join(f"{name} {_percent(iou)}" for name, iou in scores.category_iou.items())
        lines.append(("categories", categories))
    lines += [("claimed", line) for line in claim_lines(accuracy.claimed)]
    if record.speed:
        lines.append(("speed", _speed_line(record)))
    protocol = accuracy.protocol
    lines += [
        ("data", f"{evaluation.spec.title}, {accuracy.split}, {accuracy.images} images"),
        ("rule", f"{scores.rule}: {RULES[scores.rule].description}"),
        ("protocol", f"{protocol['name']}, {protocol['precision']}: {'; '.join(protocol['steps'])}"),
    ]
    if accuracy.checkpoint:
        lines.append(("weights", f"{accuracy.checkpoint}, SHA-256 {accuracy.checkpoint_sha256}"))
    return lines


def classes_csv(spec: DatasetSpec, scores: Scores, confusion: Tensor) -> str:
    """One row per class, figures in full, empty where there is none."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["class", "iou", "accuracy", *(["iiou"] if scores.class_iiou else []), "pixels"])
    pixels = confusion.sum(1).tolist()
    for index, name in enumerate(spec.class_names):
        values = [scores.class_iou[name], scores.class_accuracy[name]]
        if scores.class_iiou:
            values.append(scores.class_iiou.get(name, math.nan))
        writer.writerow([name, *("" if math.isnan(value) else repr(value) for value in values), pixels[index]])
    return out.getvalue()


def confusion_csv(spec: DatasetSpec, confusion: Tensor) -> str:
    """The counts: rows are ground truth, columns predictions, void columns last."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["ground truth", *_column_names(spec, confusion)])
    for name, row in zip(spec.class_names, confusion.tolist(), strict=True):
        writer.writerow([name, *row])
    return out.getvalue()


def markdown(evaluation: Evaluation) -> str:
    """The same as the terminal shows, as a Markdown page."""
    record, scores = evaluation.record, evaluation.scores
    assert scores is not None and evaluation.confusion is not None
    headings = ["class", *(heading.replace("\n", " ") for heading in _headings(scores))]
    lines = [f"# {record.model} on {evaluation.spec.title}", ""]
    lines += [f"- {label}: {text}" if label else f"- {text}" for label, text in summary(evaluation)]
    lines += [f"- {note}" for note in _notes(record)]
    lines += ["", _markdown_row(headings), _markdown_row(["---", *["---:"] * (len(headings) - 1)])]
    lines += [_markdown_row([name, *cells]) for name, cells in _rows(evaluation.spec, scores, evaluation.confusion)]
    return "\n".join(lines) + "\n"


def confusion_figure(spec: DatasetSpec, confusion: Tensor) -> Figure:
    """The confusion matrix drawn, each row as shares of its ground truth; void predictions only where there are any."""
    counts = confusion.double().numpy()
    names = _column_names(spec, confusion)
    used = [index for index in range(counts.shape[1]) if index < spec.num_classes or counts[:, index].any()]
    counts, names = counts[:, used], [names[index] for index in used]
    totals = counts.sum(1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    few = spec.num_classes <= _ANNOTATED_UP_TO
    side = 0.42 * len(names) + 2.4 if few else 14.0
    figure = Figure(figsize=(side + 0.6, side), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8 if few else 4)
    axes.set_yticks(range(spec.num_classes), spec.class_names, fontsize=8 if few else 4)
    axes.set_xlabel("prediction")
    axes.set_ylabel("ground truth")
    axes.set_title(f"{spec.title}: share of each class's pixels", fontsize=9)
    if few:
        for (row, column), share in np.ndenumerate(shares):
            if share >= 0.005:
                colour = "white" if share > 0.5 else "black"
                axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=6, color=colour)
    figure.colorbar(image, ax=axes, shrink=0.8)
    return figure


def _column_names(spec: DatasetSpec, confusion: Tensor) -> list[str]:
    extra = confusion.shape[1] - spec.num_classes
    return [*spec.class_names, *(column.name for column in spec.void_columns[:extra])]


def _headings(scores: Scores) -> list[str]:
    accuracy = RULES[scores.rule].accuracy
    instance = ["iIoU\n%"] if scores.class_iiou else []
    return ["IoU\n%", f"{accuracy}\n%", *instance, "ground truth\n% of pixels"]


def _rows(spec: DatasetSpec, scores: Scores, confusion: Tensor) -> Iterable[tuple[str, list[str]]]:
    pixels = confusion.sum(1).tolist()
    total = max(sum(pixels), 1)
    for index, name in enumerate(spec.class_names):
        cells = [_percent(scores.class_iou[name]), _percent(scores.class_accuracy[name])]
        if scores.class_iiou:
            cells.append(_percent(scores.class_iiou.get(name, math.nan)))
        yield name, [*cells, _percent(pixels[index] / total)]


def _percent(value: float) -> str:
    return DASH if math.isnan(value) else f"{100 * value:.2f}"


def _speed_line(record: Record) -> str:
    speed = record.speed
    assert speed is not None
    where = speed.device_name if speed.device != "cpu" else f"CPU {speed.device_name}"
    latency = significant(speed.latency_ms.median) if speed.latency_ms and speed.latency_ms.median else DASH
    macs = f", {scaled(record.operations['macs'])} MACs" if "macs" in record.operations else ""
    return (
        f"{significant(speed.fps)} FPS, median {latency} ms: the same graph at {show(record.resolution)}, "
        f"{speed.precision}, on {where}{macs}"
    )


def _notes(record: Record) -> list[str]:
    accuracy = record.accuracy
    skipped, dropped = (accuracy.skipped, accuracy.dropped_keys) if accuracy else ([], [])
    notes = [*(accuracy.notes if accuracy else []), *record.notes]
    notes += [f"skipped: {item['reason']}" for item in skipped[:_SKIPPED_SHOWN]]
    if len(skipped) > _SKIPPED_SHOWN:
        notes.append(f"and {len(skipped) - _SKIPPED_SHOWN} more skipped; the Record names all")
    if dropped:
        notes.append(f"not loaded from the checkpoint: {some(dropped)} ({len(dropped)} keys)")
    if record.speed:
        notes += record.speed.warnings
        if record.speed.shortened:
            notes.append(f"timing shortened {record.speed.shortened}")
    if record.failure:
        notes.append(f"failed: {record.failure}")
    return notes


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
