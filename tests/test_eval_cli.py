"""``segbench eval``: what it prints and writes, and what it says of bad input."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from segbench import build
from segbench.accuracy.synthetic import write_synthetic
from segbench.records.record import Record
from segbench.weights.load import sha256
from tests.conftest import Answer

SIZE = (64, 128)
Eval = Callable[..., Answer]


@pytest.fixture
def root(in_folder: Path) -> Path:
    return write_synthetic("cityscapes", in_folder / "cityscapes", {"train": 1, "val": 3}, SIZE, 2)


@pytest.fixture
def evaluate(root: Path, in_folder: Path, segbench_cli: Callable[..., Answer]) -> Eval:
    """`segbench eval` of a one-layer network of the user's own, with options that replace the usual ones."""
    (in_folder / "pixel_net.py").write_text(
        "from torch import nn\n\ndef make(num_classes=19):\n    return nn.Conv2d(3, num_classes, 1)\n"
    )
    torch.manual_seed(0)
    torch.save(nn.Conv2d(3, 19, 1).state_dict(), in_folder / "weights.pth")

    def call(*extra: object, model: str = "pixel_net:make", **options: object) -> Answer:
        given: dict[str, object] = {
            "checkpoint": in_folder / "weights.pth",
            "dataset": "cityscapes",
            "root": root,
            "device": "cpu",
            "workers": 0,
            **options,
        }
        named = [item for name, value in given.items() for item in (f"--{name.replace('_', '-')}", value)]
        return segbench_cli("eval", model, *named, *extra)

    return call


def _labels(root: Path) -> list[Path]:
    return sorted(root.glob("gtFine/val/*/*_gtFine_labelIds.png"))


def test_the_record(evaluate: Eval, in_folder: Path) -> None:
    answer = evaluate("--json", "-", "--no-speed")
    assert (answer.status, answer.err.count("Traceback")) == (0, 0)
    (content,) = json.loads(answer.out, parse_constant=lambda token: pytest.fail(f"{token} is no JSON"))
    record = Record.from_json(content)
    accuracy = record.accuracy
    assert accuracy is not None
    assert record.model == "pixel_net:make"
    assert (record.resolution, record.classes, record.speed) == (SIZE, 19, None)
    assert record.operations["macs"] == 64 * 128 * 3 * 19
    assert (accuracy.dataset, accuracy.split, accuracy.images) == ("Cityscapes", "val", 3)
    assert accuracy.rule == "cityscapes"
    assert accuracy.checkpoint_sha256 == sha256(in_folder / "weights.pth")
    assert accuracy.miou is not None and accuracy.class_iou is not None and accuracy.category_iou is not None
    assert 0 <= accuracy.miou <= 1
    assert len(accuracy.class_iou) == 19
    # Trains never occur: no IoU if none is predicted, 0 otherwise.
    assert accuracy.class_iou["train"] in (None, 0.0)
    assert accuracy.protocol["normalisation"] == "imagenet"
    assert accuracy.protocol["steps"][-1] == "argmax"
    assert accuracy.skipped == []
    assert set(accuracy.category_iou) == {
        *("flat", "construction", "object", "nature", "sky", "human", "vehicle"),
    }


