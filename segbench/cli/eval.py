"""``segbench eval``: a checkpoint's mIoU, as the data set's own evaluation would give it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segbench import limits, resolution, stopping
from segbench.cli import options
from segbench.cli.networks import check_sources, source_files
from segbench.cli.output import check_targets, console, forget_json, progress, progress_console, write_json
from segbench.errors import BadOption, SegbenchError
from segbench.records import store

if TYPE_CHECKING:
    from segbench.accuracy.run import Evaluation
    from segbench.accuracy.settings import EvaluationSettings


# What `--predictions` takes beside itself: nothing that is about a network.
_OF_LABEL_MAPS = frozenset(
    {"dataset", "root", "model", "predictions", "split", "rule", "void_rule", "out", "no_speed", "json_path"}
)


def evaluate(
    context: typer.Context,
    dataset: Annotated[
        str, typer.Option(metavar="NAME", help="cityscapes, camvid, camvid-merge, camvid-select, bdd100k or ade20k.")
    ],
    root: Annotated[Path, typer.Option(metavar="DIR", help="The data set's folder, as downloaded.")],
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL",
            help="A catalog name, or package.module:factory for a network of your own.",
            autocompletion=options.complete_model,
            show_default=False,
        ),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Weights under the authors' or our key names: .pth, .safetensors, ...",
            show_default=False,
        ),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Instead: score label maps that something else wrote.", show_default=False),
    ] = None,
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
    pixel_scale: Annotated[
        float | None,
        typer.Option(
            metavar="FACTOR", help="Factor on 0 to 255 before them; 1 or 1/255 by their size.", show_default=False
        ),
    ] = None,
    channel_order: Annotated[
        str | None,
        typer.Option(
            metavar="rgb|bgr", help="Channels of the input; the network's own by default.", show_default=False
        ),
    ] = None,
    align_corners: Annotated[
        bool | None,
        typer.Option(
            "--align-corners/--no-align-corners",
            help="How logits are resized; the network's own way by default.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            metavar="KEY|INDEX", help="Which of several outputs of a network of your own.", show_default=False
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="Which set of weights in the file, such as model_ema.", show_default=False),
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option(metavar="REGEX", help="Keys of the file to leave out; repeatable.", show_default=False),
    ] = None,
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
    overlays: Annotated[
        int, typer.Option("--overlays", "--num", metavar="N", help="How many; --num is its older name.")
    ] = 8,
    allow_nonfinite: Annotated[
        bool, typer.Option("--allow-nonfinite", help="Score logits that are NaN or infinite, and say so.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the Record, CSV, Markdown and a plot.", show_default=False),
    ] = None,
    budget: options.Budget = None,
    no_speed: Annotated[bool, typer.Option("--no-speed", help="Do not time the network.")] = False,
    timeout: options.Timeout = 600.0,
    json_path: options.JsonPath = None,
) -> None:
    """Score a checkpoint on a data set by its official rule, and time the same graph beside it.

    Under torchrun the images are shared: torchrun --nproc-per-node 2 -m segbench eval ...

    Examples:
      segbench eval erfnet --checkpoint erfnet.pth --dataset cityscapes --root cityscapes
      segbench eval --predictions engine-out --dataset cityscapes --root cityscapes
    """
    check_targets(reads=(checkpoint, predictions, root, *source_files([model])), json=json_path)
    # A call that fails leaves no older result that looks like its own.
    forget_json(json_path)
    stopping.keeps_in((save_predictions, overlay), "the images that were done before")
    if out is not None:
        store.require_writable(out)
    limits.check("--overlays or --num", overlays, 1, limits.SECONDS)
    limits.check("--budget", budget, 0, limits.SECONDS, above=True, unit=" seconds")
    _check_call(context, predictions, overlay, complete=model is not None and checkpoint is not None)
    means, deviations = _mean_and_std(mean, std)
    if predictions is not None:
        _show(_score_label_maps(predictions, dataset, root, split, model, rule, void_rule), out, json_path)
        return
    assert model is not None
    assert checkpoint is not None
    check_sources([model])
    from segbench.accuracy.protocol import EvaluationProtocol
    from segbench.accuracy.settings import EvaluationSettings

    protocol = EvaluationProtocol(
        input_size=_size(res),
        short_side=short_side,
        resize_filter=resize_filter,
        scales=_numbers("--scales", scales) or (1.0,),
        flip=flip,
        window=_size(window),
        stride=_stride(stride),
        precision=precision,
    )
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
        overlay_count=overlays,
        weights=weights,
        drop=tuple(drop or ()),
        align_corners=align_corners,
        channels=channel_order,
        output=output,
        pixel_scale=pixel_scale,
        allow_nonfinite=allow_nonfinite,
        speed=not no_speed,
        **options.budgets(budget),
    )
    evaluation, shown = _score_network(settings, timeout)
    if shown:
        _show(evaluation, out, json_path)
    if evaluation.record.failure:
        raise typer.Exit(1)


def _score_label_maps(
    folder: Path, dataset: str, root: Path, split: str, model: str | None, rule: str | None, void_rule: str | None
) -> Evaluation:
    """Score what something else predicted."""
    with progress_console().status("scoring"):
        from segbench.accuracy.label_maps import evaluate_label_maps

        return evaluate_label_maps(folder, dataset, root, split, model=model, rule=rule, void_rule=void_rule)


def _score_network(settings: EvaluationSettings, timeout: float) -> tuple[Evaluation, bool]:
    """Predict, score and time, and whether this process shows it: under torchrun the first one does."""
    with progress_console().status("importing torch"):
        from segbench.accuracy.distributed import process_group
        from segbench.accuracy.run import run
        from segbench.cli.isolated import evaluate_own
        from segbench.spec import is_own

    with process_group(settings.device) as group, progress("starting", disable=not group.main, ticking=False) as step:
        stage = "starting"

        def begin(what: str) -> None:
            nonlocal stage
            stage = what
            step(what, 0, None)

        def count(done: int, total: int) -> None:
            step(stage, done, total)

        try:
            # Under torchrun a network has a process of its own already.
            if is_own(settings.model) and group.size == 1:
                return evaluate_own(settings, begin, count, timeout), group.main
            return run(settings, group, begin, count), group.main
        except SegbenchError as error:
            # What is wrong is said once, by the first process.
            if group.main:
                raise
            raise typer.Exit(2) from error


def _check_call(context: typer.Context, predictions: Path | None, overlay: Path | None, *, complete: bool) -> None:
    """Refuse half a call, and options that would have no effect."""
    if predictions is not None:
        options.refuse_others(context, _OF_LABEL_MAPS, "--predictions scores what is written already")
    elif not complete:
        raise BadOption("eval takes MODEL and --checkpoint FILE, or --predictions DIR with label maps")
    elif overlay is None:
        options.refuse(context, "overlays", "without --overlay DIR nothing is drawn")


def _show(evaluation: Evaluation, out: Path | None, json_path: str | None) -> None:
    from segbench.accuracy.report import card, write_report

    screen = console(json_path)
    if json_path != "-":
        screen.print(card(evaluation))
    if out is not None:
        files = write_report(evaluation, out)
        screen.print(f"{len(files)} files in {out}", markup=False)
    write_json(json_path, [evaluation.record])


def _size(text: str | None) -> tuple[int, int] | None:
    return None if text is None else resolution.parse(text)


def _stride(text: str | None) -> tuple[int, int] | None:
    found = None if text is None else re.fullmatch(r"\s*(\d{1,6})\s*[xX\u00d7]\s*(\d{1,6})\s*", text)
    if text is not None and found is None:
        raise BadOption(f"--stride {text!r} is not HEIGHTxWIDTH in pixels, as in 512x512")
    return None if found is None else (int(found[1]), int(found[2]))


def _mean_and_std(mean: str | None, std: str | None) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    """Both or neither."""
    numbers = _numbers("--mean", mean), _numbers("--std", std)
    if (mean is None) != (std is None):
        one, missing = ("--mean", "--std") if std is None else ("--std", "--mean")
        raise BadOption(f"{one} needs {missing}: a mean and a deviation, three numbers each, are accepted")
    return numbers


def _numbers(option: str, text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.replace(",", " ").split())
    except ValueError as error:
        raise BadOption(f"{option} takes numbers with commas between: {text!r} given") from error
