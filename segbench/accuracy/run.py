"""One evaluation: a network with a checkpoint on a data set, in one Record with its costs and its speed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from segbench import limits
from segbench.accuracy import overlay as drawing
from segbench.accuracy.claimed import claimed_by_weights, compare_with_claims
from segbench.accuracy.datasets import open_dataset
from segbench.accuracy.distributed import Group
from segbench.accuracy.evaluate import Progress, Tally, Visit, evaluate
from segbench.accuracy.inference import Predictor
from segbench.accuracy.loading import load_network
from segbench.accuracy.prediction_files import keep_apart, prediction_writer
from segbench.accuracy.protocol import VOID_RULES, EvaluationProtocol, choose_normalisation, named
from segbench.accuracy.reading import DatasetError
from segbench.accuracy.scoring import RULES, Scores, score
from segbench.accuracy.settings import EvaluationSettings
from segbench.catalog import Checkpoint
from segbench.datasets.spec import DatasetSpec
from segbench.errors import BadOption, SegbenchError, UnknownName
from segbench.job import Job, Settings
from segbench.measure.device import Device, open_device
from segbench.measure.flags import measurement_flags
from segbench.measure.frame import MeasurementError, device_failures
from segbench.measure.record import check_settings, measure_job
from segbench.models.outputs import TAKEN
from segbench.models.own import OwnNetwork
from segbench.protocol import Protocol, protocol_for
from segbench.records.accuracy_conditions import spec_title
from segbench.records.record import Record
from segbench.records.results import Accuracy
from segbench.records.store import require_writable

Stage = Callable[[str], None]


@dataclass(frozen=True)
class Evaluation:
    """One evaluation's results.

    Attributes:
        record: costs, accuracy and speed.
        spec: the data set.
        scores: under the chosen rule; None where the measurement failed, or the split has no labels.
        confusion: int64 ``(num_classes, num_classes + void columns)``; None likewise.
    """

    record: Record
    spec: DatasetSpec
    scores: Scores | None = None
    confusion: Tensor | None = None


def run(
    settings: EvaluationSettings,
    group: Group | None = None,
    on_stage: Stage | None = None,
    on_image: Progress | None = None,
) -> Evaluation:
    """Evaluate, in this process alone or as one of a group.

    Args:
        settings: what and how.
        group: the processes that share the images; each of them gets the same accuracy, and process 0 the speed.
        on_stage: told what is being done.
        on_image: told how many images of this process are done.

    Returns:
        The results. A failure on the device (out of memory, a CUDA error) stands in the Record's `failure`.

    Raises:
        SegbenchError: the call, the checkpoint or the data set is wrong; in every process of the group.
    """
    group, say = group or Group(), on_stage or (lambda _: None)
    error: SegbenchError | None = None
    task: _Task | None = None
    tally: Tally | None = None
    try:
        task = _Task(settings, group, say)
        say("evaluating")
        tally = task.evaluate(on_image)
    except SegbenchError as problem:
        error = problem
    try:
        group.agree(error)
    except MeasurementError as problem:
        if task is None:
            raise
        return Evaluation(task.record(failure=str(problem)), task.spec)
    assert task is not None and tally is not None
    tally = tally.gathered(group)
    if tally.unlabelled:
        record = task.record(tally)
        if settings.speed and group.main:
            task.time(record, tally, say)
        return Evaluation(record, task.spec)
    if not bool(tally.confusion.matrix.any()):
        raise DatasetError(
            f"every pixel of the {tally.images} images of {settings.root} ({settings.split}) is ignored: "
            "there is nothing to score"
        )
    counted = task.protocol.void_rule == "count"
    scores = score(task.spec, tally.confusion, settings.rule, tally.instances, void_counts=counted)
    record = task.record(tally, scores)
    if settings.speed and group.main:
        task.time(record, tally, say)
    return Evaluation(record, task.spec, scores, tally.confusion.matrix.cpu())


class _Task:
    """What one process sets up: data set, network, protocol, device."""

    def __init__(self, settings: EvaluationSettings, group: Group, say: Stage) -> None:
        self.settings, self.group = settings, group
        if settings.rule is not None and settings.rule not in RULES:
            raise UnknownName("scoring rule", settings.rule, RULES)
        if settings.void_rule not in (None, *VOID_RULES):
            raise UnknownName("void rule", str(settings.void_rule), VOID_RULES)
        limits.check("workers", settings.workers, 0, limits.PROCESSES)
        self.device: Device = open_device(group.device(settings.device))
        self.device.check_precision(settings.protocol.precision)
        say("looking through the data set")
        writes = [folder for folder in (settings.predictions, settings.overlays) if folder is not None]
        self.dataset = open_dataset(
            settings.dataset,
            settings.root,
            settings.split,
            settings.skip_bad,
            unlabelled=bool(writes),
        )
        keep_apart(writes, self.dataset)
        for folder in writes:
            require_writable(folder)
        self.spec: DatasetSpec = self.dataset.spec
        say("loading the checkpoint")
        self.loaded = load_network(settings, self.spec, self.dataset.first_size)
        self.protocol = self._protocol()

    def _protocol(self) -> EvaluationProtocol:
        given, entry = self.settings.protocol, self.loaded.subject.entry
        void, void_rule, own = self.loaded.void, self.settings.void_rule, self._released()
        if void is None and void_rule is not None:
            raise BadOption(
                f"--void-rule {void_rule} is about an output for ignored pixels, and this network has none: leave it "
                "out, or name the output with --void-output"
            )
        if own is not None and given.input_size is None and given.short_side is None and given.window is None:
            given = replace(given, input_size=own.input_size)
        if self.spec.sizes_vary and given.input_size is None and given.short_side is None:
            given = replace(given, short_side=min(self.spec.default_size))
        return named(
            replace(
                given,
                **choose_normalisation(
                    entry,
                    self.spec.name,
                    self.settings.normalisation,
                    self.settings.mean,
                    self.settings.std,
                    own.preprocessing if own else None,
                    pixel_scale=self.settings.pixel_scale,
                    channels=self.settings.channels,
                ),
                output=self.settings.output,
                align_corners=bool(getattr(self.loaded.net, "align_corners", False)),
                void_output=void,
                void_rule=None if void is None else void_rule or VOID_RULES[0],
            )
        )

    def _released(self) -> Checkpoint | None:
        """The conditions that the weights carry, where the catalog knows the file and it is of this data set."""
        known = self.loaded.released
        return known.checkpoint if known is not None and known.of(self.spec) else None

    @property
    def speed_protocol(self) -> Protocol:
        """How the same graph is timed."""
        return protocol_for("forward", self.protocol.precision)

    def evaluate(self, on_image: Progress | None) -> Tally:
        """Score this process's share."""
        loaded, subject = self.loaded, self.loaded.subject
        if self.protocol.window is None and self.protocol.input_size is not None:
            subject.check_resolution(self.protocol.input_size)
        size = self.protocol.input_size or self.protocol.window or self.spec.default_size
        with measurement_flags(replace(self.speed_protocol, cudnn_benchmark=False)):
            # A GPU that is full, or that another program has to itself, refuses the weights.
            with device_failures(size, self.speed_protocol, self.device):
                predictor = Predictor(
                    loaded.net,
                    self.protocol,
                    classes=self.spec.num_classes,
                    outputs=loaded.outputs,
                    device=self.device,
                    model=subject.spec,
                    size_rule=subject.size_rule,
                )
            return evaluate(
                predictor,
                self.dataset,
                group=self.group,
                workers=self.settings.workers,
                visit=self._visit(),
                progress=on_image,
                allow_nonfinite=self.settings.allow_nonfinite,
            )

    def _visit(self) -> Visit | None:
        """What is done with each prediction besides counting it."""
        write = prediction_writer(self.spec, self.settings.predictions) if self.settings.predictions else None
        folder = self.settings.overlays
        drawn = set(drawing.spread(len(self.dataset), self.settings.overlay_count)) if folder else set()
        if write is None and not drawn:
            return None

        def visit(index: int, sample: Any, prediction: Tensor) -> None:
            if write is not None:
                write(sample.name, prediction)
            if folder is not None and index in drawn:
                names, colours = self.spec.class_names, self.spec.colours
                sheet = drawing.overlay(sample.image, sample.target, prediction, names, colours, sample.name)
                drawing.save_overlay(sheet, folder / f"{sample.name}.png")

        return visit

    def record(self, tally: Tally | None = None, scores: Scores | None = None, failure: str | None = None) -> Record:
        """The Record, without its speed."""
        size, note = self._resolution(tally)
        result = measure_job(self._job(size), subject=self.loaded.subject)
        result.failure = failure or result.failure
        if isinstance(self.loaded.net, OwnNetwork) and self.loaded.net.several:
            # Which output is scored is said once.
            result.notes = [said for said in result.notes if TAKEN not in said]
        result.notes.extend(note)
        if tally is not None and scores is not None:
            result.accuracy = self._accuracy(tally, scores, size)
        elif tally is not None:
            result.notes.extend([*self.dataset.notes, *self._said_of_weights(tally)])
            result.notes.append(f"{tally.unlabelled} images were predicted and not scored: there are no labels")
        return result

    def _job(self, size: tuple[int, int], *, timed: bool = False) -> Job:
        """What is measured of the network beside its accuracy: its counts, or its speed and memory."""
        settings = Settings(
            device=self.settings.device,
            mode=self.speed_protocol.mode,
            precision=self.protocol.precision,
            budget_s=self.settings.budget_s,
            gpu_budget_s=self.settings.gpu_budget_s,
            counts=not timed,
            speed=timed,
            bounds="none",
        )
        subject = self.loaded.subject
        return Job(model=subject.spec, classes=subject.classes, resolution=size, settings=check_settings(settings))

    def _resolution(self, tally: Tally | None) -> tuple[tuple[int, int], list[str]]:
        """The size of one forward pass, and what to say where there were several."""
        protocol = self.protocol
        if protocol.window is not None:
            return protocol.window, ["evaluated in windows: costs are of one of them"]
        notes = []
        if len(protocol.scales) > 1:
            listed = ", ".join(f"{scale:g}" for scale in protocol.scales)
            notes.append(f"evaluated at scales {listed}: costs are of one forward, at the scale nearest to 1")
        # Where several scales are averaged, their sizes differ by design; those of one scale should not.
        place = min(range(len(protocol.scales)), key=lambda index: abs(protocol.scales[index] - 1))
        seen = Counter({sizes[place]: count for sizes, count in tally.forwards.items()} if tally else {})
        if len(seen) > 1:
            notes.append("the images have different sizes: costs are at the most frequent one")
        if seen:
            return max(seen, key=lambda size: (seen[size], size)), notes
        size = protocol.input_size or self.dataset.first_size or self.spec.default_size
        scaled = tuple(round(side * protocol.scales[place]) for side in size)
        if self.loaded.subject.entry:
            scaled = self.loaded.subject.size_rule.nearest((scaled[0], scaled[1]))
        return (scaled[0], scaled[1]), notes

    def _accuracy(self, tally: Tally, scores: Scores, size: tuple[int, int]) -> Accuracy:
        settings, spec = self.settings, self.spec
        return Accuracy(
            dataset=spec_title(spec.name),
            variant=spec.name,
            split=settings.split,
            images=tally.images,
            checkpoint_sha256=self.loaded.sha256,
            checkpoint=settings.checkpoint.name,
            dropped_keys=list(self.loaded.report.dropped),
            rule=scores.rule,
            protocol=self.protocol.to_json(),
            input_size=size,
            label_sizes=sorted(tally.label_sizes),
            skipped=[{"path": str(path), "reason": reason} for path, reason in self.dataset.skipped],
            notes=[*scores.notes, *self.dataset.notes, *self._said_of_weights(tally)],
            claimed=[
                *claimed_by_weights(self.loaded.released, spec, settings.split, scores.miou),
                *compare_with_claims(settings.model, spec, settings.split, scores.miou),
            ],
            processes=self.group.size,
            **figures(scores),
        )

    def _said_of_weights(self, tally: Tally) -> list[str]:
        """What is known of the weights' file, which of its sets and which output was taken, what was not finite."""
        known, notes = self.loaded.released, self.loaded.report.choices()
        if isinstance(self.loaded.net, OwnNetwork) and self.loaded.net.several:
            notes.append(self.loaded.net.several)
        if tally.nonfinite:
            name, count = tally.nonfinite[0]
            total = sum(number for _, number in tally.nonfinite)
            notes.append(
                f"{total:,} logits of {len(tally.nonfinite)} images are NaN or infinite and were scored as asked for: "
                f"{name} has {count:,}"
            )
        if known is not None:
            what = f"the released weights of {known.entry.name} ({known.checkpoint.dataset}), known by their SHA-256"
            notes.append(
                f"{what}: {known.conditions()}"
                if known.of(self.spec)
                else f"{what}: their conditions are of another data set and are not applied"
            )
        return notes

    def time(self, record: Record, tally: Tally, say: Stage) -> None:
        """Fill in speed and memory, where one forward of the whole image made the prediction."""
        if not self.protocol.single_pass or len(tally.input_sizes) != 1:
            reason = (
                "the images have different sizes" if self.protocol.single_pass else f"{self.protocol.name} evaluation"
            )
            record.notes.append(f"not timed: {reason}, and an FPS is about one forward pass at one size")
            return
        timed = measure_job(
            self._job(record.resolution, timed=True),
            lambda what, *_: say(what),
            subject=self.loaded.subject,
            fresh=self.loaded.fresh,
        )
        record.speed, record.memory, record.protocol = timed.speed, timed.memory, timed.protocol
        record.failure = record.failure or timed.failure
        record.notes.extend(timed.notes)


def figures(scores: Scores) -> dict[str, Any]:
    """The figures of an evaluation as JSON types, by the names of `Accuracy`'s fields."""
    return {
        name: _plain(value)
        for name, value in vars(scores).items()
        if name not in ("rule", "notes") and value is not None
    }


def _plain(value: Any) -> Any:
    """NaN as None, at any depth: it is no JSON."""
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
