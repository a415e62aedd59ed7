"""Scoring speed: segbench, cityscapesscripts, torchmetrics, plain NumPy and torch on the same predictions, in one run.

    python benchmarks/scoring.py [--images 4] [--repeats 5] [--res 1024x2048] [--threads 1]

Two tables. "In memory": label maps to per-class IoU, in turns; segbench must be the fastest, else the exit status is 1.
"From files": PNGs of predictions and labels to every score, where cityscapesscripts reads its own. A package that is
not installed is left out. All mIoUs are printed: torchmetrics counts in float32.

cityscapesscripts has no function for maps in memory; its counting without the optional Cython extension, NumPy's
`unique` on encoded pairs, is timed by handing it decoded pictures instead of files.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any

import numpy as np
import torch
from PIL import Image

from segbench.accuracy.confusion import ConfusionMatrix
from segbench.accuracy.datasets import DATASETS, open_dataset
from segbench.accuracy.predictions import score_predictions
from segbench.accuracy.scoring import score
from segbench.accuracy.synthetic import write_synthetic
from segbench.resolution import parse

SPEC = DATASETS["cityscapes"]
CLASSES = SPEC.num_classes
IDS = np.array([*SPEC.official_ids, 0], np.uint8)

Maps = list[tuple[torch.Tensor, torch.Tensor]]


def segbench_miou(maps: Maps) -> float:
    confusion = ConfusionMatrix(CLASSES)
    for prediction, target in maps:
        confusion.update(prediction, target)
    return score(SPEC, confusion).miou


def numpy_miou(maps: Maps) -> float:
    counts = np.zeros((CLASSES, CLASSES), np.int64)
    for prediction, target in maps:
        wanted, given = target.numpy(), prediction.numpy()
        scored = wanted < CLASSES
        index = wanted[scored].astype(np.int64) * CLASSES + given[scored]
        counts += np.bincount(index, minlength=CLASSES**2).reshape(CLASSES, CLASSES)
    hits = np.diag(counts)
    with np.errstate(invalid="ignore"):
        return float(np.nanmean(hits / (counts.sum(0) + counts.sum(1) - hits)))


def torch_miou(maps: Maps) -> float:
    counts = torch.zeros(CLASSES, CLASSES, dtype=torch.int64)
    for prediction, target in maps:
        scored = target < CLASSES
        index = target[scored].long() * CLASSES + prediction[scored]
        counts += torch.bincount(index, minlength=CLASSES**2).view(CLASSES, CLASSES)
    hits = counts.diag().double()
    return float((hits / (counts.sum(0) + counts.sum(1) - hits)).nanmean())


def torchmetrics_miou(package: ModuleType) -> Callable[[Maps], float]:
    def run(maps: Maps) -> float:
        metric = package.JaccardIndex(
            task="multiclass", num_classes=CLASSES, ignore_index=255, average="macro", validate_args=False
        )
        for prediction, target in maps:
            metric.update(prediction, target)
        return float(metric.compute())

    return run


def cityscapes_miou(package: ModuleType) -> Callable[[list[tuple[Any, Any]]], float]:
    """The script's own counting, on pictures in ids that are already decoded."""

    def run(pictures: list[tuple[Any, Any]]) -> float:
        arguments = package.args
        arguments.quiet, arguments.evalInstLevelScore = True, False
        counts, statistics = package.generateMatrix(arguments), package.generateInstanceStats(arguments)
        with opening_pictures(package):
            for prediction, target in pictures:
                package.evaluatePair(prediction, target, counts, statistics, {}, arguments)
        names = [label.name for label in package.labels if not label.ignoreInEval]
        ids = [label.id for label in package.labels if label.name in names]
        scores = {
            name: package.getIouScoreForLabel(index, counts, arguments) for name, index in zip(names, ids, strict=True)
        }
        return float(package.getScoreAverage(scores, arguments))

    return run


@contextmanager
def opening_pictures(package: ModuleType) -> Iterator[None]:
    """Image.open gives back what it is given, inside the script."""
    kept = package.Image

    class Decoded:
        open = staticmethod(lambda picture: picture)

    package.Image = Decoded  # type: ignore[attr-defined]
    try:
        yield
    finally:
        package.Image = kept  # type: ignore[attr-defined]


def random_maps(images: int, size: tuple[int, int]) -> Maps:
    generator = torch.Generator().manual_seed(0)
    maps = []
    for _ in range(images):
        target = torch.randint(0, CLASSES + 1, size, generator=generator, dtype=torch.uint8)
        target[target == CLASSES] = 255
        maps.append((torch.randint(0, CLASSES, size, generator=generator, dtype=torch.uint8), target))
    return maps


