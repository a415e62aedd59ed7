"""The evaluation loop, its protocol and its ways to predict, against hand-worked counts and the official package."""

from __future__ import annotations

import gc
import itertools
import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from segbench import build
from segbench.accuracy.claimed import compare_with_claims
from segbench.accuracy.datasets import DATASETS, Dataset, open_dataset
from segbench.accuracy.distributed import Group
from segbench.accuracy.evaluate import evaluate
from segbench.accuracy.inference import Predictor, in_windows, window_starts
from segbench.accuracy.outputs import void_output
from segbench.accuracy.overlay import overlay, spread
from segbench.accuracy.prediction_files import file_name, official_values
from segbench.accuracy.predictions import score_predictions
from segbench.accuracy.protocol import (
    NORMALISATIONS,
    EvaluationProtocol,
    choose_normalisation,
    named,
)
from segbench.accuracy.run import run
from segbench.accuracy.scoring import score
from segbench.accuracy.settings import EvaluationSettings
from segbench.accuracy.synthetic import write_synthetic
from segbench.catalog import CATALOG
from segbench.errors import BadOption, BadResolution, CheckpointError, FactoryError, SegbenchError, UnknownName
from segbench.measure.device import CpuDevice, open_device
from segbench.measure.frame import MeasurementError
from segbench.resolution import SizeRule
from tests import golden_recipe

SIZE = (64, 128)
PLAIN = EvaluationProtocol(**choose_normalisation(None, "cityscapes", "none"))


@pytest.fixture(scope="module")
def cityscapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_synthetic("cityscapes", tmp_path_factory.mktemp("data") / "cityscapes", 5, SIZE, 1)


@pytest.fixture(scope="module")
def val(cityscapes: Path) -> Dataset:
    return open_dataset("cityscapes", cityscapes, "val")


class Linear(nn.Module):
    """Class scores from colours, the same at every pixel: resizing, mirroring and windows leave it as it is."""

    def __init__(self, outputs: int = 19, seed: int = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, outputs, 1)
        generator = torch.Generator().manual_seed(seed)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.conv(x - 0.5)
        return scores


class Constant(nn.Module):
    """The same logits everywhere."""

    def __init__(self, logits: list[float]) -> None:
        super().__init__()
        self.register_buffer("logits", torch.tensor(logits).view(1, -1, 1, 1))
        self.logits: Tensor

    def forward(self, x: Tensor) -> Tensor:
        return self.logits.expand(len(x), -1, *x.shape[-2:])


def _predictor(
    net: nn.Module, protocol: EvaluationProtocol = PLAIN, classes: int = 19, outputs: int = 19, multiple: int = 1
) -> Predictor:
    rule = SizeRule(multiple)
    return Predictor(net, protocol, classes=classes, outputs=outputs, size_rule=rule, device=open_device("cpu"))


class Asynchronous(CpuDevice):
    """A GPU whose kernel failed: the failure shows when it is waited for, as on CUDA."""

    def synchronise(self) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be")


def test_a_kernel_that_failed_is_one_line_for_the_record() -> None:
    predict = Predictor(Linear(), PLAIN, classes=19, outputs=19, device=Asynchronous())
    with pytest.raises(MeasurementError, match=r"an illegal memory access was encountered \(batch 1 at 64x128"):
        predict(torch.zeros(3, 64, 128, dtype=torch.uint8), (64, 128))


# --- protocol


