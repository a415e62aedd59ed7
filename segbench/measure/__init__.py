"""Measuring: parameters, operations, speed, memory, and the environment they were measured in."""

from __future__ import annotations

from segbench.measure.counting import count

__all__ = ["count"]
