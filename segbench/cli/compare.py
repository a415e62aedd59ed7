"""``segbench compare``: many networks under the same conditions, ending in a table and Pareto plots."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from segbench import resolution, stopping
from segbench.cli import options
from segbench.cli.long_run import LongRun, say
from segbench.cli.networks import check_sources, input_texts, own_networks, source_files, with_own_arguments
from segbench.cli.output import check_targets, console, progress, progress_console, write_json
from segbench.cli.run_file import NAME, read_run_file
from segbench.cli.where import Where, device_of, places_for
from segbench.files import alone_in, require_apart, require_writable
from segbench.units import plural

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from segbench.claims import Claim
    from segbench.job import Job
    from segbench.records.record import Record
    from segbench.report.comparison import Report

Value = TypeVar("Value")


def compare(
    context: typer.Context,
    patterns: options.Patterns = None,
    everything: Annotated[bool, typer.Option("--all", help="Every network of the catalog.")] = False,
    paper: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="The networks in a paper's tables, such as mfpnet.", show_default=False),
    ] = None,
    res: options.Resolutions = None,
    classes: options.Classes = None,
    inputs: options.Inputs = None,
    output: options.Output = None,
    arguments: options.Arguments = None,
    device: options.DeviceOption = "auto",
    mode: options.Mode = None,
    protocol: options.ProtocolName = None,
    precision: options.Precision = "fp32",
    batch: options.Batches = "1",
    rounds: options.Rounds = None,
    budget: options.Budget = None,
    counter: options.Counters = None,
    no_speed: options.NoSpeed = False,
    optimize: options.Optimize = False,
    waterfall: options.Waterfall = False,
    processes: Annotated[
        int, typer.Option(metavar="N", help="Fresh processes per network; five for a number to publish.")
    ] = 1,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the Records, tables and plots go.")] = Path(
        "segbench-out"
    ),
    fresh: Annotated[bool, typer.Option("--fresh", help="Measure again what the folder already holds.")] = False,
    seed: Annotated[int, typer.Option(help="Shuffles the order of timings.")] = 0,
    timeout: options.Timeout = 600.0,
    allow_mixed: Annotated[
        bool, typer.Option("--allow-mixed", help="Show timings under unlike conditions too, each apart.")
    ] = False,
    gpus: Annotated[
        str | None,
        typer.Option(
            metavar="0,1,...|all",
            help="Time on several GPUs of this machine, one network at a time on each.",
            show_default=False,
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS|FILE",
            help="Measure on the workers of a Dask scheduler, such as tcp://HOST:8786.",
            show_default=False,
        ),
    ] = None,
    require: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help='With --scheduler: the workers that take jobs, as in "device_name=NVIDIA H100"; repeatable.',
            show_default=False,
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="K/N",
            help="Measure the K-th of N parts, alike in work; `segbench merge` puts their folders together.",
            show_default=False,
        ),
    ] = None,
    miou: options.ReportedMiou = None,
    dataset: options.ReportedDataset = None,
    split: options.ReportedSplit = None,
    run_file: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="What to measure, as TOML; segbench.toml of this folder where no network is named.",
            show_default=False,
        ),
    ] = None,
    style: options.Style = "screen",
    formats: options.Formats = None,
    json_path: options.JsonPath = None,
) -> None:
    """Measure many networks, each in a process of its own, and write a table and Pareto plots.

    Networks of your own, or of a library, stand beside those of the catalog. A call that was interrupted goes on where
    it stopped.

    A network that does not take a size is measured at the nearest it takes, marked as such.

    Example: segbench compare --all --no-speed --out segbench-out
    """
    named = bool(patterns or everything or paper)
    if run_file is not None or (not named and Path(NAME).is_file()):
        found = read_run_file(run_file or Path(NAME))
        patterns = patterns if named else list(found.networks)
        res, classes = res or list(found.sizes), found.classes if classes is None else classes
        # What the command line gives goes before the file; these two have defaults.
        device = _unless_given(context, "device", device, found.device)
        out = _unless_given(context, "out", out, found.out)
    device = device_of(device, no_speed, gpus, scheduler, require or [])
    check_sources(patterns)
    sizes = [resolution.parse(text) for text in res or []]
    given, several = input_texts(inputs), options.batches(batch)
    check_targets(reads=(run_file, *source_files(patterns or [])), json=json_path)
    require_apart([("--out", out / "records.jsonl"), ("--json", json_path)])
    require_writable(out)
    screen, meter = console(json_path), progress_console()
    with meter.status("importing torch"):
        from segbench.cli.isolated import resolve_all
        from segbench.compare import planning
        from segbench.compare import run as comparison
        from segbench.compare.sharding import part_of
        from segbench.job import Settings
        from segbench.measure.record import check_settings
        from segbench.report.self_reported import self_reported

        suffixes = options.plot_formats(style, formats)
        names = with_own_arguments(planning.choose(patterns or [], everything, paper), arguments or [])
        # Built once, so that a mistake is told before anything is measured.
        resolve_all(own_networks(names, given, output), classes, timeout, given, output)
        settings = check_settings(
            Settings(
                device=device,
                mode=mode,
                preset=protocol,
                precision=precision,
                batch=several[0],
                rounds=rounds,
                **options.budgets(budget),
                counters=tuple(counter or ()),
                speed=not no_speed,
                waterfall=waterfall,
                optimize=optimize,
                module_levels=planning.STAGE_LEVELS,
            ),
            here=scheduler is None,
        )
        jobs = [
            job
            for images in several
            for job in planning.plan(
                names,
                sizes,
                classes,
                replace(settings, batch=images),
                seed,
                paper,
                processes,
                given,
                output,
                nearest=True,
            )
        ]
        reported = self_reported(
            miou or [], dataset, split, [(job.model, job.resolution) for job in jobs if not job.refused]
        )
        jobs = part_of(jobs, shard)
        where = places_for(settings, out, timeout, allow_mixed, gpus, scheduler, require or [])
    run = LongRun()
    stopping.keeps(run.kept(out / comparison.RECORDS))
    with where, alone_in(out):
        if where.told and not (allow_mixed or fresh):
            comparison.require_unmixed(jobs, out, where.kinds)
        measured = _sweep(run, jobs, out, fresh, timeout, where, shard is not None)
        records = comparison.ranking(jobs, measured, out, allow_mixed, where.kinds)
        with meter.status("drawing"):
            several_plots = len(several) > 1 or len(sizes) > 1
            table, files = _draw(records, jobs, out, paper, reported, style, suffixes, several=several_plots)
    mixed = comparison.mixed(records) if len(several) == 1 else []
    _tell(screen, [] if json_path == "-" else [table.rich(screen.width)], mixed, out, len(files))
    write_json(json_path, records)
    if _any_failed(jobs, measured):
        raise typer.Exit(1)


def _draw(
    records: Sequence[Record],
    jobs: Sequence[Job],
    out: Path,
    paper: str | None,
    reported: Sequence[Claim],
    style: str,
    suffixes: Sequence[str],
    *,
    several: bool,
) -> tuple[Report, list[Path]]:
    """The report, with plots over sizes or batches where there are several."""
    from segbench.audit.recorded import verdicts
    from segbench.report.comparison import STYLES, write_report
    from segbench.report.plots import write_plots
    from segbench.report.sweeps import sweep_plots

    table, files = write_report(
        records,
        out,
        paper=paper,
        judgements=verdicts(records, paper),
        style=style,
        formats=suffixes,
        asked={(job.model, job.resolution): job.asked for job in jobs if job.asked},
        reported=reported,
    )
    sweeps = sweep_plots(records) if several else []
    return table, files + write_plots(sweeps, out / "plots", paper=STYLES[style], suffixes=suffixes)


def _tell(screen: Console, tables: Iterable[RenderableType], mixed: Sequence[str], out: Path, files: int) -> None:
    """Say what does not compare, then show the table and where everything is."""
    from segbench.compare import run as comparison

    if mixed:
        screen.print(f"MIXED: {'; '.join(mixed)}: these FPS do not compare", style="yellow", markup=False)
    for table in tables:
        screen.print(table)
        stored = len(comparison.stored(out))
        screen.print(f"{plural(stored, 'Record')} in {out / comparison.RECORDS}; {files} files beside it", markup=False)


def _sweep(
    run: LongRun, jobs: Sequence[Job], out: Path, fresh: bool, timeout: float, where: Where, part: bool
) -> list[Record]:
    """Measure all jobs, a line for each as it ends."""
    from segbench.compare import run as comparison

    with progress("measuring") as step:

        def show(news: comparison.Progress) -> None:
            step(news.job.model, news.done, news.total)
            # One that no place took was never started.
            run.started(news.done, news.total)
            if news.record is not None:
                say(run.ended(news.record, news.done))
            stopping.keeps(run.kept(out / comparison.RECORDS))

        return comparison.sweep(
            jobs,
            out,
            fresh=fresh,
            timeout_s=timeout,
            on_progress=show,
            places=where.places,
            kinds=where.kinds,
            before=where.before,
            keep_refused=part,
        )


def _any_failed(jobs: Sequence[Job], records: Sequence[Record]) -> bool:
    """Whether a network failed; one that takes no size near the one asked for did not."""
    refused = {(job.model, job.resolution) for job in jobs if job.refused}
    return any(record.failure and (record.model, record.resolution) not in refused for record in records)


def _unless_given(context: typer.Context, name: str, value: Value, found: Value | None) -> Value:
    """What the run file says, unless the command line says something."""
    source = context.get_parameter_source(name)
    return value if found is None or (source is not None and source.name == "COMMANDLINE") else found