def test_a_stored_protocol_comes_back_and_says_what_is_done() -> None:
    protocol = named(
        EvaluationProtocol(
            input_size=(512, 1024), scales=(0.5, 1.0), flip=True, window=(256, 512), stride=(128, 256), precision="bf16"
        )
    )
    assert EvaluationProtocol.from_json(protocol.to_json()) == protocol
    assert protocol.name == "multi-scale+flip+windows"
    assert protocol.passes == 4
    assert not protocol.single_pass
    plain = EvaluationProtocol(input_size=(512, 1024), align_corners=True)
    assert plain.single_pass
    assert plain.to_json()["steps"] == [
        "image resized to 512x1024 (bilinear)",
        "normalised (imagenet, rgb)",
        "forward, logits at the input size (bilinear, align_corners=True)",
        "logits resized to the size of the labels (bilinear, align_corners=True)",
        "argmax",
    ]


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"resize_filter": "bilinaer"}, UnknownName),
        ({"precision": "fp8"}, UnknownName),
        ({"void_rule": "keep"}, UnknownName),
        ({"scales": ()}, BadOption),
        ({"scales": (0.0,)}, BadOption),
        ({"scales": (math.nan,)}, BadOption),
        ({"std": (1.0, 0.0, 1.0)}, BadOption),
        ({"input_size": (64, 64), "short_side": 64}, BadOption),
        ({"stride": (8, 8)}, BadOption),
        ({"window": (64, 64), "stride": (65, 64)}, BadOption),
        ({"window": (64, 64), "stride": (0, 64)}, BadOption),
    ],
)
def test_protocols_that_cannot_be_evaluated(settings: dict[str, Any], error: type[SegbenchError]) -> None:
    with pytest.raises(error):
        EvaluationProtocol(**settings)


def test_normalisation() -> None:
    swiftnet, fbsnet, cgnet = CATALOG["swiftnet-r18"], CATALOG["fbsnet"], CATALOG["cgnet"]
    assert choose_normalisation(swiftnet, "cityscapes")["mean"] == swiftnet.preprocessing.mean
    assert choose_normalisation(swiftnet, "cityscapes")["normalisation"] == "catalog"
    assert choose_normalisation(None, "cityscapes")["mean"] == NORMALISATIONS["imagenet"].mean
    assert choose_normalisation(fbsnet, "cityscapes")["mean"] == NORMALISATIONS["fbsnet"].mean
    # The lineage's loaders keep the mean per data set; CGNet's subtracts it in reverse order.
    camvid = NORMALISATIONS["fbsnet-camvid"].mean
    assert choose_normalisation(fbsnet, "camvid")["mean"] == camvid
    assert choose_normalisation(cgnet, "camvid")["mean"] == camvid[::-1]
    given = choose_normalisation(swiftnet, "cityscapes", mean=(73.0, 82.0, 72.0))
    assert (given["scale"], given["std"], given["normalisation"]) == (1.0, (1.0, 1.0, 1.0), "given")
    assert choose_normalisation(None, "cityscapes", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))["scale"] == 1 / 255
    with pytest.raises(UnknownName, match="did you mean imagenet"):
        choose_normalisation(None, "cityscapes", "imagnet")
    with pytest.raises(BadOption, match="three numbers"):
        choose_normalisation(None, "cityscapes", mean=(0.5,))
    with pytest.raises(BadOption, match="both given"):
        choose_normalisation(None, "cityscapes", "none", mean=(0.5, 0.5, 0.5))


# --- prediction of one image


def test_logits_and_not_label_maps_are_resized() -> None:
    torch.manual_seed(0)
    image = torch.randint(0, 256, (3, 64, 128), dtype=torch.uint8)
    for corners in (False, True):
        for name, antialias in (("bilinear", False), ("bilinear-antialias", True)):
            protocol = replace(PLAIN, input_size=(64, 96), resize_filter=name, align_corners=corners)
            net = Linear()
            with torch.inference_mode():
                x = image[None].float()
                x = F.interpolate(x, (64, 96), mode="bilinear", align_corners=False, antialias=antialias) / 255
                logits = F.interpolate(net(x), (128, 256), mode="bilinear", align_corners=corners)
                found = _predictor(net, protocol)(image, (128, 256))
            assert torch.equal(found, logits.argmax(1)[0])
            label_map = F.interpolate(net(x).argmax(1, keepdim=True).float(), (128, 256))[0, 0].long()
            assert not torch.equal(found, label_map)


def test_channels_mean_and_deviation() -> None:
    seen: list[Tensor] = []

    class Spy(Linear):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x)
            return super().forward(x)

    # Red, green and blue of every pixel differ, so that a channel in another's place is another image.
    image = torch.stack([torch.arange(64 * 64).add(shift).to(torch.uint8).view(64, 64) for shift in (0, 80, 130)])
    protocol = replace(PLAIN, channels="bgr", mean=(1.0, 2.0, 3.0), std=(2.0, 4.0, 8.0), scale=1.0)
    _predictor(Spy(), protocol)(image, (64, 64))
    expected = torch.stack([(image[2 - c].float() - (1, 2, 3)[c]) / (2, 4, 8)[c] for c in range(3)])
    assert torch.equal(seen[0][0], expected)


