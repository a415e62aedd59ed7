"""Accuracy: data sets, evaluation against checkpoints, official scoring."""
