"""Data sets in their published layouts: what is read, what is noted, what is refused."""

from __future__ import annotations

import pickle
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from segbench.accuracy import index
from segbench.accuracy.datasets import DATASETS, DatasetError, open_dataset
from segbench.accuracy.reading import read_label
from segbench.accuracy.scoring import RULES
from segbench.accuracy.synthetic import write_synthetic
from segbench.datasets.camvid import test_names as camvid_test_names
from segbench.datasets.camvid import train_names, val_names
from segbench.errors import SegbenchError, UnknownName

SMALL = (64, 128)


@pytest.fixture
def root(tmp_path: Path) -> Callable[..., Path]:
    """Write a small synthetic data set and give its root."""

    def make(name: str, images: int = 3) -> Path:
        return write_synthetic(name, tmp_path / name, images=images, size=SMALL, seed=5)

    return make


def only(folder: Path, pattern: str, place: int = 0) -> Path:
    return sorted(folder.glob(pattern))[place]


# The declarations, against the published facts.


def test_names_and_class_counts() -> None:
    assert {name: spec.num_classes for name, spec in DATASETS.items()} == {
        "cityscapes": 19,
        "camvid": 11,
        "camvid-merge": 11,
        "camvid-select": 11,
        "bdd100k": 19,
        "ade20k": 150,
    }
    for name, spec in DATASETS.items():
        assert spec.name == name
        assert spec.rule in RULES
        assert spec.ignore_index == 255
        assert len(set(spec.class_names)) == spec.num_classes
        assert len(set(spec.official_ids)) == spec.num_classes
        assert len(spec.colours) == spec.num_classes
        assert all(0 <= value <= 255 for colour in spec.colours for value in colour)