def test_scales_and_mirror_images_are_averaged_as_probabilities() -> None:
    torch.manual_seed(0)
    image = torch.randint(0, 256, (3, 64, 128), dtype=torch.uint8)
    net = nn.Conv2d(3, 19, 3, padding=1)
    protocol = replace(PLAIN, scales=(1.0, 1.5, 2.2), flip=True)
    with torch.inference_mode():
        found = _predictor(net, protocol, multiple=32).scores(image, (64, 128))
        total = torch.zeros(1, 19, 64, 128)
        # 1.5 of 64x128 is 96x192, and 2.2 of it 141x282: 128x288 in multiples of 32.
        for size in ((64, 128), (96, 192), (128, 288)):
            x = image[None].float() / 255
            x = x if size == (64, 128) else F.interpolate(x, size, mode="bilinear", align_corners=False)
            for mirrored in (False, True):
                y = net(x.flip(-1)).flip(-1) if mirrored else net(x)
                total += F.interpolate(y, (64, 128), mode="bilinear", align_corners=False).softmax(1)
    assert torch.allclose(found, total / 6, atol=1e-6)
    assert found.sum(1).sub(1).abs().max() < 1e-5


def test_window_starts() -> None:
    # Two thirds of 768 is 512; the last window of 1024 is shifted inside, as mmseg's "slide" has it.
    assert window_starts(1024, 768, 512) == [0, 256]
    assert window_starts(2048, 768, 512) == [0, 512, 1024, 1280]
    assert window_starts(768, 768, 512) == [0]
    assert window_starts(500, 768, 512) == [0]
    assert window_starts(10, 4, 3) == [0, 3, 6]
    for length, window, stride in ((1024, 713, 476), (97, 64, 1), (65, 64, 64)):
        starts = window_starts(length, window, stride)
        covered = {pixel for start in starts for pixel in range(start, start + window)}
        assert covered == set(range(length))
        assert all(after - before <= stride for before, after in itertools.pairwise(starts))


def test_windows_average_where_they_overlap() -> None:
    x = torch.randn(1, 3, 10, 7)
    calls: list[int] = []

    def numbered(part: Tensor) -> Tensor:
        calls.append(len(calls))
        return torch.full((1, 2, *part.shape[-2:]), float(calls[-1]))

    logits = in_windows(numbered, x, (6, 7), (4, 7))
    # Windows begin at rows 0 and 4: rows 0 to 3 see the first, 4 and 5 both, 6 to 9 the second.
    assert logits[0, 0, :, 0].tolist() == [0, 0, 0, 0, 0.5, 0.5, 1, 1, 1, 1]
    net = Linear()
    with torch.inference_mode():
        assert torch.allclose(in_windows(net, x, (4, 4), (3, 2)), net(x), atol=1e-6)
        small = in_windows(net, x, (16, 16), (16, 16))
    assert small.shape == (1, 19, 10, 7)
    assert torch.allclose(small, net(x), atol=1e-6)


def test_windows_and_mirrors_change_nothing_for_a_network_that_looks_at_single_pixels(val: Dataset) -> None:
    image = val[0].image
    whole = _predictor(Linear())(image, SIZE)
    for settings in ({"window": (64, 64)}, {"flip": True}, {"window": (64, 96), "stride": (64, 32), "flip": True}):
        assert torch.equal(_predictor(Linear(), replace(PLAIN, **settings))(image, SIZE), whole)


def test_sizes() -> None:
    assert _predictor(Linear()).input_size((70, 130)) == (70, 130)
    assert _predictor(Linear(), replace(PLAIN, input_size=(64, 96))).input_size((70, 130)) == (64, 96)
    short = _predictor(Linear(), replace(PLAIN, short_side=128), multiple=32)
    assert short.input_size((200, 300)) == (128, 192)
    assert short.input_size((300, 201)) == (192, 128)
    with pytest.raises(BadResolution, match="multiples of 32"):
        _predictor(Linear(), multiple=32)(torch.zeros(3, 70, 128, dtype=torch.uint8), (70, 128))


