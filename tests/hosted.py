"""What tests let a host run; it imports no torch, which would take each process seconds."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import Any


def act(task: str) -> Any:
    """What a measurement might do; runs in a process of the host's."""
    if task == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if task.startswith("/"):
        Path(task).write_text(str(os.getpid()))
    if task == "hang" or task.startswith("/"):
        time.sleep(600)
    parent = multiprocessing.parent_process()
    if task == "kill host" and parent is not None and parent.pid is not None:
        os.kill(parent.pid, signal.SIGKILL)
        time.sleep(600)
    return os.environ.get("CUDA_VISIBLE_DEVICES"), parent.pid if parent else None