def scene_maps(root: Path) -> Maps:
    """Label maps of street scenes, and predictions that differ from them at edges and in 3 % of the pixels."""
    generator = torch.Generator().manual_seed(0)
    maps = []
    dataset = open_dataset("cityscapes", root, instances=False)
    for place in range(len(dataset)):
        target = dataset[place].target
        prediction = target.roll((2, 3), (0, 1))
        other = torch.randint(0, CLASSES, target.shape, generator=generator, dtype=torch.uint8)
        wrong = (torch.rand(target.shape, generator=generator) < 0.03) | (prediction == 255)
        maps.append((torch.where(wrong, other, prediction), target))
    return maps


def in_turns(runs: dict[str, Callable[[], float]], repeats: int) -> dict[str, tuple[float, float]]:
    """Median seconds and the mIoU of each, after one round that is not timed."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    results = {name: run() for name, run in runs.items()}
    for turn in range(repeats):
        for name in list(runs)[:: 1 if turn % 2 else -1]:
            start = time.perf_counter()
            runs[name]()
            seconds[name].append(time.perf_counter() - start)
    return {name: (median(seconds[name]), results[name]) for name in runs}


def show(title: str, found: dict[str, tuple[float, float]], images: int) -> bool:
    """Print a table; whether segbench is the fastest."""
    own = found["segbench"][0]
    print(f"\n{title}\n{'':24}{'images/s':>10}{'segbench faster':>17}{'mIoU':>16}")
    for name, (seconds, miou) in found.items():
        ratio = "" if name == "segbench" else f"{seconds / own:.1f}x"
        print(f"{name:24}{images / seconds:>10.1f}{ratio:>17}{miou:>16.12f}")
    return all(own <= seconds for seconds, _ in found.values())


def optional(name: str) -> ModuleType | None:
    try:
        return import_module(name)
    except ImportError:
        print(f"{name.partition('.')[0]} is not installed and is left out")
        return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--res", default="1024x2048")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    size = parse(given.res)
    metrics = optional("torchmetrics")
    scripts = optional("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
    if not hasattr(np, "in1d"):
        # numpy 2.4 removed a function that cityscapesscripts calls (mcordts/cityscapesScripts#196).
        np.in1d = np.isin  # type: ignore[attr-defined]

    fastest = True
    with tempfile.TemporaryDirectory() as name:
        root = write_synthetic("cityscapes", Path(name) / "data", images={"val": given.images}, size=size)
        scenes = scene_maps(root)
        for title, maps in (("random maps", random_maps(given.images, size)), ("street scenes", scenes)):
            runs: dict[str, Callable[[], float]] = {"segbench": lambda maps=maps: segbench_miou(maps)}  # type: ignore[misc]
            runs["numpy bincount"] = lambda maps=maps: numpy_miou(maps)  # type: ignore[misc]
            runs["torch bincount"] = lambda maps=maps: torch_miou(maps)  # type: ignore[misc]
            if metrics:
                runs["torchmetrics"] = lambda maps=maps: torchmetrics_miou(metrics)(maps)  # type: ignore[misc]
            if scripts:
                pictures = [
                    tuple(Image.fromarray(IDS[np.minimum(part.numpy(), CLASSES)]) for part in pair) for pair in maps
                ]
                runs["cityscapesscripts"] = lambda pictures=pictures: cityscapes_miou(scripts)(pictures)  # type: ignore[misc]
            where = f"In memory, {given.images} {title} of {given.res}, {given.threads} thread(s)"
            fastest &= show(where, in_turns(runs, given.repeats), given.images)

        results = Path(name) / "results"
        results.mkdir()
        dataset = open_dataset("cityscapes", root, instances=False)
        for place, (prediction, _) in enumerate(scenes):
            Image.fromarray(IDS[prediction.numpy()]).save(results / f"{dataset[place].name}_pred.png")
        runs = {"segbench": lambda: score_predictions("cityscapes", root, results).miou}
        if scripts:
            labels = sorted(str(path) for path in root.glob("gtFine/val/*/*_labelIds.png"))
            predictions = [str(results / Path(path).name.replace("_gtFine_labelIds", "_pred")) for path in labels]
            scripts.args.JSONOutput, scripts.args.quiet = False, True

            def official() -> float:
                scripts.args.evalInstLevelScore = True
                return float(scripts.evaluateImgLists(predictions, labels, scripts.args)["averageScoreClasses"])

            runs["cityscapesscripts"] = official
        fastest &= show("From files, with instances", in_turns(runs, given.repeats), given.images)
    return 0 if fastest else 1


if __name__ == "__main__":
    sys.exit(main())