def test_a_network_of_another_width_is_refused() -> None:
    with pytest.raises(FactoryError, match="returned 19 classes, and 21"):
        _predictor(Linear(), classes=21, outputs=21)(torch.zeros(3, 64, 64, dtype=torch.uint8), (64, 64))
    with pytest.raises(BadOption, match="21 outputs do not match 19"):
        _predictor(Linear(), classes=19, outputs=21)


# --- the output for ignored pixels


def test_which_output_is_for_ignored_pixels() -> None:
    for family in ("ERFNet", "LEDNet", "ESPNetv2"):
        assert void_output("x", family, "cityscapes", 20, 19) == 19
    assert void_output("x", "ENet", "cityscapes", 20, 19) == 0
    assert void_output("x", "ENet", "camvid-merge", 12, 11) == 11
    assert void_output("x", "ERFNet", "cityscapes", 19, 19) is None
    assert void_output("x", "DDRNet", "ade20k", 151, 150, given=0) == 0
    with pytest.raises(CheckpointError, match=r"20 outputs, and cityscapes 19 classes.*--void-output"):
        void_output("x.pth", "DDRNet", "cityscapes", 20, 19)
    with pytest.raises(CheckpointError, match="has 11 classes, and cityscapes 19"):
        void_output("x.pth", "ERFNet", "cityscapes", 11, 19)
    with pytest.raises(BadOption, match="none is for ignored"):
        void_output("x.pth", "ERFNet", "cityscapes", 19, 19, given=3)
    with pytest.raises(BadOption, match="0 to 19"):
        void_output("x.pth", "ERFNet", "cityscapes", 20, 19, given=20)


def test_every_family_of_that_table_is_in_the_catalog() -> None:
    from segbench.accuracy import outputs

    families = {entry.family for entry in CATALOG.values()}
    assert {family for family, _ in outputs._VOID_OUTPUT} <= families


@pytest.mark.parametrize("place", [0, 7, 19])
def test_that_output_is_dropped_or_wins(place: int, val: Dataset) -> None:
    logits = [0.0] * 19
    logits[4] = 1.0
    logits.insert(place, 2.0)
    protocol = replace(PLAIN, void_output=place)
    dropped = _predictor(Constant(logits), replace(protocol, void_rule="drop"), outputs=20)
    counted = _predictor(Constant(logits), replace(protocol, void_rule="count"), outputs=20)
    assert dropped(val[0].image, SIZE).unique().tolist() == [4]
    assert counted(val[0].image, SIZE).unique().tolist() == [19]
    scores = score(val.spec, evaluate(counted, val).confusion)
    assert scores.pixel_accuracy == 0
    assert scores.class_iou["fence"] == 0


# --- the loop


def _labels(root: Path) -> np.ndarray:
    files = sorted(root.glob("gtFine/val/*/*_gtFine_labelTrainIds.png"))
    return np.stack([np.asarray(Image.open(file)) for file in files])


def test_counts_of_a_constant_prediction(val: Dataset, cityscapes: Path) -> None:
    tally = evaluate(_predictor(Constant([0.0, 0.0, 1.0] + [0.0] * 16)), val)
    pixels = np.bincount(_labels(cityscapes).ravel(), minlength=256)[:19]
    expected = torch.zeros(tally.confusion.matrix.shape, dtype=torch.int64)
    expected[:, 2] = torch.from_numpy(pixels)
    assert torch.equal(tally.confusion.matrix, expected)
    assert (tally.images, tally.input_sizes, tally.label_sizes) == (5, {SIZE}, {SIZE})
    scores = score(val.spec, tally.confusion, None, tally.instances)
    assert scores.class_iou["building"] == pytest.approx(pixels[2] / pixels.sum())
    assert scores.iiou is not None


def test_shares_add_up(val: Dataset) -> None:
    whole = evaluate(_predictor(Linear()), val)
    parts = [evaluate(_predictor(Linear()), val, group=Group(rank, 3)) for rank in range(3)]
    assert [part.images for part in parts] == [2, 2, 1]
    assert torch.equal(sum(part.confusion.matrix for part in parts), whole.confusion.matrix)  # type: ignore[arg-type]
    for size in (1, 2, 3, 7):
        indices = sorted(index for rank in range(size) for index in Group(rank, size).share(17))
        assert indices == list(range(17))


