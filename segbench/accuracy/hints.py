"""What a folder holds instead of what was expected: forms of the data sets that are not read."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from segbench.datasets.spec import DatasetSpec

_LOOKED_AT = 2000


def hint(spec: DatasetSpec, root: Path, suffix: str, folder: Path) -> str:
    """One clause on what was found and what to do, beginning with a semicolon; empty where nothing is known.

    Args:
        spec: the data set.
        root: as the user gave it.
        suffix: of the files that were expected.
        folder: where they were expected.
    """
    names = [path.relative_to(root).as_posix() for path in itertools.islice(_files(root), _LOOKED_AT)]
    here = f"{folder.relative_to(root).as_posix()}/" if root in folder.parents else ""
    said = _known_form(spec, [name for name in names if name.startswith(here)]) or _known_form(spec, names)
    if not said:
        elsewhere = next(
            (name for name in names if name.lower().endswith(suffix.lower()) and (root / name).parent != folder), ""
        )
        said = f"files of that name lie elsewhere, such as {elsewhere}" if elsewhere else ""
    return f"; {said}" if said else ""


def _known_form(spec: DatasetSpec, names: list[str]) -> str:
    def some(end: str) -> bool:
        return any(name.endswith(end) for name in names)

    if spec.name == "cityscapes" and not some("_labelIds.png") and not some("_labelTrainIds.png"):
        found = [kind for kind in ("polygons.json", "color.png") if some(f"_gtFine_{kind}")]
        if found:
            return (
                f"there are *_gtFine_{' and *_gtFine_'.join(found)} alone: `csCreateTrainIdLabelImgs` of "
                "cityscapesscripts draws labels from the polygons"
            )
    if spec.name.startswith("camvid") and some("_P.png"):
        return (
            "this is fastai's copy of CamVid, whose *_P.png hold 32 indices of its own: the originals (*_L.png) or "
            "SegNet's copy are read"
        )
    if spec.name == "camvid" and some("_L.png"):
        return (
            "*_L.png hold the 32 colours of CamVid's originals: --dataset camvid-merge reads them as 11 classes (as "
            "SegNet does), camvid-select takes the 11 base colours alone"
        )
    if spec.name == "ade20k" and any("images/ADE/" in f"/{name}" or name.endswith("_seg.png") for name in names):
        return "this is the full ADE20K: its 150 classes are those of ADEChallengeData2016 (SceneParsing)"
    return ""


def _files(root: Path) -> Iterator[Path]:
    """Files below a folder, those of upper levels first, hidden ones left out."""
    waiting = [root]
    while waiting:
        folder = waiting.pop(0)
        try:
            inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        except OSError:
            continue
        yield from (path for path in inside if not path.is_dir())
        waiting += [path for path in inside if path.is_dir()]
