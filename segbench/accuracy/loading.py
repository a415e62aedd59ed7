"""A network with its checkpoint, as wide as the checkpoint is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from segbench.accuracy.outputs import void_output
from segbench.accuracy.settings import EvaluationSettings
from segbench.checkpoints import Released, recognise
from segbench.counting.tracer import trace
from segbench.datasets.spec import DatasetSpec
from segbench.errors import CheckpointError, SegbenchError
from segbench.measure.subject import Subject, resolve
from segbench.models.own import OwnNetwork, load_factory, takes_classes
from segbench.weights.load import LoadReport, class_count, load_checkpoint, read_checkpoint, sha256


@dataclass(frozen=True)
class LoadedNetwork:
    """A network with weights.

    Attributes:
        subject: builds it again, as wide.
        net: in eval mode.
        checkpoint: the weights' file.
        sha256: of that file.
        report: what was loaded and dropped.
        outputs: channels of the logits.
        void: index of the output for ignored pixels; None where every output is a class.
        weights: the set of weights that was asked for.
        drop: keys that were to be left out.
        released: what the catalog knows of this file; None where it is not one that it knows.
    """

    subject: Subject
    net: nn.Module
    checkpoint: Path
    sha256: str
    report: LoadReport
    outputs: int
    void: int | None
    released: Released | None = None
    weights: str | None = None
    drop: tuple[str, ...] = ()

    def fresh(self) -> nn.Module:
        """The same network with the same weights once more, for what moves and casts it."""
        net = self.subject.build()
        load_checkpoint(weights_of(net), self.checkpoint, weights=self.weights, drop=self.drop)
        if hasattr(self.net, "align_corners"):
            net.align_corners = self.net.align_corners
        return net


def load_network(
    settings: EvaluationSettings, spec: DatasetSpec, image_size: tuple[int, int] | None = None
) -> LoadedNetwork:
    """Build the network as wide as the checkpoint is, and load it.

    Args:
        settings: what to evaluate and how.
        spec: the data set.
        image_size: height and width of an image, at which a factory of one width is run to count its outputs.

    Raises:
        CheckpointError: an unreadable checkpoint, another network's, or one of another data set's classes.
        BadOption: an output for ignored pixels that cannot be.
        FactoryError: a user's own network that cannot be built or run.
    """
    content = read_checkpoint(settings.checkpoint)
    digest = sha256(settings.checkpoint)
    known = recognise(digest)
    subject = resolve(settings.model, spec.num_classes, output=settings.output)
    if known is not None and subject.entry is not None and known.entry.name != subject.entry.name:
        raise CheckpointError(
            f"{settings.checkpoint} holds the released weights of {known.entry.name}, and {subject.spec} was asked for"
        )
    size = settings.protocol.window or settings.protocol.input_size or image_size or spec.default_size
    outputs = _outputs(subject, content, size, settings)
    family = subject.entry.family if subject.entry else ""
    given = settings.void_output
    if given is None and known is not None and known.of(spec):
        given = known.checkpoint.void_output
    void = void_output(str(settings.checkpoint), family, spec.name, outputs, spec.num_classes, given)
    subject = replace(subject, classes=outputs, asked=outputs)
    net = subject.build()
    try:
        report = load_checkpoint(weights_of(net), content, weights=settings.weights, drop=settings.drop)
    except SegbenchError as error:
        raise type(error)(str(error).replace("the state dict", str(settings.checkpoint), 1)) from error
    subject = replace(subject, options=report.options)
    if settings.align_corners is not None:
        net.align_corners = settings.align_corners  # type: ignore[assignment]
    return LoadedNetwork(
        subject, net, settings.checkpoint, digest, report, outputs, void, known, settings.weights, settings.drop
    )


def _outputs(subject: Subject, content: Mapping[str, Any], size: tuple[int, int], settings: EvaluationSettings) -> int:
    """Output channels: as many as the checkpoint has classes, or what a user's factory of one width returns."""
    assert subject.classes is not None
    if subject.entry is None and not takes_classes(load_factory(subject.spec)):
        return trace(replace(subject, classes=None, asked=None).build(), (1, 3, *size)).output_shape[1]
    # A user's constructor may do what the meta device cannot.
    device = "meta" if subject.entry else "cpu"
    found = class_count(
        lambda classes: weights_of(replace(subject, classes=classes, asked=classes).build(device)),
        content,
        weights=settings.weights,
        drop=settings.drop,
    )
    return found or subject.classes


def weights_of(net: nn.Module) -> nn.Module:
    """The module whose keys a checkpoint has."""
    return net.network if isinstance(net, OwnNetwork) else net
