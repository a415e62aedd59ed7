"""Images and labels as people have them: read right, or refused with what to do."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from segbench.accuracy.datasets import open_dataset
from segbench.accuracy.reading import DatasetError, read_image, read_values
from segbench.accuracy.synthetic import write_synthetic

SIZE = (64, 96)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder, done = tmp_path_factory.mktemp("made"), {}

    def make(name: str) -> Path:
        if name not in done:
            done[name] = write_synthetic(name, folder / name, {"train": 1, "val": 2}, SIZE, 7)
        return done[name]

    return make


@pytest.fixture
def copy(made: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a small synthetic data set, to be changed."""

    def make(name: str) -> Path:
        return Path(shutil.copytree(made(name), tmp_path / name))

    return make


def _same(name: str, root: Path, reference: Path) -> None:
    found, wanted = open_dataset(name, root), open_dataset(name, reference)
    assert len(found) == len(wanted) == 2
    for place in range(2):
        one, other = found[place], wanted[place]
        assert one.name == other.name
        assert torch.equal(one.image, other.image)
        assert torch.equal(one.target, other.target)


# --- pixels


def test_grey_images_of_16_bits_are_scaled(tmp_path: Path) -> None:
    values = np.arange(0, 65536, 8, dtype=np.uint16).reshape(64, 128)
    Image.fromarray(values).save(tmp_path / "grey.png")
    image = read_image(tmp_path / "grey.png")
    assert image.shape == (3, 64, 128)
    assert np.array_equal(image[0].numpy(), values >> 8)
    Image.fromarray(values.astype(np.float32)).save(tmp_path / "grey.tiff")
    with pytest.raises(DatasetError, match="8 or 16 bits a channel are accepted"):
        read_image(tmp_path / "grey.tiff")


@pytest.mark.parametrize("turn", range(1, 9))
def test_an_orientation_is_applied_where_the_labels_tell(turn: int, copy: Callable[[str], Path]) -> None:
    root = copy("camvid")
    for path in (root / "val").iterdir():
        image = Image.open(path)
        image.load()
        exif = Image.Exif()
        exif[0x0112] = turn
        (image.transpose(Image.Transpose.TRANSPOSE) if turn > 4 else image).save(path, exif=exif)
    if turn == 1 or turn > 4:
        dataset = open_dataset("camvid", root)
        assert all(dataset[place].image.shape[1:] == SIZE for place in range(len(dataset)))
    else:
        with pytest.raises(DatasetError, match=f"EXIF orientation {turn}"):
            open_dataset("camvid", root)[0]


def test_a_turned_image_is_the_one_that_was_drawn(copy: Callable[[str], Path], made: Callable[[str], Path]) -> None:
    root = copy("camvid")
    for path in (root / "val").iterdir():
        exif = Image.Exif()
        exif[0x0112] = 6  # to be turned clockwise by those who show it
        Image.open(path).transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
    _same("camvid", root, made("camvid"))


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_labels_of_few_bits_keep_their_values(bits: int, tmp_path: Path) -> None:
    values = (np.arange(64 * 96) % 2**bits).astype(np.uint8).reshape(SIZE)
    _write_grey(tmp_path / "label.png", values, bits)
    read = read_values(tmp_path / "label.png", {value: value for value in range(16)}, "0 to 15", "label")
    assert np.array_equal(read.numpy(), values)


