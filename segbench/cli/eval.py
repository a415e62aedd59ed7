"""``segbench eval``: a checkpoint's mIoU, as the data set's own evaluation would give it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segbench import limits, resolution, store
from segbench.cli import options
from segbench.cli.output import check_targets, console, progress, progress_console, write_json
from segbench.errors import BadOption, SegbenchError


def evaluate(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A catalog name, or package.module:factory for a network of your own.",
            autocompletion=options.complete_model,
        ),
    ],
    checkpoint: Annotated[
        Path, typer.Option(metavar="FILE", help="Weights under the authors' or our key names: .pth, .safetensors, ...")
    ],
    dataset: Annotated[
        str, typer.Option(metavar="NAME", help="cityscapes, camvid, camvid-merge, camvid-select, bdd100k or ade20k.")
    ],
    root: Annotated[Path, typer.Option(metavar="DIR", help="The data set's folder, as downloaded.")],
    split: Annotated[str, typer.Option(help="train, val, test or trainval, as the data set has them.")] = "val",
    res: Annotated[
        str | None,
        typer.Option(metavar="HxW", help="Input height x width; each image's own by default.", show_default=False),
    ] = None,
    short_side: Annotated[
        int | None,
        typer.Option(metavar="N", help="Instead: the input's shorter side, the ratio kept.", show_default=False),
    ] = None,
    resize_filter: Annotated[
        str, typer.Option(metavar="NAME", help="Image resizing: bilinear, bilinear-antialias or nearest.")
    ] = "bilinear",
    normalisation: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="imagenet, fbsnet, fbsnet-camvid, swiftnet, half or none; the network's own by default.",
            show_default=False,
        ),
    ] = None,
    mean: Annotated[
        str | None, typer.Option(metavar="R,G,B", help="Instead: mean per input channel.", show_default=False)
    ] = None,
    std: Annotated[str | None, typer.Option(metavar="R,G,B", help="And its deviation.", show_default=False)] = None,
    scales: Annotated[
        str, typer.Option(metavar="S,S,...", help="Factors on the input size; several are averaged.")
    ] = "1.0",
    flip: Annotated[bool, typer.Option("--flip", help="Average with the mirrored image.")] = False,
    window: Annotated[
        str | None, typer.Option(metavar="HxW", help="Predict in overlapping windows.", show_default=False)
    ] = None,
    stride: Annotated[
        str | None,
        typer.Option(metavar="HxW", help="Distance of windows; two thirds by default.", show_default=False),
    ] = None,
    rule: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Scoring rule; the data set's own by default.", show_default=False),
    ] = None,
    void_output: Annotated[
        int | None,
        typer.Option(metavar="INDEX", help="The network's output for ignored pixels, if any.", show_default=False),
    ] = None,
    void_rule: Annotated[
        str | None,
        typer.Option(
            metavar="drop|count",
            help="Drop that output (default), or count it as a wrong prediction.",
            show_default=False,
        ),
    ] = None,
    device: options.DeviceOption = "auto",
    precision: options.Precision = "fp32",
    workers: Annotated[int, typer.Option(help="Processes that read images ahead.")] = 2,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out and name unreadable images.")] = False,
    save_predictions: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write what the evaluation server takes.", show_default=False),
    ] = None,
    overlay: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Draw input, truth, prediction and errors.", show_default=False),
    ] = None,
    num: Annotated[int, typer.Option(metavar="N", help="How many overlays.")] = 8,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the Record, CSV, Markdown and a plot.", show_default=False),
    ] = None,
    budget: options.Budget = 20.0,
    no_speed: Annotated[bool, typer.Option("--no-speed", help="Do not time the network.")] = False,
    timeout: options.Timeout = 600.0,
    json_path: options.JsonPath = None,
) -> None:
    """Score a checkpoint on a data set by its official rule, and time the same graph beside it.

    Under torchrun the images are shared: torchrun --nproc-per-node 2 -m segbench eval ...

    Example: segbench eval erfnet --checkpoint erfnet.pth --dataset cityscapes --root cityscapes
    """
    check_targets(json=json_path)
    if out is not None:
        store.require_writable(out)
    limits.check("--num", num, 1, limits.SECONDS)
    means, deviations = _numbers("--mean", mean), _numbers("--std", std)
    if (mean is None) != (std is None):
        given, missing = ("--mean", "--std") if std is None else ("--std", "--mean")
        raise BadOption(f"{given} needs {missing}: a mean and a deviation, three numbers each, are accepted")
    screen, meter = console(json_path), progress_console()
    with meter.status("importing torch") as status:
        from segbench.accuracy.distributed import process_group
        from segbench.accuracy.protocol import EvaluationProtocol
        from segbench.accuracy.report import card, write_report
        from segbench.accuracy.run import run
        from segbench.accuracy.settings import EvaluationSettings
        from segbench.cli.isolated import evaluate_own
        from segbench.models.own import is_own

        protocol = EvaluationProtocol(
            input_size=_size(res),
            short_side=short_side,
            resize_filter=resize_filter,
            scales=_numbers("--scales", scales) or (1.0,),
            flip=flip,
            window=_size(window),
            stride=_size(stride),
            precision=precision,
        )
        limits.check("--budget", budget, 0, limits.SECONDS, above=True, unit=" seconds")
        settings = EvaluationSettings(
            model=model,
            checkpoint=checkpoint,
            dataset=dataset,
            root=root,
            split=split,
            protocol=protocol,
            device=device,
            normalisation=normalisation,
            mean=means,
            std=deviations,
            rule=rule,
            void_output=void_output,
            void_rule=void_rule,
            skip_bad=skip_bad,
            workers=workers,
            predictions=save_predictions,
            overlays=overlay,
            overlay_count=num,
            speed=not no_speed,
            budget_s=budget,
        )
        status.update("starting")
    with process_group(device) as group, progress("starting", disable=not group.main, ticking=False) as step:
        stage = "starting"

        def begin(what: str) -> None:
            nonlocal stage
            stage = what
            step(what, 0, None)

        def count(done: int, total: int) -> None:
            step(stage, done, total)

        try:
            # Under torchrun a network has a process of its own already.
            alone = is_own(model) and group.size == 1
            evaluation = evaluate_own(settings, begin, count, timeout) if alone else run(settings, group, begin, count)
        except SegbenchError as error:
            # What is wrong is said once, by the first process.
            if group.main:
                raise
            raise typer.Exit(2) from error
    if group.main:
        if json_path != "-":
            screen.print(card(evaluation))
        if out is not None:
            files = write_report(evaluation, out)
            screen.print(f"{len(files)} files in {out}", markup=False)
        write_json(json_path, [evaluation.record])
    if evaluation.record.failure:
        raise typer.Exit(1)


def _size(text: str | None) -> tuple[int, int] | None:
    return None if text is None else resolution.parse(text)


def _numbers(option: str, text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.replace(",", " ").split())
    except ValueError as error:
        raise BadOption(f"{option} takes numbers with commas between: {text!r} given") from error
