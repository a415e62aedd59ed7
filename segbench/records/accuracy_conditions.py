"""The conditions of an accuracy, and the small print that tells accuracies apart. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from segbench.datasets import DATASETS
from segbench.records.conditions import UNKNOWN, Conditions, condition, in_words, show_value
from segbench.records.record import Record

_SPLITS = ("test", "val", "trainval", "train")
_TOLD = ("reading", "rule", "images")
# Settings of an evaluation that belong to the weights: they were trained with them.
_OWN_SETTINGS = frozenset({"normalisation", "mean", "std", "scale", "channels", "align_corners", "void_output"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyConditions(Conditions):
    """What two accuracies must share: images, labels, scoring rule, protocol and weights.

    Attributes:
        dataset: title of the data set.
        reading: how its files were read, the name that ``--dataset`` takes; None where the Record does not tell.
        split: of the data set.
        rule: scoring rule.
        images: that were scored.
        of_images: that the published split has; None where it is not known.
        checkpoint: the first digits of the SHA-256 of the weights, or the name of their file.
        protocol: every setting of the evaluation, by name, as JSON.
    """

    dataset: str = condition("data set")
    reading: str | None = condition("reading", lambda name: f"read as {name}")
    split: str = condition("split")
    rule: str | None = condition("rule", lambda name: f"rule {name}")
    images: int | None = condition("images", lambda count: f"{count} images")
    of_images: int | None = condition("images of the split", lambda count: f"of {count}")
    checkpoint: str | None = condition("checkpoint", lambda name: f"weights {name}")
    protocol: tuple[tuple[str, str], ...] = condition("protocol")

    @classmethod
    def of(cls, record: Record) -> AccuracyConditions | None:
        """The conditions of a Record's accuracy; None where it has none."""
        accuracy = record.accuracy
        if accuracy is None:
            return None
        settings = {name: value for name, value in accuracy.protocol.items() if name not in ("name", "steps")}
        if accuracy.input_size is not None:
            settings["input_size"] = list(accuracy.input_size)
        spec = DATASETS.get(accuracy.variant or accuracy.dataset.lower())
        sha = accuracy.checkpoint_sha256
        return cls(
            dataset=spec_title(accuracy.dataset),
            reading=accuracy.variant,
            split=accuracy.split or "",
            rule=accuracy.rule,
            images=accuracy.images,
            of_images=_published(spec, accuracy.split) or None,
            checkpoint=sha[:12] if sha else accuracy.checkpoint,
            protocol=tuple(sorted((name, json.dumps(value)) for name, value in settings.items())),
        )

    @property
    def official_rule(self) -> str | None:
        """The data set's own scoring rule; None where the data set is not known."""
        spec = DATASETS.get(self.reading or self.dataset.lower())
        return spec.rule if spec else None

    def marks(self) -> dict[str, str]:
        """What keeps the score from being the data set's official one, by field: another rule, an incomplete split."""
        marks = {}
        if self.rule is not None and self.official_rule not in (None, self.rule):
            marks["rule"] = f"rule {self.rule}, not the official {self.official_rule}"
        if self.images is not None and self.of_images is not None and self.images < self.of_images:
            marks["images"] = f"{self.images} of {self.of_images} images"
        return marks

    @property
    def place(self) -> str:
        """Data set and split, such as ``Cityscapes val``."""
        return f"{self.dataset} {self.split}".strip()

    def benchmark(self) -> AccuracyConditions:
        """What scores of different networks must share to be ranked: everything but what is a network's own.

        The weights are, and the normalisation and the resizing of logits that they were trained with, and whether
        there is an output for ignored pixels. Images, labels, rule, scales, flip, windows and size are not.
        """
        settings = dict(self.protocol)
        if settings.get("void_rule") in ('"drop"', "null"):
            del settings["void_rule"]  # without such an output there is nothing to drop
        shared = tuple(item for item in settings.items() if item[0] not in _OWN_SETTINGS)
        return replace(self, checkpoint=None, protocol=shared)

    def describe(self) -> str:
        """Data set, split, reading, rule, images and every setting, in one line."""
        said = [self.place, *(in_words(item, getattr(self, item.name)) for item in fields(self) if item.name in _TOLD)]
        return ", ".join([*said, *(_setting(name, value) for name, value in self.protocol)])

    def differences(self, other: Conditions) -> list[str]:
        """What is unlike; of the protocol each setting by its name."""
        found = [
            text for text in super(AccuracyConditions, self).differences(other) if not text.startswith("protocol ")
        ]
        before, after = dict(self.protocol), dict(getattr(other, "protocol", ()))
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        return found + [f"{name} {before.get(name, UNKNOWN)} -> {after.get(name, UNKNOWN)}" for name in names]

    def order(self) -> tuple[object, ...]:
        """By data set, the official score of a whole split first, what is not told last, the test split before val."""
        split = _SPLITS.index(self.split) if self.split in _SPLITS else len(_SPLITS)
        untold = sum(getattr(self, item.name) is None for item in fields(self) if item.name != "checkpoint")
        found = (str(getattr(self, item.name)) for item in fields(self)[1:])
        return self.dataset, len(self.marks()), untold, split, -(self.images or 0), *found


