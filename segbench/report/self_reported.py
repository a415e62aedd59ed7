"""What the user says that a network scores: kept apart from what is measured here and from what papers print."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from segbench.claims import DATASET_CLASSES, SPLITS, Claim, Figure
from segbench.errors import BadOption, UnknownName
from segbench.report.pairing import SELF_REPORTED


def self_reported(
    given: Sequence[str],
    dataset: str | None,
    split: str | None,
    sizes: Iterable[tuple[str, tuple[int, int]]],
) -> list[Claim]:
    """The mIoUs of ``--miou MODEL=PERCENT`` as claims at every size at which their networks are measured.

    Args:
        given: what ``--miou`` says.
        dataset: one of `DATASET_CLASSES`, in any case.
        split: one of `SPLITS`.
        sizes: the networks that are measured, each with every size.

    Raises:
        BadOption: no percentage, or one without data set and split, or the reverse.
        UnknownName: no such network among them, data set or split.
    """
    if not given:
        if dataset or split:
            raise BadOption("--dataset and --split belong to --miou: give it too, as in --miou mynets:Net=74.2")
        return []
    if not dataset or not split:
        raise BadOption(
            "--miou wants --dataset and --split, as in --miou mynets:Net=74.2 --dataset cityscapes --split val"
        )
    datasets = {name.lower(): name for name in DATASET_CLASSES}
    if dataset.lower() not in datasets:
        raise UnknownName("data set", dataset, datasets)
    if split not in SPLITS or not split:
        raise UnknownName("split", split, filter(None, SPLITS))
    sizes = list(sizes)
    claims = []
    for text in given:
        name, _, percent = text.rpartition("=")
        figure = Figure(percent)
        try:
            fits = bool(name) and 0 < float(percent) <= 100
        except ValueError:
            fits = False
        if not fits:
            raise BadOption(f"--miou {text!r} is not MODEL=PERCENT, as in mynets:Net=74.2")
        own = dict.fromkeys(size for model, size in sizes if model == name)
        if not own:
            raise UnknownName("network for --miou", name, dict.fromkeys(model for model, _ in sizes))
        claims += [_claim(name, datasets[dataset.lower()], split, size, figure) for size in own]
    return claims


def _claim(model: str, dataset: str, split: str, size: tuple[int, int], figure: Figure) -> Claim:
    return Claim(
        paper=SELF_REPORTED,
        table="",
        printed_name=model,
        model=model,
        backbone="",
        dataset=dataset,
        split=split,
        height=size[0],
        width=size[1],
        params_m=None,
        gflops=None,
        fps=None,
        gpu="",
        miou_percent=figure,
        note="",
        file="",
        line=0,
    )
