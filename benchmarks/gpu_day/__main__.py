"""Everything that only a CUDA device can show, the most valuable first, for as long as there is time.

    python -m benchmarks.gpu_day --out DIR --minutes 9.5 [--part check ...] [--references DIR]

Runs from a checkout, segbench installed or not. Every Record is in DIR/records.jsonl the moment it is measured, and
DIR/gpu-day.tgz, written anew after each step, holds everything. A later call with the same DIR, or with a DIR that
holds only that archive, goes on where this one stopped; it takes the same GPU model and revision. What does not fit
into the time is left to it. Exit status: 0; 1 where a step failed; 2 without a CUDA device.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

from benchmarks.gpu_day import kept, simulated
from benchmarks.gpu_day.plan import PARTS, ROOT, steps
from benchmarks.gpu_day.run import Day
from segbench.errors import SegbenchError
from segbench.job import Settings
from segbench.measure.device import open_device
from segbench.measure.environment import git_revision
from segbench.measure.record import check_settings
from segbench.version import __version__


def main(given: argparse.Namespace) -> int:
    if given.simulated:
        simulated.install()
    # Those that it starts import segbench from here, too.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    out = given.out.resolve()
    try:
        device = simulated.device() if given.simulated else open_device("cuda")
        kept.open_day(out, device.name, git_revision(), __version__)
        settings = check_settings(Settings(device="cuda"))
    except SegbenchError as error:
        print(error, file=sys.stderr)
        return 2
    wanted = [step for step in steps(settings, given.references) if step.part in (given.part or PARTS)]
    if given.simulated:
        wanted = [simulated.without_gpu(step) for step in wanted]
    measure = simulated.measure if given.simulated else None
    day = Day(out, time.monotonic() + 60 * given.minutes, say=_say, measure=measure)
    try:
        return day.run(wanted)
    finally:
        kept.pack(out)
        _say(f"everything is in {out / kept.ARCHIVE}")


def _say(line: str) -> None:
    print(line, flush=True)


def _ended(number: int, frame: Any) -> NoReturn:
    sys.exit(128 + number)


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu_day",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument("--out", type=Path, required=True, metavar="DIR", help="where Records and archive go")
    found.add_argument("--minutes", type=float, required=True, help="nothing runs longer than this")
    found.add_argument("--part", action="append", choices=PARTS, help="only this part; repeatable")
    found.add_argument("--references", type=Path, metavar="DIR", help="reference implementations, to time ours against")
    found.set_defaults(simulated=simulated.asked_for())
    return found


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _ended)
    try:
        sys.exit(main(parser().parse_args()))
    except KeyboardInterrupt:
        sys.exit(130)
