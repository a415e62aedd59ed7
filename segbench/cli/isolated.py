"""Measure a user's own network where it can harm nothing: each job in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch

from segbench.accuracy.datasets import find_spec
from segbench.accuracy.run import Evaluation, run
from segbench.accuracy.settings import EvaluationSettings
from segbench.errors import FactoryError, ForwardError, SegbenchError
from segbench.gpus import Gpu, Precision
from segbench.job import Job, Settings
from segbench.measure.record import PRELOAD, Stage, measure_job
from segbench.measure.subject import Subject, resolve
from segbench.places.isolate import Outcome, run_isolated, tell
from segbench.records.record import Record
from segbench.roof import Roof, roof
from segbench.spec import is_own

Task = TypeVar("Task")


@dataclass(frozen=True)
class Finished:
    """How a job ended.

    Attributes:
        record: with a `failure` where it could not be measured.
        refused: what is wrong with the network that was given, where that is why.
    """

    record: Record
    refused: SegbenchError | None = None


def resolve_all(
    names: Sequence[str],
    classes: int | None,
    timeout_s: float,
    inputs: Sequence[str] = (),
    output: str | None = None,
) -> list[Subject]:
    """The networks that are named, each of a user's own built once in a process of its own.

    Args:
        names: catalog names, and factories of a user's own.
        classes: output channels; None for each network's own.
        timeout_s: seconds after which a process is ended.
        inputs: what a user's own network takes.
        output: which of its outputs are the logits.

    Raises:
        UnknownName: no such catalog network.
        FactoryError: a user's network that cannot be imported or built, or ends or blocks the process that does it.
    """
    own = [name for name in names if is_own(name)]
    found = {}
    for outcome in run_isolated(
        _resolve, [(name, classes, tuple(inputs), output) for name in own], timeout_s=timeout_s, preload=PRELOAD
    ):
        name = outcome.task[0]
        if outcome.failure is not None:
            raise outcome.refusal or FactoryError(f"{name} cannot be built: {outcome.failure}")
        found[name] = outcome.result
    return [found[name] if name in found else resolve(name, classes) for name in names]


def measure(job: Job, subject: Subject, say: Stage, timeout_s: float) -> Finished:
    """Measure a catalog network here, a user's own in a process of its own.

    Args:
        job: what to measure.
        subject: its network, as `resolve_all` found it.
        say: told what is being done.
        timeout_s: seconds without a word after which the process is ended.
    """
    if not is_own(job.model):
        return Finished(measure_job(job, say, subject=subject))
    outcome = one(_measure, job, timeout_s, lambda news: say(*news))
    if outcome.failure is None:
        return Finished(outcome.result)
    return Finished(job.failed(str(outcome.refusal or outcome.failure)), outcome.refusal)


def evaluate_own(
    settings: EvaluationSettings,
    on_stage: Callable[[str], None],
    on_image: Callable[[int, int], None],
    timeout_s: float,
) -> Evaluation:
    """Evaluate a user's own network in a process of its own.

    Args:
        settings: what and how.
        on_stage: told what is being done.
        on_image: told how many images are done, and of how many.
        timeout_s: seconds without a word, such as that of an image, after which the process is ended.

    Returns:
        The results; of a network that failed, ended or blocked its process, a Record with a `failure`.

    Raises:
        SegbenchError: the call, the network, the checkpoint or the data set is wrong.
    """
    spec = find_spec(settings.dataset)
    (subject,) = resolve_all([settings.model], None, timeout_s)

    def show(news: str | tuple[int, int]) -> None:
        if isinstance(news, str):
            on_stage(news)
        else:
            on_image(*news)

    outcome = one(_evaluate, _absolute(settings), timeout_s, show, may_have_children=True)
    if outcome.failure is None:
        evaluation, matrix = outcome.result
        return replace(evaluation, confusion=None if matrix is None else torch.from_numpy(matrix))
    if outcome.refusal is not None and not isinstance(outcome.refusal, ForwardError):
        raise outcome.refusal
    size = settings.protocol.input_size or spec.default_size
    job = Job(model=settings.model, classes=subject.classes, resolution=size, settings=Settings(speed=False))
    return Evaluation(job.failed(str(outcome.refusal or outcome.failure)), spec)


def roof_of(
    model: str, classes: int | None, size: tuple[int, int] | None, card: Gpu, precision: Precision, timeout_s: float
) -> Roof:
    """The bound of a network's FPS on a card, a user's own network run in a process of its own; see `segbench.roof`.

    Args:
        model: catalog name, or a user's own network.
        classes: output channels; None for the network's own.
        size: height and width; None for the network's own.
        card: the card.
        precision: of the arithmetic.
        timeout_s: seconds after which the process is ended.

    Raises:
        SegbenchError: the network cannot be built, or does not take this size.
        ForwardError: it fails when it runs.
    """
    (subject,) = resolve_all([model], classes, timeout_s)
    task = (subject, size or subject.default_resolution, card, precision)
    if not is_own(model):
        return _roof(task)
    outcome = one(_roof, task, timeout_s, lambda _: None)
    if outcome.failure is not None:
        raise outcome.refusal or ForwardError(f"{subject.spec} failed: {outcome.failure}")
    found: Roof = outcome.result
    return found


def one(
    function: Callable[[Task], Any], task: Task, timeout_s: float, on_news: Callable[[Any], None], **how: Any
) -> Outcome[Task]:
    """The outcome of one task in a process of its own; see `run_isolated`."""
    (outcome,) = run_isolated(
        function, [task], timeout_s=timeout_s, preload=PRELOAD, on_news=lambda _, news: on_news(news), **how
    )
    return outcome


def _resolve(task: tuple[str, int | None, tuple[str, ...], str | None]) -> Subject:
    return resolve(*task)


def _absolute(settings: EvaluationSettings) -> EvaluationSettings:
    """The same where the network goes to another folder."""
    return replace(
        settings,
        checkpoint=settings.checkpoint.absolute(),
        root=settings.root.absolute(),
        predictions=settings.predictions and settings.predictions.absolute(),
        overlays=settings.overlays and settings.overlays.absolute(),
    )


def _evaluate(settings: EvaluationSettings) -> tuple[Evaluation, Any]:
    evaluation = run(settings, on_stage=tell, on_image=lambda done, total: tell((done, total)))
    # torch would share the tensor's memory, which ends with this process.
    matrix = None if evaluation.confusion is None else evaluation.confusion.numpy()
    return replace(evaluation, confusion=None), matrix


def _measure(job: Job) -> Record:
    return measure_job(job, lambda what, done=0, total=None: tell((what, done, total)))


def _roof(task: tuple[Subject, tuple[int, int], Gpu, Precision]) -> Roof:
    return roof(*task)
