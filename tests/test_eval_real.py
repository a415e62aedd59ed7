"""``segbench eval`` on networks and data as people have them: sizes, outputs, non-finite logits, unlabelled splits."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from segbench.accuracy.datasets import open_dataset
from segbench.accuracy.prediction_files import keep_apart
from segbench.accuracy.protocol import EvaluationProtocol, choose_normalisation
from segbench.accuracy.reading import DatasetError
from segbench.accuracy.run import Evaluation, run
from segbench.accuracy.settings import EvaluationSettings
from segbench.accuracy.synthetic import write_synthetic
from segbench.catalog import CATALOG, Checkpoint
from segbench.catalog.entry import Preprocessing
from segbench.checkpoints import Released
from segbench.datasets import DATASETS
from segbench.errors import BadOption, FactoryError, OutputError, SegbenchError
from segbench.weights.load import sha256
from tests.conftest import Answer

SIZE = (64, 96)
NETWORKS = """
import torch
from torch import nn

class Quarter(nn.Module):
    def __init__(self, num_classes=11):
        super().__init__()
        self.a = nn.Conv2d(3, 8, 5, stride=4, padding=2)
        self.b = nn.Conv2d(8, num_classes, 1)
    def forward(self, x):
        return self.b(torch.relu(self.a(x)))

class Corners(Quarter):
    align_corners = True

class AuxiliaryFirst(Quarter):
    def forward(self, x):
        y = super().forward(x)
        return [y * 0, y]

class Named(Quarter):
    def forward(self, x):
        y = super().forward(x)
        return {"out": y * 0, "main": y}