def test_the_table_and_the_files(evaluate: Eval, in_folder: Path) -> None:
    out, pictures, files = in_folder / "out", in_folder / "pictures", in_folder / "predictions"
    answer = evaluate(
        *("--out", out, "--overlay", pictures, "--num", 2, "--save-predictions", files),
        *("--json", in_folder / "record.json", "--budget", 0.3),
    )
    assert answer.status == 0, answer.err
    for text in ("mIoU", "pixel accuracy", "traffic light", "FPS", "CPU", "3 images", "SHA-256"):
        assert text in answer.out
    assert {path.name for path in out.iterdir()} == {
        *("record.json", "classes.csv", "confusion.csv", "confusion.png", "report.md"),
    }
    (content,) = json.loads((in_folder / "record.json").read_text())
    (again,) = json.loads((out / "record.json").read_text())
    assert again == content
    assert content["speed"]["device"] == "cpu"
    assert content["protocol"]["mode"] == "forward"
    assert content["environment"]
    rows = list(csv.DictReader((out / "classes.csv").read_text().splitlines()))
    assert [row["class"] for row in rows] == list(content["accuracy"]["class_iou"])
    for row in rows:
        expected = content["accuracy"]["class_iou"][row["class"]]
        assert (float(row["iou"]) if row["iou"] else None) == expected
    matrix = np.array(
        [list(map(int, row[1:])) for row in csv.reader((out / "confusion.csv").read_text().splitlines()[1:])]
    )
    scored = sum(int(row["pixels"]) for row in rows)
    assert matrix.sum() == scored
    assert np.trace(matrix) / scored == content["accuracy"]["pixel_accuracy"]
    assert f"| road | {100 * content['accuracy']['class_iou']['road']:.2f} |" in (out / "report.md").read_text()
    assert len(list(pictures.glob("*.png"))) == 2
    saved = sorted(files.glob("*.png"))
    assert [path.name.rpartition("_")[0] for path in saved] == [
        path.name.removesuffix("_gtFine_labelIds.png") for path in _labels(in_folder / "cityscapes")
    ]
    values = np.unique([np.asarray(Image.open(path)) for path in saved])
    assert set(values.tolist()) <= {7, 8, 11, 12, 13, 17, *range(19, 29), 31, 32, 33}
    for path in (out / "confusion.png", next(pictures.iterdir())):
        with Image.open(path) as picture:
            assert min(picture.size) > 200


def test_a_report_of_the_same_record_is_the_same(evaluate: Eval, in_folder: Path) -> None:
    for name in ("one", "two"):
        assert evaluate("--out", in_folder / name, "--no-speed").status == 0
    for file in ("classes.csv", "confusion.csv", "report.md", "confusion.png"):
        assert (in_folder / "one" / file).read_bytes() == (in_folder / "two" / file).read_bytes()


def test_labels_of_another_size_than_the_input(evaluate: Eval) -> None:
    answer = evaluate("--no-speed", "--json", "-", "--res", "64x64", "--mean", "0.5,0.5,0.5", "--std", "0.5 0.5 0.5")
    assert answer.status == 0, answer.err
    (content,) = json.loads(answer.out)
    accuracy = content["accuracy"]
    assert content["resolution"] == [64, 64]
    assert accuracy["label_sizes"] == [[64, 128]]
    assert accuracy["protocol"]["steps"][0] == "image resized to 64x64 (bilinear)"
    assert accuracy["protocol"]["mean"] == [0.5, 0.5, 0.5]
    assert accuracy["protocol"]["normalisation"] == "given"


def test_other_rules_and_ways_to_predict(evaluate: Eval) -> None:
    (plain,) = json.loads(evaluate("--no-speed", "--json", "-").out)
    (other,) = json.loads(evaluate("--no-speed", "--json", "-", "--rule", "absent-1").out)
    assert other["accuracy"]["rule"] == "absent-1"
    assert any("the official one of cityscapes is cityscapes" in note for note in other["accuracy"]["notes"])
    answer = evaluate("--no-speed", "--json", "-", "--flip", "--window", "64x96", "--scales", "1,1.5")
    assert answer.status == 0, answer.err
    (several,) = json.loads(answer.out)
    assert several["accuracy"]["protocol"]["name"] == "multi-scale+flip+windows"
    assert several["resolution"] == [64, 96]
    # The network looks at single pixels: mirrored, and in windows, it sees the same.
    (mirrored,) = json.loads(evaluate("--no-speed", "--json", "-", "--flip", "--window", "64x96").out)
    assert mirrored["accuracy"]["miou"] == pytest.approx(plain["accuracy"]["miou"], abs=1e-3)


