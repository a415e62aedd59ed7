"""A real Dask cluster of three processes on this machine, one of them killed while it measures."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from segbench.compare.planning import STAGE_LEVELS, plan
from segbench.compare.run import RECORDS, measure
from segbench.job import Settings
from segbench.measure.record import check_settings
from segbench.records import store
from segbench.report.comparison import write_report
from tests.processes import alive, wait_for

pytest.importorskip("distributed", reason="Dask is not installed: pip install 'segbench[cluster]'")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="kills with a Unix signal"),
]

ROOT = Path(__file__).parent.parent
NAMES = (
    *("enet", "efrnet", "erfnet", "mfpnet", "fpenet", "edanet"),
    *("cgnet", "contextnet", "dabnet", "esnet", "fbsnet", "lednet"),
)
# In a process of its own: what Dask warns of is its own affair.
CLUSTER = """
import json, logging, sys
from distributed import LocalCluster

if __name__ == "__main__":
    with LocalCluster(
        n_workers=3, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None,
        silence_logs=logging.CRITICAL,
    ) as cluster:
        pids = [worker.pid for worker in cluster.workers.values()]
        print(json.dumps({"address": cluster.scheduler_address, "pids": pids}), flush=True)
        sys.stdin.read()
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Address of the scheduler, and process numbers of the workers."""
    (tmp_path / "cluster.py").write_text(CLUSTER)
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "cluster.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(timeout=60)


def compare(*arguments: str) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-m", "segbench", "compare", *arguments]
    return subprocess.run(call, capture_output=True, text=True, check=False, cwd=ROOT, timeout=240)


def test_a_killed_worker_costs_nothing_and_the_table_is_that_of_one_process(
    cluster: dict[str, Any], tmp_path: Path
) -> None:
    path, victim = tmp_path / "out" / RECORDS, cluster["pids"][0]

    def kill() -> None:
        wait_for(lambda: path.exists() and len(path.read_text().splitlines()) >= 2)
        os.kill(victim, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    done = compare(
        *(*NAMES, "--res", "64x128", "--no-speed"),
        *("--scheduler", cluster["address"], "--out", str(tmp_path / "out")),
    )
    killer.join()
    assert done.returncode == 0, done.stderr
    assert not alive(victim)
    assert " is gone" in done.stderr
    records = store.read(path)
    assert sorted(record.model for record in records) == sorted(NAMES)
    assert [record.failure for record in records] == [None] * 12
    assert all(record.environment["torch"] for record in records)
    assert len({record.run.place for record in records if record.run}) >= 2

    settings = check_settings(Settings(device="cpu", speed=False, module_levels=STAGE_LEVELS))
    alone = [measure(job) for job in plan(NAMES, [(64, 128)], None, settings)]
    write_report(alone, tmp_path / "alone", plots=())
    assert (tmp_path / "out" / "table.md").read_text() == (tmp_path / "alone" / "table.md").read_text()


def test_nobody_at_an_address_is_one_line(tmp_path: Path) -> None:
    done = compare("enet", "--no-speed", "--scheduler", "tcp://127.0.0.1:9", "--out", str(tmp_path / "out"))
    assert done.returncode == 2, done.stderr
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2
    assert not (tmp_path / "out").exists()
