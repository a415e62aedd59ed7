"""Time and memory that `check` and `report` take over 50,000 counts, and over 5,000 timings with all their samples.

Usage: python -m benchmarks.many_records [--counts N] [--timings N]. Under 60 s and 1 GiB are asked for, on two cores.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from segbench.catalog import CATALOG
from segbench.job import Settings
from segbench.records.record import Record
from segbench.records.results import Latency, Memory, Process, Speed

FAMILIES = {"macs": 1.0, "conv-macs": 0.98, "2xmacs": 2.0, "fvcore": 1.01, "thop": 1.02, "live-macs": 0.97}
PROCESSES = 10
FRAMES = 100
SECONDS, MIB = 60.0, 1024.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, default=50_000)
    parser.add_argument("--timings", type=int, default=5_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind, records in (("counts", counts(given.counts)), ("timings", timings(given.timings))):
            path = folder / f"{kind}.jsonl"
            number = write(path, records)
            for call in (
                ["check", "--baseline", path, "--current", path],
                ["report", path, "--out", folder / f"report-{kind}"],
            ):
                status, seconds, processor, mib = measured([sys.executable, "-m", "segbench", *map(str, call)])
                good = status == 0 and seconds < SECONDS and mib < MIB
                taken = f"{seconds:5.1f} s ({processor:.1f} s of a processor), {mib:5,.0f} MiB, exit status {status}"
                size = f"{path.stat().st_size / 2**20:,.0f} MiB"
                verdict = "as asked" if good else "NOT AS ASKED"
                print(f"{call[0]:6} {number:6,} {kind} ({size}): {taken}: {verdict}", flush=True)


def counts(number: int) -> Iterator[Record]:
    """Counts of the catalog's networks at many sizes."""
    sizes = ((height, width) for height in range(64, 4096, 64) for width in range(64, 4096, 64))
    networks = ((entry, size) for size in sizes for entry in CATALOG.values())
    for entry, (height, width) in itertools.islice(networks, number):
        macs = height * width * 1_000
        operations = {rule: int(macs * factor) for rule, factor in FAMILIES.items()}
        yield Record(
            model=entry.name,
            fidelity=entry.fidelity,
            classes=19,
            resolution=(height, width),
            params=entry.params,
            live_params=entry.params,
            operations=operations,
            created="2026-11-21T10:00:00Z",
        )


def timings(number: int) -> Iterator[Record]:
    """Timings, each of ten processes with every latency of five rounds."""
    chance = random.Random(0)
    protocol = Settings().protocol().to_json()
    for place, count in enumerate(counts(-(-number // PROCESSES))):
        for index in range(PROCESSES):
            rounds = [[chance.gauss(10.0, 0.1) for _ in range(FRAMES)] for _ in range(5)]
            fps = 1e3 * FRAMES / sum(rounds[0])
            count.speed = Speed(
                mode="forward",
                protocol="forward",
                device="cuda",
                device_name="NVIDIA H200",
                precision="fp32",
                batch=1,
                fps=fps,
                latency_ms=Latency(mean=10.0, median=chance.gauss(10.0, 0.05), p5=9.8, p95=10.2),
                frames=FRAMES,
                rounds_ms=rounds,
                round_seconds=[sum(samples) / 1e3 for samples in rounds],
                round_fps=[1e3 * FRAMES / sum(samples) for samples in rounds],
                warmup_ms=[chance.gauss(10.0, 0.1) for _ in range(FRAMES)],
                launches=100 + place,
            )
            count.memory = Memory(peak_mib=100.0)
            count.protocol = protocol
            count.environment = {"torch": "2.13.0", "cuda": "12.8", "gpus": {}, "variables": {}}
            count.process = Process(index=index, of=PROCESSES, seed=0)
            yield count


def write(path: Path, records: Iterable[Record]) -> int:
    """Write Records line by line; their number."""
    number = 0
    with path.open("w", encoding="utf-8") as file:
        for number, record in enumerate(records, 1):  # noqa: B007
            file.write(json.dumps(record.to_json()) + "\n")
    return number


def measured(call: list[str]) -> tuple[int, float, float, float]:
    """Exit status, seconds on the wall and of a processor, and MiB at the peak of one process."""
    start = time.perf_counter()
    process = subprocess.Popen(call, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    return os.waitstatus_to_exitcode(status), seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
