"""How long commands take against importing torch: ratios of one run.

Usage: python benchmarks/startup.py [REPEATS] [--compare]

With --compare it runs `segbench compare --all --no-speed`, too, once: it counts the whole catalog.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time

SEGBENCH = [sys.executable, "-m", "segbench"]
COMMANDS = {
    "import torch": [sys.executable, "-c", "import torch"],
    "segbench --help": [*SEGBENCH, "--help"],
    "segbench models": [*SEGBENCH, "models"],
    "segbench audit": [*SEGBENCH, "audit"],
}
COMPARE = "compare --all --no-speed"


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    arguments = [argument for argument in sys.argv[1:] if argument != "--compare"]
    repeats = int(arguments[0]) if arguments else 7
    for command in COMMANDS.values():
        seconds(command)  # the first call reads the disk
    # The commands take turns, so a busy moment falls on all of them.
    rounds = [{name: seconds(command) for name, command in COMMANDS.items()} for _ in range(repeats)]
    medians = {name: statistics.median(item[name] for item in rounds) for name in COMMANDS}
    if "--compare" in sys.argv:
        with tempfile.TemporaryDirectory() as folder:
            medians[COMPARE] = seconds([*SEGBENCH, *COMPARE.split(), "--out", folder])
    for name, median in medians.items():
        print(f"{name:24} {median * 1e3:7.0f} ms  {median / medians['import torch']:6.2f} x import torch")


if __name__ == "__main__":
    main()
