"""Procedural street scenes written as the published data sets are: same folders, names, formats and label values.

For trying an evaluation without a download, and for tests. Equal seeds give equal files. Trains never occur, other
classes not in every image, and parts of each image are unlabelled.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segbench.accuracy import scenes
from segbench.accuracy.datasets import find_spec
from segbench.accuracy.scenes import Scene, make_scene
from segbench.datasets.camvid import train_names, val_names
from segbench.datasets.cityscapes import ID_TO_TRAIN_ID
from segbench.datasets.spec import IGNORE, DatasetSpec, label_table, row_colour
from segbench.errors import BadOption, OutputError
from segbench.files import require_writable
from segbench.resolution import check

SIZES: Mapping[str, tuple[int, int]] = {
    "cityscapes": (256, 512),
    "camvid": (360, 480),
    "camvid-merge": (360, 480),
    "camvid-select": (360, 480),
    "bdd100k": (360, 640),
    "ade20k": (384, 512),
}
"""Height and width by default: of the published shape, and smaller where that is large."""

_CITIES = {"train": ("aachen", "bochum", "bremen"), "val": ("frankfurt", "lindau", "munster")}

_CAMVID = {
    scenes.ROAD: "Road",
    scenes.LANE_MARKING: "LaneMkgsDriv",
    scenes.SIDEWALK: "Sidewalk",
    scenes.PARKING: "ParkingBlock",
    scenes.BUILDING: "Building",
    scenes.WALL: "Wall",
    scenes.FENCE: "Fence",
    scenes.POLE: "Column_Pole",
    scenes.LIGHT: "TrafficLight",
    scenes.SIGN: "SignSymbol",
    scenes.VEGETATION: "Tree",
    scenes.TERRAIN: "VegetationMisc",
    scenes.SKY: "Sky",
    scenes.PERSON: "Pedestrian",
    scenes.RIDER: "Bicyclist",
    scenes.CAR: "Car",
    scenes.TRUCK: "Truck_Bus",
    scenes.BUS: "Truck_Bus",
    scenes.TRAILER: "OtherMoving",
    scenes.MOTORCYCLE: "MotorcycleScooter",
    scenes.BICYCLE: "Bicyclist",
}

MOST_IMAGES = 1_000_000
BYTES_PER_PIXEL = 2

_ADE20K = {
    scenes.ROAD: "road",
    scenes.LANE_MARKING: "road",
    scenes.SIDEWALK: "sidewalk",
    scenes.BUILDING: "building",
    scenes.WALL: "wall",
    scenes.FENCE: "fence",
    scenes.POLE: "pole",
    scenes.LIGHT: "traffic light",
    scenes.SIGN: "signboard",
    scenes.VEGETATION: "tree",
    scenes.TERRAIN: "grass",
    scenes.SKY: "sky",
    scenes.PERSON: "person",
    scenes.RIDER: "person",
    scenes.CAR: "car",
    scenes.TRUCK: "truck",
    scenes.BUS: "bus",
    scenes.MOTORCYCLE: "minibike",
    scenes.BICYCLE: "bicycle",
}


def write_synthetic(
    dataset: str,
    folder: Path | str,
    images: int | Mapping[str, int] = 8,
    size: tuple[int, int] | None = None,
    seed: int = 0,
) -> Path:
    """Write train and val splits of street scenes in a data set's published layout.

    Args:
        dataset: a key of `segbench.accuracy.datasets.DATASETS`.
        folder: new or empty; becomes the root.
        images: in each split, or by split.
        size: height and width, `SIZES` by default; ADE20K's images vary around it, as the published ones do.
        seed: decides every pixel.

    Returns:
        The folder.

    Raises:
        UnknownName: no such data set.
        BadOption: no images, or a size below 64x64.
        OutputError: the folder has files in it, or cannot be written.
    """
    spec, folder = find_spec(dataset), Path(folder)
    counts = {"train": images, "val": images} if isinstance(images, int) else dict(images)
    if not counts or any(split not in _CITIES or count < 1 for split, count in counts.items()):
        raise BadOption(f"a synthetic data set has at least 1 image in train and val: {images} given")
    height, width = size or SIZES[dataset]
    check(height, width)
    if max(counts.values()) > MOST_IMAGES:
        raise BadOption(f"images must be at most {MOST_IMAGES:,}: {images} given")
    require_writable(folder)
    _require_space(folder, sum(counts.values()), height * width)
    try:
        made = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise OutputError(f"{folder} is not empty: synthetic images are not written among other files")
        try:
            for number, (split, count) in enumerate(sorted(counts.items())):
                for index in range(count):
                    rng = np.random.default_rng((seed, number, index))
                    scene = make_scene(rng, height, _width(spec, index, width))
                    _WRITERS[dataset](spec, folder, split, index, scene)
        except BaseException:
            # Half a data set would be scored as a whole one.
            shutil.rmtree(folder, ignore_errors=True)
            if not made:
                folder.mkdir()
            raise
    except OSError as error:
        raise OutputError(f"cannot write {folder}: {error.strerror or error}") from error
    return folder


def _require_space(folder: Path, images: int, pixels: int) -> None:
    """Refuse more than the disk has room for, at half the size of a picture and its label that are not compressed.

    Raises:
        BadOption: says how much is needed and how much is free.
    """
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    needed, free = images * pixels * BYTES_PER_PIXEL, shutil.disk_usage(place).free
    if needed > free:
        raise BadOption(f"{images:,} images need about {needed / 2**30:,.0f} GiB, and {free / 2**30:,.0f} GiB are free")


def _width(spec: DatasetSpec, index: int, width: int) -> int:
    return (width, max(64, width * 3 // 4), max(64, width * 7 // 8))[index % 3] if spec.sizes_vary else width


def _cityscapes(spec: DatasetSpec, folder: Path, split: str, index: int, scene: Scene) -> None:
    cities = _CITIES[split]
    city = cities[index % len(cities)]
    core = f"{city}_{index // len(cities):06d}_000019"
    layout = spec.layouts[0]
    image, label = (folder / top.format(split=split) / city / core for top in (layout.images, layout.labels[0].folder))
    ids = np.where(scene.ids == scenes.LANE_MARKING, scenes.ROAD, scene.ids)
    instances = np.where(scene.instances == scenes.LANE_MARKING, scenes.ROAD, scene.instances)
    _save(image.with_name(core + layout.image_suffix), scene.image)
    _save(label.with_name(core + layout.labels[0].suffix), ids.astype(np.uint8))
    _save(label.with_name(core + layout.labels[1].suffix), _train_ids(ids))
    _save(label.with_name(core + layout.instances), instances.astype(np.uint16))


def _camvid(spec: DatasetSpec, folder: Path, split: str, index: int, scene: Scene) -> None:
    names = {"train": train_names, "val": val_names}[split]()
    core = names[index] if index < len(names) else f"synthetic_{index:06d}"
    # The originals have three published layouts; the last has a folder per split.
    layout = spec.layouts[-1]
    files = layout.labels[0]
    colours, indices = _camvid_tables()
    label = colours[scene.ids] if files.colours else indices[scene.ids]
    part = spec.splits[split].folder
    _save(folder / layout.images.format(split=part) / (core + layout.image_suffix), scene.image)
    _save(folder / files.folder.format(split=part) / (core + files.suffix), label)


def _bdd100k(spec: DatasetSpec, folder: Path, split: str, index: int, scene: Scene) -> None:
    first = {"train": 0x0000F77C, "val": 0x7D06FEFD}[split]
    core = f"{first + index:08x}-{0xF7BE05A6 + index:08x}"
    layout = spec.layouts[0]
    ids = np.where(scene.ids == scenes.LANE_MARKING, scenes.ROAD, scene.ids)
    _save(folder / layout.images.format(split=split) / (core + layout.image_suffix), scene.image)
    _save(folder / layout.labels[0].folder.format(split=split) / (core + layout.labels[0].suffix), _train_ids(ids))


def _ade20k(spec: DatasetSpec, folder: Path, split: str, index: int, scene: Scene) -> None:
    core = f"ADE_{split}_{index + 1:08d}"
    layout, part = spec.layouts[0], spec.splits[split].folder
    by_name = {label.name: label.official_id for label in spec.classes}
    table = np.zeros(scenes.LANE_MARKING + 1, np.uint8)
    for kind, name in _ADE20K.items():
        table[kind] = by_name[name]
    _save(folder / layout.images.format(split=part) / (core + layout.image_suffix), scene.image)
    _save(folder / layout.labels[0].folder.format(split=part) / (core + layout.labels[0].suffix), table[scene.ids])


_WRITERS: Mapping[str, Callable[[DatasetSpec, Path, str, int, Scene], None]] = {
    "cityscapes": _cityscapes,
    "camvid": _camvid,
    "camvid-merge": _camvid,
    "camvid-select": _camvid,
    "bdd100k": _bdd100k,
    "ade20k": _ade20k,
}


def _train_ids(ids: scenes.Ids) -> NDArray[np.uint8]:
    table = np.full(scenes.LANE_MARKING + 1, IGNORE, np.uint8)
    for value, train_id in ID_TO_TRAIN_ID.items():
        table[value] = train_id
    return table[ids]


@lru_cache(maxsize=1)
def _camvid_tables() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Scene id to the colour of the originals, and to the index of the SegNet copy."""
    rows = {row["name"]: row for row in label_table("camvid_labels.csv")}
    chosen = [rows[_CAMVID.get(kind, "Void")] for kind in range(scenes.LANE_MARKING + 1)]
    colours = np.array([row_colour(row) for row in chosen], np.uint8)
    return colours, np.array([int(row["merge11_index"]) for row in chosen], np.uint8)


def _save(path: Path, pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(pixels)
    if path.suffix == ".jpg":
        picture.save(path, quality=95)
    else:
        picture.save(path, compress_level=3)
