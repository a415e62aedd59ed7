"""Measure one task here: ``python -m segbench.regress.worker count|time TASK.json RECORD.json``.

Started in a checkout of another revision, it imports the project, and segbench where that is the project, from there.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

from segbench.errors import SegbenchError
from segbench.regress.sampling import Task, describe, time_once


def main() -> int:
    """Measure; what the user's code prints cannot spoil the Record, which goes to a file."""
    what, source, target = sys.argv[1:]
    task = Task.from_json(json.loads(Path(source).read_text(encoding="utf-8")))
    try:
        task = replace(task, settings=task.settings.check())
        record = describe(task) if what == "count" else time_once(task)
    except SegbenchError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    Path(target).write_text(json.dumps(record), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
