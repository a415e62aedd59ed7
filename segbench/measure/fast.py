"""The fast mode, ``--optimize``: how fast the same network runs here with what costs no accuracy to speak of.

Batch normalisation folded, channels_last, cuDNN's own choice of algorithms, the precision asked for, and the fastest of
eager execution, a CUDA graph and torch.compile. It stands beside the protocol's figure and never in its place: papers'
FPS are of neither kind unless they say so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from segbench.errors import SegbenchError
from segbench.measure.device import Device
from segbench.measure.forms import ENGINES, Forms
from segbench.measure.frame import MeasurementError
from segbench.measure.memory import release
from segbench.measure.subject import Subject
from segbench.protocol import Protocol
from segbench.records.results import Optimized, Speed

Say = Callable[[str], None]


def optimized_speed(
    subject: Subject,
    resolution: tuple[int, int],
    protocol: Protocol,
    device: Device,
    budget_s: float | None = None,
    say: Say | None = None,
) -> Optimized:
    """Time the fastest form of a network under the rest of a protocol.

    Args:
        subject: the network.
        resolution: height and width.
        protocol: timed region, precision, batch, rounds and warm-up.
        device: where it runs.
        budget_s: seconds that timing all engines may take together; compiling comes on top.
        say: told the engine that is measured.

    Returns:
        The speed of the fastest engine, with its protocol and what was tried.

    Raises:
        MeasurementError: no engine ran.
    """
    forms, notes = Forms(subject, resolution, device), []
    fast = replace(
        protocol,
        name="optimized",
        source="segbench.measure.fast",
        channels_last=True,
        cudnn_benchmark=device.kind == "cuda",
        bn_folding=True,
        grad="inference",
    )
    try:
        folding = forms.folding().to_json()
    except SegbenchError as error:
        notes.append(str(error))
        folding, fast = None, replace(fast, bn_folding=False)
    best: tuple[Speed, str, dict[str, Any]] | None = None
    tried = []
    for engine in ENGINES:
        (say or (lambda _: None))(engine)
        row: dict[str, Any] = {"engine": engine, "fps": None, "unavailable": None}
        tried.append(row)
        try:
            speed, run = forms.speed(fast, engine, None if budget_s is None else budget_s / len(ENGINES))
            row["fps"] = speed.fps
            if best is None or speed.fps > best[0].fps:
                best = speed, engine, forms.deviation(run, fast)
            del run
        except SegbenchError as error:
            row["unavailable"] = str(error)
        release(device)
    if best is None:
        raise MeasurementError(f"the fast mode does not run: {tried[0]['unavailable']}")
    speed, engine, deviation = best
    return Optimized(
        **vars(speed),
        engine=engine,
        deviation=deviation,
        protocol_settings=fast.to_json(),
        tried=tried,
        folding=folding,
        notes=notes,
    )
