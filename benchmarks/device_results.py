"""Measure what `results/<device>/records.jsonl` publishes, the most important first, for as long as there is time.

    python benchmarks/device_results.py results/h200 --minutes 25 [-- --device cuda:1]

1. the five papers' networks at each of their resolutions, in both modes, five processes, the first with its waterfall;
2. every other network of the catalog at its first resolution, mode forward, one process;
3. what the second step measured once, in five processes.

Every Record is on disk the moment it is measured, in a folder of its mode under WORK, and a later call goes on where
this one stopped. What follows ``--`` goes to `segbench compare`. At the end, also after Ctrl-C, the Records of both
modes are put together in OUT; `python -m segbench.published results README.md` then draws the report anew.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from segbench import store
from segbench.catalog import CATALOG
from segbench.compare import RECORDS
from segbench.resolution import show

PAPERS = ("MFPNet", "FRMNet", "FRFNet", "ESeg", "EFRNet")
MODES = ("forward", "swiftnet")


@dataclass(frozen=True)
class Step:
    """One call of `segbench compare`: networks that share their sizes, in one mode."""

    mode: str
    names: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    processes: int
    waterfall: bool = False

    def arguments(self) -> list[str]:
        """What `segbench` is called with, but for the folder."""
        sizes = [part for size in self.sizes for part in ("--res", show(size))]
        repeats = ["--processes", str(self.processes), *(["--waterfall"] if self.waterfall else [])]
        return ["compare", *self.names, *sizes, "--mode", self.mode, *repeats]


def steps() -> Iterator[Step]:
    """All calls, the most important first."""
    own = [entry for entry in CATALOG.values() if entry.family in PAPERS]
    others = [entry for entry in CATALOG.values() if entry.family not in PAPERS]
    for mode in MODES:
        for sizes in dict.fromkeys(entry.resolutions for entry in own):
            names = tuple(entry.name for entry in own if entry.resolutions == sizes)
            yield Step(mode, names, sizes, 5, waterfall=mode == "forward")
    for processes in (1, 5):
        for size in dict.fromkeys(entry.resolutions[0] for entry in others):
            names = tuple(entry.name for entry in others if entry.resolutions[0] == size)
            yield Step("forward", names, (size,), processes)


def gather(work: Path, out: Path) -> int:
    """Put the Records of every mode together in `out`; returns their number."""
    files = [work / mode / RECORDS for mode in MODES if (work / mode / RECORDS).is_file()]
    records = [record for file in files for record in store.read(file, tolerant=True)]
    if records:
        store.write_text(out / RECORDS, "".join(json.dumps(record.to_json()) + "\n" for record in records))
    return len(records)


def main(arguments: list[str]) -> int:
    end_of_own = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--work", type=Path, default=Path("segbench-device"), help="folder of the sweeps, kept")
    parser.add_argument("--minutes", type=float, default=25.0, help="no sweep runs longer than this, all together")
    given = parser.parse_args(arguments[:end_of_own])
    for_compare = arguments[end_of_own + 1 :]
    end = time.monotonic() + 60 * given.minutes
    failed = 0
    try:
        for step in steps():
            left = end - time.monotonic()
            if left < 10:
                print("the time is used up; the next call goes on here")
                break
            print(f"{step.mode}, {len(step.names)} networks, {step.processes} processes each", flush=True)
            command = [sys.executable, "-m", "segbench", *step.arguments(), "--out", str(given.work / step.mode)]
            try:
                done = subprocess.run([*command, *for_compare], check=False, timeout=left, stdout=subprocess.DEVNULL)
                failed += done.returncode != 0
            except subprocess.TimeoutExpired:
                print("the time is used up; the next call goes on here")
                break
    except KeyboardInterrupt:
        print("stopped")
    print(f"{gather(given.work, given.out)} Records in {given.out / RECORDS}; {failed} sweeps had failures")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
