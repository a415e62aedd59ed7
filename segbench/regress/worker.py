"""Measure one job here: ``python -m segbench.regress.worker count|time JOB.json RECORD.json``.

Started in a checkout of another revision, it imports the project, and segbench where that is the project, from there.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

from segbench.errors import SegbenchError, UnknownName
from segbench.job import Job
from segbench.measure.record import check_settings
from segbench.regress.sampling import describe, time_once

UNKNOWN = 3
"""Exit status for a network that does not exist."""


def main() -> int:
    """Measure; what the user's code prints cannot spoil the Record, which goes to a file."""
    what, source, target = sys.argv[1:]
    job = Job.from_json(json.loads(Path(source).read_text(encoding="utf-8")))
    try:
        job = replace(job, settings=check_settings(job.settings))
        record = describe(job) if what == "count" else time_once(job)
    except SegbenchError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return UNKNOWN if isinstance(error, UnknownName) else 2
    Path(target).write_text(json.dumps(record.to_json()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
