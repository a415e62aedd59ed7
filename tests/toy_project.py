"""A project of 60 commits with three planted changes of what is computed and two planted slowdowns.

What a commit computes is counted from its own source; what it takes is timed on a simulated device.
"""

from __future__ import annotations

import functools
import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from segbench.job import Job, Settings
from segbench.measure.record import measure_job
from segbench.measure.simulated import Behaviour, process_rounds
from segbench.protocol import protocol_for
from segbench.records.record import Record
from segbench.records.results import Latency, Memory, Speed

COMMITS = 60
WIDER, ONE_MORE_NORM, SMALLER_STRIDE = 12, 27, 48
CHANGED = {
    WIDER: ("Unit(3, 8, 3)", "Unit(3, 8, 5)"),
    ONE_MORE_NORM: ("nn.BatchNorm2d(8))", "nn.BatchNorm2d(8), nn.BatchNorm2d(8))"),
    SMALLER_STRIDE: ("stride=4", "stride=2"),
}
"""By number of the commit, the text that it replaces and what comes in its place."""

SLOWER = {20: 1.06, 39: 1.06}
"""By number of the commit, what the time of a frame grows by."""

SOURCE = """
from torch import nn

FRAME_MS = 20.0

class Unit(nn.Sequential):
    def __init__(self, inputs, outputs, kernel):
        conv = nn.Conv2d(inputs, outputs, kernel, stride=4, padding=kernel // 2)
        super().__init__(conv, nn.BatchNorm2d(8))

class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.unit = Unit(3, 8, 3)
        self.head = nn.Conv2d(8, num_classes, 1)
    def forward(self, x):
        return self.head(self.unit(x))

def build(num_classes=19):
    return Net(num_classes)
"""
NETWORK = "toynets.net:build"
SIZE = (64, 64)


def source(number: int) -> str:
    """The project's file at a commit."""
    text, frame_ms = SOURCE, 20.0
    for commit, (before, after) in CHANGED.items():
        assert text.count(before) == 1
        text = text.replace(before, after) if number >= commit else text
    for commit, factor in SLOWER.items():
        frame_ms *= factor if number >= commit else 1.0
    return text.replace("FRAME_MS = 20.0", f"FRAME_MS = {frame_ms!r}")


def untimed(text: str) -> str:
    """The source whose counts are those of all that differ from it in speed alone."""
    return re.sub(r"FRAME_MS = \S+", "FRAME_MS = 20.0", text)


def make(folder: Path, commits: int = COMMITS, broken: Mapping[int, str] | None = None) -> list[str]:
    """A repository in a folder, by one process of git; hashes of its commits, the oldest first.

    Args:
        folder: which exists.
        commits: how many.
        broken: what the file of some commits is instead.
    """
    stream = []
    for number in range(1, commits + 1):
        stamp = f"test <test@example.org> {1_700_000_000 + 3600 * number} +0000"
        files = {"toynets/__init__.py": "", "toynets/net.py": (broken or {}).get(number, source(number))}
        files["number.txt"] = f"{number}\n"
        stream.append(f"commit refs/heads/main\ncommitter {stamp}\n{_data(f'Commit number {number}')}")
        stream += [f"M 100644 inline {name}\n{_data(text)}" for name, text in files.items()]
    git(folder, "init", "-q", "-b", "main")
    git(folder, "fast-import", "--quiet", text="".join(f"{part}\n" for part in stream))
    git(folder, "reset", "-q", "--hard", "main")
    return git(folder, "rev-list", "--reverse", "main").splitlines()


def _data(text: str) -> str:
    return f"data {len(text.encode())}\n{text}"


def git(folder: Path, *arguments: str, text: str | None = None) -> str:
    """What git prints."""
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=folder, input=text, check=True, capture_output=True, text=True).stdout.strip()


@functools.cache
def counted(text: str, at: tuple[int, int, float] | None = None) -> Record:
    """Counts, modules and signature of a source; it is what `segbench.regress.sampling.describe` finds."""
    settings = Settings(device="cpu", speed=False, structure=True, signature=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.py"
        path.write_text(text, encoding="utf-8")
        job = Job(model=f"{path}:build", classes=19, resolution=SIZE, settings=settings, signature_at=at)
        return replace(measure_job(job), model=NETWORK, created="2026-11-21T10:00:00Z")


def behaviour(text: str, noise: float) -> Behaviour:
    """The simulated device as a source keeps it busy."""
    found = re.search(r"FRAME_MS = (\S+)", text)
    assert found is not None
    return Behaviour(frame_ms=float(found[1]), process_noise=noise, frame_noise=0.01)


def timed(record: Record, text: str, seeds: range, noise: float = 0.005) -> Record:
    """Counts of a source with its timing in one or more processes on the simulated device."""
    protocol = protocol_for("forward", "fp32", 1, 1)
    rounds = [process_rounds(behaviour(text, noise), protocol, seed) for seed in seeds]
    fps = [fmean(of_process) for of_process in rounds]
    speed = Speed(
        mode="forward",
        device="cuda",
        device_name="simulated",
        precision="fp32",
        batch=1,
        fps=fmean(fps),
        latency_ms=Latency(median=1e3 / fmean(fps)),
        process_fps=fps,
        process_latency_ms=[1e3 / value for value in fps],
        process_round_fps=rounds,
        processes=len(fps),
    )
    memory = Memory(peak_mib=100.0, process_peak_mib=[100.0] * len(fps))
    return replace(record, speed=speed, memory=memory, protocol=protocol.to_json())
