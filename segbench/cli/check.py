"""``segbench check``: did a network change, or become slower? Exit status 0 no, 1 yes, 2 the call was wrong."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from segbench import resolution
from segbench.cli import options
from segbench.cli.networks import source_files
from segbench.cli.output import check_targets, console, progress, write_json, write_out
from segbench.cli.run_file import NAME, CheckTable, read_run_file
from segbench.errors import BadOption
from segbench.records.record import now

if TYPE_CHECKING:
    from segbench.job import Settings
    from segbench.regress.judge import Outcome
    from segbench.regress.options import Options
    from segbench.regress.sampling import Say

OptionalModels = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[MODEL...]",
        help="Which networks: names or patterns; all of the baseline by default.",
        autocompletion=options.complete_model,
        show_default=False,
    ),
]
Processes = Annotated[
    int | None, typer.Option(metavar="N", help="Fresh processes a side; 10 by default.", show_default=False)
]
Find = Annotated[
    str | None,
    typer.Option(
        "--for",
        metavar="SHARE",
        help="Take as many processes as finding this slowdown in 95 % of runs needs, as in 3%.",
        show_default=False,
    ),
]
Miou = Annotated[
    Path | None,
    typer.Option(
        "--miou", metavar="PATH", help="Records of `segbench eval`, whose mIoU is compared too.", show_default=False
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="auto|cpu|cuda[:i]",
        help="Where to time.",
        callback=options.check_device,
        show_default=False,
    ),
]
BaselinePath = Annotated[Path, typer.Option("--baseline", "-b", metavar="PATH", help="The baseline's file.")]
DEFAULT = Path("results/baseline.json")
Timeout = options.Timeout


def check(
    model: OptionalModels = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            "--baseline",
            "-b",
            metavar="PATH",
            help="Records to compare with, or a folder of such files; those of this machine, the newest, count.",
            show_default=False,
        ),
    ] = None,
    current: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Records of this run; measured now by default.", show_default=False),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="REV", help="Compare with this revision of the project, measured in turn.", show_default=False
        ),
    ] = None,
    min_effect: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE",
            help="Smallest change of a timing that matters; 3%, or with --for two thirds of that if less.",
            show_default=False,
        ),
    ] = None,
    find: Find = None,
    processes: Processes = None,
    miou: Miou = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on what could not be judged.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Judge timings of other machines too.")] = False,
    no_speed: Annotated[bool, typer.Option("--no-speed", help="Only what is deterministic; needs no device.")] = False,
    comment: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the body of a pull-request comment (Markdown).", show_default=False),
    ] = None,
    page_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Page that the comment links to.", show_default=False)
    ] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write JUnit XML.", show_default=False)] = None,
    json_path: options.JsonPath = None,
    benchmark_json: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write JSON for github-action-benchmark.", show_default=False),
    ] = None,
    budget: options.Budget = None,
    timeout: Timeout = 600.0,
    res: options.Resolutions = None,
    classes: options.Classes = None,
    device: Device = None,
    mode: options.Mode = None,
    precision: Annotated[
        str | None,
        typer.Option(metavar="fp32|tf32|fp16|bf16", help="Arithmetic of the timed network.", show_default=False),
    ] = None,
    run_file: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="Thresholds of networks and metrics, as [check] in TOML; segbench.toml of this folder by default.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Compare networks with a baseline, or with another revision of the project.

    Counts, constants and logits must be equal; speed and memory are judged with statistics. Resolution, classes,
    kind of device, mode and precision are the baseline's; with --against and no baseline they are options.

    Example: segbench check --baseline results/baseline.json
    """
    _check_call(
        model,
        baseline,
        current,
        against,
        {"--res": res, "--classes": classes, "--mode": mode, "--precision": precision},
        device,
    )
    sizes = [resolution.parse(text) for text in res or []]
    # A folder of baselines takes the run of today beside those before.
    kept = baseline if baseline is not None and baseline.is_file() else None
    reads = (kept, current, miou, run_file, *source_files(model or []))
    check_targets(reads=reads, json=json_path, junit=junit, benchmark_json=benchmark_json, comment=comment)
    if page_url is not None and comment is None:
        raise BadOption("--page-url is the comment's link: give it with --comment FILE")
    if miou is not None and (current is not None or against is not None):
        raise BadOption("--miou goes with a baseline that is measured now: --current has mIoUs of its own")
    started = now()
    with progress("importing torch") as say:
        how = judging(run_file, min_effect, find, processes)
        how = replace(
            how,
            strict=strict,
            force=force,
            speed=not no_speed,
            **options.budgets(budget, on_cpu=10.0),
            timeout_s=timeout,
            device=None if device == "auto" else device,
        ).check()

        if against is not None:
            from segbench.job import Settings

            settings = Settings(
                device=device or "auto",
                mode=mode,
                precision=precision or "fp32",
                **options.budgets(budget, on_cpu=10.0),
                speed=not no_speed,
            )
            outcome = _against(against, baseline, model or [], (sizes, classes), settings, how, say)
        else:
            assert baseline is not None
            outcome = _baseline(baseline, current, model or [], miou, how, say)
    outcome.started = started
    _report(outcome, json_path, junit, benchmark_json)
    if comment is not None:
        from segbench.regress.comment import comment as body

        write_out(comment, body(outcome, page_url))
    if outcome.refused:
        raise outcome.refused[0]
    if outcome.status:
        raise typer.Exit(outcome.status)


