"""What a CUDA FPS says of the network, in words: whether launching its kernels bounds it, and the steady figures."""

from __future__ import annotations

from segbench.records.results import Speed
from segbench.units import significant

LAUNCH_BOUND = "launch-bound"


def headline(speed: Speed) -> str:
    """``65 FPS as called; the GPU needs 8.5 ms: 118 FPS as a CUDA graph``; empty where launching bounds nothing."""
    if speed.verdict != LAUNCH_BOUND:
        return ""
    busy = f"; the GPU needs {significant(speed.gpu_busy_ms)} ms" if speed.gpu_busy_ms is not None else ""
    graph = f"{': ' if busy else '; '}{significant(speed.graph_fps)} FPS as a CUDA graph" if speed.graph_fps else ""
    return f"{significant(speed.fps)} FPS as called{busy}{graph}"


def steady(speed: Speed) -> str:
    """``as called, launch-bound; 118 as a CUDA graph, GPU busy 8.50 ms, 655 kernels``, under an FPS in a table."""
    parts = []
    if speed.graph_fps is not None:
        parts.append(f"{significant(speed.graph_fps)} as a CUDA graph")
    if speed.gpu_busy_ms is not None:
        parts.append(f"GPU busy {significant(speed.gpu_busy_ms)} ms")
    if speed.enqueue_ms is not None:
        parts.append(f"enqueued in {significant(speed.enqueue_ms)} ms")
    if speed.launches is not None:
        parts.append(f"{speed.launches:,.0f} kernels")
    if not parts:
        return ""
    called = f"as called, {LAUNCH_BOUND}" if speed.verdict == LAUNCH_BOUND else "as called"
    return f"{called}; {', '.join(parts)}"