def test_readers_in_other_processes_change_nothing(val: Dataset) -> None:
    alone, seen = evaluate(_predictor(Linear()), val), []
    read = evaluate(
        _predictor(Linear()), val, workers=2, visit=lambda index, sample, _: seen.append((index, sample.name))
    )
    assert torch.equal(alone.confusion.matrix, read.confusion.matrix)
    assert seen == [(index, val[index].name) for index in range(5)]


def test_memory_does_not_grow_with_the_number_of_images(val: Dataset) -> None:
    held: list[int] = []

    class Longer(Dataset):
        def __init__(self) -> None:
            self.spec = val.spec

        def __len__(self) -> int:
            return 60

        def __getitem__(self, index: int) -> Any:
            return val[index % 5]

    def count(index: int, sample: Any, prediction: Tensor) -> None:
        if index in (9, 59):
            gc.collect()
            tensors = [item for item in gc.get_objects() if type(item) is Tensor]
            held.append(sum(tensor.element_size() * tensor.nelement() for tensor in tensors))

    tally = evaluate(_predictor(Linear()), Longer(), visit=count)
    assert tally.images == 60
    image = 4 * SIZE[0] * SIZE[1]
    assert held[1] <= held[0] + image


# --- prediction files


def test_official_values_and_names() -> None:
    specs = DATASETS
    assert official_values(specs["cityscapes"]).tolist() == [
        *(7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33),
        0,
    ]
    assert official_values(specs["bdd100k"]).tolist() == list(range(20))
    assert official_values(specs["ade20k"]).tolist() == [*range(1, 151), 0]
    assert official_values(specs["camvid"]).tolist() == list(range(12))
    assert file_name(specs["cityscapes"], "lindau_000000_000019") == "lindau_000000_000019_pred.png"
    assert file_name(specs["ade20k"], "ADE_val_00000001") == "ADE_val_00000001.png"
    assert file_name(specs["bdd100k"], "7d06fefd-f7be05a6") == "7d06fefd-f7be05a6.png"


@pytest.fixture
def linear_checkpoint(in_folder: Path) -> Callable[..., EvaluationSettings]:
    """A network of the user's own with its weights, on a data set."""
    (in_folder / "linear_net.py").write_text(
        "from torch import nn\n\ndef make(num_classes=19):\n    return nn.Conv2d(3, num_classes, 3, padding=1)\n"
    )

    def settings(dataset: str, root: Path, outputs: int, **options: Any) -> EvaluationSettings:
        torch.manual_seed(0)
        weights = nn.Conv2d(3, outputs, 3, padding=1).state_dict()
        weights["bias"][3] += 0.5
        torch.save(weights, in_folder / f"linear{outputs}.pth")
        return EvaluationSettings(
            model="linear_net:make",
            checkpoint=in_folder / f"linear{outputs}.pth",
            dataset=dataset,
            root=root,
            device="cpu",
            workers=0,
            speed=False,
            **options,
        )

    return settings


@pytest.mark.parametrize("name", ["cityscapes", "camvid", "camvid-merge", "camvid-select", "bdd100k", "ade20k"])
@pytest.mark.parametrize("void", [False, True])
def test_saved_predictions_score_the_same(
    name: str, void: bool, linear_checkpoint: Callable[..., EvaluationSettings], tmp_path: Path
) -> None:
    root = write_synthetic(name, tmp_path / "data", {"train": 1, "val": 3}, SIZE, 3)
    classes = DATASETS[name].num_classes
    options: dict[str, Any] = {"void_output": 3, "void_rule": "count"} if void else {}
    given = linear_checkpoint(name, root, classes + void, predictions=tmp_path / "predictions", **options)
    evaluation = run(given)
    assert evaluation.scores is not None
    assert evaluation.record.classes == classes + void
    if void:
        assert evaluation.confusion is not None
        assert evaluation.confusion[:, classes].sum() > 0
    again = score_predictions(name, root, tmp_path / "predictions", void_counts=void)
    assert again.miou == evaluation.scores.miou
    assert _same(again.class_iou, evaluation.scores.class_iou)
    assert again.iiou == evaluation.scores.iiou