def spec_title(name: str) -> str:
    """A data set's name as papers write it, such as ``CamVid`` for ``camvid``; an unknown one as it is."""
    spec = DATASETS.get(name.lower())
    return spec.title.split(" (")[0].split(",")[0] if spec else name


def _published(spec: Any, split: str | None) -> int:
    """Images of a published split; 0 where it is not known."""
    if spec is None or not split:
        return 0
    parts = ("train", "val") if split == "trainval" else (split,)
    return sum(spec.splits[part].images for part in parts if part in spec.splits)


def small_print(
    conditions: Sequence[AccuracyConditions], among: Sequence[AccuracyConditions] | None = None
) -> list[str]:
    """What stands under each accuracy: data set and split, what is not official about it, and what tells it apart.

    Args:
        conditions: of the accuracies of one network.
        among: all accuracies that the reader sees beside them; those given by default. What is a network's own (its
            weights, its normalisation) is said only where accuracies of one network differ in it.
    """
    seen = conditions if among is None else among
    lines = []
    for one in conditions:
        own, all_like = ([other for other in some if other.place == one.place] for some in (conditions, seen))
        benchmarks = [other.benchmark() for other in all_like]
        said = dict(one.marks())
        if one.reading not in (None, one.dataset.lower()):
            said["reading"] = f"read as {one.reading}"
        # The official rule and a whole split go without saying.
        unsaid = ["dataset", "split", "of_images"]
        unsaid += ["rule"] * (one.rule is not None and one.rule == one.official_rule)
        unsaid += ["images"] * (one.images is not None and one.images == one.of_images)
        for item in fields(one):
            value = getattr(one, item.name)
            if item.name == "protocol":
                apart = {*_unlike_settings(benchmarks), *_unlike_settings(own)}
                settings = dict(one.protocol)
                said.update((name, _setting(name, settings.get(name))) for name in sorted(apart))
            elif item.name not in unsaid:
                like = own if item.name == "checkpoint" else all_like
                if len({getattr(other, item.name) for other in like}) > 1:
                    said.setdefault(item.name, in_words(item, value))
        lines.append(", ".join([one.place, *said.values()]))
    return lines


def _unlike_settings(conditions: Sequence[AccuracyConditions]) -> set[str]:
    """Names of the settings of the protocol that are not the same in all."""
    settings = [dict(one.protocol) for one in conditions]
    names = {name for some in settings for name in some}
    return {name for name in names if len({some.get(name) for some in settings}) > 1}


def _setting(name: str, value: str | None) -> str:
    """A setting of a protocol in words: ``flip on``, ``scales 0.5 1.0``, ``input size 1024x2048``."""
    words = name.replace("_", " ")
    if value is None:
        return f"{words} {UNKNOWN}"
    content = json.loads(value)
    if isinstance(content, list):
        sides = len(content) == 2 and all(isinstance(side, int) for side in content)
        return f"{words} {('x' if sides else ' ').join(map(str, content))}"
    return f"{words} {'none' if content is None else show_value(content)}"
