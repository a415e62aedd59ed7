"""Kill segbench at random moments, and see that nothing is lost, doubled, corrupt or left running.

``python -m benchmarks.kills --kills 100`` prints a line for each kill. Killed are a comparison and one of its workers,
a report while it is drawn, and a baseline while it is measured and written.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from segbench import files
from segbench.records import store
from segbench.records.record import Record

NETWORKS = ("enet", "erfnet", "espnet", "cgnet", "fastscnn", "contextnet")
SIZE = ("--res", "64x128", "--no-speed")
ENDINGS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
WAYS = ("comparison", "worker", "report", "baseline")
MARK = "SEGBENCH_KILLS"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for line in kill(given.kills, Path(folder), given.seed):
            print(line, flush=True)


def kill(kills: int, folder: Path, seed: int = 0, networks: Sequence[str] = NETWORKS) -> Iterator[str]:
    """Kill so many times, each way in turn; says what was killed and how far it was.

    A kill that its call outlives, because it comes before the call's first line or after its last, is one too.

    Raises:
        AssertionError: something was lost, doubled, corrupt or left running.
    """
    chance = random.Random(seed)
    prepared = folder / "prepared"
    took = {way: _whole(way, prepared, networks) for way in ("comparison", "report", "baseline")}
    took["worker"] = took["comparison"]
    for number in range(kills):
        way, place = WAYS[number % len(WAYS)], folder / str(number)
        shutil.copytree(prepared / "out", place / "old")
        ending = chance.choice(ENDINGS)
        moment = took[way] * chance.uniform(0.3, 1.0)
        what = _killed(way, place, networks, moment, ending)
        _check(way, place, networks, prepared)
        shutil.rmtree(place)
        yield f"{number + 1}: {way}, {ending.name} after {moment:.1f} of {took[way]:.1f} s: {what}"


def _call(way: str, place: Path, networks: Sequence[str]) -> list[str]:
    call = {
        "report": ["report", "old/records.jsonl", "--out", "report", "--formats", "svg"],
        "baseline": ["baseline", "save", *networks, *SIZE, "--baseline", "base.json"],
    }.get(way, ["compare", *networks, *SIZE, "--out", "out"])
    place.mkdir(parents=True, exist_ok=True)
    return [sys.executable, "-m", "segbench", *call]


def _whole(way: str, place: Path, networks: Sequence[str]) -> float:
    if way == "report":
        shutil.copytree(place / "out", place / "old")
    start = time.monotonic()
    subprocess.run(_call(way, place, networks), cwd=place, check=True, capture_output=True)
    return time.monotonic() - start


def _killed(way: str, place: Path, networks: Sequence[str], moment: float, ending: signal.Signals) -> str:
    """Start a call, end it, or a worker of it, and wait until nothing of it runs; says what it left."""
    mark = uuid.uuid4().hex
    # A shell's background job ignores Ctrl-C, and so would this one.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        _call(way, place, networks),
        cwd=place,
        env={**os.environ, MARK: mark},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    signal.signal(signal.SIGINT, before)
    time.sleep(moment)
    found = store.read(place / "out/records.jsonl", tolerant=True) if (place / "out/records.jsonl").exists() else []
    if way == "worker":
        workers = [pid for pid in _running(mark) if pid != process.pid]
        if workers:
            _signal(max(workers), signal.SIGKILL)
    else:
        _signal(process.pid, ending)
    _, errors = process.communicate(timeout=120)
    assert "Traceback" not in errors, errors
    told = [line for line in errors.splitlines() if not re.match(r"\d+ of \d+: ", line)]
    assert len(told) <= 2, errors
    deadline = time.monotonic() + 20
    while left := _running(mark):
        assert time.monotonic() < deadline, f"left running: {left}"
        time.sleep(0.05)
    if way in ("comparison", "worker") and found:
        now = store.read(place / "out/records.jsonl", tolerant=True)
        assert now[: len(found)] == found, "Records that were on disk are lost"
    return f"status {process.returncode}, {errors.strip() or 'nothing said'}"


def _signal(pid: int, ending: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, ending)


def _running(mark: str) -> list[int]:
    """Processes that carry a mark in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and f"{MARK}={mark}".encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def _check(way: str, place: Path, networks: Sequence[str], prepared: Path) -> None:
    """What is there is whole, and the same call ends as one that nobody killed."""
    base = place / "base.json"
    if base.exists():
        assert len(store.read(base)) == len(networks), "half a baseline"
        return
    for draft in place.rglob(".*"):
        os.utime(draft, (0, 0))  # a young one could be another process's
    done = subprocess.run(_call(way, place, networks), cwd=place, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    drafts = [path for path in place.rglob(".*") if path.name.startswith((files.DRAFT, files.REPORT, files.OLD_REPORT))]
    assert not drafts, drafts
    if way == "report":
        assert _content(place / "report") == _content(prepared / "report"), "another report"
    elif way == "baseline":
        assert len(store.read(base)) == len(networks)
    else:
        records = store.read(place / "out/records.jsonl")
        counted = Counter(record.model for record in records if not record.failure)
        assert counted == Counter(networks), f"lost or doubled: {counted}"
        assert _counts(records) == _counts(store.read(prepared / "out/records.jsonl"))


def _counts(records: list[Record]) -> dict[str, str]:
    return {record.model: json.dumps(record.operations, sort_keys=True) for record in records if not record.failure}


def _content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


if __name__ == "__main__":
    main()
