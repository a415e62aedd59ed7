"""Run the steps of a GPU day within its time, and keep the status of each and the archive of all."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.gpu_day import kept
from benchmarks.gpu_day.kept import CUT, FAILED, PASSED, SKIPPED, Status
from benchmarks.gpu_day.plan import ROOT, Step, arguments
from segbench.compare.run import Progress, answered, stored, sweep
from segbench.job import Job
from segbench.records.record import Record

# A command that has so little of its expected time would only be cut; jobs are begun as long as one may end.
LEAST_SHARE = 0.6
LEAST_JOB_S = 5.0
# A command that takes so many times as long as expected hangs.
MOST_SHARE = 3.0
LONGEST_JOB_S = 240.0


@dataclass
class Day:
    """A day's folder and its time.

    Attributes:
        out: the folder.
        end: on `time.monotonic`.
        say: told one line at a time.
        measure: measures one job in a process of its own; None for the real one.
        sweep: measures jobs; `segbench.compare.run.sweep`, or what a test puts in its place.
    """

    out: Path
    end: float
    say: Callable[[str], None] = print
    measure: Callable[[Job], Record] | None = None
    sweep: Callable[..., list[Record]] = sweep
    ended: list[Status] = field(default_factory=list)

    def run(self, steps: Sequence[Step]) -> int:
        """Run what is still to be done, what failed before after everything else.

        Returns:
            0, or 1 where a step failed: in this call, or in an earlier one and not again in this.
        """
        before = kept.statuses(self.out)
        pending = [step for step in steps if not self._done(step, before)]
        pending.sort(key=lambda step: before.get(step.name) == FAILED)
        for step in pending:
            self._finish(step, *self._try(step))
        now = kept.statuses(self.out)
        failed = [step.name for step in steps if now.get(step.name) == FAILED]
        open_steps = [step.name for step in pending if now.get(step.name) in (CUT, SKIPPED)]
        if open_steps:
            self.say(f"{len(open_steps)} steps are left for the next call: {', '.join(open_steps)}")
        if failed:
            self.say(f"failed: {', '.join(failed)}")
        return 1 if failed else 0

    def _done(self, step: Step, before: dict[str, str]) -> bool:
        if not step.jobs:
            return before.get(step.name) == PASSED
        # The Records say it, whatever the steps' file says.
        return len(answered(step.jobs, stored(self.out))) == len(step.jobs)

    def _finish(self, step: Step, status: str, seconds: float, reason: str) -> None:
        if status == SKIPPED and kept.statuses(self.out).get(step.name) == FAILED:
            # Not tried again in this call: what it said stands.
            return
        self.ended.append(Status(step.name, status, round(seconds, 1), reason))
        kept.keep(self.out, self.ended[-1])
        left_out = kept.pack(self.out)
        self.say(f"{status:8}{step.name} ({seconds:.0f} s){f': {reason}' if reason else ''}")
        if left_out:
            self.say(f"        left out of the archive, which would be too large: {', '.join(left_out)}")

    def _try(self, step: Step) -> tuple[str, float, str]:
        begin = time.monotonic()
        left = self.end - begin
        if step.needs and not (self.out / step.needs).exists():
            return SKIPPED, 0.0, f"there is no {step.needs}"
        if left < (LEAST_JOB_S if step.jobs else LEAST_SHARE * step.seconds):
            return SKIPPED, 0.0, "no time"
        status, reason = self._measure(step) if step.jobs else self._command(step, left)
        return status, time.monotonic() - begin, reason

    def _measure(self, step: Step) -> tuple[str, str]:
        def tell(news: Progress) -> None:
            if news.record is not None:
                self.say(f"        {news.done}/{news.total} {news.job.title}: {_in_words(news.record)}")

        records = self.sweep(
            step.jobs, self.out, timeout_s=LONGEST_JOB_S, deadline=self.end, on_progress=tell, function=self.measure
        )
        failures = [f"{record.model}: {record.failure}" for record in records if record.failure]
        if failures:
            return FAILED, f"{len(failures)} of {len(step.jobs)}; {failures[-1]}"
        done = f"{len(records)} of {len(step.jobs)} Records"
        return (PASSED, done) if len(records) == len(step.jobs) else (CUT, done)

    def _command(self, step: Step, left: float) -> tuple[str, str]:
        if step.writes:
            (self.out / step.writes).unlink(missing_ok=True)
        limit = min(left, MOST_SHARE * step.seconds)
        log = self.out / f"{step.name}.txt"
        with log.open("wb") as file:
            # A session of its own: what it started ends with it.
            process = subprocess.Popen(
                arguments(step, self.out), cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
            )
            try:
                status = process.wait(limit)
            except subprocess.TimeoutExpired:
                return (CUT, "the time is used up") if limit == left else (FAILED, f"not done after {limit:.0f} s")
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        last = _last_line(log)
        return (PASSED, last) if status == 0 else (FAILED, f"status {status}; {last}")


def _in_words(record: Record) -> str:
    speed = record.speed
    if record.failure or speed is None:
        return record.failure or "not timed"
    benchmark = "on" if record.protocol.get("cudnn_benchmark") else "off"
    return f"{speed.fps:.1f} FPS, {speed.mode}, cudnn.benchmark {benchmark}"


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
