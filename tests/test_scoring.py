"""Scores against what the official evaluations gave, and against the rules that popular code follows instead."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from segbench.accuracy.confusion import ConfusionMatrix, PredictionError
from segbench.accuracy.datasets import DATASETS, DatasetError, open_dataset
from segbench.accuracy.instances import InstanceScores
from segbench.accuracy.predictions import read_prediction, score_predictions
from segbench.accuracy.scoring import RULES, Scores, score
from segbench.accuracy.synthetic import write_synthetic
from segbench.errors import SegbenchError, UnknownName

GOLDEN = Path(__file__).parent / "data" / "datasets"
EXACT = 1e-9


def cases(dataset: str) -> list[str]:
    return list(json.loads((GOLDEN / f"{dataset}_golden" / "index.json").read_text()))


def golden(dataset: str, case: str) -> tuple[Path, Any]:
    folder = GOLDEN / f"{dataset}_golden" / case
    return folder, json.loads((folder / "expected.json").read_text())


def same(found: float | None, wanted: float | None) -> None:
    assert found is not None
    if wanted is None:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(wanted, abs=EXACT, rel=0)


def all_same(found: dict[str, float] | None, wanted: dict[str, float | None]) -> None:
    assert found is not None
    assert set(found) == set(wanted)
    for name, value in wanted.items():
        same(found[name], value)


@pytest.mark.parametrize("case", cases("cityscapes"))
def test_cityscapes_as_the_official_script(case: str) -> None:
    folder, expected = golden("cityscapes", case)
    scores = score_predictions("cityscapes", folder, folder / "results")
    same(scores.miou, expected["averageScoreClasses"])
    all_same(scores.class_iou, expected["classScores"])
    same(scores.category_miou, expected["averageScoreCategories"])
    all_same(scores.category_iou, {name: value for name, value in expected["categoryScores"].items() if name != "void"})
    same(scores.iiou, expected["averageScoreInstClasses"])
    all_same(scores.class_iiou, expected["classInstScores"])
    same(scores.category_miiou, expected["averageScoreInstCategories"])
    all_same(scores.category_iiou, expected["categoryInstScores"])


@pytest.mark.parametrize("case", cases("cityscapes"))
def test_cityscapes_counts(case: str) -> None:
    folder, expected = golden("cityscapes", case)
    official = np.array(expected["confMatrix_rows_gt_cols_pred_ids_0_to_33"])
    ids = DATASETS["cityscapes"].official_ids
    confusion = ConfusionMatrix.of(DATASETS["cityscapes"])
    for path in sorted((folder / "results").iterdir()):
        core = path.name.removesuffix("_pred.png")
        label = next(folder.glob(f"gtFine/val/*/{core}_gtFine_labelTrainIds.png"))
        target = torch.from_numpy(np.array(Image.open(label)))
        confusion.update(read_prediction(DATASETS["cityscapes"], path), target)
    assert confusion.matrix[:, :19].tolist() == official[np.ix_(ids, ids)].tolist()
    assert confusion.matrix.sum(1).tolist() == official[list(ids)].sum(1).tolist()


@pytest.mark.parametrize("case", cases("bdd100k"))
def test_bdd100k_as_the_official_toolkit(case: str) -> None:
    folder, expected = golden("bdd100k", case)
    scores = score_predictions("bdd100k", folder, folder / "predictions")
    same(scores.miou, expected["mIoU"] / 100)
    same(scores.mean_accuracy, expected["mAcc"] / 100)
    same(scores.frequency_weighted_iou, expected["fIoU"] / 100)
    same(scores.pixel_accuracy, expected["pAcc"] / 100)
    all_same(scores.class_iou, {name: value / 100 for name, value in expected["IoU"].items()})
    all_same(scores.class_accuracy, {name: value / 100 for name, value in expected["Acc"].items()})


@pytest.mark.parametrize("case", cases("ade20k"))
def test_ade20k_as_the_official_code(case: str) -> None:
    folder, expected = golden("ade20k", case)
    scores = score_predictions("ade20k", folder, folder / "predictions")
    same(scores.miou, expected["mean_iou"])
    same(scores.pixel_accuracy, expected["pixel_accuracy"])
    same(scores.final_score, expected["final_score"])
    for found, wanted in zip(scores.class_iou.values(), expected["iou_1_to_150"], strict=True):
        same(found, wanted)
    skipped = score_predictions("ade20k", folder, folder / "predictions", rule="cityscapes")
    same(skipped.miou, expected["nanmean_iou_not_official"])


@pytest.mark.parametrize("case", cases("camvid"))
def test_camvid_under_both_rules(case: str) -> None:
    folder, expected = golden("camvid", case)
    for rule in ("segnet", "cityscapes"):
        scores = score_predictions("camvid", folder, folder / "predictions", split="test", rule=rule)
        same(scores.miou, expected[f"{rule}_rule"]["mean_iou"])
        for found, wanted in zip(scores.class_iou.values(), expected[f"{rule}_rule"]["iou"], strict=True):
            same(found, wanted)
    scores = score_predictions("camvid", folder, folder / "predictions", split="test")
    assert scores.rule == "segnet"
    same(scores.pixel_accuracy, expected["segnet_rule"]["global_accuracy"])
    same(scores.mean_accuracy, expected["segnet_rule"]["class_average_accuracy"])


OTHER_RULES = [
    ("absent-1", 0.547234, 0.529803),
    ("absent-0", 0.441971, 0.529803),
    ("hit-only", 0.559829, 0.529803),
    ("plus-one", 0.441623, 0.529263),
    ("absent-nan", None, 0.529803),
    ("bdd100k", 0.524840, 0.529803),
    ("pooled", 0.512547, 0.544758),
]


@pytest.mark.parametrize(("rule", "mixed", "common"), OTHER_RULES)
def test_other_rules_as_the_codes_that_have_them(rule: str, mixed: float | None, common: float) -> None:
    """What HRNet, PaddleSeg, FBSNet and others gave on the same files, to the digits that were noted."""
    for case, wanted in (("mixed_no_void_pred", mixed), ("all19_common", common)):
        folder, _ = golden("cityscapes", case)
        found = score_predictions("cityscapes", folder, folder / "results", rule=rule)
        if wanted is None:
            assert math.isnan(found.miou)
        else:
            assert found.miou == pytest.approx(wanted, abs=6e-7)
        assert f"rule {rule}" in found.notes[0]


def test_every_rule_has_its_source() -> None:
    assert {spec.rule for spec in DATASETS.values()} <= set(RULES)
    for rule in RULES.values():
        assert rule.description
        assert rule.source
    with pytest.raises(UnknownName, match="did you mean cityscapes"):
        score(DATASETS["cityscapes"], torch.zeros(19, 19, dtype=torch.int64), rule="cityscape")


def test_rules_by_hand() -> None:
    """Sky, Building, Pole: 3 of 4 right, one taken for Building; 1 right; 2 predicted as void. The rest is absent."""
    matrix = torch.zeros(11, 12, dtype=torch.int64)
    matrix[0, 0], matrix[0, 1], matrix[1, 1], matrix[2, 11] = 3, 1, 1, 2
    spec = DATASETS["camvid"]
    assert score(spec, matrix, "cityscapes").miou == pytest.approx((3 / 4 + 1 / 2 + 0) / 3)
    assert score(spec, matrix, "segnet").miou == pytest.approx((3 / 4 + 1 / 2) / 11)
    assert score(spec, matrix, "absent-1").miou == pytest.approx((3 / 4 + 1 / 2 + 0 + 8) / 11)
    assert score(spec, matrix, "hit-only").miou == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert score(spec, matrix, "pooled").miou == pytest.approx(4 / (4 + 2 + 2))
    assert score(spec, matrix).pixel_accuracy == pytest.approx(4 / 7)


# Malformed input: cityscapes_golden/errors.json says what the official script refuses.


@pytest.fixture
def cityscapes(tmp_path: Path) -> tuple[Path, Path]:
    """A root with one label file of road, and a folder for predictions."""
    label = tmp_path / "gtFine" / "val" / "lindau" / "lindau_000001_000019_gtFine_labelIds.png"
    label.parent.mkdir(parents=True)
    Image.fromarray(np.full((64, 128), 7, np.uint8)).save(label)
    results = tmp_path / "results"
    results.mkdir()
    return tmp_path, results


def write(path: Path, pixels: Any, mode: str | None = None) -> None:
    image = Image.fromarray(pixels)
    if mode == "P":
        image = image.convert("L")
        image.putpalette([value for index in range(256) for value in (index, 0, 255 - index)])
    image.save(path)


def road(value: int = 7, dtype: type = np.uint8) -> Any:
    pixels: Any = np.full((64, 128), 7, dtype)
    pixels[3, 5] = value
    return pixels


NAME = "lindau_000001_000019_pred.png"


def test_what_the_official_script_accepts(cityscapes: tuple[Path, Path]) -> None:
    root, results = cityscapes
    for pixels, mode in ((road(11), None), (road(11), "P"), (road(11, np.uint16), None)):
        write(results / NAME, pixels, mode)
        scores = score_predictions("cityscapes", root, results)
        assert scores.class_iou["road"] == pytest.approx(1 - 1 / (64 * 128))
        assert scores.iiou is None
    (results / "below").mkdir()
    (results / NAME).rename(results / "below" / "lindau_000001_000019*.png")
    assert score_predictions("cityscapes", root, results).miou > 0


@pytest.mark.parametrize("value", [34, 255])
def test_prediction_out_of_range(cityscapes: tuple[Path, Path], value: int) -> None:
    root, results = cityscapes
    write(results / NAME, road(value))
    with pytest.raises(DatasetError, match=rf"prediction value {value} in .*{NAME}.*ids 0 to 33"):
        score_predictions("cityscapes", root, results)


@pytest.mark.parametrize("value", [34, 255])
def test_label_out_of_range(cityscapes: tuple[Path, Path], value: int) -> None:
    root, results = cityscapes
    write(results / NAME, road())
    write(next(root.glob("gtFine/val/*/*labelIds.png")), road(value))
    with pytest.raises(DatasetError, match=rf"label value {value} in .*labelIds.png.*ids 0 to 33"):
        score_predictions("cityscapes", root, results)


def test_prediction_of_another_size_or_with_channels(cityscapes: tuple[Path, Path]) -> None:
    root, results = cityscapes
    write(results / NAME, road()[:32])
    with pytest.raises(DatasetError, match=rf"{NAME} is 32x128, and its labels 64x128"):
        score_predictions("cityscapes", root, results)
    write(results / NAME, np.stack([road()] * 3, -1))
    with pytest.raises(DatasetError, match=rf"{NAME} has 3 channels"):
        score_predictions("cityscapes", root, results)
    (results / NAME).write_bytes((results / NAME).read_bytes()[:60])
    with pytest.raises(DatasetError, match=rf"{NAME} cannot be read"):
        score_predictions("cityscapes", root, results)


def test_no_prediction_or_several(cityscapes: tuple[Path, Path]) -> None:
    root, results = cityscapes
    with pytest.raises(DatasetError, match=r"lindau_000001_000019 has no prediction"):
        score_predictions("cityscapes", root, results)
    write(results / NAME, road())
    write(results / "lindau_000001_000019.png", road())
    with pytest.raises(DatasetError, match=r"lindau_000001_000019 has 2 predictions"):
        score_predictions("cityscapes", root, results)
    with pytest.raises(DatasetError, match="missing"):
        score_predictions("cityscapes", root, root / "nowhere")


def test_instance_file_missing_for_one_image(tmp_path: Path) -> None:
    root = write_synthetic("cityscapes", tmp_path / "data", images={"val": 3}, size=(64, 128))
    results = tmp_path / "results"
    results.mkdir()
    for path in root.glob("gtFine/val/*/*labelIds.png"):
        (results / path.name.replace("_gtFine_labelIds", "_pred")).write_bytes(path.read_bytes())
    assert score_predictions("cityscapes", root, results).iiou == pytest.approx(1)
    missing = next(root.glob("gtFine/val/lindau/*instanceIds.png"))
    missing.unlink()
    with pytest.raises(DatasetError, match=f"{missing.name} does not exist"):
        score_predictions("cityscapes", root, results)


# The confusion matrix.


def count_by_hand(prediction: torch.Tensor, target: torch.Tensor, rows: int, columns: int) -> list[list[int]]:
    counts = np.zeros((rows, columns), np.int64)
    for given, wanted in zip(prediction.flatten().tolist(), target.flatten().tolist(), strict=True):
        if wanted < rows:
            counts[wanted, given] += 1
    return counts.tolist()


@pytest.mark.parametrize(
    ("classes", "extra"), [(1, 0), (2, 1), (11, 1), (19, 2), (30, 2), (100, 0), (150, 1), (250, 5)]
)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.int32])
def test_confusion_matrix(classes: int, extra: int, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(classes)
    target = torch.randint(0, classes + 1, (2, 13, 17), generator=generator)
    target[target == classes] = 255
    prediction = torch.randint(0, classes + extra, (2, 13, 17), generator=generator)
    confusion = ConfusionMatrix(classes, predictions_extra=extra)
    kept = target.clone(), prediction.clone()
    confusion.update(prediction.to(dtype), target.to(dtype))
    assert confusion.matrix.dtype is torch.int64
    assert confusion.matrix.tolist() == count_by_hand(prediction, target, classes, classes + extra)
    assert torch.equal(target, kept[0])
    assert torch.equal(prediction, kept[1])

    transposed = ConfusionMatrix(classes, predictions_extra=extra)
    transposed.update(prediction.to(dtype).transpose(1, 2), target.to(dtype).transpose(1, 2))
    assert torch.equal(transposed.matrix, confusion.matrix)
    transposed += confusion
    assert torch.equal(transposed.matrix, 2 * confusion.matrix)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
@pytest.mark.parametrize(("prediction", "target"), [(3, 0), (255, 0), (0, 3), (0, 254), (3, 255)])
def test_values_out_of_range_count_nothing(dtype: torch.dtype, prediction: int, target: int) -> None:
    confusion = ConfusionMatrix(3)
    right = torch.tensor([[0, 1], [2, 0]], dtype=dtype)
    wrong = right.clone()
    wrong[1, 1] = prediction
    labels = right.clone()
    labels[1, 1] = target
    with pytest.raises(PredictionError, match=r"out of range: 0 to 2"):
        confusion.update(wrong, labels)
    assert int(confusion.matrix.sum()) == 0


def test_confusion_matrix_refuses_what_it_cannot_count() -> None:
    confusion = ConfusionMatrix(3)
    zeros = torch.zeros(2, 2, dtype=torch.int64)
    for prediction, target in ((zeros - 1, zeros), (zeros, zeros - 1), (zeros, zeros + 256), (zeros + 256, zeros)):
        with pytest.raises(PredictionError, match="out of range"):
            confusion.update(prediction, target)
    with pytest.raises(PredictionError, match="2x2 and target 2x3 must have the same size"):
        confusion.update(zeros, torch.zeros(2, 3, dtype=torch.int64))
    with pytest.raises(PredictionError, match="must hold integers"):
        confusion.update(zeros.float(), zeros)
    with pytest.raises(PredictionError, match="cannot be added"):
        confusion.merge(ConfusionMatrix(3, predictions_extra=1))
    with pytest.raises(PredictionError, match="300 classes"):
        ConfusionMatrix(300)
    confusion.update(torch.zeros(0, 4, dtype=torch.uint8), torch.zeros(0, 4, dtype=torch.uint8))
    assert int(confusion.matrix.sum()) == 0


def test_counts_are_exact_beyond_32_bits() -> None:
    confusion = ConfusionMatrix(2)
    confusion.matrix[0, 0] = 2**40
    confusion.update(torch.zeros(1, 1, dtype=torch.uint8), torch.zeros(1, 1, dtype=torch.uint8))
    assert int(confusion.matrix[0, 0]) == 2**40 + 1


@pytest.mark.gpu
def test_confusion_matrix_on_cuda() -> None:
    target, prediction = torch.randint(0, 19, (2, 256, 512))
    target[:40] = 255
    here, there = ConfusionMatrix(19), ConfusionMatrix(19, "cuda")
    here.update(prediction, target)
    there.update(prediction.cuda(), target.to(torch.uint8))
    assert torch.equal(here.matrix, there.matrix.cpu())


def test_instances_by_hand() -> None:
    """Two cars of 4 and 2 pixels, 3 and 0 found; one group, which gives nothing; a truck predicted on a car."""
    spec = DATASETS["cityscapes"]
    instances = torch.tensor([[26000, 26000, 26000, 26000], [26001, 26001, 26, 7]])
    target = torch.tensor([[13, 13, 13, 13], [13, 13, 13, 0]])
    prediction = torch.tensor([[13, 13, 13, 14], [0, 0, 0, 13]])
    confusion, found = ConfusionMatrix.of(spec), InstanceScores(spec)
    confusion.update(prediction, target)
    found.update(prediction, instances)
    size = 12794.0202738185
    scores = score(spec, confusion, instances=found)
    assert scores.class_iiou is not None
    assert scores.category_iiou is not None
    assert scores.class_iiou["car"] == pytest.approx(0.75 * size / (2 * size + 1), abs=1e-12)
    assert scores.category_iiou["vehicle"] == pytest.approx(size / (2 * size + 1), abs=1e-12)
    found += found
    assert found.totals[2].tolist() == [4.0, 1.5, 2.0]
    with pytest.raises(PredictionError, match="same size"):
        found.update(prediction[:1], instances)
    with pytest.raises(PredictionError, match="34001 is out of range"):
        found.update(prediction, instances + 8000)


def test_a_matrix_of_another_class_count() -> None:
    with pytest.raises(PredictionError, match="cityscapes has 19 rows"):
        score(DATASETS["cityscapes"], ConfusionMatrix(11))
    assert issubclass(PredictionError, SegbenchError)


# The official script itself, where it is installed (pip install cityscapesScripts).


def disturbed(labels: Any, rng: np.random.Generator) -> Any:
    """A prediction in ids: the labels, partly replaced by other evaluated ids, and shifted a little."""
    ids = np.array(DATASETS["cityscapes"].official_ids, np.uint8)
    prediction = np.roll(labels, (1, 2), (0, 1)).astype(np.uint8)
    wrong = (rng.random(labels.shape) < 0.2) | ~np.isin(prediction, ids)
    prediction[wrong] = rng.choice(ids, int(wrong.sum()))
    return prediction


@pytest.mark.filterwarnings("default")
def test_equals_cityscapesscripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    official = pytest.importorskip(
        "cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling",
        reason="cityscapesScripts is not installed: pip install cityscapesScripts",
    )
    # numpy 2.4 removed in1d, which the script still calls (mcordts/cityscapesScripts#196).
    monkeypatch.setattr(np, "in1d", np.isin, raising=False)
    root = write_synthetic("cityscapes", tmp_path / "data", images={"val": 5}, size=(128, 256), seed=3)
    results = tmp_path / "results"
    results.mkdir()
    rng = np.random.default_rng(0)
    labels = sorted(str(path) for path in root.glob("gtFine/val/*/*_labelIds.png"))
    predictions = []
    for label in labels:
        path = results / Path(label).name.replace("_gtFine_labelIds", "_pred")
        Image.fromarray(disturbed(np.array(Image.open(label)), rng)).save(path)
        predictions.append(str(path))

    arguments = official.args
    arguments.quiet, arguments.JSONOutput, arguments.evalInstLevelScore = True, False, True
    arguments.exportFile = str(tmp_path / "scores.json")
    wanted = official.evaluateImgLists(predictions, labels, arguments)

    def equal(found: dict[str, float] | None, theirs: dict[str, float]) -> None:
        all_same(found, {key: None if math.isnan(theirs[key]) else float(theirs[key]) for key in found or {}})

    found: Scores = score_predictions("cityscapes", root, results)
    same(found.miou, wanted["averageScoreClasses"])
    same(found.category_miou, wanted["averageScoreCategories"])
    same(found.iiou, wanted["averageScoreInstClasses"])
    same(found.category_miiou, wanted["averageScoreInstCategories"])
    equal(found.class_iou, wanted["classScores"])
    equal(found.category_iou, wanted["categoryScores"])
    equal(found.class_iiou, wanted["classInstScores"])
    equal(found.category_iiou, wanted["categoryInstScores"])


def test_dataset_targets_score_as_prediction_files(tmp_path: Path) -> None:
    """The loader's way and the prediction files' way end in the same scores."""
    root = write_synthetic("cityscapes", tmp_path / "data", images={"val": 3}, size=(64, 128), seed=1)
    spec, results = DATASETS["cityscapes"], tmp_path / "results"
    results.mkdir()
    confusion, instances = ConfusionMatrix(19), InstanceScores(spec)
    ids = torch.tensor(spec.official_ids, dtype=torch.uint8)
    dataset = open_dataset("cityscapes", root)
    for sample in (dataset[index] for index in range(len(dataset))):
        generator = torch.Generator().manual_seed(len(sample.name))
        prediction = torch.randint(0, 19, sample.target.shape, generator=generator)
        known = sample.target != 255
        prediction[known] = sample.target[known].long()
        prediction = prediction.roll(3, 1)
        confusion.update(prediction, sample.target)
        assert sample.instances is not None
        instances.update(prediction, sample.instances)
        Image.fromarray(ids[prediction].numpy()).save(results / f"{sample.name}_pred.png")
    # NaN is not equal to itself, its text is.
    found, wanted = score(spec, confusion, instances=instances), score_predictions("cityscapes", root, results)
    assert 0.1 < found.miou < 0.9
    assert repr(found) == repr(wanted)


def shares(scores: Scores) -> list[float]:
    values = (getattr(scores, part.name) for part in fields(scores))
    flat = [number for value in values for number in (value.values() if isinstance(value, dict) else [value])]
    return [number for number in flat if isinstance(number, float) and not math.isnan(number)]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("dataset", ["camvid", "cityscapes"])
def test_rounding_leaves_no_share_outside_of_what_a_record_takes(dataset: str, rule: str) -> None:
    spec = DATASETS[dataset]
    generator = torch.Generator().manual_seed(0)
    for trial in range(60):
        confusion = ConfusionMatrix.of(spec)
        rows, columns = confusion.matrix.shape
        hits = torch.randint(1, 100_000, (rows,), generator=generator)
        confusion.matrix[:, :rows] = torch.diag(hits)
        if trial % 3 == 2:
            confusion.matrix += torch.randint(0, 2, (rows, columns), generator=generator)
        instances = InstanceScores(spec) if dataset == "cityscapes" else None
        if instances is not None:
            instances.totals += torch.randint(1, 1000, (len(instances.totals), 1), generator=generator)
        found = shares(score(spec, confusion, rule, instances))
        assert found
        assert 0 <= min(found) <= max(found) <= 1
