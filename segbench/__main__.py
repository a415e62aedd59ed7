"""``python -m segbench`` is the ``segbench`` command."""

from __future__ import annotations

from segbench.cli import main

if __name__ == "__main__":
    main()
