"""Weights of a checkpoint: read from a file without running code, found in it, checked, and loaded into a network."""
