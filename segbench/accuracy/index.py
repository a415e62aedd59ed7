"""Which files a split consists of: the layout on disk, an entry per image, what differs from the published."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from segbench.accuracy.hints import hint
from segbench.accuracy.reading import DatasetError
from segbench.datasets.spec import DatasetSpec, LabelFiles, Layout, Split


@dataclass(frozen=True)
class Entry:
    """The files of one image.

    Attributes:
        name: the core name, to which the suffixes are added.
        image: None where only labels were asked for.
        label: the label file; None where the split has none.
        files: what the label file holds.
        instances: None where the data set, or this copy of it, has none.
    """

    name: str
    image: Path | None
    label: Path | None
    files: LabelFiles
    instances: Path | None


@dataclass(frozen=True)
class Index:
    """The files of a split.

    Attributes:
        entries: in the order of their names.
        unlabelled: images without a label file.
        notes: how the files differ from the published split.
    """

    entries: tuple[Entry, ...]
    unlabelled: tuple[tuple[Path, str], ...]
    notes: tuple[str, ...]


def index_split(
    spec: DatasetSpec, root: Path, split: str, *, labels_only: bool = False, unlabelled: bool = False
) -> Index:
    """Find the files of a split.

    Args:
        spec: the data set.
        root: folder in which the published layout begins, or the folder around it.
        split: name of the split.
        labels_only: go by the label files and ask for no images, to score prediction files.
        unlabelled: take the images alone where there are no labels at all, to predict them.

    Raises:
        UnknownName: no such split.
        DatasetError: no such folder, no files in it, or no labels at all.
    """
    if not root.is_dir():
        raise DatasetError(
            f"{root} is {'no folder' if root.exists() else 'missing'}: --root takes the folder of {spec.name}"
        )
    entries: list[Entry] = []
    lacking: list[tuple[Path, str]] = []
    notes: list[str] = []
    for name, part in spec.split(split):
        found = _index_part(spec, root, name, part, labels_only, unlabelled)
        entries += found.entries
        lacking += found.unlabelled
        notes += found.notes
    return Index(tuple(entries), tuple(lacking), tuple(notes))


def _index_part(
    spec: DatasetSpec, root: Path, name: str, split: Split, labels_only: bool, take_unlabelled: bool
) -> Index:
    base, layout = _find_layout(spec, root, name, split, labels_only)
    images = {} if labels_only else _files(base, layout.images, layout.image_suffix, layout, split)
    if not images and not labels_only:
        top = base / layout.images.format(split=split.folder)
        raise DatasetError(
            f"{top} holds no images (*{layout.image_suffix}){hint(spec, root, layout.image_suffix, top)}"
        )
    labels, files = _find_labels(base, layout, split, images)
    if not labels and take_unlabelled and not labels_only:
        withheld = "" if split.labels_published else ", which are not published"
        return Index(
            tuple(Entry(core, images[core], None, files, None) for core in sorted(images)),
            (),
            (f"no labels of the {name} split are there{withheld}: predictions are written, and nothing is scored",),
        )
    if not labels:
        where, suffix = base / files.folder.format(split=split.folder), files.suffix
        withheld = "" if split.labels_published else f"; the labels of the {name} split are not published"
        withheld = withheld or hint(spec, root, suffix, where)
        if not labels_only:
            withheld += "; --save-predictions writes predictions without them"
        raise DatasetError(f"{where} holds no labels (*{suffix}) of the {name} images{withheld}")
    instances = _files(base, files.folder, layout.instances, layout, split) if layout.instances else {}
    names = sorted(labels if labels_only else images)
    entries = tuple(
        Entry(
            core,
            images.get(core),
            labels[core],
            files,
            # Scored without some of its instances, a split would have an iIoU of other images.
            (instances.get(core) or labels[core].with_name(core + layout.instances)) if instances else None,
        )
        for core in names
        if core in labels
    )
    unlabelled = tuple(
        (images[core], f"{images[core]} has no label file: {_label_of(core, base, layout, split, files)} is missing")
        for core in names
        if core not in labels
    )
    return Index(entries, unlabelled, tuple(_notes(spec, name, split, layout, names, labels, instances, labels_only)))


def _find_layout(spec: DatasetSpec, root: Path, name: str, split: Split, labels_only: bool) -> tuple[Path, Layout]:
    """The first published layout whose folder for this split exists."""
    for base in spec.bases(root):
        for layout in spec.layouts:
            folders = [files.folder for files in layout.labels] if labels_only else [layout.images]
            if any((base / folder.format(split=split.folder)).is_dir() for folder in folders):
                return base, layout
    kind = "label" if labels_only else "image"
    wanted = [
        (layout.labels[0].folder if labels_only else layout.images).format(split=split.folder)
        for layout in spec.layouts
    ]
    found = hint(spec, root, spec.layouts[0].image_suffix, root)
    raise DatasetError(f"{root} has no {name} split of {spec.name}: its {kind} folder is {' or '.join(wanted)}{found}")


def _find_labels(
    base: Path, layout: Layout, split: Split, images: dict[str, Path]
) -> tuple[dict[str, Path], LabelFiles]:
    """The first kind of label files of which any is there."""
    for files in layout.labels:
        labels = _files(base, files.folder, files.suffix, layout, split)
        if labels and (not images or not images.keys().isdisjoint(labels)):
            return labels, files
    return {}, layout.labels[0]


def _files(base: Path, folder: str, suffix: str, layout: Layout, split: Split) -> dict[str, Path]:
    """Core name to file."""
    top = base / folder.format(split=split.folder)
    members = set(split.members()) if split.members and not layout.by_split else None
    try:
        # Copies that were made smaller often have no folder per city.
        cities = sorted(path for path in top.iterdir() if path.is_dir()) if layout.by_city else []
        folders = cities or [top]
        # Archives made on a Mac come with "._" files beside every file.
        paths = [path for where in folders for path in where.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        if not top.exists():
            return {}
        raise DatasetError(f"{top} cannot be listed: {error.strerror}") from error
    named = {path.name[: -len(suffix)]: path for path in paths if path.name.lower().endswith(suffix.lower())}
    return {core: path for core, path in named.items() if members is None or core in members}


def _label_of(core: str, base: Path, layout: Layout, split: Split, files: LabelFiles) -> Path:
    folder = base / files.folder.format(split=split.folder)
    return (folder / core.split("_", maxsplit=1)[0] if layout.by_city else folder) / (core + files.suffix)


def _notes(
    spec: DatasetSpec,
    name: str,
    split: Split,
    layout: Layout,
    names: Sequence[str],
    labels: dict[str, Path],
    instances: dict[str, Path],
    labels_only: bool,
) -> Iterable[str]:
    if len(names) != split.images:
        yield f"{len(names)} images, and the published {name} split of {spec.name} has {split.images}"
    elif split.sha256 and split.sha256 != checksum(names, split.hashed_suffix):
        yield f"the names of the {len(names)} images are not those of the published {name} split of {spec.name}"
    if not split.labels_published:
        yield f"the labels of the {name} split of {spec.name} are not published: these files stand in for them"
    if not labels_only and len(labels.keys() - set(names)):
        yield f"{len(labels.keys() - set(names))} label files of the {name} split have no image"
    if layout.instances and not instances:
        yield "no instance files: the instance-weighted IoU is not computed"


def checksum(names: Iterable[str], suffix: str = "") -> str:
    """SHA-256 of the sorted core names, each with the suffix of the published list, joined by newlines."""
    return hashlib.sha256("\n".join(sorted(name + suffix for name in names)).encode()).hexdigest()