def _same(one: dict[str, float], other: dict[str, float], tolerance: float = 0.0) -> bool:
    assert one.keys() == other.keys()
    return all(
        abs(one[key] - other[key]) <= tolerance or (math.isnan(one[key]) and math.isnan(other[key])) for key in one
    )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("void", [False, True])
def test_the_official_package_scores_saved_predictions_the_same(
    void: bool,
    cityscapes: Path,
    linear_checkpoint: Callable[..., EvaluationSettings],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    official = pytest.importorskip(
        "cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling", reason="cityscapesscripts is not installed"
    )
    options: dict[str, Any] = {"void_output": 19, "void_rule": "count"} if void else {}
    given = linear_checkpoint("cityscapes", cityscapes, 19 + void, predictions=tmp_path / "predictions", **options)
    scores = run(given).scores
    assert scores is not None
    # NumPy 2.4 has no in1d, which the package calls for instances (mcordts/cityscapesScripts#196).
    monkeypatch.setattr(np, "in1d", np.isin, raising=False)
    monkeypatch.setenv("CITYSCAPES_RESULTS", str(tmp_path / "predictions"))
    for setting, value in (("quiet", True), ("JSONOutput", False), ("predictionWalk", None), ("predictionPath", None)):
        monkeypatch.setattr(official.args, setting, value)
    truth = sorted(str(path) for path in cityscapes.glob("gtFine/val/*/*_gtFine_labelIds.png"))
    found = [official.getPrediction(official.args, path) for path in truth]
    result = official.evaluateImgLists(found, truth, official.args)
    assert scores.miou == pytest.approx(result["averageScoreClasses"], abs=1e-9)
    assert scores.category_miou == pytest.approx(result["averageScoreCategories"], abs=1e-9)
    assert scores.iiou == pytest.approx(result["averageScoreInstClasses"], abs=1e-9)
    assert scores.category_miiou == pytest.approx(result["averageScoreInstCategories"], abs=1e-9)
    assert _same({name: result["classScores"][name] for name in scores.class_iou}, scores.class_iou, 1e-9)
    assert scores.category_iou is not None
    assert _same({name: result["categoryScores"][name] for name in scores.category_iou}, scores.category_iou, 1e-9)


# --- the whole run


def test_official_key_names_score_as_our_own(cityscapes: Path, tmp_path: Path) -> None:
    golden = golden_recipe.load("erfnet")
    official = golden_recipe.state(golden)
    net = build("erfnet", golden["num_classes"])
    from segbench import load_checkpoint

    load_checkpoint(net, official)
    torch.save({"state_dict": {f"module.{key}": value for key, value in official.items()}}, tmp_path / "official.pth")
    torch.save(net.state_dict(), tmp_path / "own.pth")
    assert set(official) != set(net.state_dict())
    results = []
    for name in ("official.pth", "own.pth"):
        settings = EvaluationSettings(
            model="erfnet",
            checkpoint=tmp_path / name,
            dataset="cityscapes",
            root=cityscapes,
            device="cpu",
            workers=0,
            speed=False,
        )
        results.append(run(settings))
    first, second = results
    assert first.confusion is not None and second.confusion is not None
    assert torch.equal(first.confusion, second.confusion)
    accuracy = first.record.accuracy
    assert accuracy is not None
    assert accuracy.dropped_keys == ["encoder.output_conv.weight", "encoder.output_conv.bias"]
    # The released network has 20 outputs; which one is left out stands in the Record.
    assert first.record.classes == 20
    assert (accuracy.protocol["void_output"], accuracy.protocol["void_rule"]) == (19, "drop")


def test_speed_is_of_the_same_graph_at_the_same_size(
    cityscapes: Path, linear_checkpoint: Callable[..., EvaluationSettings]
) -> None:
    given = replace(linear_checkpoint("cityscapes", cityscapes, 19), speed=True, budget_s=0.2)
    record = run(replace(given, protocol=EvaluationProtocol(input_size=(64, 64)))).record
    assert record.resolution == (64, 64)
    assert record.speed is not None
    assert (record.speed.device, record.speed.precision, record.speed.mode) == ("cpu", "fp32", "forward")
    assert record.accuracy is not None
    assert record.accuracy.label_sizes == [SIZE]
    assert record.operations["macs"] == 64 * 64 * 27 * 19
    # An FPS is about one forward pass: several make no pair of mIoU and FPS.
    several = run(replace(given, protocol=EvaluationProtocol(flip=True))).record
    assert several.speed is None
    assert any("not timed: single-scale+flip" in note for note in several.notes)


def test_images_of_different_sizes(linear_checkpoint: Callable[..., EvaluationSettings], tmp_path: Path) -> None:
    root = write_synthetic("ade20k", tmp_path / "data", {"train": 1, "val": 3}, SIZE, 3)
    given = replace(
        linear_checkpoint("ade20k", root, 150), protocol=EvaluationProtocol(short_side=64), speed=True, budget_s=0.2
    )
    record = run(given).record
    assert record.accuracy is not None
    assert record.accuracy.images == 3
    assert len(record.accuracy.label_sizes) == 3
    assert record.speed is None
    assert any("different sizes" in note for note in record.notes)


def test_a_failure_on_the_device_is_a_record(
    cityscapes: Path, linear_checkpoint: Callable[..., EvaluationSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: nn.Conv2d, x: Tensor) -> Tensor:
        if x.device.type == "meta":
            return torch.zeros(len(x), 19, *x.shape[-2:], device="meta")
        raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(nn.Conv2d, "forward", full)
    evaluation = run(linear_checkpoint("cityscapes", cityscapes, 19))
    assert evaluation.scores is None
    assert evaluation.record.failure is not None
    assert "out of memory" in evaluation.record.failure


def test_claims() -> None:
    spec = DATASETS["cityscapes"]
    claims = compare_with_claims("erfnet", spec, "val", 0.69)
    assert claims
    assert all(claim["split"] in ("", "val") for claim in claims)
    mfpnet = next(claim for claim in claims if claim["paper"] == "mfpnet")
    assert mfpnet["miou_percent"] == "68.0"
    assert mfpnet["difference"] == pytest.approx(1.0)
    assert compare_with_claims("some.module:net", spec, "val", 0.5) == []
    assert compare_with_claims("erfnet", spec, "val", math.nan)[0]["difference"] is None
    assert compare_with_claims("erfnet", DATASETS["ade20k"], "val", 0.5) == []


# --- pictures


def test_overlay_shows_errors_in_red_and_unlabelled_pixels_in_black() -> None:
    target = torch.tensor([[0, 1, 255]], dtype=torch.uint8).repeat_interleave(160, 1).repeat(240, 1)
    prediction = torch.zeros_like(target)
    image = torch.full((3, 240, 480), 90, dtype=torch.uint8)
    names, colours = ("road", "sky", "car"), ((128, 64, 128), (70, 130, 180), (0, 0, 142))
    sheet = np.asarray(overlay(image, target, prediction, names, colours, "title"))
    errors = sheet[-330:, 500:]
    assert (errors == (200, 30, 45)).all(-1).sum() == 160 * 240
    assert (errors == (0, 0, 0)).all(-1).sum() >= 160 * 240
    assert (sheet == colours[0]).all(-1).sum() >= (160 + 480) * 240
    # Only classes that occur are in the legend.
    assert not (sheet == colours[2]).all(-1).any()


def test_overlays_are_spread_through_the_split() -> None:
    assert spread(500, 4) == [0, 125, 250, 375]
    assert spread(3, 8) == [0, 1, 2]
    assert len(spread(17, 8)) == 8


# --- the example


@pytest.mark.slow
def test_the_example_fits_a_network_that_eval_takes(in_folder: Path) -> None:
    script = Path(__file__).parents[1] / "examples" / "train_synthetic.py"
    done = subprocess.run(
        [sys.executable, str(script), "--root", "streets", "--images", "2", "--steps", "12", "--batch", "2"],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    settings = EvaluationSettings(
        model="erfnet",
        checkpoint=Path("erfnet-synthetic.pth"),
        dataset="cityscapes",
        root=Path("streets"),
        device="cpu",
        workers=0,
        speed=False,
    )
    accuracy = run(settings).record.accuracy
    assert accuracy is not None
    assert accuracy.images == 2
