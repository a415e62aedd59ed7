"""What a data set is: its classes, where its files lie, what their values mean, how it is officially scored.

Declarations only; `segbench.accuracy.index` finds the files, `segbench.accuracy.reading` reads them.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from segbench.errors import UnknownName

IGNORE = 255
"""Train id of pixels that are not scored, in every data set."""

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class ClassLabel:
    """One evaluated class; its train id is its position in `DatasetSpec.classes`.

    Attributes:
        name: as the data set prints it.
        colour: RGB in which it is drawn.
        official_id: its value in the prediction files that the data set's evaluation takes.
        category: the group that it is scored with; empty where the data set has none.
        average_instance_size: pixels, for the instance-weighted IoU; None for classes without instances.
    """

    name: str
    colour: Colour
    official_id: int
    category: str = ""
    average_instance_size: float | None = None


@dataclass(frozen=True)
class VoidColumn:
    """A kind of prediction that is no evaluated class; column ``num_classes + position`` of the confusion matrix.

    Attributes:
        name: for messages.
        category: a category whose instance-weighted IoU takes such a prediction as its own.
    """

    name: str
    category: str = ""


@dataclass(frozen=True)
class LabelFiles:
    """Label files of one kind.

    Attributes:
        folder: below the root; ``{split}`` is the split's folder name.
        suffix: what follows the image's core name.
        values: pixel value to train id, `IGNORE` for pixels that are not scored; a value in neither is an error.
        colours: RGB to train id, for label files that are pictures; then `values` is empty.
        meaning: the accepted values in words.
    """

    folder: str
    suffix: str
    values: Mapping[int, int] = field(default_factory=dict)
    colours: Mapping[Colour, int] = field(default_factory=dict)
    meaning: str = ""


@dataclass(frozen=True)
class Layout:
    """Folders and file names of one published form of a data set.

    Attributes:
        images: folder of the images; ``{split}`` is the split's folder name.
        image_suffix: what follows the core name.
        labels: the kinds of label files, in order of preference.
        by_city: files lie in one folder per city.
        instances: suffix of instance files in the label folder; empty where the data set has none.
    """

    images: str
    image_suffix: str
    labels: tuple[LabelFiles, ...]
    by_city: bool = False
    instances: str = ""

    @property
    def by_split(self) -> bool:
        """Whether each split has a folder; else the split's published names choose the files."""
        return "{split}" in self.images


@dataclass(frozen=True)
class Split:
    """A published split.

    Attributes:
        folder: its folder name.
        images: how many it has.
        sha256: of the sorted core names, joined by newlines; empty where no list was published.
        members: its core names, where a rule gives them.
        labels_published: False where the evaluation server keeps them.
        hashed_suffix: what the published list adds to core names.
    """

    folder: str
    images: int
    sha256: str = ""
    members: Callable[[], tuple[str, ...]] | None = None
    labels_published: bool = True
    hashed_suffix: str = ""


@dataclass(frozen=True)
class PredictionFiles:
    """The files that the data set's evaluation takes.

    Attributes:
        suffix: what follows the core name; ``*`` stands for anything.
        values: pixel value to column of the confusion matrix.
        meaning: the accepted values in words.
        anywhere: files may lie in any folder below the given one.
        missing_is_void: a missing file counts as void everywhere, else it is an error.
    """

    suffix: str
    values: Mapping[int, int]
    meaning: str
    anywhere: bool = False
    missing_is_void: bool = False


@dataclass(frozen=True)
class DatasetSpec:
    """A data set, and how it is scored.

    Attributes:
        name: as in ``--dataset``.
        title: with the variant spelled out.
        classes: in train id order.
        layouts: published forms; the first whose folders exist is read.
        enclosing: folder names in which the download wraps the layout; both are accepted as root.
        splits: by name.
        predictions: the official prediction files.
        rule: official scoring rule, a key of `segbench.accuracy.scoring.RULES`.
        default_size: height and width of published images, or the usual input size where they vary.
        sizes_vary: images have no common size.
        void_columns: predictions that are no class; train id ``num_classes`` is the first.
        source: who published layout, labels and rule.
        ignore_index: train id of pixels that are not scored.
    """

    name: str
    title: str
    classes: tuple[ClassLabel, ...]
    layouts: tuple[Layout, ...]
    splits: Mapping[str, Split]
    predictions: PredictionFiles
    rule: str
    default_size: tuple[int, int]
    source: str
    enclosing: tuple[str, ...] = ()
    sizes_vary: bool = False
    void_columns: tuple[VoidColumn, ...] = (VoidColumn("void"),)
    ignore_index: int = IGNORE

    def bases(self, root: Path) -> list[Path]:
        """Folders in which the layout may begin: the root, and those in which the download wraps it."""
        return [root, *(root / folder for folder in self.enclosing)]

    @property
    def num_classes(self) -> int:
        """Number of evaluated classes."""
        return len(self.classes)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names in train id order."""
        return tuple(label.name for label in self.classes)

    @property
    def colours(self) -> tuple[Colour, ...]:
        """RGB in train id order."""
        return tuple(label.colour for label in self.classes)

    @property
    def official_ids(self) -> tuple[int, ...]:
        """Values of prediction files in train id order."""
        return tuple(label.official_id for label in self.classes)

    @property
    def categories(self) -> tuple[str, ...]:
        """Categories in the order of their first class; empty where the data set has none."""
        return tuple(dict.fromkeys(label.category for label in self.classes if label.category))

    @property
    def has_instances(self) -> bool:
        """Whether an instance-weighted IoU is defined."""
        return any(label.average_instance_size is not None for label in self.classes)

    @property
    def largest_instance(self) -> int:
        """Largest value of an instance file: the largest class id times 1000, and a number below 1000."""
        return 1000 * max(self.layouts[0].labels[0].values) + 999

    def split(self, name: str) -> tuple[tuple[str, Split], ...]:
        """The split of that name; ``trainval`` is train and val.

        Raises:
            UnknownName: no such split.
        """
        name = {"training": "train", "validation": "val"}.get(name, name)
        parts = ("train", "val") if name == "trainval" else (name,)
        for part in parts:
            if part not in self.splits:
                raise UnknownName(f"split of {self.name}", name, (*self.splits, "trainval"))
        return tuple((part, self.splits[part]) for part in parts)


def label_table(file: str) -> list[dict[str, str]]:
    """Rows of a label table in ``segbench/datasets/labels``."""
    text = (resources.files("segbench.datasets") / "labels" / file).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def row_colour(row: Mapping[str, str]) -> Colour:
    """RGB of a row with the columns r, g and b."""
    return int(row["r"]), int(row["g"]), int(row["b"])


def same_values(values: Iterable[int]) -> dict[int, int]:
    """A table in which each of `values` stands for itself."""
    return {value: value for value in values}