def _check_call(
    model: list[str] | None,
    baseline: Path | None,
    current: Path | None,
    against: str | None,
    conditions: dict[str, object],
    device: str | None,
) -> None:
    if device is not None and current is not None:
        raise BadOption("--device says where to time, and with --current nothing is timed: leave out either")
    given = ", ".join(name for name, value in conditions.items() if value not in (None, []))
    if baseline is None and against is None:
        raise BadOption("check needs --baseline PATH (`segbench baseline save` writes one), or --against REV")
    if current is not None and against is not None:
        raise BadOption("--against measures both revisions: give it without --current")
    if given and (baseline is not None or current is not None):
        raise BadOption(f"{given} come from the baseline: leave out either")
    if against is not None and baseline is None and not model:
        raise BadOption("--against needs the networks to compare: MODEL..., or --baseline PATH for all of a baseline")


def judging(run_file: Path | None, min_effect: str | None, find: str | None, processes: int | None) -> Options:
    """How to judge, by the command line and by ``[check]`` of a run file; the command line goes first.

    Raises:
        BadOption: a value that is no share, or both ways to choose the number of processes.
    """
    from segbench.regress.options import PROCESSES, Options, parse_effect

    found = CheckTable()
    if run_file is not None or Path(NAME).is_file():
        found = read_run_file(run_file or Path(NAME)).check
    if find is not None and processes is not None:
        raise BadOption("--for chooses the number of processes: give it or --processes")
    effect = found.min_effect if min_effect is None else parse_effect(min_effect)
    looked_for = parse_effect(find, "--for") if find is not None else found.find if processes is None else None
    return Options(
        min_effect=effect,
        find=looked_for,
        processes=PROCESSES if processes is None else processes,
        thresholds=found.thresholds,
    )


def _baseline(
    baseline: Path, current: Path | None, models: list[str], miou: Path | None, how: Options, say: Say
) -> Outcome:
    from segbench.regress.acceptance import accept_known, today
    from segbench.regress.run import check_now, check_records
    from segbench.regress.stored import read_baseline

    rows = read_baseline(baseline)
    outcome = check_now(rows, how, models, say, miou) if current is None else check_records(rows, current, how, models)
    accept_known(outcome, how, today())
    return outcome


def _against(
    revision: str,
    baseline: Path | None,
    models: list[str],
    conditions: tuple[list[tuple[int, int]], int | None],
    settings: Settings,
    how: Options,
    say: Say,
) -> Outcome:
    from segbench.measure.record import check_settings
    from segbench.regress.against import check_against
    from segbench.regress.baseline import jobs_for
    from segbench.regress.run import jobs_of
    from segbench.regress.stored import read_baseline

    if baseline is None:
        jobs = jobs_for(models, *conditions, check_settings(settings))
    else:
        jobs = jobs_of(read_baseline(baseline), models, settings, how.device)
    return check_against(revision, jobs, how, say)


def _report(outcome: Outcome, json_path: str | None, junit: Path | None, benchmark_json: Path | None) -> None:
    from segbench.regress import output
    from segbench.regress.render import lines

    out = console("-" if "-" in map(str, (json_path, junit, benchmark_json)) else None)
    said = lines(outcome)
    # One by one, tens of thousands of them take half a minute.
    while part := list(islice(said, 500)):
        out.print(Text("\n").join(part))
    write_out(junit, output.junit(outcome))
    write_out(benchmark_json, output.benchmark_json(outcome.records()))
    write_json(json_path, outcome.records())
    output.add_summary(outcome)
    if output.in_actions():
        for command in output.workflow_commands(outcome):
            out.print(command, soft_wrap=True, markup=False)