def test_a_catalog_network_with_claims(evaluate: Eval, in_folder: Path) -> None:
    torch.save(build("enet", 19).state_dict(), in_folder / "enet.pth")
    answer = evaluate("--no-speed", model="enet", checkpoint=in_folder / "enet.pth")
    assert answer.status == 0, answer.err
    assert "claimed" in answer.out
    assert "points" in answer.out


def test_dropped_keys_are_said(evaluate: Eval, in_folder: Path) -> None:
    state = {f"module.{key}": value for key, value in torch.load(in_folder / "weights.pth", weights_only=True).items()}
    torch.save({"state_dict": {**state, "loss.weight": torch.ones(19)}}, in_folder / "worn.pth")
    answer = evaluate("--no-speed", checkpoint=in_folder / "worn.pth")
    assert answer.status == 0, answer.err
    assert "not loaded from the checkpoint: loss.weight (1 keys)" in " ".join(answer.out.split())


# --- bad input


def _refused(answer: Answer, *expected: str) -> None:
    assert answer.status == 2, answer.out
    assert answer.out == ""
    assert "Traceback" not in answer.err
    assert len(answer.err.strip().splitlines()) <= 2, answer.err
    for text in expected:
        assert text in answer.err, answer.err


def test_bad_data(evaluate: Eval, root: Path, in_folder: Path) -> None:
    _refused(evaluate(root=in_folder / "nowhere"), "nowhere")
    _refused(evaluate(dataset="cityscape"), "did you mean cityscapes")
    _refused(evaluate(split="vall"), "vall")
    (in_folder / "bare").mkdir()
    _refused(evaluate(root=in_folder / "bare"), "bare")
    (in_folder / "hollow/leftImg8bit/val/lindau").mkdir(parents=True)
    (in_folder / "hollow/gtFine/val/lindau").mkdir(parents=True)
    _refused(evaluate(root=in_folder / "hollow"), "hollow")


