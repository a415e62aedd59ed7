"""Many networks compared: what is measured, in which order, on which GPUs or workers, and in how many calls."""