class NotANumber(Quarter):
    def forward(self, x):
        y = super().forward(x)
        y[:, :, : y.shape[2] // 2] = float("nan")
        return y

class Infinite(Quarter):
    def forward(self, x):
        return super().forward(x) * 1e38 * 1e10

def square():
    net = Quarter(11)
    run = net.forward
    def forward(x):
        assert x.shape[-2:] == (64, 96), x.shape
        return run(x)
    net.forward = forward
    return net
"""


@pytest.fixture(scope="module")
def camvid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_synthetic("camvid", tmp_path_factory.mktemp("data") / "camvid", {"train": 1, "val": 2}, SIZE, 5)


@pytest.fixture
def evaluate(camvid: Path, in_folder: Path) -> Callable[..., Evaluation]:
    """Evaluate one of `NETWORKS` with the same random weights, and options that replace the usual ones."""
    (in_folder / "own_nets.py").write_text(NETWORKS)
    torch.manual_seed(3)
    net = torch.nn.Module()
    net.a, net.b = torch.nn.Conv2d(3, 8, 5), torch.nn.Conv2d(8, 11, 1)
    torch.save(net.state_dict(), in_folder / "weights.pth")

    def call(network: str = "Quarter", *, protocol: EvaluationProtocol | None = None, **options: Any) -> Evaluation:
        given: dict[str, Any] = {
            "model": f"own_nets:{network}",
            "checkpoint": in_folder / "weights.pth",
            "dataset": "camvid",
            "root": camvid,
            "device": "cpu",
            "workers": 0,
            "speed": False,
            **options,
        }
        return run(EvaluationSettings(protocol=protocol or EvaluationProtocol(), **given))

    return call


def _miou(evaluation: Evaluation) -> float:
    accuracy = evaluation.record.accuracy
    assert accuracy is not None
    assert accuracy.miou is not None
    return accuracy.miou


# --- networks of one's own, as they were trained


def test_corners_are_aligned_where_the_network_or_the_call_says_so(evaluate: Callable[..., Evaluation]) -> None:
    plain, own, asked = evaluate(), evaluate("Corners"), evaluate(align_corners=True)
    assert _miou(own) == _miou(asked) != _miou(plain)
    assert _miou(evaluate("Corners", align_corners=False)) == _miou(plain)
    assert own.record.accuracy is not None
    assert own.record.accuracy.protocol["align_corners"] is True


@pytest.mark.parametrize(("network", "which", "said"), [("AuxiliaryFirst", "1", "index 0"), ("Named", "main", "'out'")])
def test_of_several_outputs_one_is_named_and_can_be_chosen(
    network: str, which: str, said: str, evaluate: Callable[..., Evaluation]
) -> None:
    first, chosen = evaluate(network), evaluate(network, output=which)
    assert _miou(chosen) == _miou(evaluate())
    assert _miou(first) != _miou(chosen)
    assert first.record.accuracy is not None
    assert any("2 outputs came back" in note and said in note for note in first.record.accuracy.notes)
    with pytest.raises(FactoryError, match="returned no output 'nothing': it returned"):
        evaluate(network, output="nothing")


def test_channels_and_normalisation_are_those_that_were_asked_for(evaluate: Callable[..., Evaluation]) -> None:
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.3, 0.25)
    wide = evaluate(mean=tuple(255 * m for m in mean), std=tuple(255 * s for s in std), pixel_scale=1.0)
    assert _miou(evaluate(mean=mean, std=std)) == pytest.approx(_miou(wide), abs=1e-4)
    swapped = evaluate(mean=mean[::-1], std=std[::-1], channels="bgr")
    assert swapped.record.accuracy is not None
    assert swapped.record.accuracy.protocol["channels"] == "bgr"
    assert _miou(swapped) != _miou(evaluate(mean=mean, std=std))


@pytest.mark.parametrize(
    "wrong",
    [
        {"mean": (float("nan"), 0, 0)},
        {"std": (float("inf"), 1, 1)},
        {"mean": (1, 1, 1)},
        {"pixel_scale": 1.0},
        {"mean": (1, 2, 3), "pixel_scale": float("nan")},
        {"channels": "gbr"},
        {"void_rule": "keep"},
        {"protocol": (("short_side", 99_999_999),)},
        {"protocol": (("window", (99_999, 99_999)),)},
    ],
)
def test_numbers_that_cannot_be_meant_are_refused(wrong: dict[str, Any], evaluate: Callable[..., Evaluation]) -> None:
    with pytest.raises(SegbenchError) as caught:
        if "protocol" in wrong:
            wrong = {"protocol": EvaluationProtocol(**dict(wrong["protocol"]))}
        evaluate(**wrong)
    assert "\n" not in str(caught.value)


def test_a_factory_of_one_width_runs_at_the_size_of_the_images(evaluate: Callable[..., Evaluation]) -> None:
    assert _miou(evaluate("square")) == _miou(evaluate())


# --- logits that are no numbers


@pytest.mark.parametrize("network", ["NotANumber", "Infinite"])
def test_non_finite_logits_fail_with_the_image_named(network: str, evaluate: Callable[..., Evaluation]) -> None:
    failed = evaluate(network)
    assert failed.scores is None
    assert failed.record.failure is not None
    assert "logits are NaN or infinite" in failed.record.failure
    assert "0016E5" in failed.record.failure
    assert failed.record.resolution == SIZE
    allowed = evaluate(network, allow_nonfinite=True)
    assert allowed.scores is not None
    assert allowed.record.accuracy is not None
    assert any("of 2 images are NaN or infinite" in note for note in allowed.record.accuracy.notes)


# --- sizes


@pytest.mark.parametrize(
    ("protocol", "size", "step"),
    [
        ({"scales": (0.75,)}, (48, 72), "scale 0.75 of that"),
        ({"short_side": 80}, (80, 120), "image resized to a short side of 80"),
        ({"input_size": (72, 80), "scales": (2.0,)}, (144, 160), "scale 2 of that"),
        ({"scales": (1.5, 1.0, 1.25), "flip": True}, (64, 96), "scales 1.5, 1, 1.25 of that"),
    ],
)
def test_costs_and_steps_are_of_the_forward_that_ran(
    protocol: dict[str, Any], size: tuple[int, int], step: str, evaluate: Callable[..., Evaluation]
) -> None:
    if min(size) < 64:
        protocol = {**protocol, "input_size": (88, 96)}
        size = (66, 72)
    record = evaluate(protocol=EvaluationProtocol(**protocol)).record
    assert record.resolution == size
    height, width = (side // 4 + (side % 4 > 0) for side in size)
    assert record.operations["macs"] == height * width * (8 * 75 + 8 * 11)
    assert record.accuracy is not None
    assert record.accuracy.input_size == size
    assert any(text.startswith(step) for text in record.accuracy.protocol["steps"])


def test_a_single_scale_is_timed_and_several_are_not(evaluate: Callable[..., Evaluation]) -> None:
    one = evaluate(protocol=EvaluationProtocol(scales=(2.0,)), speed=True, budget_s=0.1).record
    assert one.speed is not None
    assert one.resolution == (128, 192)
    several = evaluate(protocol=EvaluationProtocol(scales=(1.0, 2.0)), speed=True, budget_s=0.1).record
    assert several.speed is None
    assert any("not timed" in note for note in several.notes)


# --- splits without labels, folders of the data set


def test_a_split_without_labels_is_predicted_and_not_scored(
    evaluate: Callable[..., Evaluation], camvid: Path, tmp_path: Path
) -> None:
    root = tmp_path / "unlabelled"
    shutil.copytree(camvid, root)
    shutil.rmtree(root / "valannot")
    with pytest.raises(DatasetError, match="--save-predictions writes predictions without them"):
        evaluate(root=root)
    blind = evaluate(root=root, predictions=tmp_path / "blind")
    assert (blind.scores, blind.record.accuracy, blind.record.failure) == (None, None, None)
    assert any("2 images were predicted and not scored" in note for note in blind.record.notes)
    evaluate(predictions=tmp_path / "seen")
    names = sorted(path.name for path in (tmp_path / "seen").iterdir())
    assert len(names) == 2
    for name in names:
        assert (tmp_path / "blind" / name).read_bytes() == (tmp_path / "seen" / name).read_bytes()


def test_the_test_split_of_ade20k_is_predicted(tmp_path: Path, evaluate: Callable[..., Evaluation]) -> None:
    torch.save(torch.nn.Conv2d(3, 150, 1).state_dict(), tmp_path / "pixel.pth")
    Path("pixel.py").write_text(
        "from torch import nn\n\ndef make(num_classes=150):\n    return nn.Conv2d(3, num_classes, 1)\n"
    )
    for folder in ("images/testing", "release_test/testing"):
        images = tmp_path / folder.replace("/", "-") / folder
        images.mkdir(parents=True)
        Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(images / "ADE_test_00000001.jpg")
        out = tmp_path / folder.replace("/", "-") / "out"
        evaluate(
            model="pixel:make",
            checkpoint=tmp_path / "pixel.pth",
            dataset="ade20k",
            root=images.parent.parent,
            split="test",
            predictions=out,
        )
        assert [path.name for path in out.iterdir()] == ["ADE_test_00000001.png"]


@pytest.mark.parametrize("option", ["predictions", "overlays"])
@pytest.mark.parametrize("folder", ["val", "valannot", "valannot/inside", "train", "trainannot", "train/new", "."])
def test_the_data_set_is_never_written_into(
    option: str, folder: str, evaluate: Callable[..., Evaluation], camvid: Path
) -> None:
    before = {path: path.read_bytes() for path in camvid.rglob("*.png")}
    with pytest.raises(OutputError, match="holds files of the data set"):
        evaluate(**{option: camvid / folder})
    assert {path: path.read_bytes() for path in camvid.rglob("*.png")} == before


@pytest.mark.parametrize(
    ("dataset", "folder"),
    [
        ("cityscapes", "leftImg8bit"),
        ("cityscapes", "gtFine/train/aachen"),
        ("bdd100k", "images"),
        ("bdd100k", "labels/sem_seg/masks/train/x"),
        ("ade20k", "annotations/training"),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_no_split_of_any_data_set_is_written_into(dataset: str, folder: str, wrapped: bool, tmp_path: Path) -> None:
    spec = DATASETS[dataset]
    wrap = spec.enclosing[0] if wrapped and spec.enclosing else "."
    root = tmp_path / "data"
    write_synthetic(dataset, root / wrap, {"train": 1, "val": 1}, SIZE, 5)
    opened = open_dataset(dataset, root, "val")
    for refused in (root, root / wrap / folder):
        with pytest.raises(OutputError, match="holds files of the data set"):
            keep_apart([refused], opened)
    keep_apart([tmp_path, tmp_path / "out", root / "predictions"], opened)


def test_a_split_that_is_a_link_is_not_written_into(tmp_path: Path) -> None:
    root = write_synthetic("camvid", tmp_path / "camvid", {"train": 1, "val": 1}, SIZE, 5)
    for name in ("train", "trainannot", "val", "valannot"):
        (root / name).rename(tmp_path / f"real-{name}")
        (root / name).symlink_to(tmp_path / f"real-{name}")
    opened = open_dataset("camvid", root, "val")
    for refused in (root, root / "train", tmp_path / "real-trainannot"):
        with pytest.raises(OutputError, match="holds files of the data set"):
            keep_apart([refused], opened)


@pytest.mark.parametrize("second", ["out", "./out", "link"])
def test_predictions_and_overlays_need_two_folders(
    second: str, evaluate: Callable[..., Evaluation], in_folder: Path
) -> None:
    (in_folder / "link").symlink_to("out")
    with pytest.raises(BadOption, match="give two folders"):
        evaluate(predictions=in_folder / "out", overlays=in_folder / second)
    assert not (in_folder / "out").exists()


@pytest.mark.parametrize("network", ["AuxiliaryFirst", "Named"])
def test_the_output_that_is_scored_is_named_once(network: str, evaluate: Callable[..., Evaluation]) -> None:
    record = evaluate(network).record
    assert record.accuracy is not None
    assert sum("outputs came" in note for note in [*record.accuracy.notes, *record.notes]) == 1


def test_originals_of_camvid_in_folders_of_splits_are_named(tmp_path: Path) -> None:
    write_synthetic("camvid-merge", tmp_path, {"train": 1, "val": 1}, SIZE, 5)
    for folder in ("train", "val"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / f"{folder}_labels").mkdir(exist_ok=True)
        Image.new("RGB", (SIZE[1], SIZE[0])).save(tmp_path / folder / "0001TP_006690.png")
        Image.new("RGB", (SIZE[1], SIZE[0])).save(tmp_path / f"{folder}_labels" / "0001TP_006690_L.png")
    with pytest.raises(DatasetError, match="--dataset camvid-merge"):
        open_dataset("camvid", tmp_path, "train")


def test_a_split_that_is_ignored_altogether_fails(
    evaluate: Callable[..., Evaluation], camvid: Path, tmp_path: Path
) -> None:
    root = tmp_path / "ignored"
    shutil.copytree(camvid, root)
    for path in (root / "valannot").iterdir():
        Image.fromarray(np.full(SIZE, 11, np.uint8)).save(path)
    with pytest.raises(DatasetError, match=r"every pixel of the 2 images .* is ignored"):
        evaluate(root=root)


# --- released weights


def test_a_recognised_file_brings_its_conditions(
    evaluate: Callable[..., Evaluation], in_folder: Path, monkeypatch: pytest.MonkeyPatch, camvid: Path
) -> None:
    from segbench import build

    torch.manual_seed(4)
    torch.save(build("contextnet", 12).state_dict(), in_folder / "released.pth")
    own = Preprocessing((10.0, 20.0, 30.0), (50.0, 60.0, 70.0), 1.0, "bgr")
    known = Checkpoint(
        "https://example.org/released.pth",
        "own",
        "CamVid",
        12,
        claimed_miou_percent="55.64",
        claimed_in="README",
        split="val",
        sha256=sha256(in_folder / "released.pth"),
        void_output=3,
        preprocessing=own,
        input_size=(96, 128),
    )
    entry = replace(CATALOG["contextnet"], checkpoints=(known,))
    monkeypatch.setattr("segbench.accuracy.loading.recognise", lambda digest: Released(entry, known))
    options = {"model": "contextnet", "checkpoint": in_folder / "released.pth"}
    record = evaluate(**options).record
    accuracy = record.accuracy
    assert accuracy is not None
    protocol = accuracy.protocol
    assert (protocol["void_output"], protocol["mean"], protocol["channels"]) == (3, [10.0, 20.0, 30.0], "bgr")
    assert (protocol["normalisation"], protocol["input_size"]) == ("checkpoint", [96, 128])
    assert record.resolution == (96, 128)
    assert any("known by their SHA-256: CamVid, 12 outputs" in note for note in accuracy.notes)
    (claim,) = (item for item in accuracy.claimed if item["paper"] == "released weights")
    assert claim["difference"] == pytest.approx(100 * _miou(evaluate(**options)) - 55.64)
    # What the call says goes before.
    asked = evaluate(**options, void_output=0, normalisation="imagenet", protocol=EvaluationProtocol(input_size=SIZE))
    assert asked.record.accuracy is not None
    assert asked.record.accuracy.protocol["void_output"] == 0
    assert (asked.record.accuracy.protocol["channels"], asked.record.resolution) == ("rgb", SIZE)
    with pytest.raises(SegbenchError, match="holds the released weights of contextnet"):
        evaluate(**{**options, "model": "enet"})


def test_void_predictions_count_as_misses_where_that_is_asked_for(
    evaluate: Callable[..., Evaluation], in_folder: Path
) -> None:
    torch.manual_seed(3)
    net = torch.nn.Module()
    net.a, net.b = torch.nn.Conv2d(3, 8, 5), torch.nn.Conv2d(8, 11, 1)
    plain = evaluate().confusion
    assert plain is not None
    # A twelfth output that wins wherever the most frequent class did.
    usual = int(plain[:, :11].sum(0).argmax())
    weight, bias = (net.get_parameter(f"b.{name}").data for name in ("weight", "bias"))
    net.b = torch.nn.Conv2d(8, 12, 1)
    net.get_parameter("b.weight").data = torch.cat((weight, weight[usual : usual + 1]))
    net.get_parameter("b.bias").data = torch.cat((bias, bias[usual : usual + 1] + 1e-3))
    torch.save(net.state_dict(), in_folder / "twelve.pth")
    options = {"checkpoint": in_folder / "twelve.pth", "void_output": 11, "void_rule": "count"}
    counted = evaluate(**options)
    assert counted.confusion is not None
    matrix = counted.confusion.numpy()
    hits = np.diag(matrix[:, :11])
    union = matrix.sum(1) + matrix[:, :11].sum(0) - hits
    assert matrix[:, 11].sum() > 0
    assert _miou(counted) == pytest.approx(np.where(union > 0, hits / np.maximum(union, 1), 0).mean(), abs=1e-12)


def test_normalisation_of_released_weights_comes_before_the_networks() -> None:
    own = Preprocessing((1.0, 2.0, 3.0), (4.0, 5.0, 6.0), 1.0)
    assert choose_normalisation(CATALOG["espnet"], "camvid", released=own)["mean"] == own.mean
    assert choose_normalisation(CATALOG["espnet"], "camvid", "imagenet", released=own)["mean"] != own.mean
    assert DATASETS["camvid"].num_classes == 11


# --- the command line


def test_no_option_of_eval_is_the_beginning_of_one_of_torchruns() -> None:
    from torch.distributed.run import get_args_parser
    from typer.main import get_command

    from segbench.cli import app

    theirs = [option for action in get_args_parser()._actions for option in action.option_strings]
    ours = [
        option
        for item in vars(get_command(app))["commands"]["eval"].params
        for option in (*item.opts, *item.secondary_opts)
    ]
    assert "--overlays" in ours
    clashing = {
        option for option in ours if option.startswith("--") and any(name.startswith(option) for name in theirs)
    }
    # The second is kept for those who call segbench itself.
    assert clashing <= {"--help", "--num"}


@pytest.fixture
def call(
    evaluate: Callable[..., Evaluation], camvid: Path, segbench_cli: Callable[..., Answer]
) -> Callable[..., Answer]:
    def run_command(*extra: object) -> Answer:
        usual = (
            "--checkpoint",
            "weights.pth",
            "--dataset",
            "camvid",
            "--root",
            camvid,
            "--device",
            "cpu",
            "--no-speed",
        )
        return segbench_cli("eval", "own_nets:Quarter", *usual, "--workers", 0, *extra)

    return run_command


def test_an_older_json_file_does_not_outlive_a_failure(call: Callable[..., Answer]) -> None:
    Path("result.json").write_text("[]")
    assert call("--json", "result.json", "--mean", "nan,0,0").status == 2
    assert not Path("result.json").exists()
    assert call("--json", "result.json").status == 0
    assert json.loads(Path("result.json").read_text())[0]["accuracy"]["images"] == 2


def test_a_stride_is_judged_in_its_own_words(call: Callable[..., Answer]) -> None:
    assert call("--window", "64x64", "--stride", "16x32").status == 0
    assert "the stride must be above 0" in call("--window", "64x64", "--stride", "0x0").err
    assert "--stride 'wide' is not HEIGHTxWIDTH" in call("--window", "64x64", "--stride", "wide").err


def test_options_for_ones_own_network_reach_the_evaluation(call: Callable[..., Answer]) -> None:
    options = (
        *("--align-corners", "--channel-order", "bgr", "--pixel-scale", "1"),
        *("--mean", "100,110,120", "--std", "50,60,70"),
    )
    answer = call(*options, "--json", "-")
    protocol = json.loads(answer.out)[0]["accuracy"]["protocol"]
    assert (protocol["align_corners"], protocol["channels"], protocol["scale"]) == (True, "bgr", 1.0)
    assert "returned no output '1'" in call("--output", "1").err


def test_label_maps_that_something_else_wrote_are_scored(
    call: Callable[..., Answer], evaluate: Callable[..., Evaluation], segbench_cli: Callable[..., Answer], camvid: Path
) -> None:
    measured = evaluate(predictions=Path("maps"))
    given = ("--dataset", "camvid", "--root", camvid, "--predictions", "maps")
    answer = segbench_cli("eval", *given, "--json", "-")
    (content,) = json.loads(answer.out)
    assert (answer.status, content["model"]) == (0, "label maps")
    assert content["accuracy"]["miou"] == _miou(measured)
    assert content["accuracy"]["images"] == 2
    assert content["operations"] == {}
    named = segbench_cli("eval", "erfnet", *given, "--out", "out")
    assert named.status == 0
    assert "no network was run" in named.out
    assert (Path("out") / "record.json").is_file()
    assert "leave out --checkpoint" in segbench_cli("eval", "erfnet", *given, "--checkpoint", "weights.pth").err
    assert "--predictions DIR" in segbench_cli("eval", "erfnet", *given[:4]).err
    next(Path("maps").iterdir()).unlink()
    assert "has no prediction" in segbench_cli("eval", *given).err
