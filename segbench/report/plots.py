"""Plots as they are before they are drawn, and their files: SVG, PDF and PNG, drawn by several processes."""

from __future__ import annotations

import contextlib
import functools
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segbench.errors import OutputError
from segbench.report.style import save

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MatplotlibFigure

SUFFIXES = ("svg", "pdf", "png")
_MOST_WORKERS, _PLOTS_A_WORKER = 4, 6


@dataclass(frozen=True)
class Plot:
    """A plot: `name` is that of its files, without the suffix.

    Attributes:
        name: of its files.
        title: what it shows.
        painter: draws it; called with ``paper=True`` for the width of a paper's column.
        points: what it shows, where it is a plot of networks.
    """

    name: str
    title: str
    painter: Callable[..., MatplotlibFigure]
    points: tuple[Any, ...] = field(default=(), repr=False)

    @functools.cached_property
    def figure(self) -> MatplotlibFigure:
        """The plot as drawn for a screen."""
        return self.painter()


def write_plots(
    plots: Iterable[Plot], folder: Path, *, paper: bool = False, suffixes: Sequence[str] = SUFFIXES
) -> list[Path]:
    """Write each plot in every format; the same plots give the same bytes.

    Args:
        plots: what to draw.
        folder: made if it is missing.
        paper: draw for the width of a paper's column.
        suffixes: the formats, of `SUFFIXES`.

    Returns:
        The files, in the order of the plots.

    Raises:
        OutputError: the folder or a file cannot be written.
    """
    jobs = list(plots)
    with drawing(jobs, folder, paper=paper, suffixes=suffixes):
        pass
    return [path for plot in jobs for path in _files(plot, folder, suffixes)]


@contextlib.contextmanager
def drawing(
    jobs: Sequence[Plot], folder: Path, *, paper: bool = False, suffixes: Sequence[str] = SUFFIXES
) -> Iterator[None]:
    """Write plots as `write_plots` does, other processors drawing while the block runs; all are there when it ends.

    Raises:
        OutputError: the folder or a file cannot be written.
    """
    workers = min(os.cpu_count() or 1, _MOST_WORKERS, len(jobs) // _PLOTS_A_WORKER) - 1
    started: list[subprocess.Popen[bytes]] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as claims:
            try:
                started += [_start(jobs, folder, paper, suffixes, Path(claims)) for _ in range(workers)]
                yield
                # From the other end, until the workers' turns are met.
                _write(jobs[::-1], folder, paper, suffixes, Path(claims))
                for process in started:
                    process.wait()
            finally:
                for process in started:
                    process.kill()
                    process.wait()
        # What a worker could not draw is drawn here, where its error is seen.
        left = [plot for plot in jobs if not all(path.exists() for path in _files(plot, folder, suffixes))]
        _write(left, folder, paper, suffixes)
    except OSError as error:
        raise OutputError(f"cannot write plots into {folder}: {error.strerror}") from error


def _files(plot: Plot, folder: Path, suffixes: Iterable[str]) -> list[Path]:
    return [folder / f"{plot.name}.{suffix}" for suffix in suffixes]


def _start(
    jobs: Sequence[Plot], folder: Path, paper: bool, suffixes: Sequence[str], claims: Path
) -> subprocess.Popen[bytes]:
    """A worker: a plain interpreter that reads its plots from standard input.

    Forking a process with torch's threads is unsafe, and multiprocessing would import the user's script again.
    """
    command = [sys.executable, "-m", "segbench.report.plots"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdin is not None
    # A worker that died at once has drawn nothing, which shows at the end.
    with contextlib.suppress(BrokenPipeError), process.stdin:
        process.stdin.write(pickle.dumps(([_bare(plot) for plot in jobs], folder, paper, tuple(suffixes), claims)))
    return process


def _bare(plot: Plot) -> Plot:
    """The plot without a figure that it may hold already."""
    return Plot(plot.name, plot.title, plot.painter)


def _write(
    jobs: Iterable[Plot], folder: Path, paper: bool, suffixes: Sequence[str], claims: Path | None = None
) -> None:
    """Draw plots; with `claims`, those that no other process has claimed by a file there."""
    for plot in jobs:
        if claims is not None:
            try:
                (claims / plot.name).touch(exist_ok=False)
            except FileExistsError:
                continue
        # Not `plot.figure`, which would be kept: hundreds of figures fill the memory.
        figure = plot.painter(paper=paper)
        for path in _files(plot, folder, suffixes):
            # In place only when it is whole: a worker may be stopped at any moment.
            draft = path.with_name(f".{path.name}")
            save(figure, draft, paper=paper)
            draft.replace(path)


if __name__ == "__main__":
    _write(*pickle.loads(sys.stdin.buffer.read()))