def test_classes_as_published() -> None:
    cityscapes, bdd100k = DATASETS["cityscapes"], DATASETS["bdd100k"]
    assert cityscapes.official_ids == (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
    assert cityscapes.class_names == bdd100k.class_names
    assert cityscapes.categories == ("flat", "construction", "object", "nature", "sky", "human", "vehicle")
    assert [label.name for label in cityscapes.classes if label.average_instance_size] == [
        *("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle")
    ]
    assert bdd100k.official_ids == tuple(range(19))
    camvid = ("Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car", "Pedestrian")
    for name in ("camvid", "camvid-merge", "camvid-select"):
        assert DATASETS[name].class_names == (*camvid, "Bicyclist")
    assert DATASETS["camvid"].colours[4] == (0, 0, 192)
    assert DATASETS["ade20k"].official_ids == tuple(range(1, 151))
    assert DATASETS["ade20k"].class_names[:3] == ("wall", "building", "sky")


def test_camvid_split_from_its_rule_has_the_published_checksum() -> None:
    for split, names in (("train", train_names()), ("val", val_names()), ("test", camvid_test_names())):
        published = DATASETS["camvid"].splits[split]
        assert len(names) == len(set(names)) == published.images
        assert index.checksum(names, ".png") == published.sha256


def test_ade20k_checksum_is_of_its_numbering() -> None:
    for split, prefix in (("train", "ADE_train_"), ("val", "ADE_val_")):
        published = DATASETS["ade20k"].splits[split]
        names = [f"{prefix}{number:08d}" for number in range(1, published.images + 1)]
        assert index.checksum(names) == published.sha256


# Reading.


@pytest.mark.parametrize("name", DATASETS)
def test_samples(name: str, root: Callable[..., Path]) -> None:
    dataset = open_dataset(name, root(name))
    assert len(dataset) == 3
    assert dataset.skipped == []
    names = []
    for position in range(len(dataset)):
        sample = dataset[position]
        assert sample.image.dtype is torch.uint8
        assert sample.image.shape[0] == 3
        assert sample.image.is_contiguous()
        assert sample.target.dtype is torch.uint8
        assert sample.target.shape == sample.image.shape[1:]
        values = set(sample.target.unique().tolist())
        assert values <= {*range(dataset.spec.num_classes), 255}
        assert len(values) > 4
        assert (sample.instances is not None) == (name == "cityscapes")
        assert sample.paths.image.is_file()
        names.append(sample.name)
    assert names == sorted(names)
    assert len(open_dataset(name, dataset.root, "trainval")) == 6


def test_labels_mean_what_the_tables_say(tmp_path: Path) -> None:
    values = np.arange(34, dtype=np.uint8).reshape(2, 17)
    Image.fromarray(values).save(tmp_path / "x.png")
    files = DATASETS["cityscapes"].layouts[0].labels[0]
    found = read_label(tmp_path / "x.png", files).flatten().tolist()
    ids = DATASETS["cityscapes"].official_ids
    assert found == [ids.index(value) if value in ids else 255 for value in range(34)]

    Image.fromarray(np.arange(151, dtype=np.uint8)[None]).save(tmp_path / "x.png")
    assert read_label(tmp_path / "x.png", DATASETS["ade20k"].layouts[0].labels[0]).flatten().tolist() == [
        255,
        *range(150),
    ]
    Image.fromarray(np.array([[0, 18, 19, 255]], np.uint8)).save(tmp_path / "x.png")
    assert read_label(tmp_path / "x.png", DATASETS["bdd100k"].layouts[0].labels[0]).flatten().tolist() == [
        0,
        18,
        255,
        255,
    ]


def test_the_two_readings_of_camvid(tmp_path: Path) -> None:
    """Lane markings, trucks and walls are folded in by merge and ignored by select; base colours agree."""
    colours = [(128, 64, 128), (128, 0, 192), (64, 0, 128), (192, 128, 192), (64, 192, 0), (0, 0, 0), (0, 0, 192)]
    Image.fromarray(np.array([colours], np.uint8)).save(tmp_path / "x_L.png")
    merge, select = (DATASETS[f"camvid-{name}"].layouts[0].labels[0] for name in ("merge", "select"))
    assert read_label(tmp_path / "x_L.png", merge).flatten().tolist() == [3, 3, 8, 8, 1, 255, 4]
    assert read_label(tmp_path / "x_L.png", select).flatten().tolist() == [3, 255, 8, 255, 255, 255, 4]
    assert len(merge.colours) == 32
    assert sum(train_id == 255 for train_id in merge.colours.values()) == 1
    assert sum(train_id == 255 for train_id in select.colours.values()) == 21
    Image.fromarray(np.array([[(128, 64, 128), (60, 40, 222)]], np.uint8)).save(tmp_path / "x_L.png")
    with pytest.raises(DatasetError, match=r"colour \(60, 40, 222\) in .*x_L.png is unknown"):
        read_label(tmp_path / "x_L.png", merge)


def test_train_ids_are_read_where_label_ids_are_missing(root: Callable[..., Path]) -> None:
    folder = root("cityscapes")
    wanted = open_dataset("cityscapes", folder)[0]
    for path in folder.glob("gtFine/val/*/*_labelIds.png"):
        path.unlink()
    found = open_dataset("cityscapes", folder)[0]
    assert found.paths.label is not None
    assert found.paths.label.name.endswith("_labelTrainIds.png")
    assert torch.equal(found.target, wanted.target)


def test_images_of_other_modes_and_palette_labels(root: Callable[..., Path]) -> None:
    folder = root("camvid")
    wanted = open_dataset("camvid", folder)[0]
    image, label = only(folder, "val/*.png"), only(folder, "valannot/*.png")
    Image.open(image).convert("RGBA").save(image)
    palette = Image.open(label)
    palette.putpalette([value for place in range(256) for value in (place, 0, 0)])
    palette.save(label)
    found = open_dataset("camvid", folder)[0]
    assert torch.equal(found.image, wanted.image)
    assert torch.equal(found.target, wanted.target)
    Image.open(image).convert("L").save(image)
    assert open_dataset("camvid", folder)[0].image.shape == wanted.image.shape


def test_the_folder_around_the_layout(root: Callable[..., Path], tmp_path: Path) -> None:
    for name, wrapper in (("bdd100k", "bdd100k"), ("ade20k", "ADEChallengeData2016"), ("camvid", "CamVid")):
        folder = root(name)
        (tmp_path / f"around-{name}").mkdir()
        folder.rename(tmp_path / f"around-{name}" / wrapper)
        assert len(open_dataset(name, tmp_path / f"around-{name}")) == 3


def test_other_published_layouts(root: Callable[..., Path], tmp_path: Path) -> None:
    folder = root("bdd100k")
    old = tmp_path / "old"
    shutil.copytree(folder / "images" / "10k", old / "images")
    for path in folder.glob("labels/sem_seg/masks/*/*.png"):
        target = old / "labels" / path.parent.name / f"{path.stem}_train_id.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    assert torch.equal(open_dataset("bdd100k", old)[1].target, open_dataset("bdd100k", folder)[1].target)

    # The 720x960 originals have no split folders: names decide.
    folder = root("camvid-merge")
    for images, labels in (("701_StillsRaw_full", "LabeledApproved_full"), ("images", "labels")):
        flat = tmp_path / images
        for split in ("train", "val"):
            shutil.copytree(folder / split, flat / images, dirs_exist_ok=True)
            shutil.copytree(folder / f"{split}_labels", flat / labels, dirs_exist_ok=True)
        shutil.copy(only(flat, f"{images}/*.png"), flat / images / "0001TP_000001.png")
        for split in ("train", "val"):
            found, wanted = open_dataset("camvid-merge", flat, split), open_dataset("camvid-merge", folder, split)
            assert len(found) == 3
            assert [sample.name for sample in found] == [sample.name for sample in wanted]  # type: ignore[attr-defined]


def test_a_dataloader_with_workers_gives_the_same(root: Callable[..., Path]) -> None:
    dataset = open_dataset("cityscapes", root("cityscapes"))
    loader: Any = DataLoader(dataset, batch_size=None, num_workers=2)
    for found, wanted in zip(loader, (dataset[place] for place in range(len(dataset))), strict=True):
        assert torch.equal(found.image, wanted.image)
        assert torch.equal(found.target, wanted.target)
        assert wanted.instances is not None
        assert torch.equal(found.instances, wanted.instances)
        assert found.name == wanted.name


def test_an_error_in_a_worker_is_still_one_line(root: Callable[..., Path]) -> None:
    folder = root("camvid")
    bad = only(folder, "val/*.png", 1)
    bad.write_bytes(bad.read_bytes()[:200])
    samples: Any = iter(DataLoader(open_dataset("camvid", folder), batch_size=None, num_workers=1))
    with pytest.raises(DatasetError) as caught:
        list(samples)
    # Left to the garbage collector, a worker is waited for 5 s.
    samples._shutdown_workers()
    assert str(caught.value).startswith(str(bad))
    assert "\n" not in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_memory_does_not_grow_with_the_images_read(root: Callable[..., Path]) -> None:
    dataset = open_dataset("cityscapes", root("cityscapes"))
    for _ in range(3):
        dataset[0]
    tracemalloc.start()
    try:
        for place in range(60):
            dataset[place % 3]
        early = tracemalloc.get_traced_memory()[0]
        for place in range(300):
            dataset[place % 3]
        late = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    # One image has 64 * 128 * 3 = 24576 bytes.
    assert late - early < 24576


# Notes.


def test_notes_on_what_differs_from_the_published_split(root: Callable[..., Path]) -> None:
    folder = root("cityscapes")
    notes = open_dataset("cityscapes", folder).notes
    assert "3 images, and the published val split of cityscapes has 500" in notes
    assert "images of 64x128, and the published ones of cityscapes are 1024x2048" in notes
    for path in folder.glob("gtFine/val/*/*_instanceIds.png"):
        path.unlink()
    dataset = open_dataset("cityscapes", folder)
    assert any("no instance files" in note for note in dataset.notes)
    assert dataset[0].instances is None
    only(folder, "leftImg8bit/val/*/*.png").unlink()
    assert "1 label files of the val split have no image" in open_dataset("cityscapes", folder).notes


def test_the_published_names_give_no_note_and_others_do(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((360, 480), np.uint8)).save(tmp_path / "black.png")
    for folder in ("val", "valannot"):
        (tmp_path / folder).mkdir()
        for name in val_names():
            shutil.copy(tmp_path / "black.png", tmp_path / folder / f"{name}.png")
    assert open_dataset("camvid", tmp_path).notes == []
    for folder in ("val", "valannot"):
        (tmp_path / folder / f"{val_names()[0]}.png").rename(tmp_path / folder / "0016E5_07957.png")
    assert open_dataset("camvid", tmp_path).notes == [
        "the names of the 101 images are not those of the published val split of camvid"
    ]


# Bad input: one line, the file named.


def refused(name: str, folder: Path, *wanted: str, split: str = "val") -> None:
    with pytest.raises(SegbenchError) as caught:
        dataset = open_dataset(name, folder, split)
        for place in range(len(dataset)):
            dataset[place]
    message = str(caught.value)
    assert "\n" not in message
    for part in wanted:
        assert part in message


def test_missing_root_split_or_images(root: Callable[..., Path], tmp_path: Path) -> None:
    refused("cityscapes", tmp_path / "nowhere", "nowhere is missing", "--root")
    (tmp_path / "file").write_text("x")
    refused("cityscapes", tmp_path / "file", "is no folder")
    (tmp_path / "empty").mkdir()
    refused("bdd100k", tmp_path / "empty", "no val split of bdd100k", "images/10k/val or images/val")
    folder = root("ade20k")
    with pytest.raises(UnknownName, match=r"split of ade20k 'dev'.*accepted: train, val, test, trainval"):
        open_dataset("ade20k", folder, "dev")
    with pytest.raises(UnknownName, match="did you mean cityscapes"):
        open_dataset("cityscape", folder)
    shutil.rmtree(folder / "images" / "validation")
    refused("ade20k", folder, "no val split of ade20k", "images/validation")
    (folder / "images" / "validation").mkdir()
    refused("ade20k", folder, "holds no images (*.jpg)")


def test_labels_missing(root: Callable[..., Path]) -> None:
    folder = root("bdd100k")
    label = only(folder, "labels/sem_seg/masks/val/*.png", 1)
    label.unlink()
    refused("bdd100k", folder, f"{label.stem}.jpg has no label file", f"{label} is missing")
    shutil.rmtree(label.parent)
    refused("bdd100k", folder, f"{label.parent} holds no labels")
    (folder / "images" / "10k" / "val").rename(folder / "images" / "10k" / "test")
    refused("bdd100k", folder, "the labels of the test split are not published", split="test")


def test_damaged_files(root: Callable[..., Path]) -> None:
    folder = root("cityscapes")
    image = only(folder, "leftImg8bit/val/*/*.png")
    label, instances = only(folder, "gtFine/val/*/*_labelIds.png"), only(folder, "gtFine/val/*/*_instanceIds.png")
    for path in (image, label, instances):
        whole = path.read_bytes()
        for damaged in (whole[: len(whole) // 2], whole[:30], b"", b"not an image at all", whole[:8] + b"x" * 50):
            path.write_bytes(damaged)
            refused("cityscapes", folder, f"{path} cannot be read")
        path.write_bytes(whole)
    instances.unlink()
    refused("cityscapes", folder, f"{instances} does not exist")


def test_labels_of_another_size_depth_or_value(root: Callable[..., Path]) -> None:
    folder = root("cityscapes")
    label, instances = only(folder, "gtFine/val/*/*_labelIds.png"), only(folder, "gtFine/val/*/*_instanceIds.png")
    pixels = np.array(Image.open(label))
    Image.fromarray(pixels[:32]).save(label)
    refused("cityscapes", folder, f"{label} is 32x128, and its image", "64x128: the sizes must be equal")
    Image.fromarray(np.stack([pixels] * 3, -1)).save(label)
    refused("cityscapes", folder, f"{label} has 3 channels")
    for dtype, value in ((np.uint8, 34), (np.uint8, 255), (np.uint16, 300), (np.uint16, 26001)):
        wrong = pixels.astype(dtype)
        wrong[4, 7] = value
        Image.fromarray(wrong).save(label)
        refused("cityscapes", folder, f"label value {value} in {label} is out of range: ids 0 to 33")
    Image.fromarray(pixels).save(label)
    values = np.array(Image.open(instances)).astype(np.uint16)
    values[0, 0] = 34000
    Image.fromarray(values).save(instances)
    refused("cityscapes", folder, f"instance value 34000 in {instances} is out of range")
    Image.fromarray(values[:, :64]).save(instances)
    values[0, 0] = 0
    Image.fromarray(values[:, :64]).save(instances)
    refused("cityscapes", folder, f"{instances} is 64x64, and its image")


@pytest.mark.parametrize(
    ("name", "pattern", "value", "accepted"),
    [
        ("camvid", "valannot/*.png", 12, "indices 0 to 10, and 11 for void"),
        ("bdd100k", "labels/sem_seg/masks/val/*.png", 20, "train ids 0 to 18, and 255"),
        ("ade20k", "annotations/validation/*.png", 151, "labels 0 to 150"),
    ],
)
def test_label_values_out_of_range(
    name: str, pattern: str, value: int, accepted: str, root: Callable[..., Path]
) -> None:
    folder = root(name)
    label = only(folder, pattern)
    pixels = np.array(Image.open(label))
    pixels[-1, -1] = value
    Image.fromarray(pixels).save(label)
    refused(name, folder, f"label value {value} in {label} is out of range: {accepted}")


def test_colour_labels_that_are_no_pictures(root: Callable[..., Path]) -> None:
    folder = root("camvid-merge")
    label = only(folder, "val_labels/*_L.png")
    Image.open(label).convert("L").save(label)
    refused("camvid-merge", folder, f"{label} is no colour picture", "32 colours")


def test_files_that_a_mac_leaves_beside_others(root: Callable[..., Path]) -> None:
    folder = root("camvid")
    (folder / "val" / "._0016E5_07959.png").write_bytes(b"x")
    (folder / "val" / ".DS_Store").write_bytes(b"x")
    assert len(open_dataset("camvid", folder)) == 3


def test_skip_bad_leaves_out_counts_and_names(root: Callable[..., Path]) -> None:
    folder = root("cityscapes", 6)
    wanted = [open_dataset("cityscapes", folder)[place].name for place in range(6)]
    truncated = only(folder, "leftImg8bit/val/*/*.png", 0)
    truncated.write_bytes(truncated.read_bytes()[:100])
    unlabelled = only(folder, "gtFine/val/*/*_labelIds.png", 2)
    unlabelled.unlink()
    wrong = only(folder, "gtFine/val/*/*_labelIds.png", 3)
    Image.fromarray(np.full(SMALL, 77, np.uint8)).save(wrong)
    dataset = open_dataset("cityscapes", folder, skip_bad=True)
    assert [dataset[place].name for place in range(len(dataset))] == [wanted[1], wanted[3], wanted[5]]
    reasons = [reason for _, reason in dataset.skipped]
    assert len(dataset.skipped) == 3
    assert "cannot be read" in reasons[0]
    assert "has no label file" in reasons[1]
    assert "label value 77" in reasons[2]
    assert all(path.name.endswith("_leftImg8bit.png") for path, _ in dataset.skipped)
    assert "3 of 6 images skipped" in dataset.notes
    for path in folder.glob("leftImg8bit/val/*/*.png"):
        path.write_bytes(b"")
    with pytest.raises(DatasetError, match="none of the 6 images can be used"):
        open_dataset("cityscapes", folder, skip_bad=True)
