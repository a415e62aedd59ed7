"""Everything that only a CUDA device can show, the most valuable first: `python -m benchmarks.gpu_day --help`."""
