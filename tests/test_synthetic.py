"""Synthetic street scenes: published layouts, equal files for equal seeds, something to learn."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from segbench.accuracy import scenes
from segbench.accuracy.confusion import ConfusionMatrix
from segbench.accuracy.datasets import DATASETS, open_dataset
from segbench.accuracy.scoring import score
from segbench.accuracy.synthetic import SIZES, write_synthetic
from segbench.errors import BadOption, OutputError, UnknownName

SMALL = (64, 128)


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


LAYOUTS = {
    "cityscapes": [
        "gtFine/val/frankfurt/frankfurt_000000_000019_gtFine_instanceIds.png",
        "gtFine/val/frankfurt/frankfurt_000000_000019_gtFine_labelIds.png",
        "gtFine/val/frankfurt/frankfurt_000000_000019_gtFine_labelTrainIds.png",
        "leftImg8bit/val/frankfurt/frankfurt_000000_000019_leftImg8bit.png",
    ],
    "camvid": ["val/0016E5_07959.png", "valannot/0016E5_07959.png"],
    "camvid-merge": ["val/0016E5_07959.png", "val_labels/0016E5_07959_L.png"],
    "camvid-select": ["val/0016E5_07959.png", "val_labels/0016E5_07959_L.png"],
    "bdd100k": ["images/10k/val/7d06fefd-f7be05a6.jpg", "labels/sem_seg/masks/val/7d06fefd-f7be05a6.png"],
    "ade20k": ["annotations/validation/ADE_val_00000001.png", "images/validation/ADE_val_00000001.jpg"],
}


@pytest.mark.parametrize("name", DATASETS)
def test_the_published_layout_and_nothing_else(name: str, tmp_path: Path) -> None:
    write_synthetic(name, tmp_path, images={"val": 1}, size=SMALL)
    assert list(digests(tmp_path)) == LAYOUTS[name]
    assert set(SIZES) == set(DATASETS)


@pytest.mark.parametrize("name", DATASETS)
def test_equal_seeds_give_equal_files(name: str, tmp_path: Path) -> None:
    first, second, other = (
        digests(write_synthetic(name, tmp_path / folder, images=2, size=SMALL, seed=seed))
        for folder, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert first == second
    assert set(first) == set(other)
    assert not set(first.values()) & set(other.values())
    assert len(set(first.values())) == len(first)


def test_more_images_keep_the_first_ones(tmp_path: Path) -> None:
    few = digests(write_synthetic("bdd100k", tmp_path / "few", images=1, size=SMALL))
    many = digests(write_synthetic("bdd100k", tmp_path / "many", images={"train": 2, "val": 3}, size=SMALL))
    assert few.items() <= many.items()
    assert len(many) == 10


def test_cityscapes_files_agree_with_each_other(tmp_path: Path) -> None:
    root = write_synthetic("cityscapes", tmp_path, images={"val": 12}, size=(128, 256))
    seen: set[int] = set()
    for path in root.glob("gtFine/val/*/*_labelIds.png"):
        label = Image.open(path)
        instances = Image.open(path.with_name(path.name.replace("labelIds", "instanceIds")))
        assert label.mode == "L"
        assert instances.mode.startswith("I")
        ids, values = np.array(label), np.array(instances).astype(np.int64)
        assert np.array_equal(np.where(values >= 1000, values // 1000, values), ids)
        numbered = set(np.unique(values[values >= 1000] // 1000).tolist())
        assert numbered <= {24, 25, 26, 27, 28, 30, 32, 33}
        seen |= set(np.unique(ids).tolist()) | {-value for value in np.unique(values[values < 1000]).tolist()}
    assert max(seen) <= 33
    # Road to bicycle occur, trains do not; some people are a group with the bare id; ignored ids occur.
    assert {7, 8, 11, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 33} <= seen
    assert 31 not in seen
    assert -24 in seen
    assert {0, 1, 4} & seen


@pytest.mark.parametrize("name", DATASETS)
def test_absent_classes_and_ignored_regions(name: str, tmp_path: Path) -> None:
    dataset = open_dataset(name, write_synthetic(name, tmp_path, images={"val": 4}, size=(96, 192)))
    counts = torch.stack([torch.bincount(dataset[place].target.flatten(), minlength=256) for place in range(4)])
    shares = counts / counts.sum(1, keepdim=True)
    assert (shares[:, 255] > 0).any()
    assert (shares[:, 255] < 0.5).all()
    present = counts[:, : dataset.spec.num_classes] > 0
    assert (present.sum(1) >= 5).all()
    assert not present.all()


def test_camvid_variants_are_the_same_scenes(tmp_path: Path) -> None:
    folders = {name: write_synthetic(name, tmp_path / name, images=1) for name in ("camvid", "camvid-merge")}
    copy, merge = (open_dataset(name, folder)[0] for name, folder in folders.items())
    assert torch.equal(copy.target, merge.target)
    assert torch.equal(copy.image, merge.image)
    select = open_dataset("camvid-select", folders["camvid-merge"])[0]
    kept = select.target != 255
    assert torch.equal(select.target[kept], merge.target[kept])
    assert int(kept.sum()) < int((merge.target != 255).sum())


def test_ade20k_images_vary_in_size(tmp_path: Path) -> None:
    dataset = open_dataset("ade20k", write_synthetic("ade20k", tmp_path, images={"val": 3}, size=(96, 160)))
    assert len({tuple(dataset[place].image.shape) for place in range(3)}) == 3


def test_colours_can_be_learnt_and_are_not_a_table(tmp_path: Path) -> None:
    """Nearest mean colour and row on train gives a val mIoU far above chance, and far below 1."""
    root = write_synthetic("cityscapes", tmp_path, images={"train": 8, "val": 4}, size=(128, 256))
    train, val = open_dataset("cityscapes", root, "train"), open_dataset("cityscapes", root)

    def features(place: int, dataset: object) -> tuple[torch.Tensor, torch.Tensor]:
        sample = dataset[place]  # type: ignore[index]
        rows = torch.linspace(0, 200, sample.image.shape[1])[:, None].expand(sample.target.shape)
        return torch.cat((sample.image.float(), rows[None])).flatten(1).T, sample.target.flatten().long()

    pixels, targets = (torch.cat(parts) for parts in zip(*(features(place, train) for place in range(8)), strict=True))
    present = [index for index in range(19) if (targets == index).any()]
    means = torch.stack([pixels[targets == index].mean(0) for index in present])
    confusion = ConfusionMatrix(19)
    for place in range(4):
        values, target = features(place, val)
        confusion.update(torch.tensor(present)[torch.cdist(values, means).argmin(1)], target)
    assert 0.15 < score(val.spec, confusion).miou < 0.8


def test_every_scene_id_has_a_look() -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        scene = scenes.make_scene(rng, 64, 128)
        assert scene.image.shape == (64, 128, 3)
        assert set(np.unique(scene.ids).tolist()) <= set(scenes._LOOKS)


def test_bad_calls(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean cityscapes"):
        write_synthetic("cityscpes", tmp_path / "a")
    with pytest.raises(BadOption, match="at least 1 image"):
        write_synthetic("camvid", tmp_path / "a", images=0)
    with pytest.raises(BadOption, match="at least 64x64"):
        write_synthetic("camvid", tmp_path / "a", size=(32, 64))
    assert not (tmp_path / "a").exists()
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="is not empty"):
        write_synthetic("camvid", tmp_path)
    with pytest.raises(OutputError, match="cannot write"):
        write_synthetic("camvid", tmp_path / "file")


def test_command(tmp_path: Path) -> None:
    """The command's function; `test_cli` runs it by name."""
    from segbench.cli.synthetic import complete_dataset, synthetic

    synthetic("ade20k", tmp_path / "data", images=1, size="64x96", seed=3)
    assert len(open_dataset("ade20k", tmp_path / "data", "trainval")) == 2
    with pytest.raises(BadOption, match="HEIGHTxWIDTH"):
        synthetic("ade20k", tmp_path / "other", size="64by96")
    assert complete_dataset("camvid-") == ["camvid-merge", "camvid-select"]
