"""Measuring: speed, memory, and the environment they were measured in."""
