"""How long `segbench --help` and `segbench models` take against importing torch: ratios of one run.

Usage: python benchmarks/startup.py [REPEATS]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

COMMANDS = {
    "import torch": [sys.executable, "-c", "import torch"],
    "segbench --help": [sys.executable, "-m", "segbench", "--help"],
    "segbench models": [sys.executable, "-m", "segbench", "models"],
}


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    for command in COMMANDS.values():
        seconds(command)  # the first call reads the disk
    # The commands take turns, so a busy moment falls on all of them.
    rounds = [{name: seconds(command) for name, command in COMMANDS.items()} for _ in range(repeats)]
    medians = {name: statistics.median(item[name] for item in rounds) for name in COMMANDS}
    for name, median in medians.items():
        print(f"{name:18} {median * 1e3:7.0f} ms  {median / medians['import torch']:5.2f} x import torch")


if __name__ == "__main__":
    main()