def test_bad_files_end_the_evaluation_or_are_skipped_by_name(evaluate: Eval, root: Path) -> None:
    first, second, _ = _labels(root)

    def spoil(change: Callable[[], object], *expected: str, file: Path = first) -> None:
        before = file.read_bytes()
        change()
        try:
            _refused(evaluate("--no-speed"), *expected)
            answer = evaluate("--no-speed", "--skip-bad", "--json", "-")
            assert answer.status == 0, answer.err
            accuracy = json.loads(answer.out)[0]["accuracy"]
            assert accuracy["images"] == 2
            (skipped,) = accuracy["skipped"]
            assert file.name.rpartition("_gtFine")[0] in skipped["path"]
            for text in expected:
                assert text in skipped["reason"]
        finally:
            file.write_bytes(before)

    spoil(first.unlink, first.name, "missing")
    spoil(lambda: Image.new("L", (128, 65)).save(first), first.name, "65x128", "64x128")
    spoil(lambda: Image.new("L", (128, 64), 34).save(first), first.name, "34", "out of range")
    spoil(lambda: first.write_bytes(first.read_bytes()[:60]), first.name)
    image = root / "leftImg8bit/val" / second.parent.name / second.name.replace("gtFine_labelIds", "leftImg8bit")
    before = image.read_bytes()
    image.write_bytes(before[: len(before) // 2])
    _refused(evaluate("--no-speed"), image.name)
    answer = evaluate("--no-speed", "--skip-bad")
    assert answer.status == 0
    assert "skipped" in answer.out
    assert image.name in answer.out.replace("\n", "")


class _Marker:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_bad_checkpoints(evaluate: Eval, in_folder: Path) -> None:
    def saved(content: object) -> Path:
        torch.save(content, in_folder / "bad.pth")
        return in_folder / "bad.pth"

    _refused(evaluate(checkpoint=in_folder / "none.pth"), "no checkpoint at")
    _refused(evaluate(checkpoint=saved(_Marker(in_folder / "marker"))), "needs code to unpickle", "refused")
    assert not (in_folder / "marker").exists()
    (in_folder / "bad.pth").write_bytes((in_folder / "weights.pth").read_bytes()[:700])
    _refused(evaluate(checkpoint=in_folder / "bad.pth"), "damaged or truncated")
    (in_folder / "bad.pth").write_text("<html>Sign in</html>")
    _refused(evaluate(checkpoint=in_folder / "bad.pth"), "not a checkpoint")
    _refused(evaluate(checkpoint=saved(nn.Conv2d(3, 11, 1).state_dict())), "11 classes", "cityscapes 19")
    _refused(evaluate(checkpoint=saved(nn.Conv2d(3, 20, 1).state_dict())), "20 outputs", "--void-output")
    _refused(
        evaluate(checkpoint=saved(build("enet", 19).state_dict()), model="erfnet"), "does not fit", "missing", "bad.pth"
    )
    _refused(evaluate(checkpoint=saved(build("erfnet", 11).state_dict()), model="erfnet"), "11 classes")


def test_bad_options(evaluate: Eval, in_folder: Path) -> None:
    _refused(evaluate("--res", "64"), "HEIGHTxWIDTH")
    _refused(evaluate("--mean", "a,b,c"), "--mean takes numbers")
    _refused(evaluate("--mean", "1,2"), "three numbers")
    _refused(evaluate("--scales", "0"), "between 0.1 and 10")
    _refused(evaluate("--stride", "64x64"), "needs a window")
    _refused(evaluate("--rule", "mean"), "scoring rule", "cityscapes")
    _refused(evaluate("--normalisation", "imagenett"), "did you mean imagenet")
    _refused(evaluate("--num", "0"), "--num must be 1 or more")
    _refused(evaluate("--workers", "-1"), "workers must be 0 or more")
    _refused(evaluate("--precision", "fp8"), "precision")
    _refused(evaluate("--device", "gpu"), "unknown device")
    _refused(evaluate("--void-output", "3"), "none is for ignored pixels")
    _refused(evaluate(model="erfnett"), "did you mean erfnet")
    blocked = in_folder / "weights.pth"
    for option in ("--out", "--save-predictions", "--overlay"):
        _refused(evaluate(option, blocked / "below"), "cannot write")


def test_a_size_that_the_network_does_not_take(evaluate: Eval, in_folder: Path) -> None:
    torch.save(build("dabnet", 19).state_dict(), in_folder / "dabnet.pth")
    answer = evaluate("--res", "66x66", "--no-speed", model="dabnet", checkpoint=in_folder / "dabnet.pth")
    _refused(answer, "multiples of 4", "66x66 given")
    evaluate_whole = evaluate("--res", "64x96", "--no-speed", model="dabnet", checkpoint=in_folder / "dabnet.pth")
    assert evaluate_whole.status == 0, evaluate_whole.err


def test_a_network_of_the_users_own_of_one_width(evaluate: Eval, in_folder: Path) -> None:
    (in_folder / "wide_net.py").write_text("from torch import nn\n\ndef make():\n    return nn.Conv2d(3, 20, 1)\n")
    torch.save(nn.Conv2d(3, 20, 1).state_dict(), in_folder / "wide.pth")
    given = {"model": "wide_net:make", "checkpoint": in_folder / "wide.pth"}
    _refused(evaluate("--no-speed", **given), "20 outputs, and cityscapes 19 classes", "--void-output")
    answer = evaluate("--no-speed", "--void-output", "0", "--json", "-", **given)
    assert answer.status == 0, answer.err
    (content,) = json.loads(answer.out)
    assert content["classes"] == 20
    assert content["accuracy"]["protocol"]["void_output"] == 0


def test_other_precisions(evaluate: Eval) -> None:
    answer = evaluate("--no-speed", "--precision", "bf16", "--json", "-")
    assert answer.status == 0, answer.err
    (content,) = json.loads(answer.out)
    assert content["accuracy"]["protocol"]["precision"] == "bf16"
    _refused(evaluate("--precision", "tf32"), "NVIDIA GPUs only")
