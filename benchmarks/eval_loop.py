"""Time that `segbench eval` takes for an image against a plain loop: Pillow, one forward, argmax, `numpy.bincount`.

``python -m benchmarks.eval_loop [MODEL] [--images 6 18] [--threads 1 2]`` runs both in one process on the same drawn
CamVid images, alternately, and prints the ratio of their slopes over the two image counts: what each does once
(building the network, looking through the folders, starting workers) cancels.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from segbench import build
from segbench.accuracy.datasets import open_dataset
from segbench.accuracy.evaluate import evaluate
from segbench.accuracy.inference import Predictor
from segbench.accuracy.protocol import EvaluationProtocol
from segbench.accuracy.synthetic import write_synthetic
from segbench.measure.device import open_device

CLASSES, SIZE = 11, (360, 480)


def plain(net: torch.nn.Module, root: Path) -> float:
    """Seconds of the plain loop over the val split."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    total = np.zeros(CLASSES**2, np.int64)
    start = time.perf_counter()
    for path in sorted((root / "val").iterdir()):
        image = torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1).float() / 255
        with torch.inference_mode():
            found = net(((image - mean) / std)[None]).argmax(1)[0].numpy()
        truth = np.asarray(Image.open(root / "valannot" / path.name))
        kept = truth < CLASSES
        total += np.bincount(CLASSES * truth[kept].astype(np.int64) + found[kept], minlength=CLASSES**2)
    return time.perf_counter() - start


def ours(net: torch.nn.Module, root: Path, workers: int) -> float:
    """Seconds of segbench's loop over the val split."""
    start = time.perf_counter()
    predictor = Predictor(net, EvaluationProtocol(), classes=CLASSES, outputs=CLASSES, device=open_device("cpu"))
    with torch.inference_mode():
        evaluate(predictor, open_dataset("camvid", root), workers=workers)
    return time.perf_counter() - start


def main() -> None:
    """Print the ratio at each thread count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="espnet")
    parser.add_argument("--images", type=int, nargs=2, default=(6, 18))
    parser.add_argument("--threads", type=int, nargs="+", default=(1, 2))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    few, many = arguments.images
    net = build(arguments.model, CLASSES)
    with tempfile.TemporaryDirectory() as folder:
        roots = [
            write_synthetic("camvid", Path(folder) / str(count), {"train": 1, "val": count}, SIZE, 1)
            for count in (few, many)
        ]
        for threads in arguments.threads:
            torch.set_num_threads(threads)
            slopes: dict[str, list[float]] = {"plain": [], "segbench": []}
            for _ in range(arguments.repeats):
                slopes["plain"].append((plain(net, roots[1]) - plain(net, roots[0])) / (many - few))
                slopes["segbench"].append(
                    (ours(net, roots[1], arguments.workers) - ours(net, roots[0], arguments.workers)) / (many - few)
                )
            one, other = (statistics.median(slopes[name]) for name in ("segbench", "plain"))
            print(
                f"{arguments.model}, {threads} threads, {arguments.workers} workers: "
                f"segbench {1000 * one:.1f} ms, plain loop {1000 * other:.1f} ms an image: ratio {one / other:.3f}"
            )


if __name__ == "__main__":
    main()
