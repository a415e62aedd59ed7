"""Fit a small network on synthetic street scenes, in about three minutes on a CPU, for ``segbench eval``.

    python examples/train_synthetic.py --root synthetic-cityscapes --checkpoint erfnet-synthetic.pth
    segbench eval erfnet --checkpoint erfnet-synthetic.pth --dataset cityscapes --root synthetic-cityscapes

The scenes are drawn by ``segbench synthetic``: the mIoU says nothing about real streets.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import segbench
from segbench.accuracy.datasets import open_dataset
from segbench.accuracy.synthetic import write_synthetic
from segbench.catalog import find
from segbench.resolution import parse


def read_split(root: Path, split: str) -> tuple[Tensor, Tensor]:
    """All images ``(N, 3, H, W)`` and train ids ``(N, H, W)`` of a small split, in uint8."""
    dataset = open_dataset("cityscapes", root, split, instances=False)
    samples = [dataset[index] for index in range(len(dataset))]
    return torch.stack([sample.image for sample in samples]), torch.stack([sample.target for sample in samples])


def normalise(images: Tensor, model: str) -> Tensor:
    """What ``segbench eval`` does to images before this network."""
    given = find(model).preprocessing
    mean, std = torch.tensor(given.mean).view(1, 3, 1, 1), torch.tensor(given.std).view(1, 3, 1, 1)
    return (images.float() * given.scale - mean) / std


def class_weights(targets: Tensor, classes: int) -> Tensor:
    """Inverse square root of each class's frequency, so that poles and riders are learned at all."""
    counts = torch.bincount(targets.flatten().long(), minlength=256)[:classes].float()
    weights = torch.where(counts > 0, counts.clamp(min=1).rsqrt(), torch.zeros(()))
    return weights / weights[counts > 0].mean()


def train(net: nn.Module, images: Tensor, targets: Tensor, steps: int, batch: int, rate: float) -> None:
    """Adam with a one-cycle learning rate; every image is mirrored half of the time."""
    weights = class_weights(targets, 19)
    optimiser = torch.optim.Adam(net.parameters(), lr=rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=rate, total_steps=steps)
    net.train()
    start = time.perf_counter()
    for step in range(1, steps + 1):
        chosen = torch.randint(len(images), (batch,))
        x, y = images[chosen], targets[chosen].long()
        if torch.rand(()) < 0.5:
            x, y = x.flip(-1), y.flip(-1)
        loss = F.cross_entropy(net(x), y, weight=weights, ignore_index=255)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 50 == 0 or step == steps:
            print(f"step {step} of {steps}: loss {loss.item():.3f}, {time.perf_counter() - start:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="erfnet", help="a network of the catalog that outputs at the input size")
    parser.add_argument("--root", type=Path, default=Path("synthetic-cityscapes"), help="made where it does not exist")
    parser.add_argument("--checkpoint", type=Path, default=Path("erfnet-synthetic.pth"))
    parser.add_argument("--images", type=int, default=64, help="of each split, where the data set is made")
    parser.add_argument("--size", default="64x128", metavar="HxW", help="of the images, where the data set is made")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    if not options.root.exists():
        write_synthetic("cityscapes", options.root, options.images, parse(options.size), options.seed)
        print(f"{options.images} images a split in {options.root}")
    images, targets = read_split(options.root, "train")
    net = segbench.build(options.model, num_classes=19)
    train(net, normalise(images, options.model), targets, options.steps, options.batch, options.rate)
    options.checkpoint.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"state_dict": net.state_dict()}, options.checkpoint)
    print(f"segbench eval {options.model} --checkpoint {options.checkpoint} --dataset cityscapes --root {options.root}")


if __name__ == "__main__":
    main()