def _write_grey(path: Path, values: np.ndarray, bits: int) -> None:
    """A grey PNG of few bits, which Pillow does not write."""
    import struct
    import zlib

    height, width = values.shape
    each = 8 // bits
    packed = np.zeros((height, width // each), np.uint8)
    for place in range(each):
        packed |= values[:, place::each] << (8 - bits * (place + 1))
    lines = b"".join(b"\0" + row.tobytes() for row in packed)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n"
    path.write_bytes(start + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b""))


def test_palettes_are_indices_unless_they_are_greys_of_other_values(tmp_path: Path) -> None:
    values = np.tile(np.array([[0, 1, 2, 3]], np.uint8), (8, 8))
    table, meaning = {value: value for value in range(12)}, "0 to 11"
    for name, colours, right in (
        ("colours", [128, 64, 128, 70, 70, 70, 0, 0, 0, 9, 9, 9], True),
        ("identity", [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3], True),
        ("optimised", [0, 0, 0, 4, 4, 4, 7, 7, 7, 11, 11, 11], False),
    ):
        picture = Image.fromarray(values)
        picture.putpalette(colours)
        picture.save(tmp_path / f"{name}.png")
        if right:
            assert np.array_equal(read_values(tmp_path / f"{name}.png", table, meaning, "label").numpy(), values)
        else:
            with pytest.raises(DatasetError, match="palette of greys that are not their indices"):
                read_values(tmp_path / f"{name}.png", table, meaning, "label")


# --- folders


def test_cityscapes_archives_side_by_side(copy: Callable[[str], Path], made: Callable[[str], Path]) -> None:
    root = copy("cityscapes")
    for part in ("leftImg8bit", "gtFine"):
        (root / f"{part}_trainvaltest").mkdir()
        (root / part).rename(root / f"{part}_trainvaltest" / part)
    _same("cityscapes", root, made("cityscapes"))


def test_cityscapes_without_folders_of_cities(copy: Callable[[str], Path], made: Callable[[str], Path]) -> None:
    root = copy("cityscapes")
    for part in ("leftImg8bit", "gtFine"):
        for city in list((root / part / "val").iterdir()):
            for path in city.iterdir():
                path.rename(root / part / "val" / path.name)
            city.rmdir()
    _same("cityscapes", root, made("cityscapes"))


@pytest.mark.parametrize("name", ["cityscapes", "camvid", "ade20k"])
def test_extensions_in_capitals(name: str, copy: Callable[[str], Path], made: Callable[[str], Path]) -> None:
    root = copy(name)
    for path in [path for path in root.rglob("*") if path.suffix in (".png", ".jpg")]:
        path.rename(path.with_suffix(path.suffix.upper()))
    _same(name, root, made(name))


@pytest.mark.parametrize("below", ["", "bdd100k", "bdd100k/seg"])
def test_bdd100ks_older_folder(below: str, copy: Callable[[str], Path], made: Callable[[str], Path]) -> None:
    given, seg = copy("bdd100k"), None
    seg = given.parent / "bdd" / "bdd100k" / "seg"
    (seg / "images").mkdir(parents=True)
    (seg / "labels").mkdir()
    (given / "images/10k/val").rename(seg / "images" / "val")
    (given / "labels/sem_seg/masks/val").rename(seg / "labels" / "val")
    for path in (seg / "labels" / "val").iterdir():
        path.rename(path.with_name(f"{path.stem}_train_id.png"))
    _same("bdd100k", given.parent / "bdd" / below, made("bdd100k"))


def test_what_is_there_instead_is_named(copy: Callable[[str], Path], tmp_path: Path) -> None:
    root = copy("cityscapes")
    for path in list(root.rglob("*_gtFine_*.png")):
        path.unlink()
        path.with_name(path.name.partition("_gtFine_")[0] + "_gtFine_polygons.json").write_text("{}")
    with pytest.raises(DatasetError, match=r"polygons.json alone: `csCreateTrainIdLabelImgs`"):
        open_dataset("cityscapes", root)
    fastai = tmp_path / "fastai"
    for folder, name in (("images", "0016E5_07959.png"), ("labels", "0016E5_07959_P.png")):
        (fastai / folder).mkdir(parents=True)
        Image.fromarray(np.zeros(SIZE, np.uint8)).save(fastai / folder / name)
    with pytest.raises(DatasetError, match="fastai's copy of CamVid"):
        open_dataset("camvid-merge", fastai)
    full = tmp_path / "full" / "images" / "ADE" / "validation" / "urban"
    full.mkdir(parents=True)
    Image.fromarray(np.zeros(SIZE, np.uint8)).save(full / "ADE_val_00000001.jpg")
    with pytest.raises(DatasetError, match=r"full ADE20K.*ADEChallengeData2016"):
        open_dataset("ade20k", tmp_path / "full")
    moved = copy("camvid")
    (moved / "val").rename(moved / "elsewhere")
    with pytest.raises(DatasetError, match="files of that name lie elsewhere, such as elsewhere/"):
        open_dataset("camvid", moved)
